package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func (p *peer) closeWrite() {
	p.t.Helper()
	if err := p.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
}

// A client that has sent all and closed its sending side gets every reply.
func TestHalfClosedClientGetsAllReplies(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmds("HMGET e f", "GET k", "PING", "HMGET e2 f"))
	p.closeWrite()
	asked := store.wantsAll("HMGET e f", "HMGET e2 f", "GET k")
	asked["GET k"].reply(bulk("K"))
	asked["HMGET e f"].reply(array("F") + array("F2"))
	p.wants(array("F"), bulk("K"), "+PONG\r\n", array("F2"))
	p.wantsEnd()
	await(t, "the connection is forgotten", func() bool { return s.server.Stats().Connections == 0 })
}

// So does one that asked for much.
func TestHalfClosedClientGetsMuch(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", strings.Repeat("x", 10_000))
	p := newStack(t, store.Addr()).dial()
	p.do("HMGET h f")
	const requests = 2000
	go func() {
		_, _ = p.Conn.Write([]byte(strings.Repeat(cmd("HMGET h f"), requests)))
		_ = p.Conn.(*net.TCPConn).CloseWrite()
	}()
	for i := range requests {
		if reply := p.reply(); len(reply) < 10_000 {
			t.Fatalf("reply %d is %q", i, reply)
		}
	}
	p.wantsEnd()
}

// QUIT in a pipeline is answered behind all before it; what follows it is not.
func TestQuitInAPipeline(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmds("HMGET e f", "QUIT", "PING", "HMGET e2 f") + strings.Repeat(cmd("PING"), 10_000))
	store.wants("HMGET e f").reply(array("F"))
	p.wants(array("F"), "+OK\r\n")
	p.wantsEnd()
	if n := store.asked("e2"); n != 0 {
		t.Error("a request behind QUIT was carried out")
	}
}

// A client that leaves with requests in flight leaves nothing behind, and what
// was fetched for it serves others.
func TestClientThatLeavesWithRequestsInFlight(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmds("HMGET e f", "XREAD BLOCK 0 STREAMS s 0"))
	fetch := store.wantsAll("HMGET e f", "XREAD BLOCK 0 STREAMS s 0")["HMGET e f"]
	_ = p.Conn.(*net.TCPConn).SetLinger(0) // a reset: as when the process dies
	_ = p.Close()
	await(t, "the connection is forgotten", func() bool { return s.server.Stats().Connections == 0 })
	fetch.reply(array("F"))
	await(t, "the value is kept", func() bool { return s.cache.Stats().Rows == 1 })
	s.dial().wantsDone("HMGET e f", array("F"))
}

// Writes that want no reply are carried out, though the client asks for nothing
// more and leaves.
func TestSilentWritesOfAClientThatLeaves(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	const writes = 3000
	var all strings.Builder
	all.WriteString(cmd("CLIENT REPLY OFF"))
	for i := range writes {
		all.WriteString(cmd(fmt.Sprintf("SET k%d v", i)))
	}
	p := s.dial()
	p.send(all.String())
	p.closeWrite()
	p.wantsEnd()
	await(t, "the connection is forgotten", func() bool { return s.server.Stats().Connections == 0 })
	if n := len(store.Keys()); n != writes {
		t.Fatalf("%d of %d writes were carried out", n, writes)
	}
}
