package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// script makes random requests. Entities "r…" are only read, so that they are
// hits before long; "w…" are written too.
type script struct{ rng *rand.Rand }

func (s script) entity() string {
	if s.rng.IntN(3) > 0 {
		return fmt.Sprint("r", s.rng.IntN(6))
	}
	return fmt.Sprint("w", s.rng.IntN(4))
}

func (s script) fields() string {
	var names []string
	for range 1 + s.rng.IntN(8) {
		names = append(names, fmt.Sprint("f", s.rng.IntN(10)))
	}
	return strings.Join(names, " ")
}

// kept are lists of fields that are asked again and again, as models do.
var kept = []string{"f1 f2 f3", "f3 f2 f1 f9", "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9", "f5"}

func (s script) request() string {
	w := fmt.Sprint("w", s.rng.IntN(4))
	switch s.rng.IntN(24) {
	case 0:
		return "PING"
	case 1:
		return fmt.Sprint("ECHO e", s.rng.IntN(1000))
	case 2:
		return fmt.Sprintf("HSET %s f%d v%d", w, s.rng.IntN(10), s.rng.IntN(1000))
	case 3:
		return fmt.Sprintf("HDEL %s f%d", w, s.rng.IntN(10))
	case 4:
		return "HGETALL " + s.entity()
	case 5:
		return fmt.Sprintf("INCR n%d", s.rng.IntN(3))
	case 6:
		return fmt.Sprintf("RPUSH l x%d", s.rng.IntN(100))
	case 7:
		return "LRANGE l 0 5"
	case 8:
		return "HMGET l f1" // WRONGTYPE
	case 9:
		return "DEL " + w
	case 10:
		return "HMGET " + w // wrong arity
	case 11:
		return "NOSUCHCOMMAND " + w
	case 12:
		return "HINCRBY " + w + " count 3"
	case 13, 14, 15:
		return fmt.Sprintf("HGET %s f%d", s.entity(), s.rng.IntN(10))
	case 16, 17:
		return "hmget " + s.entity() + " " + s.fields()
	}
	return "HMGET " + s.entity() + " " + kept[s.rng.IntN(len(kept))]
}

// transaction is a MULTI in one piece, sometimes with an error within.
func (s script) transaction() []string {
	all := []string{"MULTI"}
	for range 1 + s.rng.IntN(4) {
		all = append(all, s.request())
	}
	return append(all, []string{"EXEC", "EXEC", "DISCARD"}[s.rng.IntN(3)])
}

func preload(m *miniredis.Miniredis) {
	for e := range 6 {
		for f := range 10 {
			if (e+f)%3 > 0 {
				m.HSet(fmt.Sprint("r", e), fmt.Sprint("f", f), fmt.Sprintf("v%d-%d", e, f))
			}
		}
	}
}

// opaqueListener hides what its connections are, as TLS does: such a connection
// is not polled, and not tried without waiting.
type opaqueListener struct{ net.Listener }

func (l opaqueListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return struct{ net.Conn }{nc}, err
}

// Whatever mix of hits, misses, tunnelled and local commands a pipeline has, and
// however it is cut into writes, its replies are those of the store itself, in
// the order of the requests.
func TestRepliesAreTheStoresInTheOrderOfRequests(t *testing.T) {
	for _, hello := range []string{"", "HELLO 3", "HELLO 2"} {
		t.Run("greeting "+hello, func(t *testing.T) {
			behind, alone := miniredis.RunT(t), miniredis.RunT(t)
			preload(behind)
			preload(alone)
			s := newStack(t, behind.Addr(), func(s *setup) {
				if hello == "HELLO 2" {
					s.listener = opaqueListener{listen(t)}
				}
			})
			rng := rand.New(rand.NewPCG(7, uint64(len(hello))))
			direct := dial(t, alone.Addr())
			proxied := s.dial()
			if hello != "" {
				proxied.do(hello)
				direct.do(hello)
			}
			gen := script{rng}
			for range 150 {
				var requests []string
				for range 1 + rng.IntN(40) {
					if rng.IntN(30) == 0 {
						requests = append(requests, gen.transaction()...)
					} else {
						requests = append(requests, gen.request())
					}
				}
				compare(t, rng, proxied, direct, requests)
			}
			st := s.server.Stats()
			for outcome, n := range st.HMGET {
				if n == 0 {
					t.Errorf("no HMGET had outcome %d: the script does not try it", outcome)
				}
			}
		})
	}
}

// compare sends the same to both and compares what comes back.
func compare(t *testing.T, rng *rand.Rand, proxied, direct *peer, requests []string) {
	t.Helper()
	all := cmds(requests...)
	direct.send(all)
	for len(all) > 0 {
		n := len(all)
		if rng.IntN(2) == 0 {
			n = 1 + rng.IntN(len(all))
		}
		proxied.send(all[:n])
		all = all[n:]
	}
	for i, r := range requests {
		want := direct.reply()
		if got := proxied.reply(); got != want {
			t.Fatalf("request %d of %d, %q: %q through the proxy, %q of the store\nall: %q", i, len(requests), r, got, want, requests)
		}
	}
}
