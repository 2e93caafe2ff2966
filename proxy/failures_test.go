package proxy_test

import (
	"strings"
	"testing"
	"time"
)

// badReplies are answers to HMGET e f g of which none is a well-formed array of
// the length asked; then is what the client's error must hold.
var badReplies = []struct{ name, reply, then string }{
	{"LOADING", "-LOADING Redis is loading the dataset in memory\r\n", "LOADING"},
	{"WRONGTYPE", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	{"NOAUTH", "-NOAUTH Authentication required.\r\n", "-NOAUTH Authentication required.\r\n"},
	{"too short", array("F"), "length"},
	{"too long", array("F", "G", "H"), "length"},
	{"empty", "*0\r\n", "length"},
	{"null array", "*-1\r\n", "length"},
	{"a string", "+OK\r\n", "length"},
	{"a null", "$-1\r\n", "length"},
	{"nested", "*2\r\n*1\r\n:1\r\n$1\r\nG\r\n", "length"},
	{"an error within", "*2\r\n$1\r\nF\r\n-ERR no\r\n", "length"},
	{"integers", "*2\r\n:1\r\n:2\r\n", "length"},
}

// H21: a fetch that fails is answered with an error, never with nil, and never kept.
func TestBadReplyIsAnErrorAndNotKept(t *testing.T) {
	for _, c := range badReplies {
		t.Run(c.name, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr)
			p := s.dial()
			p.send(cmd("HMGET e f g"))
			store.wants("HMGET e f g").reply(c.reply)
			p.wantsError(c.then)
			p.send(cmd("HMGET e f g"))
			store.wants("HMGET e f g").reply(array("F", "G"))
			p.wants(array("F", "G"))
			p.wantsDone("HMGET e f g", array("F", "G"))
			if st := s.server.Stats(); st.FetchErrors != 1 {
				t.Errorf("%d errors counted, want 1", st.FetchErrors)
			}
			told := strings.TrimSpace(strings.TrimPrefix(c.then, "-"))
			if last := s.server.LastFailedRead(); last == nil || !strings.Contains(last.Error, told) || strings.Contains(last.Error, "\n") {
				t.Errorf("the last read that failed is %+v, want one with %q", last, told)
			}
		})
	}
}

// H20: a hit in part whose rest fails is an error as a whole, and costs nothing of
// what was known.
func TestPartialHitWhoseRestFailsIsAnError(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET e f"))
	store.wants("HMGET e f").reply(array("F"))
	p.wants(array("F"))
	p.send(cmd("HMGET e f g") + cmd("HGET e g") + cmd("HMGET e f"))
	store.wants("HMGET e g").reply("-ERR broken\r\n")
	p.wantsError("ERR broken")
	p.wantsError("ERR broken") // the same fetch
	p.wants(array("F"))
}

// A store that hangs up in the middle of a reply gave no reply.
func TestFetchClosedMidReplyIsAnError(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET e f g") + cmd("PING"))
	r := store.wants("HMGET e f g")
	r.reply("*2\r\n$1\r\nF\r\n$1")
	_ = r.nc.Close()
	p.wantsError("ERR fsproxy: fetch from " + store.addr)
	p.wants("+PONG\r\n")
	await(t, "the connection is made anew", func() bool {
		p.send(cmd("HMGET e f g"))
		select {
		case r := <-store.got:
			r.reply(array("F", "G"))
			p.wants(array("F", "G"))
			return true
		case <-time.After(20 * time.Millisecond):
			p.wantsError("ERR fsproxy")
			return false
		}
	})
}

// A reply that is no protocol at all is an error, and the connection to the
// store is given up.
func TestFetchOfGarbageIsAnError(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET e f"))
	store.wants("HMGET e f").reply("HTTP/1.1 400 Bad Request\r\n\r\n")
	p.wantsError("ERR fsproxy")
}

// A fetch that is not answered in time is an error; a reply that comes too late
// belongs to nobody, least of all to the next request.
func TestFetchThatTakesTooLongIsAnError(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr, func(s *setup) { s.proxy.FetchTimeout = time.Second }).dial()
	p.send(cmd("HMGET e f"))
	late := store.wants("HMGET e f")
	p.wantsError("no answer within 1s")
	p.send(cmd("HMGET e f"))
	next := store.wants("HMGET e f")
	late.reply(array("late"))
	next.reply(array("E"))
	p.wants(array("E"))
	p.wantsDone("HMGET e f", array("E"))
}

// Without a store every read and every command that needs it is an error that
// says so, local commands go on, and all recovers by itself.
func TestStoreThatRefusesConnections(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("HMGET warm f"))
	store.wants("HMGET warm f").reply(array("W"))
	p.wants(array("W"))
	store.close()
	await(t, "the loss is noticed", func() bool {
		return strings.HasPrefix(p.do("HMGET cold f"), "-ERR fsproxy: fetch from "+store.addr)
	})
	p.send(cmds("HMGET warm f", "GET x", "PING", "HMGET warm f cold"))
	p.wants(array("W"))
	p.wantsError("connect to the store")
	p.wants("+PONG\r\n")
	p.wantsError("fetch from " + store.addr)
}

// A store that was never found is not waited for.
func TestStoreThatWasNeverFound(t *testing.T) {
	gone := newFakeStore(t)
	gone.close()
	s := newStack(t, gone.addr, asCluster, func(s *setup) { s.awaits = false })
	p := s.dial()
	p.send(cmds("HMGET e f", "SET a b", "PING"))
	p.wantsError("the store cannot be reached")
	p.wantsError("the store cannot be reached")
	p.wants("+PONG\r\n")
}
