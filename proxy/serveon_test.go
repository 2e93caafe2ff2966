package proxy_test

import (
	"net"
	"testing"
	"time"
)

// Who is connected when the process is told to stop is served on, nobody new is
// let in, and Serve returns as soon as the last has left.
func TestOpenConnectionsAreServedOnUntilTheyEnd(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.ServeOn = time.Hour })
	p, other := s.dial(), s.dial()
	p.wantsDone("PING", "+PONG\r\n")
	other.wantsDone("PING", "+PONG\r\n")
	s.cancel()
	await(t, "the listener is closed", func() bool {
		nc, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	p.send(cmd("HMGET e f"))
	store.wants("HMGET e f").reply(array("F"))
	p.wants(array("F"))
	p.send(cmd("GET k"))
	store.wants("GET k").reply(bulk("K"))
	p.wants(bulk("K"))
	_ = p.Close()
	select {
	case <-s.served:
		t.Fatal("Serve returned while a client was connected")
	default:
	}
	other.wantsDone("PING", "+PONG\r\n")
	_ = other.Close()
	s.stop()
}

// Whoever does not leave is served no longer than that.
func TestServingOnEnds(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.ServeOn = 50 * time.Millisecond })
	p := s.dial()
	p.wantsDone("PING", "+PONG\r\n")
	s.cancel()
	p.wantsEnd()
	s.stop()
}

// Each write is told before it is forwarded and after its reply, and is counted
// as on its way between.
func TestWritesAreToldAndCounted(t *testing.T) {
	store := newFakeStore(t)
	told := make(chan struct{}, 10)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.Wrote = func() { told <- struct{}{} } })
	p := s.dial()
	p.send(cmd("HSET e f v"))
	write := store.wants("HSET e f v")
	if len(told) != 1 || s.server.Writes() != 1 {
		t.Errorf("before the reply: told %d times, %d on their way", len(told), s.server.Writes())
	}
	write.reply(":1\r\n")
	p.wants(":1\r\n")
	if len(told) != 2 || s.server.Writes() != 0 {
		t.Errorf("after the reply: told %d times, %d on their way", len(told), s.server.Writes())
	}
	p.send(cmd("HSET e f v"))
	store.wants("HSET e f v")
	_ = p.Close()
	store.hangUp()
	await(t, "a write without a reply is not on its way any more", func() bool { return s.server.Writes() == 0 })
}
