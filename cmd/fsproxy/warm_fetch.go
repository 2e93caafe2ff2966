package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// fetchHot fetches what is hot, where rows could not be loaded: what a peer's
// clients ask for, or, without peers, what was held by the process before. hot is
// called when that is done, and while a peer is followed on.
func (s *sidecar) fetchHot(ctx context.Context, hot func()) {
	warm := s.cfg.Warm
	fetcher := s.newWarmer()
	if len(warm.Peers) > 0 {
		ctx, cancel := context.WithTimeout(ctx, warm.LoadTimeout+warm.Follow)
		defer cancel()
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

func (s *sidecar) newWarmer() *peer.Warmer {
	warm := s.cfg.Warm
	token, _ := s.cfg.Admin.Token()
	w := peer.New(peer.Config{
		Addresses: warm.Peers, Token: token, Entities: warm.Entities, Rate: warm.Rate, Follow: warm.Follow,
		Own: s.own, Fetch: s.proxy.Warm, Log: s.log,
	})
	return w
}

// hints gives out what a snapshot tells was held: n entities, the hottest first.
func hints(of *snapshot.Snapshot, n int, yield func(peer.Wanted) bool) error {
	lists := make(map[string][][][]byte) // by what was held
	return of.Hot(func(entity []byte, features []uint32) bool {
		key := numbersKey(features)
		some, known := lists[key]
		if !known {
			for _, numbers := range covering(features, of.Projections) {
				some = append(some, of.Fields(numbers))
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

// covering are the first of all that together ask for what was held and any of
// them asks for, each for nothing else.
func covering(held []uint32, all [][]uint32) (some [][]uint32) {
	left := make(map[uint32]bool, len(held))
	for _, f := range held {
		left[f] = true
	}
	for _, list := range all {
		within, adds := true, false
		for _, f := range list {
			missing, has := left[f]
			within, adds = within && has, adds || missing
		}
		if !within || !adds {
			continue
		}
		some = append(some, list)
		for _, f := range list {
			left[f] = false
		}
	}
	return some
}

// own tells whether an admin address is this process's.
func (s *sidecar) own(ip net.IP, port string) bool {
	if s.adminListener == nil {
		return false
	}
	_, ownPort, err := net.SplitHostPort(s.adminListener.Addr().String())
	if err != nil || port != ownPort {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addresses, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip)
	})
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
