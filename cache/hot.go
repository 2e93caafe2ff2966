package cache

import (
	"cmp"
	"slices"
)

// Hot calls yield with n entities, the hottest first, and for each the
// projections that what is held of it was asked for in, more or less, until it
// returns false. What some ask for as stored is named so alone: the other forms are
// made of it.
func (c *Cache) Hot(n int, yield func(entity []byte, projections []*Projection) bool) {
	all := slices.DeleteFunc(c.Projections(), func(p *Projection) bool { return p.View.Aside })
	slices.SortFunc(all, func(a, b *Projection) int {
		return cmp.Or(cmp.Compare(min(a.View.Bits(), 1), min(b.View.Bits(), 1)), cmp.Compare(b.requests(), a.requests()))
	})
	asked := make([][]*Feature, len(all))
	for i, p := range all {
		asked[i] = asStored(p.Fields)
	}
	of := make(map[uint32][]*Projection) // by layout
	for _, entity := range c.Hottest(n) {
		e, ok := c.shard(c.hash(entity)).GetEntryQuietly(string(entity))
		if !ok {
			continue
		}
		id := e.Value.layoutID()
		projections, known := of[id]
		if !known {
			for _, i := range Covering(asStored(c.layoutOf(id).features), asked) {
				projections = append(projections, all[i])
			}
			of[id] = projections
		}
		if len(projections) > 0 && !yield(entity, projections) {
			return
		}
	}
}

// asStored are features in stored form.
func asStored(features []*Feature) []*Feature {
	bases := make([]*Feature, len(features))
	for i, f := range features {
		bases[i] = f.base
	}
	return bases
}

func (p *Projection) requests() uint64 {
	hits, misses := p.Asked()
	return hits + misses
}

// Covering are the places of the first of asked that together ask for what is held
// and any of them asks for, each for nothing else.
func Covering[F comparable](held []F, asked [][]F) (some []int) {
	left := make(map[F]bool, len(held))
	for _, f := range held {
		left[f] = true
	}
	for i, list := range asked {
		within, adds := true, false
		for _, f := range list {
			missing, has := left[f]
			within, adds = within && has, adds || missing
		}
		if !within || !adds {
			continue
		}
		some = append(some, i)
		for _, f := range list {
			left[f] = false
		}
	}
	return some
}
