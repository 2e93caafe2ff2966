package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// warming is what has to do with rows that outlive the process.
type warming struct {
	clock  *snapshot.Clock  // nil: no file is kept
	keeper *snapshot.Keeper // likewise
}

// newClock makes the clock by which freshness is judged.
func (s *sidecar) newClock() {
	if s.cfg.Warm.File == "" {
		s.clock = cache.NewClock()
		return
	}
	s.warm.clock = snapshot.NewClock()
	s.clock = s.warm.clock.Clock
}

// newKeeper makes what keeps the rows in a file, if that is wanted.
func (s *sidecar) newKeeper() {
	if s.warm.clock == nil {
		return
	}
	warm := s.cfg.Warm
	s.warm.keeper = snapshot.NewKeeper(snapshot.Config{
		Path: warm.File, Identity: func() string { return identity(s.reload.config()) }, WrittenBy: buildName(),
		Interval: warm.Interval, MaxBytes: int64(warm.MaxBytes), Log: s.log,
		Views: views(s.cfg.Listeners), Writes: s.proxy.Writes, Room: func() int64 { return s.cache.Stats().MaxBytes },
	}, s.cache, s.warm.clock, s.sources)
}

// buildName names the build whose decoded values another takes over as they are.
func buildName() string {
	b := readBuild()
	return b.Version + " " + b.Commit
}

// views are those in which clients of listeners may ask.
func views(listeners []config.Listener) (all []cache.View) {
	for _, l := range listeners {
		all = append(all, viewOf(l).Forms()...)
	}
	return all
}

// identity stands for all of a configuration on which it depends whether a row
// that was right under it is right under another.
func identity(cfg *config.Config) string {
	upstream, invalidation := cfg.Upstream, cfg.Invalidation
	text, err := json.Marshal(struct {
		Discovery    config.Discovery
		Addresses    []string
		Username     string
		Invalidation config.Invalidation // its secrets are in no exported field
		WriteSettle  time.Duration
		Scheme       feature.Scheme
		Features     []*feature.Definition
	}{
		upstream.Discovery, upstream.Addresses, upstream.Username, invalidation, cfg.Cache.WriteSettle,
		cfg.Catalogue().Scheme(), cfg.Catalogue().Features(),
	})
	if err != nil {
		panic("identity of the configuration: " + err.Error()) // plain fields alone
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// void is called when something changed in memory that no source tells of again.
func (w *warming) void() {
	if w.keeper != nil {
		w.keeper.Void()
	}
}

// stats tells of the file; nil: none is kept.
func (w *warming) stats() func() snapshot.Stats {
	if w.keeper == nil {
		return nil
	}
	return w.keeper.Stats
}

// open takes up what an earlier process left behind, before the sources of
// invalidations run.
func (w *warming) open() {
	if w.keeper != nil {
		w.keeper.Open()
	}
}

// warmUp fills the cache in the background, and then keeps a copy of it.
// It calls ready when all is there that is to be.
func (s *sidecar) warmUp(ctx context.Context, ready func()) {
	if s.warm.keeper != nil {
		s.warm.keeper.Load(ctx, s.cfg.Warm.LoadTimeout)
	}
	if s.warm.keeper == nil || !s.warm.keeper.Took() {
		s.awaitSources(ctx)
		s.fetchHot(ctx, ready)
	}
	ready()
	if s.warm.keeper != nil {
		s.warm.keeper.Run(ctx)
	}
}

// awaitSources waits until what is fetched can be kept for good, which is one
// settle after the sources have found where they begin, or it takes too long.
func (s *sidecar) awaitSources(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Warm.LoadTimeout)
	defer cancel()
	select {
	case <-s.upstream.Looked():
		s.sources.Settled(ctx)
	case <-ctx.Done():
	}
}

// keepRows writes the rows for the next process. No client is connected any more.
func (s *sidecar) keepRows() {
	if s.warm.keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Warm.SaveTimeout)
	defer cancel()
	s.warm.keeper.Save(ctx)
}
