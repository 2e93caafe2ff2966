// Package fleet is what the sources of an RCM find: shards, the slots of each,
// and the fetchers that hold them. It turns that into a topology, the same one
// wherever and in whatever order it was found.
package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

// maxZone bounds the name of a zone, in bytes: that of a label's value in
// Kubernetes.
const maxZone = 63

// Node is a fetcher.
type Node struct {
	Address string // host:port
	Zone    string // "": not known
}

// Shard is the fetchers that hold the same slots.
type Shard struct {
	Slots []cluster.SlotRange
	Nodes []Node
}

// Status is what a source tells of itself.
type Status struct {
	Kind    string    // "file", "kubernetes", "dns"
	Heard   time.Time // when it last answered; zero: not yet
	Err     error     // why it does not answer now; nil: it does
	Errors  uint64    // failed questions
	Relists uint64    // how often everything was read anew
	Found   int       // what was found and looked at: Pods, addresses
	LeftOut int       // of these, what is told to nobody
}

// Topology makes a topology of shards. Shards without nodes are left out, and
// with them their slots; nodes are ordered by address.
func Topology(version string, shards []Shard) (*cluster.Topology, error) {
	var assignments []cluster.Assignment
	zones := make(map[string]string)
	for _, s := range shards {
		if len(s.Nodes) == 0 {
			continue
		}
		a := cluster.Assignment{Slots: s.Slots}
		for _, n := range s.Nodes {
			a.Nodes = append(a.Nodes, n.Address)
			if n.Zone != "" {
				zones[n.Address] = n.Zone
			}
		}
		slices.Sort(a.Nodes)
		assignments = append(assignments, a)
	}
	slices.SortFunc(assignments, func(a, b cluster.Assignment) int { return cmp.Compare(a.Slots[0].First, b.Slots[0].First) })
	t, err := cluster.NewTopology(cluster.RCM, version, assignments)
	if err != nil {
		return nil, err
	}
	return t.WithZones(zones), nil
}

// ParseSlots reads ranges of slots, "0-100,200-300" or "7", both ends included.
// What comes back is in rising order, and neighbours are joined, so that equal
// slots compare equal however they were written.
func ParseSlots(text string) ([]cluster.SlotRange, error) {
	var ranges []cluster.SlotRange
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	slices.SortFunc(ranges, func(a, b cluster.SlotRange) int { return cmp.Compare(a.First, b.First) })
	joined := ranges[:1]
	for _, r := range ranges[1:] {
		last := &joined[len(joined)-1]
		switch {
		case r.First <= last.Last:
			return nil, fmt.Errorf("slot %d is named twice: name each once", r.First)
		case r.First == last.Last+1:
			last.Last = r.Last
		default:
			joined = append(joined, r)
		}
	}
	return joined, nil
}

func parseRange(s string) (cluster.SlotRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if err1 != nil || err2 != nil || a > b || b >= cluster.Slots {
		const shown = 50 // of what may be of any length
		return cluster.SlotRange{}, fmt.Errorf("%q is no range within 0-%d: write first-last, both included", s[:min(len(s), shown)], cluster.Slots-1)
	}
	return cluster.SlotRange{First: uint16(a), Last: uint16(b)}, nil
}

// Even is the range of shard i of n, when n shards share the slots evenly: the
// first ones have one slot more where they cannot.
func Even(i, n int) cluster.SlotRange {
	share, more := cluster.Slots/n, cluster.Slots%n
	first := i*share + min(i, more)
	if i < more {
		share++
	}
	return cluster.SlotRange{First: uint16(first), Last: uint16(first + share - 1)}
}

// FormatSlots is what ParseSlots reads.
func FormatSlots(ranges []cluster.SlotRange) string {
	var b strings.Builder
	for i, r := range ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// ValidZone tells whether zone can stand in a line of CLUSTER NODES and in the
// name of a client.
func ValidZone(zone string) bool {
	if zone == "" || len(zone) > maxZone {
		return false
	}
	for i := range len(zone) {
		switch c := zone[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
