package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/rollout"
)

// newRollout assembles what decides which reads are answered from memory.
func (s *sidecar) newRollout(cfg *config.Config) (*rollout.Rollout, error) {
	made := rollout.Config{
		Mode: cfg.Mode, Options: cfg.Rollout, Catalogue: func() *feature.Catalogue { return s.catalogue },
		Cache: s.cache, Clock: s.clock, Store: s.upstream, Promise: s.promises.of, Log: s.log,
	}
	if s.shadow != nil { // or the interface would hold a nil pointer
		made.Shadow = s.shadow
	}
	return rollout.New(made)
}

// shadowConfig is how the second store is reached.
func shadowConfig(cfg *config.Config, tlsConfig *tls.Config, log *slog.Logger) cluster.Config {
	shadow, like := cfg.Rollout.Shadow, cfg.Upstream
	password, _ := shadow.Password()
	return cluster.Config{
		Discovery: cluster.DiscoveryConfig{
			Kind: string(shadow.Discovery), Addresses: shadow.Addresses,
			Username: shadow.Username, Password: password, TLS: tlsConfig, ConnectTimeout: like.ConnectTimeout,
		},
		TLS: tlsConfig, Username: shadow.Username, Password: password,
		ConnectTimeout: like.ConnectTimeout, FetchTimeout: like.FetchTimeout,
		Connections: 1, RefreshInterval: like.RefreshInterval, MaxInFlight: like.MaxInFlight,
		TopologyPatience: like.TopologyPatience, Log: log.With("store", "shadow"),
	}
}

// promises tell how far behind the store each feature may be: docs/CONSISTENCY.md
// has the table.
type promises struct {
	bounds   atomic.Pointer[[]bound] // replaced whole
	statuses func() []invalidation.Status
}

// bound is what one source promises of the features that it covers.
type bound struct {
	name   string // of the source; "": of each node that announces changes
	kind   string
	cover  *feature.Cover
	well   time.Duration // while the source is heard
	poorly time.Duration // while it is failing
	heard  time.Duration // it is heard if it was no longer ago
}

// jitter is by how many times an interval may be longer.
const jitter = 1.2

func newPromises(cfg *config.Config, names feature.Names, statuses func() []invalidation.Status) (*promises, error) {
	bounds, err := boundsOf(cfg, names)
	if err != nil {
		return nil, err
	}
	p := &promises{statuses: statuses}
	p.bounds.Store(&bounds)
	return p, nil
}

// boundsOf are the bounds that the sources of a configuration promise.
func boundsOf(cfg *config.Config, names feature.Names) (bounds []bound, err error) {
	in := cfg.Invalidation
	// Every bound has the time that a fetch takes, and ticks.
	reach := cfg.Upstream.FetchTimeout + 2*cache.TickLength
	for _, m := range in.Markers {
		cover, err := feature.NewCover(m.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.markers: %w", err)
		}
		interval := time.Duration(jitter * float64(m.Interval))
		bounds = append(bounds, bound{
			name: m.Key, kind: invalidation.KindMarkers, cover: cover, heard: 2 * interval,
			well: interval + m.Settle + in.StaleWhileRevalidate + reach, poorly: m.MaxSilence + m.Settle + m.ServeFor + in.StaleWhileRevalidate + reach,
		})
	}
	for _, t := range in.Kafka.Topics {
		cover, err := feature.NewCover(t.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.kafka.topics: %w", err)
		}
		bounds = append(bounds, bound{
			name: t.Name, kind: invalidation.KindKafka, cover: cover, heard: 2 * in.Kafka.CheckInterval,
			well: 2*in.Kafka.CheckInterval + in.Kafka.Settle + reach, poorly: t.MaxLag + in.Kafka.Settle + t.ServeFor + reach,
		})
	}
	if t := in.Tracking; t.Enabled {
		cover, err := feature.NewCover([]string{"*"}, names)
		if err != nil {
			return nil, err
		}
		bounds = append(bounds, bound{
			kind: invalidation.KindTracking, cover: cover, heard: 2 * time.Second,
			well: time.Second + t.Settle + reach, poorly: t.MaxSilence + t.Settle + t.ServeFor + reach,
		})
	}
	return bounds, nil
}

// of is the promise for a feature, as things stand: a source that is failing
// promises less.
func (p *promises) of(field string) rollout.Promise {
	promise := rollout.Promise{Source: rollout.SourceAge}
	var names []string
	var now []invalidation.Status
	bounds := *p.bounds.Load()
	for i := range bounds {
		b := &bounds[i]
		if !b.cover.Has(field) {
			continue
		}
		if now == nil {
			now = p.statuses()
		}
		names = append(names, b.label())
		promise.Covered = true
		promise.Within = max(promise.Within, b.within(now))
	}
	if len(names) > 0 {
		promise.Source = strings.Join(names, ", ")
	}
	return promise
}

func (b *bound) label() string {
	if b.name == "" {
		return b.kind
	}
	return b.name
}

func (b *bound) within(now []invalidation.Status) time.Duration {
	for _, s := range now {
		if s.Kind == b.kind && (b.name == "" || s.Name == b.name) && (s.State != invalidation.StateTrusted || s.Lag > b.heard) {
			return b.poorly
		}
	}
	return b.well
}
