package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
)

// prepare makes all that a configuration needs which may take the place of the one
// in force, and may go wrong. Loaded is what the file said before: mode and rules are
// left as somebody may have set them, unless it says others now. Apply puts all of it
// into force, and cannot fail.
func (s *sidecar) prepare(loaded, now *config.Config) (apply func(), err error) {
	changed, _ := config.Changes(s.reload.config(), now)
	encryption, err := s.encryption.renewed(changed, now, s.log)
	if err != nil {
		return nil, err
	}
	doors, err := s.prepareDoors(changed, now)
	if err != nil {
		return nil, err
	}
	sources, err := s.prepareSources(now, encryption.kafka)
	if err != nil {
		return nil, err
	}
	compared, err := s.rollout.Tune(now.Rollout)
	if err != nil {
		return nil, err
	}
	before := identity(s.reload.config())
	return func() {
		s.encryption = encryption
		doors()
		s.takeCatalogue(now)
		s.cache.Tune(s.cacheConfig(now))
		s.upstream.Tune(upstreamConfig(now, encryption.upstream, s.log))
		if s.shadow != nil {
			s.shadow.Tune(shadowConfig(now, encryption.shadow, s.log))
		}
		sources()
		compared()
		s.rollout.TakeOver(loaded.Mode, loaded.Rollout, now.Mode, now.Rollout)
		s.proxy.Tune(s.proxyConfig(now))
		if s.level != nil {
			s.level.Set(now.Log.SlogLevel())
		}
		if before != identity(now) {
			s.warm.void()
		}
	}, nil
}

// prepareDoors has listeners encrypt as is configured now.
func (s *sidecar) prepareDoors(changed []string, now *config.Config) (apply func(), err error) {
	renewed := make(map[*door]*tls.Config)
	for i, d := range s.doors {
		if !anyOf(changed, fmt.Sprintf("listeners[%d].tls.", i)) {
			continue
		}
		if renewed[d], err = now.Listeners[i].TLS.Server(s.log); err != nil {
			return nil, fmt.Errorf("listener %s: %w", now.Listeners[i].Address, err)
		}
	}
	return func() {
		for d, encryption := range renewed {
			d.encryption.Store(encryption)
		}
	}, nil
}

// prepareSources tunes what tells of changes, and what is promised of it.
func (s *sidecar) prepareSources(now *config.Config, kafkaTLS *tls.Config) (apply func(), err error) {
	bounds, err := boundsOf(now, s.catalogue)
	if err != nil {
		return nil, err
	}
	kafka := func() {}
	if s.kafka != nil {
		cfg, err := newKafkaConfig(now.Invalidation.Kafka, kafkaTLS, s.catalogue)
		if err == nil {
			kafka, err = s.kafka.Tune(cfg)
		}
		if err != nil {
			return nil, fmt.Errorf("invalidation.kafka: %w", err)
		}
	}
	return func() {
		s.sticking.tune(now.Invalidation)
		s.sources.Tune(now.Invalidation)
		kafka()
		s.promises.bounds.Store(&bounds)
	}, nil
}

// encryption is how connections that fsproxy opens are encrypted; nil: not at all.
type encryption struct {
	upstream, shadow, kafka *tls.Config
}

func newEncryption(cfg *config.Config, log *slog.Logger) (encryption, error) {
	every := []string{"upstream.tls.", "rollout.shadow.tls.", "invalidation.kafka.tls."}
	return encryption{}.renewed(every, cfg, log)
}

// renewed is e with what is made anew of the options that have changed.
func (e encryption) renewed(changed []string, cfg *config.Config, log *slog.Logger) (encryption, error) {
	for _, of := range []struct {
		section string
		options config.TLS
		made    **tls.Config
	}{
		{"upstream.tls.", cfg.Upstream.TLS, &e.upstream},
		{"rollout.shadow.tls.", cfg.Rollout.Shadow.TLS, &e.shadow},
		{"invalidation.kafka.tls.", cfg.Invalidation.Kafka.TLS, &e.kafka},
	} {
		if !anyOf(changed, of.section) {
			continue
		}
		made, err := of.options.Client(log)
		if err != nil {
			return e, fmt.Errorf("%s: %w", strings.TrimSuffix(of.section, ".tls."), err)
		}
		*of.made = made
	}
	return e, nil
}

// anyOf tells whether one of the options begins so.
func anyOf(options []string, prefix string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, prefix) })
}

// cacheConfig is what the cache is made with, and tuned with later.
func (s *sidecar) cacheConfig(cfg *config.Config) cache.Config {
	return cache.Config{
		MaxBytes: int64(cfg.Cache.ResolvedMaxBytes()), MaxAge: cfg.Cache.MaxAge, NegativeMaxAge: cfg.Cache.NegativeMaxAge,
		Shards: cfg.Cache.Shards, MaxRowBytes: int(cfg.Cache.MaxRowBytes), MaxFeatures: cfg.Cache.MaxFeatures,
		MaxProjections: cfg.Cache.MaxProjections, MaxLayouts: cfg.Cache.MaxLayouts, NeverCache: cfg.Cache.NeverCache,
		StaleWhileRevalidate: cfg.Invalidation.StaleWhileRevalidate,
		Policy:               policies(cfg, s.catalogue),
		Decodes:              cfg.Decodes(),
		StaleIfError:         cfg.Upstream.StaleIfError,
	}
}

// upstreamConfig is how the store is reached at first, and as tuned later.
func upstreamConfig(cfg *config.Config, tlsConfig *tls.Config, log *slog.Logger) cluster.Config {
	upstream := cfg.Upstream
	password, _ := upstream.Password()
	return cluster.Config{
		Discovery: cluster.DiscoveryConfig{
			Kind: string(upstream.Discovery), Addresses: upstream.Addresses,
			Username: upstream.Username, Password: password, TLS: tlsConfig,
			ConnectTimeout: upstream.ConnectTimeout, ClientID: clientID(upstream), Zone: upstream.Zone,
		},
		TLS: tlsConfig, Username: upstream.Username, Password: password,
		ConnectTimeout: upstream.ConnectTimeout, FetchTimeout: upstream.FetchTimeout,
		Connections: upstream.Connections, RefreshInterval: upstream.RefreshInterval,
		MaxInFlight: upstream.MaxInFlight, HedgeBudget: upstream.HedgeBudget, SlowStart: upstream.SlowStart,
		Zone: upstream.Zone, TopologyPatience: upstream.TopologyPatience, Log: log,
	}
}
