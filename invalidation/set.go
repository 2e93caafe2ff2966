package invalidation

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
)

// Set is all the sources of a process. It is a [Source] itself.
type Set struct{ sources []Source }

// Upstream is the store as sources see it; *cluster.Upstream is one.
type Upstream interface {
	Store
	Nodes
}

// New assembles the sources that cfg names, but for those of Kafka, which Add
// takes. What they cover is suspended from now on, until Run has positioned
// them. Names may be nil.
func New(cfg config.Invalidation, memory Memory, upstream Upstream, names feature.Names, log *slog.Logger) (*Set, error) {
	s := &Set{}
	for i, m := range cfg.Markers {
		cover, err := feature.NewCover(m.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.markers[%d].covers: %w", i, err)
		}
		s.Add(NewMarkers(MarkersConfig{
			Guard: GuardConfig{
				Name: m.Key, Kind: KindMarkers, Cover: cover, Settle: m.Settle,
				MaxLag: m.MaxSilence, OnLoss: OnLoss(m.OnLoss), ServeFor: m.ServeFor,
			},
			Key: m.Key, Interval: m.Interval, VersionField: m.VersionField,
		}, upstream, memory, names, log))
	}
	if t := cfg.Tracking; t.Enabled {
		s.Add(NewTracking(TrackingConfig{
			Prefixes: t.Prefixes, Settle: t.Settle, MaxSilence: t.MaxSilence,
			OnLoss: OnLoss(t.OnLoss), ServeFor: t.ServeFor,
		}, upstream, memory, log))
	}
	return s, nil
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
	var wg sync.WaitGroup
	for _, source := range s.sources {
		wg.Go(func() { source.Run(ctx) })
	}
	wg.Wait()
}

// Statuses implements Source.
func (s *Set) Statuses() []Status {
	var all []Status
	for _, source := range s.sources {
		all = append(all, source.Statuses()...)
	}
	return all
}
