package proxy_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/proxy"
)

// When the process is to stop, what is in flight is answered, then connections
// end in order; nobody new is let in.
func TestDrainAnswersWhatIsInFlight(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	busy, tunnelled, idle := s.dial(), s.dial(), s.dial()
	idle.wantsDone("PING", "+PONG\r\n")
	busy.send(cmds("HMGET e f", "PING"))
	fetch := store.wants("HMGET e f")
	tunnelled.send(cmd("GET k"))
	get := store.wants("GET k")
	s.cancel()
	idle.wantsEnd()
	await(t, "the listener is closed", func() bool {
		nc, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	select {
	case <-s.served:
		t.Fatal("Serve returned with requests in flight")
	default:
	}
	fetch.reply(array("F"))
	get.reply(bulk("K"))
	busy.wants(array("F"), "+PONG\r\n")
	tunnelled.wants(bulk("K"))
	busy.wantsEnd()
	tunnelled.wantsEnd()
	s.stop()
}

// What is not answered within the drain timeout is given up, whatever it is that
// a connection waits for.
func TestDrainEndsAtItsTimeout(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.DrainTimeout = 100 * time.Millisecond })
	waits := []string{
		cmd("HMGET e f"),
		cmd("GET k"),
		cmd("BLPOP q 0"),
		cmds("HMGET e f", "HSET e f v"),    // the write waits for the read
		cmds("GET k", "SELECT 1"),          // waits for what is owed before
		cmds("GET k", "SUBSCRIBE channel"), // likewise
		"*2\r\n$3\r\nGET\r\n",              // half a request
		"",
	}
	var peers []*peer
	for _, w := range waits {
		p := s.dial()
		p.send(w)
		peers = append(peers, p)
	}
	await(t, "all are in flight", func() bool {
		return store.asked("HMGET e f") >= 1 && store.asked("GET k") == 3 && store.asked("BLPOP") == 1
	})
	s.stop()
	for i, p := range peers {
		if err := p.more(patience); err == nil {
			t.Errorf("%q got %q", waits[i], p.buf)
		}
	}
}

// A store that takes nothing any more does not keep the process from stopping.
func TestDrainWithAPipeThatIsStuck(t *testing.T) {
	store := newFakeStore(t)
	stuck := make(chan struct{})
	store.answers(func(r *fakeRequest) string {
		if r.args[0] == "SUBSCRIBE" {
			<-stuck // this connection is not read any more
		}
		return ""
	})
	defer close(stuck)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.DrainTimeout = 100 * time.Millisecond })
	p := s.dial()
	p.send(cmd("SUBSCRIBE c"))
	await(t, "it is subscribed", func() bool { return store.asked("SUBSCRIBE") == 1 })
	_ = p.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for range 1000 {
		if _, err := p.Conn.Write([]byte(strings.Repeat(cmd("PING"), 10_000))); err != nil {
			break // all buffers are full
		}
	}
	s.stop()
}

// A node that accepts and then says nothing does not keep a client, nor the
// process, for ever.
func TestTunnelToANodeThatNeverGreets(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.do("HELLO 3")
	p.send(cmd("GET before"))
	store.wants("GET before").reply("+1\r\n")
	p.wants("+1\r\n")
	_ = store.l.Close()
	silent, err := net.Listen("tcp", store.addr) // takes connections, reads nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	store.hangUp()
	await(t, "the tunnel's loss is noticed", func() bool {
		p.send(cmd("GET k"))
		return strings.Contains(p.reply(), "i/o timeout")
	})
}

// A listener on a Unix socket serves, replaces a socket file that nobody listens
// on, leaves one in use and files of other kinds alone, and is gone afterwards.
func TestUnixSocketListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fsproxy.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal("there is no stale file: nothing is tried")
	}
	l, err := proxy.Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a socket in use was taken: %v", err)
	}
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr(), func(s *setup) { s.listener = l })
	p := s.dial()
	for range 3 {
		p.wantsDone("HMGET h f", array("F"))
	}
	if info := p.do("CLIENT INFO"); !strings.Contains(info, "addr="+path+":0") {
		t.Errorf("CLIENT INFO of a Unix socket: %q", info)
	}
	p.send(cmds("HMGET h f", "GET none"))
	p.closeWrite()
	p.wants(array("F"), "$-1\r\n")
	p.wantsEnd()
	s.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is still there: %v", err)
	}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := proxy.Listen("unix://" + file); err == nil {
		_ = l.Close()
		t.Error("a file that is no socket was replaced")
	}
}
