//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// clusterSize is the number of masters of a redisCluster.
const clusterSize = 3

// redisCluster is a real Redis Cluster of masters without replicas.
type redisCluster struct {
	nodes  []*store
	client *redis.ClusterClient
}

// startRedisCluster runs three servers, gives each its slots, joins them, and
// waits until all agree that the cluster is whole.
func startRedisCluster(t testing.TB) *redisCluster {
	t.Helper()
	c := &redisCluster{}
	busPorts := make([]int, clusterSize)
	addrs := make([]string, clusterSize)
	for i := range clusterSize {
		// Without this the bus listens ten thousand ports above the data port,
		// where nothing keeps it free.
		busPorts[i] = freePort(t)
		c.nodes = append(c.nodes, startStore(t,
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(busPorts[i])))
		addrs[i] = c.nodes[i].addr
	}
	for i := range c.nodes {
		c.assign(t, i)
	}
	for i := range clusterSize - 1 {
		c.meet(t, i+1, busPorts[i+1])
	}
	for _, n := range c.nodes {
		eventually(t, "cluster state of "+n.addr, func() error { return wholeCluster(t, n) })
	}
	c.client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	t.Cleanup(func() { _ = c.client.Close() })
	return c
}

// assign gives node i its third of the slots and an epoch of its own.
func (c *redisCluster) assign(t testing.TB, i int) {
	t.Helper()
	n := c.nodes[i]
	first, last := i*slotCount/clusterSize, (i+1)*slotCount/clusterSize-1
	if err := n.client.Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
		t.Fatalf("CLUSTER SET-CONFIG-EPOCH on %s: %v", n.addr, err)
	}
	if err := n.client.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", first, last).Err(); err != nil {
		t.Fatalf("CLUSTER ADDSLOTSRANGE on %s: %v", n.addr, err)
	}
}

// meet introduces node i to the first node.
func (c *redisCluster) meet(t testing.TB, i, busPort int) {
	t.Helper()
	host, port, _ := strings.Cut(c.nodes[i].addr, ":")
	if err := c.nodes[0].client.Do(t.Context(), "CLUSTER", "MEET", host, port, busPort).Err(); err != nil {
		t.Fatalf("CLUSTER MEET of %s: %v", c.nodes[i].addr, err)
	}
}

// wholeCluster returns nil when n knows all nodes and sees all slots served.
func wholeCluster(t testing.TB, n *store) error {
	t.Helper()
	info, err := n.client.ClusterInfo(t.Context()).Result()
	if err != nil {
		return fmt.Errorf("CLUSTER INFO: %w", err)
	}
	for _, want := range []string{"cluster_state:ok", "cluster_known_nodes:3", "cluster_slots_ok:16384"} {
		if !strings.Contains(info, want) {
			return fmt.Errorf("no %s in %q", want, info)
		}
	}
	return nil
}

// load stores hashes through a cluster client.
func (c *redisCluster) load(t testing.TB, hashes map[string]hash) {
	t.Helper()
	for key, fields := range hashes {
		if err := c.client.HSet(t.Context(), key, fields).Err(); err != nil {
			t.Fatalf("HSET %s: %v", key, err)
		}
	}
}
