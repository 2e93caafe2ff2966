package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// The load and the settings of the scenario marker.
const (
	markerRate     = 5000 // operations a second: what two cores do beside the store and its relay
	markerBefore   = 3 * time.Second
	markerDuring   = 8 * time.Second // both invalidations of the marker and all refreshes
	markerAfter    = 3 * time.Second
	markerInterval = 100 * time.Millisecond
	markerSettle   = time.Second
	// markerStale is stale_while_revalidate, where it is on: longer than it takes
	// until nearly every entity was asked for again.
	markerStale = 5 * time.Second
	// markerSample is how long a sample of the store's load is.
	markerSample = 100 * time.Millisecond
	markersKey   = "fs:markers"
)

// The phases of the scenario marker.
const (
	BeforeMarker      Phase = "before"
	DuringMarker      Phase = "marker"
	AfterMarker       Phase = "after"
	BeforeMarkerStale Phase = "before, stale"
	DuringMarkerStale Phase = "marker, stale"
	AfterMarkerStale  Phase = "after, stale"
)

// probeMarker measures an open loop before, while and after a marker invalidates
// all features that are asked for: first where everything is fetched anew at
// once, then where old values are served while they are.
func probeMarker(ctx context.Context, b *run, s Scenario) error {
	if err := probeMarkerWith(ctx, b, s, 0, [...]Phase{BeforeMarker, DuringMarker, AfterMarker}); err != nil {
		return err
	}
	return probeMarkerWith(ctx, b, s, markerStale, [...]Phase{BeforeMarkerStale, DuringMarkerStale, AfterMarkerStale})
}

func probeMarkerWith(ctx context.Context, b *run, s Scenario, stale time.Duration, phases [3]Phase) error {
	p, err := b.openProxy(ctx, newDataset(s.Shape, 0, b.Seed),
		fmt.Sprintf("FSPROXY_INVALIDATION_STALE_WHILE_REVALIDATE=%s", stale),
		fmt.Sprintf("FSPROXY_INVALIDATION_MARKERS=[{key: %q, interval: %s, settle: %s}]", markersKey, markerInterval, markerSettle))
	if err != nil {
		return err
	}
	defer p.close()
	time.Sleep(2 * markerSettle) // what was fetched as the proxy started is forgotten by then
	if err := b.warm(s, p.session); err != nil {
		return err
	}
	for i, duration := range [...]time.Duration{markerBefore, markerDuring, markerAfter} {
		if phases[i] == phases[1] {
			if err := mark(p.store.address, p.data); err != nil {
				return err
			}
		}
		if err := p.underMarker(ctx, b, s, phases[i], duration); err != nil {
			return fmt.Errorf("%s: %w", phases[i], err)
		}
	}
	return nil
}

// underMarker runs an open loop and adds it to the report, with what it costs
// the store.
func (p *proxied) underMarker(ctx context.Context, b *run, s Scenario, phase Phase, duration time.Duration) error {
	plan := arrivals{rate: markerRate, duration: duration, pipeline: s.Shape.Pipeline, seed: b.Seed}
	if b.Rate > 0 {
		plan.rate = b.Rate
	}
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	peak := make(chan float64, 1)
	go func() { peak <- busiest(sampling, p.store.address) }()
	before, err := storeCommands(p.store.address)
	if err != nil {
		return err
	}
	r, err := p.measure(func() (*tally, error) { return p.endless(checkLengths).open(ctx, plan) })
	if err != nil {
		return err
	}
	after, err := storeCommands(p.store.address)
	if err != nil {
		return err
	}
	stop()
	m := b.report.add(s.Name, fsproxy, phase, []round{r})
	fmt.Fprintf(b.Progress, "  %s\n", m.line())
	b.report.note("%s, %s: %.0f commands a second to the store, at most %.0f in any %v; p50 %.0f µs, p99 %.0f µs, p99.9 %.0f µs",
		s.Name, phase, float64(after-before)/r.elapsed.Seconds(), <-peak, markerSample, m.Latency.P50, m.Latency.P99, m.Latency.P999)
	return nil
}

// busiest is the greatest load of a store, in commands a second, until ctx ends.
func busiest(ctx context.Context, address string) (most float64) {
	tick := time.NewTicker(markerSample)
	defer tick.Stop()
	last, at := int64(-1), time.Now()
	for {
		count, err := storeCommands(address)
		now := time.Now()
		if err == nil && last >= 0 {
			most = max(most, float64(count-last)/now.Sub(at).Seconds())
		}
		if err == nil {
			last, at = count, now
		}
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
	}
}

// mark sets the markers of all features.
func mark(address string, data *dataset) error {
	c, err := dial(context.Background(), address)
	if err != nil {
		return err
	}
	defer c.close()
	c.out = fmt.Appendf(c.out, "*%d\r\n$4\r\nHSET\r\n", 2+2*len(data.names))
	c.out = appendBulk(c.out, []byte(markersKey))
	for _, name := range data.names {
		c.out = appendBulk(c.out, name)
		c.out = appendBulk(c.out, strconv.AppendInt(nil, time.Now().UnixNano(), 10))
	}
	if err := c.flush(); err != nil {
		return err
	}
	_, err = c.reply()
	return err
}
