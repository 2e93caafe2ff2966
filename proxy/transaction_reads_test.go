package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// execOf is the reply to EXEC.
func execOf(replies ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(replies), strings.Join(replies, ""))
}

const (
	ok     = "+OK\r\n"
	queued = "+QUEUED\r\n"
)

// bypasses is how many reads went past the cache for a reason.
func (s *stack) bypasses(reason string) (n uint64) {
	st := s.server.Stats()
	st.Bypasses(func(name string, count uint64) {
		if name == reason {
			n = count
		}
	})
	return n
}

// A MULTI of reads alone goes to the store whole the first time, which fills the
// cache, and is answered from memory from then on.
func TestTransactionOfReadsIsAnsweredFromMemory(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	pipeline := cmds("MULTI", "HMGET e f g", "HGET x f", "hmget e g", "EXEC", "PING")
	p.send(pipeline)
	store.wants("MULTI").reply(ok)
	for _, want := range []string{"HMGET e f g", "HGET x f", "HMGET e g"} {
		store.wants(want).reply(queued)
	}
	reply := execOf(array("F", "-"), "$-1\r\n", array("-"))
	store.wants("EXEC").reply(reply)
	p.wants(ok, queued, queued, queued, reply, "+PONG\r\n")
	if n := s.bypasses("transaction_miss"); n != 3 || s.hits() != 0 {
		t.Errorf("%d reads counted as past the cache and %d as hits, want 3 and 0", n, s.hits())
	}
	for range 2 {
		p.send(pipeline)
		p.wants(ok, queued, queued, queued, reply, "+PONG\r\n")
	}
	p.wantsDone("HMGET e f", array("F")) // reads of any kind gain
	other := s.dial()
	other.do("HELLO 3")
	other.send(pipeline)
	other.wants(ok, queued, queued, queued, strings.ReplaceAll(reply, "$-1\r\n", "_\r\n"), "+PONG\r\n")
	if n := s.hits(); n != 10 || s.bypasses("transaction_miss") != 3 {
		t.Errorf("%d hits, want 10, and %d past the cache, want 3", n, s.bypasses("transaction_miss"))
	}
	if n := store.asked(""); n != 5 {
		t.Errorf("the store was asked %d times, want 5: %v", n, store.seen)
	}
}

// Nothing of a transaction is served from memory unless all of it is there and
// fresh.
func TestTransactionIsNotMixedFromMemoryAndStore(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	for _, e := range []string{"a", "b"} {
		p.send(cmd("HMGET " + e + " f"))
		store.wants("HMGET " + e + " f").reply(array("old"))
		p.wants(array("old"))
	}
	pass := func(third, value string) {
		t.Helper()
		p.send(cmds("MULTI", "HMGET a f", third, "HMGET b f", "EXEC"))
		store.wants("MULTI").reply(ok)
		for _, want := range []string{"HMGET a f", third, "HMGET b f"} {
			store.wants(want).reply(queued)
		}
		reply := execOf(array(value), array(value), array(value))
		store.wants("EXEC").reply(reply)
		p.wants(ok, queued, queued, queued, reply)
	}
	pass("HMGET cold f", "new")
	pass("HMGET a f g", "wrong") // of another length: not kept
	store.answers(func(*fakeRequest) string { return "+OK\r\n" })
	s.dial().wantsDone("HSET b f new", "+OK\r\n")
	store.mu.Lock()
	store.answer = nil
	store.mu.Unlock()
	pass("HMGET cold f", "newer")
}

// An element that is no answer to its read is passed on and not kept.
func TestErrorWithinExecIsNotKept(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "v")
	store.Set("s", "string")
	s := newStack(t, store.Addr())
	p := s.dial()
	const wrongType = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
	for range 2 {
		p.send(cmds("MULTI", "HMGET h f", "HMGET s f", "HGET s f", "EXEC"))
		p.wants(ok, queued, queued, queued, execOf(array("v"), wrongType, wrongType))
	}
	p.wantsDone("HMGET h f", array("v"))
	if s.hits() != 1 {
		t.Errorf("%d hits, want 1", s.hits())
	}
	store.Del("s")
	store.HSet("s", "f", "hash")
	p.send(cmds("MULTI", "HMGET s f", "EXEC"))
	p.wants(ok, queued, execOf(array("hash")))
}

// As soon as anything but a read is queued the store gets all of it, in order,
// and the client is told of each once.
func TestTransactionOfMoreThanReadsGoesToTheStore(t *testing.T) {
	for _, c := range []struct{ request, answer string }{
		{"PTTL e", queued},
		{"HSET e f v", queued},
		{"ECHO e", queued},
		{"HMGET e", "-ERR wrong\r\n"},
		{"FROBNICATE e", "-ERR unknown\r\n"},
		{"UNWATCH", queued},
		{"EVAL return 0", queued},
		{"EXEC x", "-ERR wrong\r\n"},
	} {
		t.Run(c.request, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr)
			p := s.dial()
			p.send(cmds("MULTI", "HMGET e f", "HGET e g"))
			p.wants(ok, queued, queued)
			if n := store.asked(""); n != 0 {
				t.Fatalf("the store was asked %v", store.seen)
			}
			p.send(cmds(c.request, "HMGET e f", "EXEC", "PING"))
			store.wants("MULTI").reply(ok)
			store.wants("HMGET e f").reply(queued)
			store.wants("HGET e g").reply(queued)
			store.wants(c.request).reply(c.answer)
			store.wants("HMGET e f").reply(queued)
			store.wants("EXEC").reply("*0\r\n")
			p.wants(c.answer, queued, "*0\r\n", "+PONG\r\n")
			if n := s.bypasses("transaction"); n != 3 {
				t.Errorf("%d reads counted as past the cache, want 3", n)
			}
		})
	}
}

// A write of the transaction makes stale what its reads had found.
func TestReadsAndWritesInOneTransaction(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "old")
	s := newStack(t, store.Addr())
	p := s.dial()
	for range 3 {
		p.send(cmds("MULTI", "HMGET h f", "EXEC"))
		p.wants(ok, queued, execOf(array("old")))
	}
	p.send(cmds("MULTI", "HMGET h f", "HSET h f new", "HMGET h f", "EXEC", "MULTI", "HMGET h f", "EXEC"))
	p.wants(ok, queued, queued, queued, execOf(array("old"), ":0\r\n", array("new")), ok, queued, execOf(array("new")))
}

// What is about the transaction itself is answered as Redis does, and asks no
// store.
func TestHeldTransactionsEndAsInRedis(t *testing.T) {
	for _, c := range []struct {
		requests string
		replies  []string
	}{
		{"MULTI,EXEC", []string{ok, "*0\r\n"}},
		{"MULTI,DISCARD,PING", []string{ok, ok, "+PONG\r\n"}},
		{"MULTI,HMGET h f,DISCARD,PING", []string{ok, queued, ok, "+PONG\r\n"}},
		{"MULTI,MULTI,EXEC", []string{ok, "-ERR MULTI calls can not be nested\r\n", "*0\r\n"}},
		{"MULTI,WATCH h,EXEC", []string{ok, "-ERR WATCH inside MULTI is not allowed\r\n", "*0\r\n"}},
		{"MULTI,HMGET h f,RESET,PING", []string{ok, queued, "+RESET\r\n", "+PONG\r\n"}},
		{"MULTI,HMGET h f,QUIT", []string{ok, queued, ok}},
		{"MULTI,HMGET h f,CLUSTER FORGET x,EXEC", []string{ok, queued, "-NOPERM This user has no permissions to run the 'cluster|forget' command\r\n", execAbort}},
	} {
		t.Run(c.requests, func(t *testing.T) {
			store := newFakeStore(t)
			p := newStack(t, store.addr).dial()
			p.send(cmds(strings.Split(c.requests, ",")...))
			p.wants(c.replies...)
			if strings.HasSuffix(c.requests, "QUIT") {
				p.wantsEnd()
			}
			if n := store.asked(""); n != 0 {
				t.Errorf("the store was asked %v", store.seen)
			}
		})
	}
}

// What a connection may hold back is bounded: what is more goes to the store as
// it comes.
func TestHeldReadsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name, request string
		reads         int
	}{
		{"by number", "HGET e f", 5000},
		{"by bytes", "HMGET e " + strings.Repeat("x", 60_000), 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr)
			store.answers(func(r *fakeRequest) string {
				switch r.args[0] {
				case "MULTI":
					return ok
				case "EXEC":
					return "*0\r\n"
				}
				return queued
			})
			p := s.dial()
			p.send(cmd("MULTI") + strings.Repeat(cmd(c.request), c.reads))
			p.wants(ok)
			for range c.reads {
				p.wants(queued)
			}
			await(t, "the store has all of them", func() bool { return store.asked(c.request) == c.reads })
			p.wantsDone("EXEC", "*0\r\n")
			if n := store.asked("MULTI"); n != 1 {
				t.Errorf("MULTI was sent %d times", n)
			}
		})
	}
}

// Reads that may not be answered from the cache are not held either.
func TestReadsThatBypassAreNotHeld(t *testing.T) {
	for _, before := range []string{"SELECT 2", "CLIENT REPLY SKIP", "WATCH h"} {
		t.Run(before, func(t *testing.T) {
			store := miniredis.RunT(t)
			store.HSet("h", "f", "v")
			store.DB(2).HSet("h", "f", "v")
			s := newStack(t, store.Addr())
			p := s.dial()
			p.wantsDone("HMGET h f", array("v"))
			p.wantsDone("HMGET h f", array("v"))
			if before == "CLIENT REPLY SKIP" {
				p.send(cmds(before, "MULTI", "HMGET h f", "EXEC"))
				p.wants(queued, execOf(array("v")))
			} else {
				p.send(cmds(before, "MULTI", "HMGET h f", "EXEC"))
				p.wants(ok, ok, queued, execOf(array("v")))
			}
			if s.hits() != 1 || s.bypasses("transaction") != 1 {
				t.Errorf("%d hits and %d past the cache, want 1 and 1", s.hits(), s.bypasses("transaction"))
			}
		})
	}
}

// The store's loss during a transaction of reads is EXEC's error, and no state is
// left behind.
func TestTransactionOfReadsWithoutAStore(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmds("MULTI", "HMGET e f", "EXEC"))
	store.wants("MULTI")
	store.hangUp()
	p.wants(ok, queued)
	p.wantsError("ended")
	store.close()
	p.send(cmds("MULTI", "HMGET e f", "EXEC", "PING", "EXEC"))
	p.wants(ok, queued)
	p.wantsError("connect to the store")
	p.wants("+PONG\r\n")
	p.wantsError("connect to the store")
}

// Over several nodes EXEC is answered from memory if all is there, else by the
// one node that has all, else refused as Redis Cluster refuses it.
func TestTransactionOfReadsOverSeveralNodes(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, _ := threeKeys()
	reads := cmds("MULTI", "HMGET "+low+" f", "HMGET "+high+" f", "EXEC", "PING")
	p.send(reads)
	p.wants(ok, queued, queued, crossSlot, "+PONG\r\n")
	// Something else behind them: EXEC says the same.
	p.send(cmds("MULTI", "HMGET "+low+" f", "HMGET "+high+" f", "GET "+low, "EXEC", "PING"))
	a.wants("MULTI").reply(ok)
	a.wants("HMGET " + low + " f").reply(queued)
	a.wants("GET " + low).reply(queued)
	a.wants("DISCARD").reply(ok)
	p.wants(ok, queued, queued, queued, crossSlot, "+PONG\r\n")

	for _, c := range []struct {
		node *fakeStore
		key  string
	}{{a, low}, {b, high}} {
		p.send(cmds("MULTI", "HMGET "+c.key+" f", "EXEC"))
		c.node.wants("MULTI").reply(ok)
		c.node.wants("HMGET " + c.key + " f").reply(queued)
		c.node.wants("EXEC").reply(execOf(array(c.key)))
		p.wants(ok, queued, execOf(array(c.key)))
	}
	p.send(reads)
	p.wants(ok, queued, queued, execOf(array(low), array(high)), "+PONG\r\n")
}

// A slot that moves under a transaction of reads tells the client to try again:
// EXEC alone means nothing to another node.
func TestTransactionOfReadsIsNotRedirected(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, _, _ := threeKeys()
	p.send(cmds("MULTI", "HMGET "+low+" f", "EXEC", "PING"))
	a.wants("MULTI").reply(ok)
	a.wants("HMGET " + low + " f").reply(queued)
	a.wants("EXEC").reply(moved(low, b))
	p.wants(ok, queued)
	p.wantsError("TRYAGAIN")
	p.wants("+PONG\r\n")
	if n := b.asked(""); n != 0 {
		t.Errorf("the other node was asked %v", b.seen)
	}
}

// Whoever reads several entities in a transaction sees all of a write to them or
// nothing, from memory as from the store.
func TestTransactionsOfReadsAreAtomic(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("a", "f", "0")
	store.HSet("b", "f", "0")
	s := newStack(t, store.Addr(), func(s *setup) { s.proxy.WriteSettle = 0 })
	stop := make(chan struct{})
	done := make(chan string, 4)
	go func() {
		w := s.dial()
		for i := 1; ; i++ {
			select {
			case <-stop:
				done <- ""
				return
			default:
			}
			w.send(cmds("MULTI", fmt.Sprintf("HSET b f %d", i), fmt.Sprintf("HSET a f %d", i), "EXEC"))
			for range 4 {
				if _, err := w.next(); err != nil {
					done <- err.Error()
					return
				}
			}
			if i%7 == 0 { // so that something is kept meanwhile
				for range 40 {
					w.send(cmds("MULTI", "HMGET a f", "EXEC"))
					for range 3 {
						if _, err := w.next(); err != nil {
							done <- err.Error()
							return
						}
					}
				}
			}
		}
	}()
	for range 3 {
		p := s.dial()
		rng := rand.New(rand.NewPCG(1, 2))
		go func() {
			for range 1500 {
				if rng.IntN(4) == 0 { // fills rows one by one
					p.send(cmds("HMGET a f", "HMGET b f"))
					_, _ = p.next()
					_, _ = p.next()
				}
				p.send(cmds("MULTI", "HMGET a f", "HMGET b f", "EXEC"))
				var last string
				for range 4 {
					frame, err := p.next()
					if err != nil {
						done <- err.Error()
						return
					}
					last = frame
				}
				half := len("*2\r\n") + (len(last)-len("*2\r\n"))/2
				if last[len("*2\r\n"):half] != last[half:] {
					done <- fmt.Sprintf("EXEC saw half of a write: %q", last)
					return
				}
			}
			done <- ""
		}()
	}
	for range 3 {
		if why := <-done; why != "" {
			t.Error(why)
		}
	}
	close(stop)
	<-done
	if s.hits() == 0 {
		t.Error("nothing was answered from memory: nothing is tried")
	}
	t.Logf("%d hits", s.hits())
}

// With a pipeline that subscribes, the connection becomes a pipe as early as in
// MULTI: the reply to EXEC then holds what no request asked for.
func TestSubscriptionWithinMulti(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmds("MULTI", "HMGET e f", "UNSUBSCRIBE a b", "EXEC"))
	store.wants("MULTI").reply(ok)
	store.wants("HMGET e f").reply(queued)
	p.wants(ok, queued)
	store.wants("UNSUBSCRIBE a b").reply(queued)
	both := array("unsubscribe", "a") + array("unsubscribe", "b")
	store.wants("EXEC").reply("*2\r\n" + array("F") + both)
	p.wants(queued, execOf(array("F"), array("unsubscribe", "a")), array("unsubscribe", "b"))
	p.send(cmd("SUBSCRIBE x"))
	store.wants("SUBSCRIBE x").reply("x")
}

// Unsubscribing from nothing is answered here, once a channel, and leaves the
// connection what it is.
func TestUnsubscribingFromNothing(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	none := "*3\r\n" + bulk("unsubscribe") + "$-1\r\n:0\r\n"
	channel := func(head, kind, name string) string { return head + bulk(kind) + bulk(name) + ":0\r\n" }
	p.send(cmds("UNSUBSCRIBE", "punsubscribe a b", "CLIENT REPLY SKIP", "SUNSUBSCRIBE s", "PING"))
	p.wants(none, channel("*3\r\n", "punsubscribe", "a"), channel("*3\r\n", "punsubscribe", "b"), channel("*3\r\n", "sunsubscribe", "s"), "+PONG\r\n")
	p.do("HELLO 3")
	p.send(cmds("CLIENT REPLY OFF", "UNSUBSCRIBE", "UNSUBSCRIBE a", "CLIENT REPLY ON", "PING"))
	p.wants(">3\r\n"+bulk("unsubscribe")+"_\r\n:0\r\n", channel(">3\r\n", "unsubscribe", "a"), ok, "+PONG\r\n")
	p.send(cmd("HMGET e f"))
	store.wants("HMGET e f").reply(array("F"))
	p.wants(array("F"))
	p.wantsDone("HMGET e f", array("F"))
	if s.hits() != 1 {
		t.Error("its reads are no longer answered from memory")
	}
}
