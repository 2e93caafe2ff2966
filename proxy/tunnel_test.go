package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// A blocking command blocks its own connection alone; what comes behind it on
// that connection waits for it.
func TestBlockingCommandDoesNotBlockOthers(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr())
	blocked, other := s.dial(), s.dial()
	blocked.send(cmds("BLPOP q 0", "HMGET h f", "PING"))
	for range 3 {
		other.wantsDone("HMGET h f", array("F"))
	}
	blocked.wantsSilence(20 * time.Millisecond)
	other.wantsDone("RPUSH q x", ":1\r\n")
	blocked.wants(array("q", "x"), array("F"), "+PONG\r\n")
}

// A slow command holds up neither other connections nor hits and misses of them.
func TestSlowCommandDoesNotHoldUpOthers(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	slow, other := s.dial(), s.dial()
	slow.send(cmds("GET slow"))
	get := store.wants("GET slow")
	other.send(cmd("HMGET e f"))
	store.wants("HMGET e f").reply(array("F"))
	other.wants(array("F"))
	other.send(cmd("GET quick"))
	store.wants("GET quick").reply(bulk("Q"))
	other.wants(bulk("Q"))
	get.reply(bulk("S"))
	slow.wants(bulk("S"))
}

// The database that a client selected holds for its tunnel, and its reads do not
// come from the cache, which is of database 0.
func TestSelectedDatabaseHolds(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "zero")
	store.DB(3).HSet("h", "f", "three")
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	for range 3 {
		p.wantsDone("HMGET h f", array("zero"))
	}
	p.send(cmds("GET none", "SELECT 3", "HMGET h f", "HSET h f drei", "HGET h f", "SELECT 0", "HMGET h f"))
	p.wants("$-1\r\n", "+OK\r\n", array("three"), ":0\r\n", bulk("drei"), "+OK\r\n", array("zero"))
	other.wantsDone("HMGET h f", array("zero"))
	p.send(cmds("SELECT 3", "RESET", "HMGET h f"))
	p.wants("+OK\r\n", "+RESET\r\n", array("zero"))
}

// The protocol version that a client asked for holds for hits, misses and its
// tunnel, and changes with it; rows serve both.
func TestProtocolVersionHolds(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	if hello := p.do("HELLO 3"); hello[0] != '%' {
		t.Fatalf("HELLO 3: %q", hello)
	}
	for range 3 {
		p.wantsDone("HMGET h f none", "*2\r\n$1\r\nF\r\n_\r\n")
		other.wantsDone("HMGET h f none", array("F", "-"))
		p.wantsDone("HGET h none", "_\r\n")
		p.wantsDone("GET none", "_\r\n")
		p.wantsDone("HGETALL h", "%1\r\n"+bulk("f")+bulk("F"))
		other.wantsDone("HGETALL h", array("f", "F"))
	}
	p.send(cmds("HGETALL h", "HELLO 2", "HGETALL h", "HMGET h none"))
	p.wants("%1\r\n" + bulk("f") + bulk("F"))
	p.reply()
	p.wants(array("f", "F"), array("-"))
}

// CLIENT REPLY says which replies come, whatever answers the requests.
func TestClientReplyHolds(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	p := newStack(t, store.Addr()).dial()
	for range 3 {
		p.wantsDone("HMGET h f", array("F"))
	}
	p.send(cmds("CLIENT REPLY SKIP", "HMGET h f", "ECHO 1",
		"CLIENT REPLY SKIP", "GET k", "ECHO 2",
		"CLIENT REPLY SKIP", "PING", "ECHO 3",
		"CLIENT REPLY SKIP", "SET k v", "GET k",
		"CLIENT REPLY OFF", "HMGET h f", "GET k", "PING", "SET k w", "HMGET other f", "CLIENT REPLY ON",
		"GET k", "HMGET h f"))
	p.wants(bulk("1"), bulk("2"), bulk("3"), bulk("v"), "+OK\r\n", bulk("w"), array("F"))
}

// A write whose reply nobody wants is carried out before what follows on a new
// tunnel, and its reply does not become another's.
func TestSilentWriteBeforeATunnelChanges(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	p := s.dial()
	for range 20 {
		p.send(cmds("CLIENT REPLY SKIP", "SET a 1", "SELECT 1", "CLIENT REPLY SKIP", "SET b 2", "SELECT 0", "GET a", "DEL a"))
		p.wants("+OK\r\n", "+OK\r\n", bulk("1"), ":1\r\n")
	}
	p.send(cmds("CLIENT REPLY SKIP", "SET a 1", "SUBSCRIBE c"))
	p.wants("*3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n")
}

// What the store refuses, and what nobody knows, is answered in its own words,
// and the connection stays open.
func TestErrorsKeepTheConnectionOpen(t *testing.T) {
	store := miniredis.RunT(t)
	p := newStack(t, store.Addr()).dial()
	for _, words := range []string{"NOSUCH a b", "GET", "HMGET", "HMGET h", "HGET h", "HGET h f g", "SELECT x", "CLIENT NOSUCH", "EXEC", "HELLO 4", "INCR h"} {
		p.do("HSET h f v")
		if reply := p.do(words); !strings.HasPrefix(reply, "-") {
			t.Errorf("%s: %q, want an error", words, reply)
		}
	}
	p.wantsDone("PING", "+PONG\r\n")
}

// A tunnel that the store closed while nothing was under way is made anew.
func TestTunnelIsMadeAnew(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("GET a"))
	store.wants("GET a").reply(bulk("A"))
	p.wants(bulk("A"))
	store.hangUp()
	await(t, "a new tunnel answers", func() bool {
		p.send(cmd("GET b"))
		select {
		case r := <-store.got:
			r.reply(bulk("B"))
			p.wants(bulk("B"))
			return true
		case <-time.After(time.Second):
			p.wantsError("ended")
			return false
		}
	})
}
