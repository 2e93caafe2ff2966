//go:build e2e

package e2e

import (
	"testing"
)

func TestClusterReadsEqualTheStoreAndRepeatFromMemory(t *testing.T) {
	c := startRedisCluster(t)
	hashes := readers.hashes()
	c.load(t, hashes)
	for _, discovery := range []string{"auto", "cluster"} {
		t.Run(discovery, func(t *testing.T) {
			p := startProxy(t, discovery, c.nodes[0].addr)
			checkReads(t, p, readers, hashes, func() int {
				sum := 0
				for _, n := range c.nodes {
					sum += n.reads(t)
				}
				return sum
			})
		})
	}
}

// A client of the proxy sees one node that owns all slots, so a write of any
// slot has to arrive, whichever node holds it.
func TestClusterWriteIsVisibleToTheNextRead(t *testing.T) {
	c := startRedisCluster(t)
	p := startProxy(t, "cluster", c.nodes[0].addr)
	w := dialWire(t, p.addr)
	written := map[int]bool{}
	for i := range 30 {
		key := readers.key(i)
		written[slotOf(key)*clusterSize/slotCount] = true
		if got, want := w.do(t, "HMGET", key, "a"), bulks(""); got != want {
			t.Fatalf("before the write of %s: %q, want %q", key, got, want)
		}
		got := w.mustPipeline(t, []string{"HSET", key, "a", "1"}, []string{"HMGET", key, "a"})
		if got[0] != ":1\r\n" || got[1] != bulks("1") {
			t.Fatalf("HSET of %s (slot %d) and HMGET answered %q", key, slotOf(key), got)
		}
	}
	if len(written) != clusterSize {
		t.Fatalf("the keys lie on %d of %d nodes: choose others", len(written), clusterSize)
	}
}
