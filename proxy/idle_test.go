package proxy_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// A tunnel that goes unused is closed, and the client does not notice: its next
// request gets a new one.
func TestUnusedTunnelIsClosedAndReplaced(t *testing.T) {
	store := miniredis.RunT(t)
	_ = store.Set("k", "v")
	s := newStack(t, store.Addr(), func(s *setup) { s.proxy.TunnelIdle = 50 * time.Millisecond })
	without := store.CurrentConnectionCount()
	p := s.dial()
	for range 3 {
		p.wantsDone("GET k", bulk("v"))
		await(t, "the tunnel is closed", func() bool { return store.CurrentConnectionCount() <= without })
	}
}

// One that holds what the store knows of the connection stays.
func TestTunnelWithStateIsNotClosed(t *testing.T) {
	store := miniredis.RunT(t)
	_ = store.Set("k", "v")
	s := newStack(t, store.Addr(), func(s *setup) { s.proxy.TunnelIdle = 20 * time.Millisecond })
	p, subscriber := s.dial(), s.dial()
	p.wantsDone("WATCH k", "+OK\r\n")
	subscriber.wantsDone("SUBSCRIBE c", message('*', "subscribe", "c", ":1"))
	other := s.dial()
	other.wantsDone("GET k", bulk("v"))
	open := store.CurrentConnectionCount()
	await(t, "the one without state is closed", func() bool { return store.CurrentConnectionCount() < open })
	p.wantsDone("MULTI", "+OK\r\n")
	p.wantsDone("SET k w", "+QUEUED\r\n")
	p.wantsDone("EXEC", "*1\r\n+OK\r\n")
	store.Publish("c", "m")
	subscriber.wants(message('*', "message", "c", "m"))
}
