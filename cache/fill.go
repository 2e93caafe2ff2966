package cache

import (
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// Fetched is the answer of a fetcher to a fetch of some fields of a projection.
type Fetched struct {
	Projection *Projection
	Positions  []int32 // in Projection, of the fields fetched
	// Frame holds the reply; value j of Positions is Frame[Ends[j]:Ends[j+1]].
	Frame []byte
	Ends  []int
	// Began is the tick read before the request was written.
	Began Tick
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// Fill puts fetched values into entity's row, each unless something
// invalidated it at or after the tick at which its fetch began. Nils are
// written for version v, the one that will most likely be asked for. Nothing
// of entity and fetched is kept.
func (c *Cache) Fill(entity []byte, fetched *Fetched, v resp.Version) {
	hash := c.hash(entity)
	b := builders.Get().(*builder)
	c.stats.fills.Add(1)
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if c.updates.entity(hash).holds(fetched.Began) {
			c.stats.heldDown.Add(1)
			return old, otter.CancelOp
		}
		r := c.rebuild(b, hash, old, fetched, v)
		if r == "" {
			c.stats.oversized.Add(1)
			return old, otter.CancelOp
		}
		c.stats.rows.Add(1)
		c.stats.fields.Add(int64(r.present()))
		return r, otter.WriteOp
	})
	b.release()
	builders.Put(b)
}

// rebuild returns the row that holds what old has and is still usable, and what
// was fetched; none if nothing of that may be kept. hash is the entity's.
func (c *Cache) rebuild(b *builder, hash uint64, old row, fetched *Fetched, v resp.Version) row {
	p := fetched.Projection
	l := p.own.layout
	keep := old != ""
	if keep {
		l, keep = c.merged(c.layoutOf(old.layoutID()), p)
	}
	b.reset(len(l.features))
	if keep {
		b.takeOld(l, old, c.layoutOf(old.layoutID()), c.clock.Now())
	}
	if c.takeFetched(b, hash, p.plan(l.id), fetched) == 0 {
		return ""
	}
	if r := b.build(l, v, c.cfg.MaxRowBytes); r != "" || !keep {
		return r
	}
	// Too long together: what was asked for just now is worth more.
	b.reset(len(p.own.layout.features))
	c.takeFetched(b, hash, p.own, fetched)
	r := b.build(p.own.layout, v, c.cfg.MaxRowBytes)
	if r != "" {
		c.stats.oversized.Add(1)
	}
	return r
}

// takeOld takes over the usable values of a row of layout from into layout l,
// which has all its features.
func (b *builder) takeOld(l *layout, old row, from *layout, now Tick) {
	to := 0
	for i, f := range from.features {
		for l.features[to] != f {
			to++
		}
		if !old.isAbsent(i) && f.usable(old.tick(i), old.isNil(i), now) {
			b.values[to], b.ticks[to] = old.value(i), old.tick(i)
		}
	}
}

// takeFetched puts fetched values where pl says, unless they were invalidated
// since, or the value there is of a later fetch. It tells how many it put.
func (c *Cache) takeFetched(b *builder, hash uint64, pl *plan, fetched *Fetched) (taken int) {
	for j, i := range fetched.Positions {
		f := fetched.Projection.Fields[i]
		at := pl.index[i]
		if !f.keep || fetched.Began <= Tick(f.invalidated.Load()) {
			continue
		}
		if c.updates.holdsField(hash, f, fetched.Began) {
			c.stats.heldDownFields.Add(1)
			continue
		}
		if b.values[at] != nil && b.ticks[at] > fetched.Began {
			continue
		}
		b.values[at] = fetched.Frame[fetched.Ends[j]:fetched.Ends[j+1]]
		b.ticks[at] = fetched.Began
		taken++
	}
	return taken
}
