//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// write is a change on its way to one fetcher.
type write struct {
	due    time.Time
	key    string
	fields hash     // to set
	gone   []string // to delete
	done   func()   // called when the fetcher has it, or is no more
}

// laggard is a fetcher that gets each write after a delay of its own, in order.
type laggard struct {
	store   *store
	longest time.Duration // delay

	mu    sync.Mutex
	rnd   *rand.Rand // guarded by mu
	queue []write    // guarded by mu
	last  time.Time  // the due time of the last write; guarded by mu
	down  bool       // guarded by mu
	held  bool       // what is queued waits; guarded by mu
	slow  bool       // each delay is the longest; guarded by mu
	// client is of the server that writes go to; guarded by mu.
	client *redis.Client
}

// send has the fetcher get a write, later.
func (l *laggard) send(w write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		w.done()
		return
	}
	delay := l.longest
	if !l.slow {
		delay = time.Duration(l.rnd.Int64N(int64(l.longest) + 1))
	}
	w.due = time.Now().Add(delay)
	if w.due.Before(l.last) {
		w.due = l.last
	}
	l.last = w.due
	l.queue = append(l.queue, w)
}

// appliedTogether bounds the writes of one round trip.
const appliedTogether = 500

// run gives the fetcher its writes until ctx ends.
func (l *laggard) run(ctx context.Context) {
	for ctx.Err() == nil {
		due, client := l.due()
		if len(due) == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		// A fetcher that was killed has nothing any more, so that an error is no
		// matter: it comes back with all that the store has.
		_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, w := range due {
				if len(w.fields) > 0 {
					p.HSet(ctx, w.key, w.fields)
				}
				if len(w.gone) > 0 {
					p.HDel(ctx, w.key, w.gone...)
				}
			}
			return nil
		})
		for _, w := range due {
			w.done()
		}
	}
}

// due takes the writes that are due, and says which server gets them.
func (l *laggard) due() ([]write, *redis.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, now := 0, time.Now()
	for n < min(len(l.queue), appliedTogether) && !l.held && !l.queue[n].due.After(now) {
		n++
	}
	due := l.queue[:n:n]
	l.queue = l.queue[n:]
	return due, l.client
}

// kill ends the fetcher at once.
func (l *laggard) kill() {
	l.store.kill()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, w := range l.queue {
		w.done()
	}
	l.queue = nil
}

// restart brings the fetcher back with all that the store has, as a fetcher
// comes: on another port until it is loaded. While snapshot is called, and until
// the fetcher takes writes again, sending is locked.
func (l *laggard) restart(t testing.TB, sending sync.Locker, snapshot func() map[string]hash) {
	t.Helper()
	loading := startStore(t)
	sending.Lock()
	content := snapshot()
	l.mu.Lock()
	l.down, l.held = false, true
	l.mu.Unlock()
	sending.Unlock()
	loading.load(t, content)

	l.mu.Lock()
	l.client, l.held = loading.client, false
	l.mu.Unlock()
	eventually(t, "a fetcher having all that came meanwhile", l.behind)
	_, port, err := net.SplitHostPort(l.store.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := loading.client.ConfigSet(t.Context(), "port", port).Err(); err != nil {
		t.Fatalf("moving a fetcher to port %s: %v", port, err)
	}
	l.mu.Lock()
	l.store.process, l.client = loading.process, l.store.client
	l.mu.Unlock()
}

// behind returns nil when the fetcher has all that is due.
func (l *laggard) behind() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 && l.queue[0].due.Before(time.Now().Add(-l.longest/2)) {
		return fmt.Errorf("%d writes wait", len(l.queue))
	}
	return nil
}
