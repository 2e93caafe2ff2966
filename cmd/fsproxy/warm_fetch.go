package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// fetchHot fetches what is hot and was not loaded: what a peer's clients ask for, or,
// without peers, what was held by the process before. hot is called when that is
// done, and while a peer is followed on.
func (s *sidecar) fetchHot(ctx context.Context, hot func()) {
	warm, fetcher := s.cfg.Warm, s.peers.warmer
	select {
	case <-s.peers.taken:
	case <-ctx.Done():
	}
	if len(warm.Peers) > 0 {
		if err := fetcher.Ask(ctx, hot); err != nil {
			s.log.Info("no peer told what is asked for", "error", err)
		}
		return
	}
	if s.warm.keeper == nil || s.warm.keeper.Hints() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warm.LoadTimeout)
	defer cancel()
	var err error
	fetcher.Fetch(ctx, func(yield func(peer.Wanted) bool) { err = hints(s.warm.keeper.Hints(), warm.Entities, yield) })
	if broken := (*snapshot.Broken)(nil); err != nil && !errors.As(err, &broken) {
		s.log.Warn("what was held before cannot be read", "error", err)
	}
	s.log.Info("fetched what was held before", "fetches", fetcher.Stats().Fetches, "failed", fetcher.Stats().Failed)
}

// hints gives out what a snapshot tells was held: n entities, the hottest first.
func hints(of *snapshot.Snapshot, n int, yield func(peer.Wanted) bool) error {
	lists := make(map[string][]peer.List) // by what was held
	return of.Hot(func(entity []byte, features []uint32) bool {
		key := numbersKey(features)
		some, known := lists[key]
		if !known {
			for _, i := range cache.Covering(features, of.Projections) {
				some = append(some, peer.List{Fields: of.Fields(of.Projections[i]), View: of.Views[i]})
			}
			lists[key] = some
		}
		n--
		return n >= 0 && yield(peer.Wanted{Entity: slices.Clone(entity), Lists: some})
	})
}

func numbersKey(numbers []uint32) string {
	var key []byte
	for _, n := range numbers {
		key = strconv.AppendUint(append(key, ' '), uint64(n), 36)
	}
	return string(key)
}

// readiness has the process be ready when what is to be loaded and fetched is
// there, or it took too long.
type readiness struct {
	once sync.Once
	set  func(ready bool)
	late *time.Timer
}

func newReadiness(ctx context.Context, within time.Duration, set func(ready bool)) *readiness {
	r := &readiness{set: set}
	context.AfterFunc(ctx, func() {
		r.once.Do(func() {}) // not any more
		set(false)
	})
	if within == 0 {
		r.now()
		return r
	}
	r.late = time.AfterFunc(within, r.now)
	return r
}

// now says that it is ready.
func (r *readiness) now() { r.once.Do(func() { r.set(true) }) }
