//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lives are those of the proxy of a soak, one after the other on one address, with
// one snapshot.
type lives struct {
	now  atomic.Int64 // the number of the present one
	down atomic.Bool  // it is about to end, and the next has not begun
	// write is held while a write is on its way through the proxy, and while the
	// proxy is started again: what one life passed on just before its end, the next
	// does not know of.
	write   sync.Mutex
	refused atomic.Int64 // writes that were answered with an error, or not at all

	// The disturber's alone.
	counted  fieldCounts
	tookOver int
}

// over tells whether a life is, or is about to be.
func (l *lives) over(life int64) bool { return l.down.Load() || l.now.Load() != life }

// dial connects to the proxy as soon as it lives, and says to which life; nil: ctx
// ended before.
func (l *lives) dial(ctx context.Context, addr string) (*wire, int64) {
	const retry = 10 * time.Millisecond
	for ; ctx.Err() == nil; sleep(ctx, retry) {
		life := l.now.Load()
		if l.down.Load() {
			continue
		}
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
			return &wire{Conn: c, r: bufio.NewReaderSize(c, wireBuffer)}, life
		}
	}
	return nil, 0
}

// restart ends the proxy by a signal, does something, and starts it again. From
// before the last snapshot on, fetchers lag as long as they may: of what the proxy
// acted on by then, some do not know when the next one begins.
func (s *soak) restart(t testing.TB, by syscall.Signal, meanwhile func()) {
	t.Helper()
	s.lives.write.Lock()
	defer s.lives.write.Unlock()
	s.slowest(true)
	defer s.slowest(false)
	time.Sleep(soakSnapshot + soakLag) // a snapshot of that, and no write on its way
	s.countLife(t)
	s.lives.down.Store(true)
	s.proxy.signal(t, by)
	_ = s.proxy.exitCode(t, patience)
	meanwhile()
	s.proxy.start(t)
	s.lives.now.Add(1)
	s.lives.down.Store(false)
}

// countLife adds up what the present life did.
func (s *soak) countLife(t testing.TB) {
	t.Helper()
	if s.lives.counted == nil {
		s.lives.counted = fieldCounts{}
	}
	for result, n := range s.proxy.fields(t) {
		s.lives.counted[result] += n
	}
	if strings.Contains(s.proxy.log.tail(1<<20), tookOver) {
		s.lives.tookOver++
	}
}

// slowest has each write reach each fetcher as late as it may, or by chance again.
func (s *soak) slowest(on bool) {
	for _, nodes := range s.nodes {
		for _, n := range nodes {
			n.mu.Lock()
			n.slow = on
			n.mu.Unlock()
		}
	}
}
