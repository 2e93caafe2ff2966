//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// shard is a range of slots and the stores that hold it, all equals.
type shard struct {
	first, last int // slots, both included
	nodes       []*store
}

// fleet is a clusterless store: plain servers that know nothing of each other,
// each node of a shard with the same data.
type fleet struct{ shards []shard }

// startFleet runs two shards of two nodes each, with the given options for
// each redis-server.
func startFleet(t testing.TB, options ...string) *fleet {
	t.Helper()
	half := slotCount / 2
	f := &fleet{shards: []shard{{first: 0, last: half - 1}, {first: half, last: slotCount - 1}}}
	for i := range f.shards {
		for range 2 {
			f.shards[i].nodes = append(f.shards[i].nodes, startStore(t, options...))
		}
	}
	return f
}

// topology returns the fleet as `fsproxy rcm --topology` reads it.
func (f *fleet) topology() string {
	var b strings.Builder
	b.WriteString("shards:\n")
	for _, s := range f.shards {
		addrs := make([]string, len(s.nodes))
		for i, n := range s.nodes {
			addrs[i] = fmt.Sprintf("%q", n.addr)
		}
		fmt.Fprintf(&b, "  - {slots: %d-%d, nodes: [%s]}\n", s.first, s.last, strings.Join(addrs, ", "))
	}
	return b.String()
}

// nodes returns the stores of all shards.
func (f *fleet) nodes() []*store {
	var all []*store
	for _, s := range f.shards {
		all = append(all, s.nodes...)
	}
	return all
}

// shardOf returns the number of the shard that holds key.
func (f *fleet) shardOf(key string) int {
	slot := slotOf(key)
	for i, s := range f.shards {
		if s.first <= slot && slot <= s.last {
			return i
		}
	}
	panic(fmt.Sprintf("slot %d is in no shard", slot))
}

// load stores each hash in all nodes of its shard.
func (f *fleet) load(t testing.TB, hashes map[string]hash) {
	t.Helper()
	parts := make([]map[string]hash, len(f.shards))
	for i := range parts {
		parts[i] = map[string]hash{}
	}
	for key, fields := range hashes {
		parts[f.shardOf(key)][key] = fields
	}
	for i, s := range f.shards {
		for _, n := range s.nodes {
			n.load(t, parts[i])
		}
	}
}

// reads returns how many HMGETs and HGETs all nodes together have answered.
func (f *fleet) reads(t testing.TB) int {
	t.Helper()
	sum := 0
	for _, n := range f.nodes() {
		sum += n.reads(t)
	}
	return sum
}
