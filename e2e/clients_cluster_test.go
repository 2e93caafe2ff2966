//go:build e2e

package e2e

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// What clients do in front of a Redis Cluster that they take for one Redis, or
// for a cluster of one node.

// keysOfAllNodes returns keys that lie on all nodes of a redisCluster.
func keysOfAllNodes(t testing.TB) []string {
	t.Helper()
	keys, nodes := make([]string, 12), map[int]bool{}
	for i := range keys {
		keys[i] = fmt.Sprintf("{client %d}", i)
		nodes[slotOf(keys[i])*clusterSize/slotCount] = true
	}
	if len(nodes) != clusterSize {
		t.Fatalf("the keys lie on %d of %d nodes: choose others", len(nodes), clusterSize)
	}
	return keys
}

// Pools of redigo, Jedis and others take a connection back after pub/sub: it
// has to serve every key again.
func TestClusterConnectionServesAllNodesAfterPubSub(t *testing.T) {
	c := startRedisCluster(t)
	p := startProxy(t, "auto", c.nodes[0].addr)
	p.waitForStore(t)
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			w := dialWire(t, p.addr)
			w.do(t, "HELLO", protocol)
			w.do(t, "SUBSCRIBE", "news")
			w.do(t, "UNSUBSCRIBE", "news")
			for _, key := range keysOfAllNodes(t) {
				if got := w.do(t, "DEL", key); got != ":0\r\n" {
					t.Errorf("DEL %s after SUBSCRIBE and UNSUBSCRIBE answered %q", key, got)
				}
			}
		})
	}
}

// RESP3 allows any command while subscribed.
func TestClusterConnectionServesAllNodesWhileSubscribedInRESP3(t *testing.T) {
	c := startRedisCluster(t)
	p := startProxy(t, "auto", c.nodes[0].addr)
	p.waitForStore(t)
	w := dialWire(t, p.addr)
	w.do(t, "HELLO", "3")
	w.do(t, "SUBSCRIBE", "news")
	for _, key := range keysOfAllNodes(t) {
		if got := w.do(t, "DEL", key); got != ":0\r\n" {
			t.Errorf("DEL %s while subscribed answered %q", key, got)
		}
	}
}

// valkey-glide and Redisson send a script once, with SCRIPT LOAD, and call it
// by its digest for every key from then on.
func TestClusterScriptLoadedOnceRunsForEveryKey(t *testing.T) {
	const script = "return redis.call('HGET', KEYS[1], 'a')"
	sum := sha1.Sum([]byte(script))
	digest := hex.EncodeToString(sum[:])

	c := startRedisCluster(t)
	p := startProxy(t, "auto", c.nodes[0].addr)
	p.waitForStore(t)
	w := dialWire(t, p.addr)
	if got := w.do(t, "SCRIPT", "LOAD", script); !strings.Contains(got, digest) {
		t.Fatalf("SCRIPT LOAD answered %q, want %s", got, digest)
	}
	for _, key := range keysOfAllNodes(t) {
		w.do(t, "HSET", key, "a", "1")
		if got := w.do(t, "EVALSHA", digest, "1", key); got != "$1\r\n1\r\n" {
			t.Errorf("EVALSHA for %s, slot %d, answered %q", key, slotOf(key), got)
		}
	}
	if got := w.do(t, "SCRIPT", "EXISTS", digest); got != "*1\r\n:1\r\n" {
		t.Errorf("SCRIPT EXISTS answered %q", got)
	}
	w.do(t, "SCRIPT", "FLUSH")
	for _, key := range keysOfAllNodes(t) {
		if got := w.do(t, "EVALSHA", digest, "1", key); !strings.HasPrefix(got, "-NOSCRIPT ") {
			t.Errorf("after SCRIPT FLUSH, EVALSHA for %s, slot %d, answered %q", key, slotOf(key), got)
		}
	}
}
