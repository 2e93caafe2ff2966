package cluster

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// maxNodes bounds the distinct nodes of a topology. Redis Cluster is made for
// a thousand; a fleet of interchangeable fetchers may have a few times that.
const maxNodes = 1 << 16

// Kind tells what stands behind the configured addresses.
type Kind uint8

// The kinds of upstream.
const (
	Standalone Kind = iota // plain servers, each of which holds everything
	Cluster                // a Redis Cluster: the first node of a shard is its primary
	RCM                    // a fleet behind a Redis Cluster Manager: all nodes of a shard are equals
)

func (k Kind) String() string {
	switch k {
	case Standalone:
		return "standalone"
	case Cluster:
		return "cluster"
	case RCM:
		return "rcm"
	}
	return "kind " + strconv.Itoa(int(k))
}

// SlotRange is a run of hash slots, both ends included.
type SlotRange struct{ First, Last uint16 }

func (r SlotRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// AllSlots is the range that one shard owns when it is the only one.
var AllSlots = SlotRange{0, Slots - 1}

// Assignment says that nodes answer for slots. Several assignments to the same
// nodes in the same order are one shard.
type Assignment struct {
	Slots []SlotRange
	Nodes []string // host:port
}

// Shard is a set of nodes that hold the same slots.
type Shard struct {
	// Nodes are host:port. For Kind Cluster the first is the primary (unless it
	// has failed or its address is unknown) and the rest are replicas; for the
	// other kinds all answer reads alike, in the order given.
	Nodes []string
}

// Topology says which shard owns which slot. It is immutable after NewTopology
// has built it: nobody may change the slices that it hands out.
type Topology struct {
	Kind    Kind
	Shards  []Shard // ordered by the lowest slot that each owns
	Version string  // redis_version as the store reports it; "" when unknown

	zones   map[string]string // by address; nil: none is known
	owner   [Slots]uint16     // index into Shards plus one; 0: nobody
	covered int
	nodes   []string
}

// NewTopology builds a topology. It refuses a slot assigned to two shards or
// out of range, a shard without slots or nodes, and an address that is not
// host:port.
func NewTopology(kind Kind, version string, assignments []Assignment) (*Topology, error) {
	if len(assignments) == 0 {
		return nil, errors.New("topology: no shard: at least one node must own slots")
	}
	t := &Topology{Kind: kind, Version: version}
	known := make(map[string]struct{})
	shards := make(map[string]int) // joined addresses to index
	for i, a := range assignments {
		if err := t.assign(a, shards, known); err != nil {
			return nil, fmt.Errorf("topology: shard %d (%s): %w", i+1, summary(a.Nodes), err)
		}
	}
	t.order()
	return t, nil
}

func (t *Topology) assign(a Assignment, shards map[string]int, known map[string]struct{}) error {
	if len(a.Slots) == 0 {
		return errors.New("it owns no slot")
	}
	if len(a.Nodes) == 0 {
		return errors.New("it has no node")
	}
	name := strings.Join(a.Nodes, " ")
	index, seen := shards[name]
	if !seen {
		if err := t.admit(a.Nodes, known); err != nil {
			return err
		}
		index = len(t.Shards)
		shards[name] = index
		t.Shards = append(t.Shards, Shard{Nodes: slices.Clone(a.Nodes)})
	}
	for _, r := range a.Slots {
		if err := t.own(r, index); err != nil {
			return err
		}
	}
	return nil
}

// admit checks the addresses of a new shard and adds them to known.
func (t *Topology) admit(nodes []string, known map[string]struct{}) error {
	own := make(map[string]struct{}, len(nodes))
	for _, node := range nodes {
		if err := CheckAddress(node); err != nil {
			return err
		}
		if _, twice := own[node]; twice {
			return fmt.Errorf("node %s is listed twice", node)
		}
		own[node] = struct{}{}
		if _, ok := known[node]; !ok {
			known[node] = struct{}{}
			t.nodes = append(t.nodes, node)
		}
	}
	if len(known) > maxNodes {
		return fmt.Errorf("more than %d nodes in all", maxNodes)
	}
	return nil
}

func (t *Topology) own(r SlotRange, index int) error {
	if r.First > r.Last || r.Last >= Slots {
		return fmt.Errorf("slots %s: not a range within 0-%d", r, Slots-1)
	}
	for slot := int(r.First); slot <= int(r.Last); slot++ {
		if o := t.owner[slot]; o != 0 {
			return fmt.Errorf("slot %d of %s is already owned by %s", slot, r, summary(t.Shards[o-1].Nodes))
		}
		t.owner[slot] = uint16(index + 1) // an index is below Slots: each shard owns a slot
		t.covered++
	}
	return nil
}

// order sorts the shards by their lowest slot, so that topologies that say the
// same compare equal whatever order the store listed them in.
func (t *Topology) order() {
	place := make([]uint16, len(t.Shards)+1) // old index plus one to new
	next := uint16(0)
	sorted := make([]Shard, 0, len(t.Shards))
	for slot, o := range t.owner {
		if o == 0 {
			continue
		}
		if place[o] == 0 {
			next++
			place[o] = next
			sorted = append(sorted, t.Shards[o-1])
		}
		t.owner[slot] = place[o]
	}
	t.Shards = sorted
}

// ShardOf is the index in Shards of the owner of slot; false when no shard
// owns it, or there is no such slot.
func (t *Topology) ShardOf(slot uint16) (index int, ok bool) {
	if slot >= Slots {
		return 0, false
	}
	o := t.owner[slot]
	return int(o) - 1, o != 0
}

// Zone is where a node is; "": not known.
func (t *Topology) Zone(node string) string { return t.zones[node] }

// WithZones is t with the zones of its nodes, by address, in place of those it
// had.
func (t *Topology) WithZones(zones map[string]string) *Topology {
	with := *t
	with.zones = maps.Clone(zones)
	return &with
}

// Covered is how many of the Slots are owned by a shard.
func (t *Topology) Covered() int { return t.covered }

// Nodes are the distinct addresses of all shards, in no particular order.
func (t *Topology) Nodes() []string { return t.nodes }

// Ranges are the slots of each shard, as few ranges as there can be, in rising
// order; the index is that of Shards.
func (t *Topology) Ranges() [][]SlotRange {
	ranges := make([][]SlotRange, len(t.Shards))
	for slot := 0; slot < Slots; {
		o, first := t.owner[slot], slot
		for slot < Slots && t.owner[slot] == o {
			slot++
		}
		if o != 0 {
			ranges[o-1] = append(ranges[o-1], SlotRange{uint16(first), uint16(slot - 1)})
		}
	}
	return ranges
}

// Equal tells whether t and other say the same: kind, version, the nodes of each
// slot in their order, and their zones.
func (t *Topology) Equal(other *Topology) bool {
	if t == nil || other == nil {
		return t == other
	}
	return t.Kind == other.Kind && t.Version == other.Version && t.owner == other.owner && maps.Equal(t.zones, other.zones) &&
		slices.EqualFunc(t.Shards, other.Shards, func(a, b Shard) bool { return slices.Equal(a.Nodes, b.Nodes) })
}

// CheckAddress tells what keeps address from being host:port, if anything.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q is not host:port", clip(address))
	}
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ',' || r == '@' }) {
		return fmt.Errorf("address %q has no valid host", clip(address))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		return fmt.Errorf("address %q: the port is not between 1 and 65535", clip(address))
	}
	return nil
}

// summary names a shard in a message: its first address and how many follow.
func summary(nodes []string) string {
	switch len(nodes) {
	case 0:
		return "no node"
	case 1:
		return clip(nodes[0])
	}
	return clip(nodes[0]) + " and " + strconv.Itoa(len(nodes)-1) + " more"
}

// clip keeps what others sent from filling a message. 200 bytes show any
// sensible address or error whole.
func clip(s string) string {
	const most = 200
	return s[:min(most, len(s))]
}
