package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/rollout"
)

// newRollout assembles what decides which reads are answered from memory.
// Shadow may be nil.
func newRollout(cfg *config.Config, catalogue *feature.Catalogue, held *cache.Cache, clock *cache.Clock, store, shadow *cluster.Upstream, statuses func() []invalidation.Status, log *slog.Logger) (*rollout.Rollout, error) {
	promises, err := newPromises(cfg, catalogue, statuses)
	if err != nil {
		return nil, err
	}
	made := rollout.Config{
		Mode: cfg.Mode, Options: cfg.Rollout, Catalogue: func() *feature.Catalogue { return catalogue },
		Cache: held, Clock: clock, Store: store, Promise: promises.of, Log: log,
	}
	if shadow != nil { // or the interface would hold a nil pointer
		made.Shadow = shadow
	}
	return rollout.New(made)
}

// newShadow looks for the second store, if there is one.
func newShadow(cfg *config.Config, log *slog.Logger) (*cluster.Upstream, error) {
	shadow, like := cfg.Rollout.Shadow, cfg.Upstream
	if len(shadow.Addresses) == 0 {
		return nil, nil
	}
	tlsConfig, err := shadow.TLS.Client()
	if err != nil {
		return nil, fmt.Errorf("rollout.shadow: %w", err)
	}
	password, _ := shadow.Password()
	return cluster.NewUpstream(cluster.Config{
		Discovery: cluster.DiscoveryConfig{
			Kind: string(shadow.Discovery), Addresses: shadow.Addresses,
			Username: shadow.Username, Password: password, TLS: tlsConfig, ConnectTimeout: like.ConnectTimeout,
		},
		TLS: tlsConfig, Username: shadow.Username, Password: password,
		ConnectTimeout: like.ConnectTimeout, FetchTimeout: like.FetchTimeout,
		Connections: 1, RefreshInterval: like.RefreshInterval, MaxInFlight: like.MaxInFlight,
		TopologyPatience: like.TopologyPatience, Log: log.With("store", "shadow"),
	}), nil
}

// promises tell how far behind the store each feature may be: docs/CONSISTENCY.md
// has the table.
type promises struct {
	bounds   []bound
	statuses func() []invalidation.Status
	// revalidate is for how long after a marker stale values may be served.
	revalidate time.Duration
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
	in := cfg.Invalidation
	p := &promises{statuses: statuses, revalidate: in.StaleWhileRevalidate}
	// Every bound has the time that a fetch takes, and ticks.
	reach := cfg.Upstream.FetchTimeout + 2*cache.TickLength
	for _, m := range in.Markers {
		cover, err := feature.NewCover(m.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.markers: %w", err)
		}
		interval := time.Duration(jitter * float64(m.Interval))
		p.bounds = append(p.bounds, bound{
			name: m.Key, kind: invalidation.KindMarkers, cover: cover, heard: 2 * interval,
			well: interval + m.Settle + in.StaleWhileRevalidate + reach, poorly: m.MaxSilence + m.Settle + m.ServeFor + in.StaleWhileRevalidate + reach,
		})
	}
	for _, t := range in.Kafka.Topics {
		cover, err := feature.NewCover(t.Covers, names)
		if err != nil {
			return nil, fmt.Errorf("invalidation.kafka.topics: %w", err)
		}
		p.bounds = append(p.bounds, bound{
			name: t.Name, kind: invalidation.KindKafka, cover: cover, heard: 2 * in.Kafka.CheckInterval,
			well: 2*in.Kafka.CheckInterval + in.Kafka.Settle + reach, poorly: t.MaxLag + in.Kafka.Settle + t.ServeFor + reach,
		})
	}
	if t := in.Tracking; t.Enabled {
		cover, err := feature.NewCover([]string{"*"}, names)
		if err != nil {
			return nil, err
		}
		p.bounds = append(p.bounds, bound{
			kind: invalidation.KindTracking, cover: cover, heard: 2 * time.Second,
			well: time.Second + t.Settle + reach, poorly: t.MaxSilence + t.Settle + t.ServeFor + reach,
		})
	}
	return p, nil
}

// of is the promise for a feature, as things stand: a source that is failing
// promises less.
func (p *promises) of(field string) rollout.Promise {
	promise := rollout.Promise{Source: rollout.SourceAge}
	var names []string
	var now []invalidation.Status
	for i := range p.bounds {
		b := &p.bounds[i]
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

// rolloutView shows a rollout through the admin API.
type rolloutView struct{ *rollout.Rollout }

// Rules implements admin.Rollout.
func (v rolloutView) Rules() []api.Rule {
	rules := []api.Rule{}
	for _, r := range v.Rollout.Rules().List() {
		rules = append(rules, api.Rule{
			Name: r.Name, Features: append([]string{}, r.Features...), Entities: append([]string{}, r.Entities...),
			Mode: string(r.Mode), Percent: r.Percent, VerifyRate: r.Verify,
		})
	}
	return rules
}

// RuleOf implements admin.Rollout.
func (v rolloutView) RuleOf(field string) string { return v.Rollout.Rules().RuleOf(field) }

// Decides implements admin.Rollout.
func (v rolloutView) Decides(entity []byte, field string) (rule string, mode config.Mode) {
	return v.Rollout.Rules().Of(field, entity)
}

// Differences implements admin.Rollout.
func (v rolloutView) Differences(most int) []api.Difference {
	differences := []api.Difference{}
	for _, d := range v.Rollout.Differences(most) {
		differences = append(differences, api.Difference{
			Time: d.Time, Entity: d.Entity, Feature: d.Feature, Name: d.Name, Class: d.Class, AgeSeconds: d.Age, Source: d.Source,
			CachedHash: d.CachedHash, StoredHash: d.StoredHash, Cached: d.Cached, Stored: d.Stored,
			Kind: d.Kind, Times: d.Times, LastedSeconds: d.Lasted, Fetcher: d.Fetcher,
		})
	}
	return differences
}
