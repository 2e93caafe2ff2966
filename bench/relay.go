package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// relay is a TCP relay in front of a store that delays what the store replies,
// as a network does: all bytes later by the same time, none slower.
type relay struct {
	listener net.Listener
	upstream string
	delay    time.Duration
	conns    sync.WaitGroup
}

// relayChunk is how much is read at once; relayQueue how many chunks may be
// delayed at once. Together they are more than a store sends within a delay.
const (
	relayChunk = 64 << 10 // bytes
	relayQueue = 4096     // chunks
)

// startRelay listens on a free port and relays until ctx ends.
func startRelay(ctx context.Context, upstream string, delay time.Duration) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the delaying relay: %w", err)
	}
	r := &relay{listener: listener, upstream: upstream, delay: delay}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	r.conns.Go(func() {
		defer stop()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.conns.Go(func() { r.serve(ctx, conn) })
		}
	})
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// close stops listening and waits for the connections, which end when ctx does or
// either of their sides.
func (r *relay) close() {
	_ = r.listener.Close()
	r.conns.Wait()
}

// serve relays one connection, until either side ends it.
func (r *relay) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	store, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", r.upstream)
	if err != nil {
		return
	}
	defer store.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(client.Close(), store.Close()) })
	defer stop()
	var requests sync.WaitGroup
	requests.Go(func() {
		_, _ = io.Copy(store, client)
		_ = store.Close()
	})
	r.delayed(client, store)
	_ = client.Close()
	requests.Wait()
}

// chunk is what one read of the store's replies brought.
type chunk struct {
	bytes []byte
	due   time.Time
}

// delayed copies from the store to the client, each chunk a delay later.
func (r *relay) delayed(client, store net.Conn) {
	chunks := make(chan chunk, relayQueue)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer lockPreciseThread()()
		for c := range chunks {
			for wait := time.Until(c.due); wait > 0; wait = time.Until(c.due) {
				sleepPrecisely(wait)
			}
			if _, err := client.Write(c.bytes); err != nil {
				_ = store.Close()
			}
		}
	})
	buf := make([]byte, relayChunk)
	for {
		n, err := store.Read(buf)
		if err != nil {
			break
		}
		chunks <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(r.delay)}
	}
	close(chunks)
	writer.Wait()
}
