package proxy_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// A client too many is refused in Redis' words, those there go on, and there is
// room again when one has left.
func TestClientTooManyIsRefused(t *testing.T) {
	s := newStack(t, miniredis.RunT(t).Addr(), func(s *setup) { s.proxy.MaxClients = 2 })
	a, b := s.dial(), s.dial()
	a.wantsDone("PING", "+PONG\r\n")
	b.wantsDone("PING", "+PONG\r\n")
	refused := s.dial()
	refused.wants("-ERR max number of clients reached\r\n")
	refused.wantsEnd()
	a.wantsDone("PING", "+PONG\r\n")
	_ = b.Close()
	await(t, "its place is free", func() bool { return s.server.Stats().Connections == 1 })
	s.dial().wantsDone("PING", "+PONG\r\n")
	if st := s.server.Stats(); st.Refused != 1 || st.Accepted != 3 {
		t.Errorf("%d refused and %d accepted, want 1 and 3", st.Refused, st.Accepted)
	}
}

// Clients too many are one line of log, not one each.
func TestRefusedClientsAreToldOfOnce(t *testing.T) {
	var log strings.Builder // written to under the handler's lock, read when all are refused
	s := newStack(t, miniredis.RunT(t).Addr(), func(s *setup) {
		s.proxy.MaxClients, s.proxy.Log = 1, slog.New(slog.NewTextHandler(&log, nil))
	})
	s.dial().wantsDone("PING", "+PONG\r\n")
	for range 5 {
		refused := s.dial()
		refused.wants("-ERR max number of clients reached\r\n")
		refused.wantsEnd()
	}
	if told := strings.Count(log.String(), "clients are refused"); told != 1 {
		t.Errorf("told %d times:\n%s", told, log.String())
	}
}

// sendUntilClosed sends requests for as long as the proxy takes them, and never reads.
func (p *peer) sendUntilClosed(requests string) (closed bool) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_ = p.SetWriteDeadline(time.Now().Add(patience))
		if _, err := p.Conn.Write([]byte(requests)); err != nil {
			return true
		}
	}
	return false
}

// A client that never reads is closed at the output limit, whether what it does
// not read comes from memory or through a tunnel; others do not notice.
func TestClientThatNeverReadsIsClosed(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", strings.Repeat("x", 100_000))
	for _, request := range []string{"HMGET h f", "HGETALL h"} {
		t.Run(request, func(t *testing.T) {
			s := newStack(t, store.Addr(), func(s *setup) { s.proxy.MaxOutputBytes = 4 << 20 })
			greedy, modest := s.dial(), s.dial()
			for range 3 {
				modest.do("HMGET h f")
			}
			ended := make(chan bool)
			go func() { ended <- greedy.sendUntilClosed(strings.Repeat(cmd(request), 20)) }()
			for {
				select {
				case closed := <-ended:
					if !closed {
						t.Fatal("a client that never reads was not closed")
					}
					await(t, "it is counted", func() bool { return s.server.Stats().OutputLimit == 1 })
					modest.wantsDone("PING", "+PONG\r\n")
					return
				default:
					modest.do("HMGET h f")
				}
			}
		})
	}
}

// Replies that wait behind one that does not come count against the limit too,
// and reaching it ends the connection at once.
func TestRepliesHeldBehindAMissCountAgainstTheLimit(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.MaxOutputBytes = 1 << 20 })
	p := s.dial()
	p.send(cmd("GET slow") + cmd("HMGET big f"))
	asked := store.wantsAll("GET slow", "HMGET big f")
	asked["HMGET big f"].reply(array(strings.Repeat("x", 2<<20)))
	if err := p.more(patience); err == nil {
		t.Fatal("a reply came before its turn")
	}
	await(t, "the connection is gone and counted", func() bool {
		st := s.server.Stats()
		return st.Connections == 0 && st.OutputLimit == 1
	})
}

// A connection is owed at most MaxInFlight replies; then its reader waits, and
// goes on as replies come.
func TestReaderWaitsAtTheInFlightBound(t *testing.T) {
	for _, request := range []string{"HMGET e%d f", "GET e%d"} {
		t.Run(request, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr, func(s *setup) { s.proxy.MaxInFlight = 4 })
			p := s.dial()
			var all strings.Builder
			const requests = 10
			for i := range requests {
				all.WriteString(cmd(fmt.Sprintf(request, i)))
			}
			p.send(all.String())
			var waiting []*fakeRequest
			for i := range 4 {
				waiting = append(waiting, store.wants(fmt.Sprintf(request, i)))
			}
			time.Sleep(20 * time.Millisecond)
			if n := store.asked("e"); n != 4 {
				t.Fatalf("%d requests in flight, want 4 at most", n)
			}
			for i := range requests {
				waiting[0].reply(array("v"))
				p.wants(array("v"))
				if waiting = waiting[1:]; i+4 < requests {
					waiting = append(waiting, store.wants(fmt.Sprintf(request, i+4)))
				}
			}
		})
	}
}

// malformed input and what Redis says of it.
var malformed = []struct{ input, want string }{
	{"*1\r\n$9223372036854775807\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*3000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
	{"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
	{"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"SET \"x\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
	{strings.Repeat("x", 70_000), "-ERR Protocol error: too big inline request\r\n"},
	{"*" + strings.Repeat("1", 70_000), "-ERR Protocol error: too big mbulk count string\r\n"},
	{"*3\r\n$5\r\nHMGET\r\n$1\r\ne\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
	{"*3\r\n$50\nHMGET\r\n$1\r\ne\r\n$1\r\nf\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
}

// A protocol error is answered in Redis' words, behind the replies that are owed
// already; then the connection ends, in order, however much the client goes on
// to send.
func TestProtocolErrorIsAnsweredBehindWhatIsOwed(t *testing.T) {
	for _, c := range malformed {
		t.Run(fmt.Sprintf("%.40q", c.input), func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr)
			p := s.dial()
			p.send(cmds("HMGET e f", "GET k", "PING") + c.input + strings.Repeat("more of the same", 20_000))
			owed := store.wantsAll("HMGET e f", "GET k")
			owed["GET k"].reply(bulk("K"))
			owed["HMGET e f"].reply(array("F"))
			p.wants(array("F"), bulk("K"), "+PONG\r\n", c.want)
			p.wantsEnd()
			if n := s.server.Stats().ProtocolErrors; n != 1 {
				t.Errorf("%d protocol errors counted, want 1", n)
			}
		})
	}
}

// A reply is the same however slowly its request comes.
func TestRequestsOneByteAtATime(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F", "g", "G")
	p := newStack(t, store.Addr()).dial()
	for range 4 { // from the store, from memory, with the projection known
		for _, b := range []byte(cmds("HMGET h f g x", "HGET h g", "EXISTS h") + "PING\r\n\r\n") {
			p.send(string(b))
		}
		p.wants(array("F", "G", "-"), bulk("G"), ":1\r\n", "+PONG\r\n")
	}
}

// Ten megabytes pass through a tunnel whole, in both directions.
func TestLargeValuesPassBothWays(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	p := s.dial()
	value := strings.Repeat("0123456789abcdef", 10<<20/16)
	p.send(cmd("PING") + "*3\r\n" + bulk("SET") + bulk("k") + bulk(value) + cmds("STRLEN k", "GET k", "PING"))
	p.wants("+PONG\r\n", "+OK\r\n", fmt.Sprintf(":%d\r\n", len(value)), bulk(value), "+PONG\r\n")
	p.send("*4\r\n" + bulk("HSET") + bulk("h") + bulk("f") + bulk(value))
	p.wants(":1\r\n")
	for range 2 {
		settle()
		p.wantsDone("HMGET h f x", array(value, "-"))
	}
}

// Many large requests at once are passed on at the pace at which the store
// takes them.
func TestPipelineLargerThanTheSendBuffer(t *testing.T) {
	store := newFakeStore(t)
	resting := make(chan struct{})
	store.answers(func(r *fakeRequest) string {
		<-resting
		return ":" + fmt.Sprint(len(r.args[2])) + "\r\n"
	})
	s := newStack(t, store.addr, func(s *setup) { s.proxy.Limits.RequestBytes = 1 << 20 })
	p := s.dial()
	value := string(bytes.Repeat([]byte("x"), 500_000))
	const requests = 40
	request := "*3\r\n" + bulk("SET") + bulk("k") + bulk(value)
	var sent atomic.Int64
	go func() {
		for range requests {
			n, _ := p.Conn.Write([]byte(request))
			sent.Add(int64(n))
		}
	}()
	last := int64(-1)
	await(t, "nobody takes more", func() bool {
		time.Sleep(50 * time.Millisecond)
		before := last
		last = sent.Load()
		return last == before
	})
	close(resting)
	for range requests {
		p.wants(":500000\r\n")
	}
}
