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

// Fetchers calls yield with the figures of each fetcher in use.
func (u *Upstream) Fetchers(yield func(addr string, outstanding int64, stats *FetcherStats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for addr, f := range u.fetchers {
		yield(addr, f.outstanding.Load(), &f.stats)
	}
}

// Refresh asks for a look at the topology before its time, as when a node
// says MOVED.
func (u *Upstream) Refresh() { u.askRefresh() }
