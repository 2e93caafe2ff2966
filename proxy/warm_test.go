package proxy_test

import (
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/proxy"
)

// warm warms s with what a follower of a peer was told.
func (s *decodingStack) warm(view cache.View, told proxy.Asked) (asked bool) {
	s.t.Helper()
	var fields [][]byte
	for _, f := range told.Projection.Fields {
		fields = append(fields, []byte(f.Name))
	}
	done := make(chan bool, 1)
	asked = s.server.Warm(view, told.Entity, fields, func(failed bool) { done <- failed })
	select {
	case failed := <-done:
		if failed {
			s.t.Error("it failed")
		}
	case <-time.After(patience):
		s.t.Fatal("it is never done")
	}
	return asked
}

// told is what the clients of a peer with that view ask for, as it tells a follower.
func told(t *testing.T, view proxy.View) proxy.Asked {
	t.Helper()
	s := newDecodingStack(t, view)
	s.fill()
	asked, stop := s.server.Follow(1)
	defer stop()
	s.dial().wantsDone("HMGET e "+allNames, decodedAll)
	select {
	case a := <-asked:
		return a
	case <-time.After(patience):
		t.Fatal("nothing was told")
	}
	panic("not reached")
}

// What the clients of a peer have decoded is told to followers as such; and where
// clients want it so too, it is held decoded, and answers them without a fetch.
func TestWarmingHoldsWhatClientsWantDecoded(t *testing.T) {
	a := told(t, decoded)
	if want := (cache.View{Decoded: true}); a.Projection.View != want || string(a.Entity) != "e" {
		t.Fatalf("told of %q in %+v", a.Entity, a.Projection.View)
	}
	s := newDecodingStack(t, decoded)
	s.fill()
	if !s.warm(a.Projection.View, a) {
		t.Error("nothing was fetched")
	}
	for _, p := range s.cache.Projections() {
		if !p.View.Decoded {
			t.Errorf("%q is asked for as stored, which nobody wants", p.Wire)
		}
	}
	s.store.Del("e")
	s.dial().wantsDone("HMGET e "+allNames, decodedAll)
	if s.warm(a.Projection.View, a) {
		t.Error("what is held was fetched again")
	}
}

// Where nobody has values decoded, what the clients of a peer have decoded is held
// as stored; and what is held as stored is decoded for those who come, not fetched.
func TestWarmingHoldsAsStoredWhatClientsWantAsStored(t *testing.T) {
	a := told(t, decoded)
	s := newDecodingStack(t, proxy.View{})
	s.fill()
	score := bulk(s.store.HGet("e", "score"))
	if !s.warm(cache.View{}, a) {
		t.Error("nothing was fetched")
	}
	s.store.Del("e")
	s.dial().wantsDone("HGET e score", score)
	if s.warm(cache.View{Decoded: true}, a) {
		t.Error("what is held as stored was fetched again")
	}
}
