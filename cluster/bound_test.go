package cluster

import (
	"fmt"
	"strings"
	"testing"
)

// What waits for fetchers that never answer is bounded in number, not only by
// the time it may wait, and the rest is told at once.
func TestFetchesInFlightAreBounded(t *testing.T) {
	noLeaks(t)
	const each, more = 500, 100
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) { c.MaxInFlight = each }, fakes...)
	for _, f := range fakes {
		f.will(hang)
	}
	askers := make([]*asker, 2*each+more)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i))
	}
	for i := 0; i < len(askers); i += 64 { // some batches meet the bound in their midst
		send(u, askers[i:min(i+64, len(askers))]...)
	}
	u.Fetchers(func(addr string, outstanding int64, _ *FetcherStats) {
		if outstanding != each {
			t.Errorf("%s has %d fetches outstanding, want %d", addr, outstanding, each)
		}
	})
	var refused int
	for _, a := range askers {
		select {
		case got := <-a.answers:
			if got.err == nil || !strings.Contains(got.err.Error(), "upstream.max_in_flight") || !strings.Contains(got.err.Error(), "slots 0-16383") {
				t.Fatalf("told %+v", got)
			}
			refused++
		default:
		}
	}
	if refused != more || u.Full.Load() != more {
		t.Errorf("%d refused at once and %d counted, want the %d past the bound", refused, u.Full.Load(), more)
	}
}

// Where one is at its bound the others answer.
func TestFetchesGoElsewhereWhereOneIsAtItsBound(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) { c.MaxInFlight = 8 }, fakes...)
	u.fetcherAt(fakes[0].addr).outstanding.Store(8)
	drive(t, u, 100, 4)
	if n := fakes[0].reads.Load(); n > 0 {
		t.Errorf("%d fetches at one that was at its bound", n)
	}
}
