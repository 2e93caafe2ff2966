package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// peers is what has to do with other processes that serve the same clients.
type peers struct {
	clock  *snapshot.Clock // nil: no rows are given or taken
	warmer *peer.Warmer
	giver  *peer.Giver   // nil: no rows are given
	taken  chan struct{} // closed when no more rows are to come
	warm   atomic.Bool   // what was to be loaded and fetched is there
}

// newPeersClock makes the clock one that other processes' rows have their place
// before, if any are to come. It follows newClock.
func (s *sidecar) newPeersClock() {
	s.peers.taken = make(chan struct{})
	if !s.cfg.Warm.Rows {
		return
	}
	s.peers.clock = s.warm.clock
	if s.peers.clock == nil {
		s.peers.clock = snapshot.NewClock()
		s.clock = s.peers.clock.Clock
	}
}

// newPeers makes what asks others, and what answers them.
func (s *sidecar) newPeers() {
	warm := s.cfg.Warm
	token, _ := s.cfg.Admin.Token()
	s.peers.warmer = peer.New(peer.Config{
		Addresses: warm.Peers, Token: token, Entities: warm.Entities, Rate: warm.Rate,
		Within: warm.LoadTimeout, Follow: warm.Follow, MaxBytes: int64(warm.MaxBytes),
		Build: buildName(), Views: views(s.cfg.Listeners),
		Own: s.own, Fetch: s.proxy.Warm, Log: s.log,
	})
	if !warm.Rows {
		return
	}
	s.peers.giver = peer.NewGiver(peer.GiverConfig{
		Cache: s.cache, Clock: s.peers.clock, Ready: s.vouches, Checkpoints: s.sources.Checkpoints,
		Identity: func() string { return identity(s.reload.config()) }, WrittenBy: buildName(), MaxBytes: int64(warm.MaxBytes),
	})
}

// peersStats tells what was taken from peers; nil: there are none, and no file.
func (s *sidecar) peersStats() func() peer.Stats {
	if len(s.cfg.Warm.Peers) == 0 && s.cfg.Warm.File == "" {
		return nil
	}
	return s.peers.warmer.Stats
}

// invalidatedByHand is called when something was invalidated that no source tells
// of. A write through the proxy is none of that for others: what they took is what
// any Pod may hold that had fetched it when this one did.
func (s *sidecar) invalidatedByHand() {
	s.warm.void()
	if s.peers.giver != nil {
		s.peers.giver.Void()
	}
}

// vouches tells whether all that is held here could be proved elsewhere, and is
// worth having.
func (s *sidecar) vouches() bool {
	return s.peers.warm.Load() && !slices.ContainsFunc(s.sources.Statuses(), func(status invalidation.Status) bool {
		return status.Kind == invalidation.KindTracking || status.State != invalidation.StateTrusted || status.Suspended || status.Unsettled
	})
}

// runSources runs the sources of invalidations until ctx ends: from where a peer's
// stand, if one gives its rows, which are put in place meanwhile. What the sources
// cover is suspended until they have caught up.
func (s *sidecar) runSources(ctx context.Context) {
	var taking sync.WaitGroup
	defer taking.Wait()
	rows := s.openRows(ctx)
	taking.Go(func() {
		defer close(s.peers.taken)
		if rows != nil {
			rows.Load(ctx, s.cfg.Warm.LoadTimeout, s.cache, s.peers.clock, s.cache.Stats().MaxBytes/100*peersShare)
		}
	})
	s.sources.Run(ctx)
}

// peersShare, in percent, is how much of the cache rows of a peer may fill: what is
// asked for meanwhile needs room too.
const peersShare = 95

// openRows finds a peer that gives its rows, unless there is a file of our own; nil:
// there is none.
func (s *sidecar) openRows(ctx context.Context) *peer.Rows {
	if !s.cfg.Warm.Rows || len(s.cfg.Warm.Peers) == 0 || s.warm.keeper != nil && s.warm.keeper.Found() {
		return nil
	}
	rows, err := s.peers.warmer.Open(ctx, identity(s.cfg))
	if err != nil {
		s.log.Info("no peer gives its rows: what is hot is fetched instead", "error", err)
		return nil
	}
	rows.Intern(s.cache)
	// It was sent just now: how long it took is not for sure.
	if err := s.sources.ResumeFrom(rows.Header.Checkpoints, 0); err != nil {
		s.log.Warn("a source of invalidations cannot go on where a peer's stood: what it covers is fetched anew", "error", err)
	}
	return rows
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
