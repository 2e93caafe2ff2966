package proxy_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// A transaction whose connection to the store is lost fails as a whole: EXEC
// says EXECABORT, and nothing of it is ever carried out on another connection.
func TestTransactionThatLostItsConnectionAborts(t *testing.T) {
	for _, begin := range []string{"MULTI", "WATCH k"} {
		t.Run(begin, func(t *testing.T) {
			store := newFakeStore(t)
			s := newStack(t, store.addr)
			p := s.dial()
			p.send(cmd(begin))
			if begin == "MULTI" {
				p.send(cmd("GET j")) // before that the store is not told of it
			}
			store.wants(begin).reply("+OK\r\n")
			p.wants("+OK\r\n")
			if begin == "MULTI" {
				store.wants("GET j").reply("+QUEUED\r\n")
				p.wants("+QUEUED\r\n")
			}
			store.hangUp()
			await(t, "the loss is noticed", func() bool {
				reply := p.do("GET probe")
				return reply[0] == '-'
			})
			if begin != "MULTI" {
				p.send(cmd("MULTI"))
				p.wantsError("lost")
			}
			p.send(cmds("SET k v", "EXEC"))
			p.wantsError("lost")
			p.wants("-EXECABORT Transaction discarded because of previous errors.\r\n")
			if n := store.asked("SET"); n != 0 {
				t.Fatal("a command of the lost transaction was carried out outside of it")
			}
			p.send(cmd("SET k after"))
			store.wants("SET k after").reply("+OK\r\n")
			p.wants("+OK\r\n")
		})
	}
}

// A lost WATCH can be given up.
func TestUnwatchAfterALoss(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("WATCH k"))
	store.wants("WATCH k").reply("+OK\r\n")
	p.wants("+OK\r\n")
	store.hangUp()
	await(t, "the loss is noticed", func() bool { return p.do("GET probe")[0] == '-' })
	p.send(cmds("UNWATCH", "GET k"))
	p.reply()
	store.wants("GET k").reply(bulk("v"))
	p.wants(bulk("v"))
}

// WATCH sees what another connection wrote, be it through the proxy or not.
func TestWatchedKeyThatChangedFailsExec(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	p.send(cmds("WATCH k", "HGET k f"))
	p.wants("+OK\r\n", "$-1\r\n")
	other.wantsDone("HSET k f theirs", ":1\r\n")
	p.send(cmds("MULTI", "HSET k f mine", "HMGET k f", "EXEC", "HMGET k f"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*-1\r\n", array("theirs"))
}

// SELECT within MULTI changes the store's connection at EXEC: from then on the
// store alone knows the state, and all goes there.
func TestSelectWithinMulti(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "zero")
	store.DB(2).HSet("h", "f", "two")
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	for range 3 {
		p.wantsDone("HMGET h f", array("zero"))
	}
	p.send(cmds("MULTI", "SELECT 2", "HMGET h f", "EXEC", "HMGET h f", "HGET h f", "PING", "GET none"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+OK\r\n"+array("two"), array("two"), bulk("two"), "+PONG\r\n", "$-1\r\n")
	other.wantsDone("HMGET h f", array("zero"))
	// What it writes is invalidated at EXEC, however long that takes.
	p.send(cmds("SELECT 0", "MULTI", "HSET h f new"))
	p.wants("+OK\r\n", "+OK\r\n", "+QUEUED\r\n")
	settle()
	for range 3 {
		other.wantsDone("HMGET h f", array("zero"))
	}
	p.wantsDone("EXEC", "*1\r\n:0\r\n")
	other.wantsDone("HMGET h f", array("new"))
	p.wantsDone("QUIT", "+OK\r\n")
	p.wantsEnd()
}

// So are the writes of a transaction that took long to be executed.
func TestWritesOfALongTransactionAreInvalidatedAtExec(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "old")
	s := newStack(t, store.Addr())
	p, other := s.dial(), s.dial()
	p.send(cmds("MULTI", "HSET h f new"))
	p.wants("+OK\r\n", "+QUEUED\r\n")
	settle()
	for range 3 {
		other.wantsDone("HMGET h f", array("old"))
	}
	if s.hits() == 0 {
		t.Fatal("the old value is not in the cache: nothing is tried")
	}
	p.wantsDone("EXEC", "*1\r\n:0\r\n")
	other.wantsDone("HMGET h f", array("new"))
}

// Local commands within MULTI are queued like all others, and those between do
// not lose their place.
func TestLocalCommandsWithinMulti(t *testing.T) {
	p := newStack(t, miniredis.RunT(t).Addr()).dial()
	p.send(cmds("MULTI", "PING", "ECHO x", "DISCARD", "PING", "MULTI", "MULTI", "EXEC", "EXEC"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "+OK\r\n", "+PONG\r\n", "+OK\r\n")
	p.wantsError("MULTI calls can not be nested")
	p.reply() // the store's to say: stores differ
	p.wantsError("EXEC without MULTI")
}

// A client that begins a transaction and leaves has carried out nothing.
func TestTransactionOfAClientThatLeaves(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	p := s.dial()
	p.send(cmds("MULTI", "SET k v"))
	p.wants("+OK\r\n", "+QUEUED\r\n")
	_ = p.Close()
	await(t, "the connection is forgotten", func() bool { return s.server.Stats().Connections == 0 })
	time.Sleep(10 * time.Millisecond)
	if store.Exists("k") {
		t.Fatal("a transaction without EXEC was carried out")
	}
}
