package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

// found is what a set of Pods comes to.
type found struct {
	shards  []fleet.Shard
	pods    int
	leftOut []string // a line for each Pod or shard that is told to nobody, or against its readiness
}

// group is the Pods that hold the same slots.
type group struct {
	slots   []cluster.SlotRange
	text    string // of slots
	ready   []fleet.Node
	running []fleet.Node // not ready
}

// shardsOf sorts Pods into shards. The same Pods give the same shards, whatever
// their order and whoever asks:
//
//   - a Pod that runs and is ready is told; one that is about to end never is;
//   - where no Pod of a shard is ready, those that run are told: all of them
//     unready at once is more likely a fault of the probe, or a load that all
//     of them wait for, than a shard without data, and nobody else has it;
//   - where slots are claimed by shards that differ, the one with more ready
//     Pods has them, and the other is left out whole.
func (c *Config) shardsOf(pods []*pod) found {
	f := found{pods: len(pods)}
	slices.SortFunc(pods, func(a, b *pod) int { return cmp.Compare(a.name(), b.name()) })
	groups := make(map[string]*group)
	holder := make(map[string]*pod) // of an address
	for _, ready := range []bool{true, false} {
		for _, p := range pods {
			if !p.runs() || p.ready() != ready {
				continue
			}
			node, slots, err := c.fetcher(p)
			if err == nil && holder[node.Address] != nil {
				err = fmt.Errorf("its address is that of %s", holder[node.Address].name())
			}
			if err != nil {
				f.leftOut = append(f.leftOut, p.name()+": "+err.Error())
				continue
			}
			holder[node.Address] = p
			text := fleet.FormatSlots(slots)
			g := groups[text]
			if g == nil {
				g = &group{slots: slots, text: text}
				groups[text] = g
			}
			if ready {
				g.ready = append(g.ready, node)
			} else {
				g.running = append(g.running, node)
			}
		}
	}
	f.admit(groups)
	slices.Sort(f.leftOut)
	return f
}

// admit makes shards of groups, those with the most ready Pods first.
func (f *found) admit(groups map[string]*group) {
	var order []*group
	for _, g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(cmp.Compare(len(b.ready), len(a.ready)), cmp.Compare(a.slots[0].First, b.slots[0].First), cmp.Compare(a.text, b.text))
	})
	var owner [cluster.Slots]*group
	for _, g := range order {
		if other := claimed(&owner, g); other != nil {
			f.leftOut = append(f.leftOut, fmt.Sprintf("slots %s: some of them belong to the Pods of slots %s, of which more are ready", g.text, other.text))
			continue
		}
		nodes := g.ready
		if len(nodes) == 0 {
			nodes = g.running
			f.leftOut = append(f.leftOut, "slots "+g.text+": no Pod is ready; those that run are told all the same")
		}
		f.shards = append(f.shards, fleet.Shard{Slots: g.slots, Nodes: nodes})
	}
}

// claimed gives g its slots, or tells which group has one of them.
func claimed(owner *[cluster.Slots]*group, g *group) *group {
	for _, take := range []bool{false, true} {
		for _, r := range g.slots {
			for slot := int(r.First); slot <= int(r.Last); slot++ {
				if take {
					owner[slot] = g
				} else if owner[slot] != nil {
					return owner[slot]
				}
			}
		}
	}
	return nil
}

// fetcher reads what a Pod says of itself.
func (c *Config) fetcher(p *pod) (n fleet.Node, slots []cluster.SlotRange, err error) {
	if slots, err = c.slots(p); err != nil {
		return n, nil, err
	}
	port := p.Metadata.Annotations[c.PortKey]
	if _, err := strconv.Atoi(port); port != "" && err != nil {
		return n, nil, fmt.Errorf("annotation %s is %q: write a number", c.PortKey, clip(port))
	}
	if port == "" {
		port = c.Port
	}
	number, ok := p.port(port)
	if !ok {
		return n, nil, fmt.Errorf("no container has a port named %q: name it so, or annotate the Pod with %s", clip(port), c.PortKey)
	}
	if n.Address, ok = p.address(number); !ok {
		return n, nil, fmt.Errorf("its address %q is none", clip(p.Status.PodIP))
	}
	for _, key := range []string{c.ZoneKey, topologyZone} {
		if zone := p.value(key); fleet.ValidZone(zone) {
			n.Zone = zone
			break
		}
	}
	return n, slots, nil
}

// slots are those that the Pod names, or else those of its shard by number.
func (c *Config) slots(p *pod) ([]cluster.SlotRange, error) {
	if text := p.value(c.SlotsKey); text != "" {
		slots, err := fleet.ParseSlots(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", c.SlotsKey, clip(text), err)
		}
		return slots, nil
	}
	shard := p.value(c.ShardKey)
	if shard == "" {
		return nil, fmt.Errorf("it has neither %s nor %s", c.SlotsKey, c.ShardKey)
	}
	text, of, _ := strings.Cut(shard, "/")
	count := c.Shards
	if of != "" {
		n, err := strconv.ParseUint(of, 10, 16)
		if err != nil || n == 0 || n > cluster.Slots {
			return nil, fmt.Errorf("%s %q: write number/count, as 0/16", c.ShardKey, clip(shard))
		}
		count = int(n)
	}
	if count == 0 {
		return nil, fmt.Errorf("%s %q says not of how many: set kubernetes.shards, or %s", c.ShardKey, clip(shard), c.SlotsKey)
	}
	i, err := strconv.ParseUint(text, 10, 16)
	if err != nil || int(i) >= count {
		return nil, fmt.Errorf("%s %q: the number is not within 0-%d", c.ShardKey, clip(shard), count-1)
	}
	return []cluster.SlotRange{fleet.Even(int(i), count)}, nil
}

// slim drops what a Pod says of other things: annotations may be large, and
// Pods are many.
func (c *Config) slim(p *pod) *pod {
	keep := func(all map[string]string) map[string]string {
		kept := make(map[string]string)
		for _, key := range []string{c.ShardKey, c.SlotsKey, c.PortKey, c.ZoneKey, topologyZone} {
			if v, ok := all[key]; ok {
				kept[key] = v
			}
		}
		return kept
	}
	p.Metadata.Annotations, p.Metadata.Labels = keep(p.Metadata.Annotations), keep(p.Metadata.Labels)
	return p
}
