package cluster

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// fetcher is a store node that answers reads, and what is known of it.
type fetcher struct {
	addr  string
	conns []*conn

	outstanding atomic.Int64  // fetches sent and not answered, late ones included
	next        atomic.Uint32 // turns through conns
	stats       FetcherStats
}

// FetcherStats counts what was asked of one fetcher.
type FetcherStats struct {
	Fetches  atomic.Uint64 // sent
	Errors   atomic.Uint64 // connection lost or refused, or a reply that is no frame
	Timeouts atomic.Uint64 // no reply within the fetch timeout
	Nanos    atomic.Uint64 // from send to reply, of all that were answered
	Answered atomic.Uint64
}

// conn is the connection whose turn it is, leaving out those that are down.
func (f *fetcher) conn() *conn {
	turn := int(f.next.Add(1) % uint32(len(f.conns)))
	now := time.Now()
	for i := range f.conns {
		if c := f.conns[(turn+i)%len(f.conns)]; !c.failing(now) {
			return c
		}
	}
	return f.conns[turn]
}

// down tells whether no connection of it should be sent fetches.
func (f *fetcher) down(now time.Time) bool {
	for _, c := range f.conns {
		if !c.failing(now) {
			return false
		}
	}
	return true
}

// leave lets go of it: its connections end when they have answered what they
// were sent, and take no more.
func (f *fetcher) leave() {
	for _, c := range f.conns {
		c.leave()
	}
}

// choose picks the fetcher of a shard for the next fetch: of two drawn by
// chance the one with fewer fetches outstanding, so that all share the load,
// whatever their order, and a slow one gets less. One that is down, or was just
// tried, is chosen only where there is no other.
func choose(shard []*fetcher, avoid *fetcher) *fetcher {
	switch len(shard) {
	case 0:
		return nil
	case 1:
		return shard[0]
	}
	now := time.Now()
	usable := func(f *fetcher) bool { return f != avoid && !f.down(now) }
	i := rand.IntN(len(shard))
	j := rand.IntN(len(shard) - 1)
	if j >= i {
		j++
	}
	a, b := shard[i], shard[j]
	switch okA, okB := usable(a), usable(b); {
	case okA && okB:
		if b.outstanding.Load() < a.outstanding.Load() {
			return b
		}
		return a
	case okA:
		return a
	case okB:
		return b
	}
	for k := range shard {
		if f := shard[(i+k)%len(shard)]; usable(f) {
			return f
		}
	}
	if a == avoid {
		return b
	}
	return a
}
