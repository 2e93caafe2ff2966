package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func message(kind byte, parts ...string) string {
	all := fmt.Sprintf("%c%d\r\n", kind, len(parts))
	for _, p := range parts {
		if strings.HasPrefix(p, ":") {
			all += p + "\r\n"
		} else {
			all += bulk(p)
		}
	}
	return all
}

// A subscriber gets what is published, in either protocol version, behind what
// it asked before, and a message published through the proxy like any other.
func TestSubscriberGetsMessages(t *testing.T) {
	for version, kind := range map[string]byte{"2": '*', "3": '>'} {
		t.Run("RESP"+version, func(t *testing.T) {
			store := miniredis.RunT(t)
			store.HSet("h", "f", "F")
			s := newStack(t, store.Addr())
			p, publisher := s.dial(), s.dial()
			p.do("HELLO " + version)
			p.send(cmds("HMGET h f", "GET none", "SUBSCRIBE a b"))
			p.wants(array("F"))
			p.reply()
			p.wants(message(kind, "subscribe", "a", ":1"), message(kind, "subscribe", "b", ":2"))
			store.Publish("a", "one")
			publisher.wantsDone("PUBLISH b two", ":1\r\n")
			p.wants(message(kind, "message", "a", "one"), message(kind, "message", "b", "two"))
			large := strings.Repeat("x", 1<<20)
			const messages = 10
			for range messages {
				store.Publish("a", large)
			}
			for range messages {
				p.wants(message(kind, "message", "a", large))
			}
			p.send(cmd("UNSUBSCRIBE a"))
			p.wants(message(kind, "unsubscribe", "a", ":1"))
			if n := store.Publish("a", "nobody"); n != 0 {
				t.Errorf("%d subscribers after UNSUBSCRIBE", n)
			}
		})
	}
}

// A subscriber that leaves is gone at the store too, and one whose store hangs
// up is told.
func TestSubscriptionsEndTogether(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("SUBSCRIBE c"))
	r := store.wants("SUBSCRIBE c")
	r.reply(message('*', "subscribe", "c", ":1") + message('*', "message", "c", "last"))
	_ = r.nc.Close()
	p.wants(message('*', "subscribe", "c", ":1"), message('*', "message", "c", "last"))
	if err := p.more(patience); err == nil {
		t.Fatalf("the subscription did not end: %q", p.buf)
	}

	gone := s.dial()
	gone.send(cmd("SUBSCRIBE c"))
	r = store.wants("SUBSCRIBE c")
	_ = gone.Close()
	await(t, "the store's connection is closed", func() bool {
		_, err := r.nc.Write([]byte(message('*', "message", "c", "x")))
		return err != nil
	})
	await(t, "nothing is left", func() bool { return s.server.Stats().Connections == 0 })
}

// Whatever a connection that has subscribed goes on to write is visible to the
// next read of others.
func TestWritesOfASubscriberInvalidate(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "old")
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	for range 3 {
		other.wantsDone("HMGET h f", array("old"))
	}
	p.send(cmds("SUBSCRIBE c", "UNSUBSCRIBE c"))
	p.wants(message('*', "subscribe", "c", ":1"), message('*', "unsubscribe", "c", ":0"))
	for _, b := range []byte(cmd("HSET h f new")) {
		p.send(string(b))
	}
	p.wants(":0\r\n")
	other.wantsDone("HMGET h f", array("new"))

	p.send(cmds("MULTI", "HSET h f newer"))
	p.wants("+OK\r\n", "+QUEUED\r\n")
	settle()
	for range 3 {
		other.wantsDone("HMGET h f", array("new"))
	}
	p.wantsDone("EXEC", "*1\r\n:0\r\n")
	other.wantsDone("HMGET h f", array("newer"))
}

// While it is subscribed, a client of version 2 is refused what the store
// refuses; once it has unsubscribed, its reads come from memory again, on the
// same connection.
func TestReadsComeFromMemoryAfterUnsubscribing(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr())
	p := s.dial()
	for range 2 {
		p.wantsDone("HMGET h f", array("F"))
	}
	p.send(cmds("SUBSCRIBE c", "HMGET h f", "UNSUBSCRIBE"))
	p.wants(message('*', "subscribe", "c", ":1"))
	p.wantsError("only (P")
	p.wants(message('*', "unsubscribe", "c", ":0"))
	before := s.hits()
	p.wantsDone("HMGET h f", array("F"))
	if s.hits() != before+1 {
		t.Error("the read did not come from memory")
	}
}

// In version 3 a subscribed client asks for whatever it likes, and keeps its
// subscriptions when it goes on in another database.
func TestSubscriberOfVersion3ReadsFromMemory(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr())
	p := s.dial()
	p.do("HELLO 3")
	p.wantsDone("HMGET h f", array("F"))
	p.wantsDone("SUBSCRIBE c", message('>', "subscribe", "c", ":1"))
	before := s.hits()
	p.wantsDone("HMGET h f", array("F"))
	if s.hits() != before+1 {
		t.Error("the read did not come from memory")
	}
	p.wantsDone("SELECT 1", "+OK\r\n")
	store.Publish("c", "still here")
	p.wants(message('>', "message", "c", "still here"))
	p.wantsDone("RESET", "+RESET\r\n")
	await(t, "the subscription is gone", func() bool { return store.Publish("c", "nobody") == 0 })
	p.wantsDone("HMGET h f", array("F"))
}
