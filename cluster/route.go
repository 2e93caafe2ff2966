package cluster

import (
	"fmt"
	"time"
)

// Route returns the address of the node that a command on that slot belongs
// to when it is not a fetch: the primary, or, where all are equals, always the
// same one. A negative slot is a command without a key.
func (u *Upstream) Route(slot int) (string, error) {
	v := u.view.Load()
	if v == nil {
		return "", u.unreachable()
	}
	if slot < 0 || v.topology.Kind == Standalone {
		return v.topology.Shards[0].Nodes[0], nil
	}
	shard := v.shardOf(uint16(slot))
	if shard < 0 {
		u.askRefresh()
		return "", fmt.Errorf("%w %d", errUncovered, slot)
	}
	return v.topology.Shards[shard].Nodes[0], nil
}

// Topology is what is known of the store and for how long; nil while it was
// not found yet.
func (u *Upstream) Topology() (*Topology, time.Duration) {
	v := u.view.Load()
	if v == nil {
		return nil, 0
	}
	return v.topology, time.Since(v.at)
}

// TopologyError is why the topology could not be read the last time; nil where it
// could, or was not asked for yet.
func (u *Upstream) TopologyError() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.discoveryErr
}

// FetcherState says how a fetcher is used.
type FetcherState string

// The states of a fetcher.
const (
	StateServing FetcherState = "serving"
	StateWarming FetcherState = "warming" // its share grows still
	StateAside   FetcherState = "aside"   // set aside, and probed
	StateDown    FetcherState = "down"    // its connections failed; it is dialled again and again
)

// FetcherStates are all of them.
var FetcherStates = []FetcherState{StateServing, StateWarming, StateAside, StateDown}

// FetcherStatus is what is known of a fetcher at a moment.
type FetcherStatus struct {
	Addr        string
	Zone        string // "": not known
	State       FetcherState
	Why         string        // for StateAside, and for StateDown
	Until       time.Duration // for StateAside: when it is probed again, from now
	Latency     time.Duration // the recent average; 0: not known
	Outstanding int64         // fetches sent and not answered, late ones included
	Stats       *FetcherStats // goes on counting
}

// Fetchers calls yield with the figures of each fetcher in use.
func (u *Upstream) Fetchers(yield func(addr string, outstanding int64, stats *FetcherStats)) {
	for _, f := range u.inUse() {
		yield(f.addr, f.outstanding.Load(), &f.stats)
	}
}

// FetcherStatuses calls yield with what is known of each fetcher in use.
func (u *Upstream) FetcherStatuses(yield func(FetcherStatus)) {
	now := time.Now()
	for _, f := range u.inUse() {
		yield(u.status(f, now))
	}
}

func (u *Upstream) inUse() []*fetcher {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*fetcher, 0, len(u.fetchers))
	for _, f := range u.fetchers {
		all = append(all, f)
	}
	return all
}

func (u *Upstream) status(f *fetcher, now time.Time) FetcherStatus {
	s := FetcherStatus{
		Addr: f.addr, State: StateServing, Latency: f.latency.known(),
		Outstanding: f.outstanding.Load(), Stats: &f.stats,
	}
	if v := u.view.Load(); v != nil {
		s.Zone = v.topology.Zone(f.addr)
	}
	at := clock(now)
	switch until := f.aside.Load(); {
	case f.failing():
		s.State, s.Why = StateDown, f.lastError()
	case until != 0:
		u.healthMu.Lock()
		s.State, s.Why, s.Until = StateAside, f.why, time.Duration(max(until-at, 0))
		u.healthMu.Unlock()
	case f.weight(at) < 1:
		s.State = StateWarming
	}
	return s
}

// Refresh asks for a look at the topology before its time, as when a node
// says MOVED.
func (u *Upstream) Refresh() { u.askRefresh() }
