package invalidation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
)

// Set is all the sources of a process. It is a [Source] itself.
type Set struct {
	sources []Source
	looked  <-chan struct{} // closed when the store was looked for once
}

// Upstream is the store as sources see it; *cluster.Upstream is one.
type Upstream interface {
	Store
	Nodes
	// Looked is closed when the store was looked for once: before that there is
	// nobody to ask.
	Looked() <-chan struct{}
}

// New assembles the sources that cfg names, but for those of Kafka, which Add
// takes. What they cover is suspended from now on, until Run has positioned
// them. Names may be nil.
func New(cfg config.Invalidation, memory Memory, upstream Upstream, names feature.Names, log *slog.Logger) (*Set, error) {
	s := &Set{looked: upstream.Looked()}
	for i, m := range cfg.Markers {
		cover, err := feature.NewCover(m.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.markers[%d].covers: %w", i, err)
		}
		guard := guardOf(m)
		guard.Cover = cover
		s.Add(NewMarkers(MarkersConfig{
			Guard: guard, Key: m.Key, Interval: m.Interval, VersionField: m.VersionField,
		}, upstream, memory, names, log))
	}
	if t := cfg.Tracking; t.Enabled {
		s.Add(NewTracking(trackingOf(t), upstream, memory, log))
	}
	return s, nil
}

// Tune takes over from cfg what may change while the sources that it names run:
// how often is asked, for how long fetchers may be behind, and what a loss means.
// Those of Kafka are tuned by themselves.
func (s *Set) Tune(cfg config.Invalidation) {
	for _, source := range s.sources {
		switch source := source.(type) {
		case *Markers:
			at := slices.IndexFunc(cfg.Markers, func(m config.Marker) bool { return m.Key == source.cfg.Key })
			if at >= 0 {
				source.tune(cfg.Markers[at].Interval, guardOf(cfg.Markers[at]))
			}
		case *Tracking:
			source.tune(trackingOf(cfg.Tracking))
		}
	}
}

// guardOf is what a marker's options say of its guard.
func guardOf(m config.Marker) GuardConfig {
	return GuardConfig{
		Name: m.Key, Kind: KindMarkers, Settle: m.Settle,
		MaxLag: m.MaxSilence, OnLoss: OnLoss(m.OnLoss), ServeFor: m.ServeFor,
	}
}

func trackingOf(t config.Tracking) TrackingConfig {
	return TrackingConfig{
		Prefixes: t.Prefixes, Settle: t.Settle, MaxSilence: t.MaxSilence,
		OnLoss: OnLoss(t.OnLoss), ServeFor: t.ServeFor,
	}
}

// The kinds of sources.
const (
	KindMarkers  = "markers"
	KindKafka    = "kafka"
	KindTracking = "tracking"
)

// Add takes one more source. It comes before Run.
func (s *Set) Add(source Source) { s.sources = append(s.sources, source) }

// Run implements Source.
func (s *Set) Run(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.looked:
	}
	var wg sync.WaitGroup
	for _, source := range s.sources {
		wg.Go(func() { source.Run(ctx) })
	}
	wg.Wait()
}

// Positioned waits until every source has found where it begins, or is known not
// to find it soon, and what is fetched from then on can be kept; or until ctx
// ends.
func (s *Set) Positioned(ctx context.Context) {
	if len(s.sources) == 0 {
		return
	}
	ticker := time.NewTicker(positionedInterval)
	defer ticker.Stop()
	starting := func(status Status) bool { return status.State == StateStarting && status.Error == "" }
	for slices.ContainsFunc(s.Statuses(), starting) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(2 * cache.TickLength): // a fetch of the tick in which a suspension ended is not kept
	}
}

// positionedInterval is how often Positioned looks: a poll of the markers takes
// less than a millisecond.
const positionedInterval = 2 * time.Millisecond

// Statuses implements Source.
func (s *Set) Statuses() []Status {
	var all []Status
	for _, source := range s.sources {
		all = append(all, source.Statuses()...)
	}
	return all
}
