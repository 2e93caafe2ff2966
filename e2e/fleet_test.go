//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestFleetReadsEqualTheStoreAndRepeatFromMemory(t *testing.T) {
	for _, discovery := range []string{"auto", "rcm"} {
		t.Run(discovery, func(t *testing.T) {
			f := startFleet(t)
			hashes := readers.hashes()
			f.load(t, hashes)
			p := startProxy(t, discovery, startRCM(t, f.topology()).addr)
			checkReads(t, p, readers, hashes, func() int { return f.reads(t) })
		})
	}
}

// Hash tables instead of listpacks, since a store's answer must not depend on
// how it keeps a hash.
func TestFleetOfHashTablesReadsEqualTheStore(t *testing.T) {
	f := startFleet(t, "--hash-max-listpack-entries", "0")
	hashes := readers.hashes()
	f.load(t, hashes)
	p := startProxy(t, "auto", startRCM(t, f.topology()).addr)
	checkReads(t, p, readers, hashes, func() int { return f.reads(t) })
}

func TestReadsAreSpreadOverAllNodesOfAShard(t *testing.T) {
	for _, command := range []string{"HMGET", "HGET"} {
		t.Run(command, func(t *testing.T) {
			f := startFleet(t)
			f.load(t, readers.hashes())
			p := startProxy(t, "auto", startRCM(t, f.topology()).addr)
			for _, n := range f.nodes() {
				n.resetCalls(t)
			}
			w, field := dialWire(t, p.addr), readers.projection()[0]
			for i := range readers.entities {
				w.do(t, command, readers.key(i), field)
			}
			for _, n := range f.nodes() {
				if reads := n.reads(t); reads == 0 {
					t.Errorf("node %s answered no read", n.addr)
				}
			}
		})
	}
}

// A client of the RCM has to find in it the topology that its file gave.
func TestRCMAnswersWithItsTopology(t *testing.T) {
	f := startFleet(t)
	r := startRCM(t, f.topology())
	client := redis.NewClient(&redis.Options{Addr: r.addr})
	t.Cleanup(func() { _ = client.Close() })

	got := clusterSlots(t, client)
	nodes, err := client.ClusterNodes(t.Context()).Result()
	if err != nil {
		t.Fatalf("CLUSTER NODES: %v", err)
	}
	shards, err := client.ClusterShards(t.Context()).Result()
	if err != nil {
		t.Fatalf("CLUSTER SHARDS: %v", err)
	}
	if len(shards) != len(f.shards) {
		t.Errorf("CLUSTER SHARDS lists %d shards, want %d", len(shards), len(f.shards))
	}
	for _, s := range f.shards {
		for _, n := range s.nodes {
			if want := fmt.Sprintf("%d-%d", s.first, s.last); got[n.addr] != want {
				t.Errorf("CLUSTER SLOTS gives node %s the slots %q, want %s", n.addr, got[n.addr], want)
			}
			if !strings.Contains(nodes, n.addr) {
				t.Errorf("CLUSTER NODES does not list %s: %q", n.addr, nodes)
			}
		}
	}
}

// clusterSlots returns what CLUSTER SLOTS says: the range of slots by the
// address of each node.
func clusterSlots(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	reply, err := client.Do(t.Context(), "CLUSTER", "SLOTS").Slice()
	if err != nil {
		t.Fatalf("CLUSTER SLOTS: %v", err)
	}
	slots := map[string]string{}
	for _, r := range reply {
		entry, ok := r.([]any)
		if !ok || len(entry) < 3 {
			t.Fatalf("CLUSTER SLOTS has an entry %v", r)
		}
		for _, n := range entry[2:] {
			node, ok := n.([]any)
			if !ok || len(node) < 2 {
				t.Fatalf("CLUSTER SLOTS has a node %v", n)
			}
			slots[fmt.Sprintf("%v:%v", node[0], node[1])] = fmt.Sprintf("%v-%v", entry[0], entry[1])
		}
	}
	return slots
}
