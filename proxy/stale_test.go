package proxy_test

import (
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

// H22
func TestAfterAMarkerTheOldValueIsServedWhileOneFetchRefreshesIt(t *testing.T) {
	// The window is long, so that only a refresh ends it here.
	s, store, p := held(t, func(c *cache.Config) { c.StaleWhileRevalidate = 2 * time.Second })
	s.cache.Mark(cover("f"))
	// Sooner or later the entity's turn comes. Nobody waits for it.
	var refresh *fakeRequest
	reads := uint64(0)
	await(t, "a refresh is sent", func() bool {
		reads++
		p.send(cmd("HMGET e f g"))
		p.wants(array("F", "G"))
		select {
		case refresh = <-store.got:
			return true
		default:
			return false
		}
	})
	for range 20 { // and no second one
		reads++
		p.send(cmd("HMGET e f g"))
		p.wants(array("F", "G"))
	}
	if len(store.got) != 0 || s.up.Joined.Load() != 0 {
		t.Fatal("a second refresh is in flight")
	}
	if got := s.staleServed(); got["revalidate"] != reads || got["error"] != 0 {
		t.Errorf("%v, want %d", got, reads)
	}
	if len(refresh.args) != 3 || refresh.args[2] != "f" {
		t.Errorf("the refresh is %q: it needs f alone", refresh.args)
	}
	refresh.reply(array("F2"))
	await(t, "the new value is served", func() bool {
		p.send(cmd("HMGET e f"))
		return p.reply() == array("F2")
	})
	p.send(cmd("HMGET e f g"))
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
	s, store, p := held(t, func(c *cache.Config) { c.StaleWhileRevalidate = 4 * time.Second })
	s.cache.Mark(cover("f"))
	for range 2 {
		await(t, "a refresh is sent", func() bool {
			p.send(cmd("HMGET e f g"))
			p.wants(array("F", "G"))
			select {
			case r := <-store.got:
				r.reply("-ERR no\r\n")
				return true
			default:
				return false
			}
		})
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
