package rcm

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// maxTurns bounds the views of a topology that is told whole, and so the memory
// that their replies take. Nodes past it are listed first in none of them, but
// clients that spread their reads by themselves use them as well as others.
const maxTurns = 64

// defaultVersion is reported when the topology has none: a version that makes
// clients ask CLUSTER SLOTS, which all of them understand.
const defaultVersion = "7.0.15"

// views is a topology as clients are told it: to each a subset of its nodes, or
// all of them, turned.
type views struct {
	topology *cluster.Topology // nil: none yet
	networks Networks
	subset   int // nodes of a shard that a client is told; 0: all
	counters *counters
	version  string
	shards   []listed
	zones    map[string]bool // that any node is in
	turns    []*view         // where all are told
	answers  answers         // where subsets are
}

// listed is a shard ready to be told.
type listed struct {
	ranges []cluster.SlotRange
	nodes  []*node
}

// node is a fetcher, its address in parts.
type node struct {
	id   string // 40 hexadecimal digits, the same wherever and whenever computed
	host string
	port int
	zone string // "": not known
	hash uint64 // by which subsets are chosen
}

func newNode(address string) *node {
	host, portText, _ := net.SplitHostPort(address) // a topology holds checked addresses
	port, _ := strconv.Atoi(portText)
	return &node{id: nodeID(address), host: host, port: port, hash: hash(address)}
}

// nodeID names a node as Redis Cluster does, by 40 hexadecimal digits.
func nodeID(address string) string {
	sum := sha1.Sum([]byte(address))
	return hex.EncodeToString(sum[:])
}

// hash is the same in all RCMs, now and later: it is not seeded, and must never
// change, or all clients would move at once.
func hash(text string) uint64 {
	sum := sha1.Sum([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// busPort is the port that CLUSTER NODES gives behind the '@'. Nobody listens
// there; clients want a number.
func (n *node) busPort() int {
	if n.port+10000 > 65535 {
		return n.port
	}
	return n.port + 10000
}

func newViews(t *cluster.Topology, networks Networks, subset int, counters *counters) *views {
	v := &views{topology: t, networks: networks, subset: subset, counters: counters, version: defaultVersion, zones: make(map[string]bool)}
	v.answers.most = maxAnswers
	turns := 1
	if t != nil {
		if t.Version != "" {
			v.version = t.Version
		}
		ranges := t.Ranges()
		for i, s := range t.Shards {
			l := listed{ranges: ranges[i]}
			for _, address := range slices.Sorted(slices.Values(s.Nodes)) { // in whatever order they were found
				n := newNode(address)
				if n.zone = t.Zone(address); n.zone == "" {
					ip, _ := netip.ParseAddr(n.host)
					n.zone = networks.zone(ip)
				}
				v.zones[n.zone] = true
				l.nodes = append(l.nodes, n)
			}
			v.shards = append(v.shards, l)
			turns = max(turns, min(len(s.Nodes), maxTurns))
		}
	}
	if subset == 0 {
		for turn := range turns {
			v.turns = append(v.turns, v.turned(turn, turns))
		}
	}
	return v
}

// of is what client is told.
func (v *views) of(client identity) *view {
	if v.subset == 0 {
		return v.turns[client.hash%uint64(len(v.turns))]
	}
	zone := client.zone
	if zone == "" {
		zone = v.networks.zone(client.ip)
	}
	if !v.zones[zone] {
		zone = "" // whatever clients call themselves, they make no more views than there are zones
	}
	return v.answers.get(viewKey{client.hash, zone}, v.chosen, v.counters)
}

// turned is the whole topology; in each shard another node is first.
func (v *views) turned(turn, turns int) *view {
	w := &view{parent: v}
	for _, s := range v.shards {
		first := turn * len(s.nodes) / turns
		nodes := append(append([]*node(nil), s.nodes[first:]...), s.nodes[:first]...)
		w.shards = append(w.shards, listed{ranges: s.ranges, nodes: nodes})
	}
	return w
}

// chosen is a client's subset of each shard.
func (v *views) chosen(key viewKey) *view {
	w := &view{parent: v, key: key, shards: make([]listed, len(v.shards))}
	for i, s := range v.shards {
		w.shards[i] = listed{ranges: s.ranges, nodes: choose(s.nodes, v.subset, key.hash, key.zone)}
	}
	return w
}

// What is rendered of a view.
const (
	replySlots = iota
	replyShards2
	replyShards3
	replyNodes // lines of CLUSTER NODES, without the RCM's own
	replies
)

// view is what a client is told. Its replies are rendered when first asked for.
type view struct {
	parent *views
	key    viewKey
	shards []listed

	mu       sync.Mutex // protects rendered
	rendered [replies][]byte

	held int // bytes, as answers counts them; protected by its lock
}

func (w *view) slots() []byte   { return w.reply(replySlots) }
func (w *view) shards2() []byte { return w.reply(replyShards2) }
func (w *view) shards3() []byte { return w.reply(replyShards3) }
func (w *view) nodes() []byte   { return w.reply(replyNodes) }

// reply renders a reply unless it was before.
func (w *view) reply(which int) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rendered[which] == nil {
		w.rendered[which] = w.render(which)
		w.parent.counters.rendered.Add(1)
		w.parent.answers.grew(w, len(w.rendered[which]), w.parent.counters)
	}
	return w.rendered[which]
}

func (w *view) render(which int) []byte {
	var b []byte
	switch which {
	case replySlots:
		b = w.renderSlots()
	case replyShards2:
		b = w.renderShards(resp.V2)
	case replyShards3:
		b = w.renderShards(resp.V3)
	case replyNodes:
		b = w.renderNodes()
	}
	return append(make([]byte, 0, len(b)+1), b...) // no room is kept, and never nil
}

// owner is the node that this view has first for slot; false when no shard
// owns it.
func (w *view) owner(slot uint16) (*node, bool) {
	if w.parent.topology == nil {
		return nil, false
	}
	i, ok := w.parent.topology.ShardOf(slot)
	if !ok {
		return nil, false
	}
	return w.shards[i].nodes[0], true
}

// count is how many distinct nodes the view has.
func (w *view) count() int {
	distinct := make(map[string]bool)
	for _, s := range w.shards {
		for _, n := range s.nodes {
			distinct[n.id] = true
		}
	}
	return len(distinct)
}
