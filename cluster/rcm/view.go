package rcm

import (
	"crypto/sha1"
	"encoding/hex"
	"hash/fnv"
	"net"
	"strconv"
	"sync"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// maxTurns bounds the views of a topology, and so the memory that their
// replies take. Nodes past it are listed first in none of them, but clients
// that spread their reads by themselves use them as well as others.
const maxTurns = 64

// defaultVersion is reported when the topology has none: a version that makes
// clients ask CLUSTER SLOTS, which all of them understand.
const defaultVersion = "7.0.15"

// views is a topology as clients are told it: one view for each turn.
type views struct {
	topology *cluster.Topology // nil: none yet
	version  string
	shards   []listed
	known    int // distinct nodes
	turns    []*view
}

// listed is a shard ready to be told.
type listed struct {
	ranges []cluster.SlotRange
	nodes  []node
}

// node is a fetcher, its address in parts.
type node struct {
	id   string // 40 hexadecimal digits, the same wherever and whenever computed
	host string
	port int
}

func newNode(address string) node {
	host, portText, _ := net.SplitHostPort(address) // a topology holds checked addresses
	port, _ := strconv.Atoi(portText)
	return node{id: nodeID(address), host: host, port: port}
}

// nodeID names a node as Redis Cluster does, by 40 hexadecimal digits.
func nodeID(address string) string {
	sum := sha1.Sum([]byte(address))
	return hex.EncodeToString(sum[:])
}

// busPort is the port that CLUSTER NODES gives behind the '@'. Nobody listens
// there; clients want a number.
func (n node) busPort() int {
	if n.port+10000 > 65535 {
		return n.port
	}
	return n.port + 10000
}

func newViews(t *cluster.Topology) *views {
	v := &views{topology: t, version: defaultVersion}
	turns := 1
	if t != nil {
		if t.Version != "" {
			v.version = t.Version
		}
		v.known = len(t.Nodes())
		ranges := t.Ranges()
		for i, s := range t.Shards {
			l := listed{ranges: ranges[i]}
			for _, address := range s.Nodes {
				l.nodes = append(l.nodes, newNode(address))
			}
			v.shards = append(v.shards, l)
			turns = max(turns, min(len(s.Nodes), maxTurns))
		}
	}
	for turn := range turns {
		v.turns = append(v.turns, v.newView(turn, turns))
	}
	return v
}

// of is the view of the client whose address hashes to h.
func (v *views) of(h uint32) *view {
	return v.turns[h%uint32(len(v.turns))]
}

// view is what some clients are told: in each shard another node is first.
// Replies are rendered when first asked for.
type view struct {
	parent *views
	shards []listed

	slots            func() []byte
	shards2, shards3 func() []byte
	nodes            func() []byte // lines of CLUSTER NODES, without the RCM's own
}

func (v *views) newView(turn, turns int) *view {
	w := &view{parent: v}
	for _, s := range v.shards {
		first := turn * len(s.nodes) / turns
		nodes := append(append([]node(nil), s.nodes[first:]...), s.nodes[:first]...)
		w.shards = append(w.shards, listed{ranges: s.ranges, nodes: nodes})
	}
	w.slots = sync.OnceValue(w.renderSlots)
	w.shards2 = sync.OnceValue(func() []byte { return w.renderShards(resp.V2) })
	w.shards3 = sync.OnceValue(func() []byte { return w.renderShards(resp.V3) })
	w.nodes = sync.OnceValue(w.renderNodes)
	return w
}

// owner is the node that this view has first for slot; false when no shard
// owns it.
func (w *view) owner(slot uint16) (node, bool) {
	if w.parent.topology == nil {
		return node{}, false
	}
	i, ok := w.parent.topology.ShardOf(slot)
	if !ok {
		return node{}, false
	}
	return w.shards[i].nodes[0], true
}

// addressHash is the same for all connections of a client machine or Pod, and
// in all RCMs: it leaves the port out, and is not seeded.
func addressHash(address net.Addr) uint32 {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return 0 // a Unix socket
	}
	h := fnv.New32a()
	h.Write([]byte(host))
	return h.Sum32()
}
