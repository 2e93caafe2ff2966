package proxy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
)

// cover is one of names.
func cover(names ...string) *feature.Cover {
	c, err := feature.NewCover(names, nil)
	if err != nil {
		panic(err)
	}
	return c
}

// staleServed is how many values were served stale, by reason.
func (s *stack) staleServed() map[string]uint64 {
	all := map[string]uint64{}
	st := s.server.Stats()
	st.StaleServed(func(reason string, n uint64) { all[reason] = n })
	return all
}

// held has f and g of e in memory, from a fetch some ticks ago.
func held(t *testing.T, change func(*cache.Config)) (*stack, *fakeStore, *peer) {
	t.Helper()
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { change(&s.cache) })
	p := s.dial()
	p.send(cmd("HMGET e f g"))
	store.wants("HMGET e f g").reply(array("F", "G"))
	p.wants(array("F", "G"))
	time.Sleep(3 * cache.TickLength) // or an invalidation in the same tick would be later anyway
	return s, store, p
}

const (
	// longWindow is for how long due's values are served stale: for longer than any
	// machine stalls.
	longWindow = 2 * time.Minute
	// manyEntities are so many that one's turn to be refreshed comes soon all the same.
	manyEntities = 500
)

// due has f and g of an entity in memory, of which those marked are stale and its
// turn to be refreshed has come: a refresh has failed. What is asked of it from then
// on is for the test to answer.
func due(t *testing.T, marked ...string) (s *stack, store *fakeStore, p *peer, entity string) {
	t.Helper()
	store = newFakeStore(t)
	s = newStack(t, store.addr, func(s *setup) { s.cache.StaleWhileRevalidate = longWindow })
	p = s.dial()
	read := func(i int) {
		p.send(cmd(fmt.Sprintf("HMGET e%d f g", i)))
		p.wants(array("F", "G"))
	}
	store.answers(func(*fakeRequest) string { return array("F", "G") })
	for i := range manyEntities {
		read(i)
	}
	time.Sleep(3 * cache.TickLength) // or the marker in the same tick would be later anyway
	refreshed := make(chan string, manyEntities)
	store.answers(func(r *fakeRequest) string {
		refreshed <- r.args[1]
		return "-ERR no\r\n"
	})
	s.cache.Mark(cover(marked...))
	time.Sleep(3 * cache.TickLength) // likewise for what is fetched after it
	next := 0
	await(t, "an entity's turn comes", func() bool {
		for range manyEntities {
			read(next % manyEntities)
			next++
			if len(refreshed) > 0 {
				return true
			}
		}
		return false
	})
	entity = <-refreshed
	store.answersSome(func(r *fakeRequest) (string, bool) { return "-ERR no\r\n", r.args[1] != entity })
	return s, store, p, entity
}

// refreshOf reads an entity until a refresh of it is sent, and returns how often.
func (f *fakeStore) refreshOf(p *peer, entity string) (refresh *fakeRequest, reads uint64) {
	f.t.Helper()
	await(f.t, "a refresh is sent", func() bool {
		reads++
		p.send(cmd("HMGET " + entity + " f g"))
		p.wants(array("F", "G"))
		select {
		case refresh = <-f.got:
			return true
		default:
			return false
		}
	})
	return refresh, reads
}

// H22
func TestAfterAMarkerTheOldValueIsServedWhileOneFetchRefreshesIt(t *testing.T) {
	s, store, p, e := due(t, "f")
	before := s.staleServed()["revalidate"]
	refresh, reads := store.refreshOf(p, e) // nobody waits for it
	for range 20 {                          // and no second one
		reads++
		p.send(cmd("HMGET " + e + " f g"))
		p.wants(array("F", "G"))
	}
	if len(store.got) != 0 || s.up.Joined.Load() != 0 {
		t.Fatal("a second refresh is in flight")
	}
	if got := s.staleServed(); got["revalidate"] != before+reads || got["error"] != 0 {
		t.Errorf("%v, want %d", got, before+reads)
	}
	if got := refresh.String(); got != "HMGET "+e+" f" {
		t.Errorf("the refresh is %q: it needs f alone", got)
	}
	refresh.reply(array("F2"))
	await(t, "the new value is served", func() bool { return p.do("HMGET "+e+" f") == array("F2") })
	p.send(cmd("HMGET " + e + " f g"))
	p.wants(array("F2", "G"))
}

func TestAfterTheWindowAReadWaitsForItsFetch(t *testing.T) {
	s, store, p := held(t, func(c *cache.Config) { c.StaleWhileRevalidate = 50 * time.Millisecond })
	s.cache.Mark(cover("f"))
	time.Sleep(100 * time.Millisecond)
	p.send(cmd("HMGET e f g"))
	store.wants("HMGET e f").reply(array("F2"))
	p.wants(array("F2", "G"))
	if got := s.staleServed(); got["revalidate"] != 0 {
		t.Errorf("%v", got)
	}
}

func TestAFailedRefreshIsTriedAgain(t *testing.T) {
	_, store, p, e := due(t, "f")
	for range 2 {
		refresh, _ := store.refreshOf(p, e)
		refresh.reply("-ERR no\r\n")
	}
}

// Stale values answer a read whose fetch failed, in whichever way it did.
func TestAFailedFetchIsAnsweredFromStaleValuesWhereAllowed(t *testing.T) {
	for name, reply := range map[string]string{
		"the store says that it cannot": "-LOADING Redis is loading the dataset in memory\r\n",
		"the reply is none to HMGET":    "+OK\r\n",
		"no reply":                      "",
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr, func(s *setup) {
				s.cache.StaleIfError = time.Hour
				s.proxy.FetchTimeout = 200 * time.Millisecond
			})
			p := s.dial()
			p.send(cmd("HMGET e f g"))
			store.wants("HMGET e f g").reply(array("F", "G"))
			p.wants(array("F", "G"))
			time.Sleep(3 * cache.TickLength)
			s.cache.Mark(cover("f"))
			store.answers(func(*fakeRequest) string { return reply })
			p.send(cmds("HMGET e f g", "HGET e f"))
			p.wants(array("F", "G"), bulk("F"))
			if got := s.staleServed(); got["error"] != 2 || got["revalidate"] != 0 {
				t.Errorf("%v", got)
			}
			if st := s.server.Stats(); st.FetchErrors != 0 {
				t.Errorf("%d errors counted", st.FetchErrors)
			}
		})
	}
}

// What is the store's answer is given out, and so is the error where a value is
// not held, or may not be served.
func TestAFailedFetchIsAnErrorWhereStaleValuesWillNotDo(t *testing.T) {
	const loading = "-LOADING Redis is loading the dataset in memory\r\n"
	for name, c := range map[string]struct {
		ask, asked, reply, then string
		meanwhile               func(s *stack)
	}{
		"wrong type":      {"HMGET e f g", "HMGET e f", "-WRONGTYPE no\r\n", "WRONGTYPE", func(*stack) {}},
		"one is not held": {"HMGET e f h", "HMGET e f h", loading, "LOADING", func(*stack) {}},
		"updated meanwhile": {"HMGET e f g", "HMGET e f", loading, "LOADING", func(s *stack) {
			s.cache.Update([]byte("e"), [][]byte{[]byte("f")}, 0)
		}},
		"written meanwhile":   {"HMGET e f g", "HMGET e f", loading, "LOADING", func(s *stack) { s.cache.Invalidate([]byte("e"), 0) }},
		"forgotten meanwhile": {"HMGET e f g", "HMGET e f", loading, "LOADING", func(s *stack) { s.cache.Forget(cover("f"), 0) }},
		"suspended meanwhile": {"HMGET e f g", "HMGET e f", loading, "LOADING", func(s *stack) { s.cache.Suspend(cover("*")) }},
	} {
		t.Run(name, func(t *testing.T) {
			s, store, p := held(t, func(c *cache.Config) { c.StaleIfError = time.Hour })
			s.cache.Mark(cover("f"))
			p.send(cmd(c.ask))
			r := store.wants(c.asked)
			c.meanwhile(s)
			r.reply(c.reply)
			p.wantsError(c.then)
			if got := s.staleServed(); got["error"] != 0 {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestWithoutLeaveAFailedFetchIsAnError(t *testing.T) {
	s, store, p := held(t, func(*cache.Config) {})
	s.cache.Mark(cover("f"))
	p.send(cmd("HMGET e f g"))
	store.wants("HMGET e f").reply("-LOADING\r\n")
	p.wantsError("LOADING")
}

// Requests are counted by projection, so that a feature's hits and misses can be
// told.
func TestFeaturesKnowTheirHitsAndMisses(t *testing.T) {
	s, store, p := held(t, func(*cache.Config) {})
	p.send(cmds("HMGET e f g", "HGET e f", "HMGET e f g", "HMGET e g h"))
	store.wants("HMGET e h").reply(array("H"))
	p.wants(array("F", "G"), bulk("F"), array("F", "G"), array("G", "H"))
	want := map[string][2]uint64{"f": {3, 1}, "g": {3, 1}, "h": {0, 1}}
	for _, v := range s.cache.Features() {
		if got := [2]uint64{v.Hits, v.Misses}; got != want[v.Name] {
			t.Errorf("%s: hits and misses %v, want %v", v.Name, got, want[v.Name])
		}
	}
}
