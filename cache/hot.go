package cache

import (
	"cmp"
	"slices"
)

// Hot calls yield with n entities, the hottest first, and for each the
// projections, as stored, that what is held of it was asked for in, more or less,
// until it returns false.
func (c *Cache) Hot(n int, yield func(entity []byte, projections []*Projection) bool) {
	all := slices.DeleteFunc(c.Projections(), func(p *Projection) bool { return p.View != View{} })
	slices.SortFunc(all, func(a, b *Projection) int { return cmp.Compare(b.requests(), a.requests()) })
	of := make(map[uint32][]*Projection) // by layout
	for _, entity := range c.Hottest(n) {
		e, ok := c.shard(c.hash(entity)).GetEntryQuietly(string(entity))
		if !ok {
			continue
		}
		id := e.Value.layoutID()
		projections, known := of[id]
		if !known {
			projections = covering(c.layoutOf(id), all)
			of[id] = projections
		}
		if len(projections) > 0 && !yield(entity, projections) {
			return
		}
	}
}

func (p *Projection) requests() uint64 {
	hits, misses := p.Asked()
	return hits + misses
}

// covering are the first of all that together ask for what the layout has and
// any of them asks for, each for nothing else.
func covering(l *layout, all []*Projection) (some []*Projection) {
	left := make(map[*Feature]bool, len(l.features))
	for _, f := range l.features {
		left[f] = true
	}
	for _, p := range all {
		within, adds := true, false
		for _, f := range p.Fields {
			missing, has := left[f]
			within, adds = within && has, adds || missing
		}
		if !within || !adds {
			continue
		}
		some = append(some, p)
		for _, f := range p.Fields {
			left[f] = false
		}
	}
	return some
}
