package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/admin"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/invalidation/kafka"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

// sidecar is a whole fsproxy in this process, as serve and demo run it.
type sidecar struct {
	cfg      *config.Config
	log      *slog.Logger
	clock    *cache.Clock
	cache    *cache.Cache
	upstream *cluster.Upstream
	proxy    *proxy.Server
	admin    *admin.Server
	rollout  *rollout.Rollout
	shadow   *cluster.Upstream // nil: none
	reload   *reloader
	level    *slog.LevelVar // of log; nil: fixed
	sources  *invalidation.Set
	kafka    *kafka.Source // one of sources; nil: none
	sticking sticking
	promises *promises
	warm     warming
	peers    peers
	// catalogue is what cfg's was at the start, and says what the one in force says.
	catalogue *feature.Catalogue

	encryption    encryption
	doors         []*door // of listeners, one each
	listeners     []net.Listener
	adminListener net.Listener // nil: switched off
}

// newSidecar opens the listeners, so that whoever starts it knows at once
// whether the addresses can be had, and begins to look for the store.
func newSidecar(cfg *config.Config, log *slog.Logger) (*sidecar, error) {
	s := &sidecar{cfg: cfg, log: log, catalogue: cfg.Catalogue()}
	s.newClock()
	s.newPeersClock()
	if err := s.listen(); err != nil {
		s.closeListeners()
		return nil, err
	}
	if err := s.assemble(); err != nil {
		s.closeListeners()
		return nil, err
	}
	return s, nil
}

func (s *sidecar) listen() error {
	for _, l := range s.cfg.Listeners {
		tlsConfig, err := l.TLS.Server(s.log)
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.Address, err)
		}
		opened, err := proxy.Listen(l.Address)
		if err != nil {
			return err
		}
		d := newDoor(opened, tlsConfig)
		s.doors = append(s.doors, d)
		s.listeners = append(s.listeners, viewOf(l).Listener(d))
	}
	if s.cfg.Admin.Address == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.cfg.Admin.Address)
	if err != nil {
		return fmt.Errorf("listen on the admin address %s (set admin.address or --admin to a free one, or to \"\" for none): %w", s.cfg.Admin.Address, err)
	}
	s.adminListener = l
	return nil
}

func (s *sidecar) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	if s.adminListener != nil {
		_ = s.adminListener.Close()
	}
}

func (s *sidecar) assemble() error {
	cfg := s.cfg
	var err error
	if s.cache, err = cache.New(s.cacheConfig(cfg), s.clock); err != nil {
		return err
	}
	if s.encryption, err = newEncryption(cfg, s.log); err != nil {
		return err
	}
	s.upstream = cluster.NewUpstream(upstreamConfig(cfg, s.encryption.upstream, s.log))
	s.sticking = newSticking(invalidation.Adapt(s.cache), s.upstream, cfg.Invalidation)
	s.sources, s.kafka, err = newSources(cfg.Invalidation, s.encryption.kafka, s.sticking, s.upstream, s.catalogue, s.log)
	if err != nil {
		s.upstream.Close()
		return err
	}
	if len(cfg.Rollout.Shadow.Addresses) > 0 {
		s.shadow = cluster.NewUpstream(shadowConfig(cfg, s.encryption.shadow, s.log))
	}
	if s.promises, err = newPromises(cfg, s.catalogue, s.sources.Statuses); err == nil {
		s.rollout, err = s.newRollout(cfg)
	}
	if err != nil {
		s.closeStores()
		return err
	}
	s.proxy = proxy.New(s.proxyConfig(cfg), s.cache, s.upstream, s.clock)
	s.newKeeper()
	s.reload = newReloader(cfg, s.log, s.prepare)
	s.newPeers()
	build := readBuild()
	s.admin = admin.New(admin.Build{Version: build.Version, Commit: build.Commit, Go: build.Go}, admin.Sources{
		Cache: s.cache, Upstream: s.upstream, Proxy: s.proxy, Clock: s.clock,
		Config: s.reload.config, Mode: s.rollout.Mode, SetMode: s.rollout.SetMode,
		Reload: s.reload.reload, LastReload: s.reload.outcome,
		Invalidation: s.sources.Statuses, Invalidated: s.invalidatedByHand, Kept: s.warm.stats(), Names: s.catalogue,
		Giver: s.peers.giver, Peers: s.peersStats(),
		Rollout: admin.ViewOf(s.rollout), EditRules: s.rollout.Edit, Compared: s.rollout,
	}, s.log)
	return nil
}

// proxyConfig is what the proxy is made with, and tuned with later.
func (s *sidecar) proxyConfig(cfg *config.Config) proxy.Config {
	return proxy.Config{
		Limits: resp.Limits{
			Arguments: cfg.Limits.MaxArguments, BulkBytes: int(cfg.Limits.MaxBulkBytes),
			InlineBytes: int(cfg.Limits.MaxInlineBytes), RequestBytes: int(cfg.Limits.MaxRequestBytes),
		},
		MaxClients: cfg.Limits.MaxClients, MaxOutputBytes: int(cfg.Limits.MaxOutputBytes), MaxInFlight: cfg.Limits.MaxInFlight,
		FetchTimeout: cfg.Upstream.FetchTimeout, WriteSettle: cfg.Cache.WriteSettle,
		ServeOn: cfg.DrainTimeout, DrainTimeout: finishTimeout,
		Rollout: s.rollout, Announce: cfg.Announce, TunnelIdle: cfg.Upstream.TunnelIdleTimeout, Auth: proxyAuth(cfg.Auth), Log: s.log,
		Catalogue: func() *feature.Catalogue { return s.catalogue },
		Wrote:     s.warm.void,
	}
}

// closeStores lets go of the stores, when no client is left.
func (s *sidecar) closeStores() {
	s.upstream.Close()
	if s.shadow != nil {
		s.shadow.Close()
	}
}

func proxyAuth(auth config.Auth) proxy.Auth {
	a := proxy.Auth{CacheTTL: auth.CacheTTL, ShareRows: auth.ShareRows}
	switch auth.Mode {
	case config.AuthPassword:
		a.Mode = proxy.AuthPassword
		a.Password, _ = auth.Password()
	case config.AuthUpstream:
		a.Mode = proxy.AuthUpstream
	}
	return a
}

// finishTimeout is how long requests in flight may take to finish when the last
// open connection is closed.
const finishTimeout = 5 * time.Second

// run serves until ctx ends and everything in flight is finished.
func (s *sidecar) run(ctx context.Context) error {
	// These outlive the clients, who need them to the last reply.
	background, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.clock.Run(background) })
	wg.Go(func() { s.cache.Reclaim(background) })
	s.warm.open()
	wg.Go(func() { s.runSources(background) })
	wg.Go(func() { s.rollout.Run(background) })
	wg.Go(func() { s.reload.watch(background) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var adminErr error
	if s.adminListener != nil {
		wg.Go(func() {
			if adminErr = s.admin.Serve(background, s.adminListener); adminErr != nil {
				cancel()
			}
		})
	}
	ready := newReadiness(ctx, s.cfg.Warm.Readiness, s.admin.SetReady)
	wg.Go(func() {
		s.warmUp(background, func() {
			s.peers.warm.Store(true)
			ready.now()
		})
	})
	s.awaitStore(ctx)
	err := s.proxy.Serve(ctx, s.listeners...)
	s.keepRows()
	s.closeStores()
	stop()
	wg.Wait()
	s.cache.Close()
	return errors.Join(err, adminErr)
}

// awaitStore waits until the store was looked for once, and then for the sources
// of invalidations, within the time that a connection to it may take: a client
// that comes at once would else get an error in front of a store that is there,
// or have its first values not kept. Its connection waits meanwhile, as the
// listeners are open already.
func (s *sidecar) awaitStore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Upstream.ConnectTimeout)
	defer cancel()
	select {
	case <-s.upstream.Looked():
		s.sources.Positioned(ctx)
	case <-ctx.Done():
	}
}
