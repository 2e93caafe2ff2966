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
	// From is the address of the fetcher; "": not known. For people.
	From string

	forms *Forms // nil: Fill makes them
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// Fill puts fetched values into entity's row, each unless something
// invalidated it at or after the tick at which its fetch began. Nils are
// written for version v, the one that will most likely be asked for. Nothing
// of entity and fetched is kept.
func (c *Cache) Fill(entity []byte, fetched *Fetched, v resp.Version) {
	hash := c.hash(entity)
	b := builders.Get().(*builder)
	if fetched.forms == nil {
		fetched.Derive(&b.forms)
		defer func() { fetched.forms = nil }()
	}
	c.stats.fills.Add(1)
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if c.updates.entity(hash).holds(fetched.Began) || fetched.Began <= Tick(c.held.Load()) {
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
	l := p.fill.Load()
	keep := old != ""
	if keep {
		l, keep = c.merged(c.layoutOf(old.layoutID()), l)
	}
	b.reset(len(l.features))
	if keep {
		b.takeOld(l, old, c.layoutOf(old.layoutID()), c.clock.Now())
	}
	if c.takeFetched(b, hash, l, fetched) == 0 {
		return ""
	}
	b.from = c.origins.number(fetched.From)
	if r := b.build(l, v, int(c.maxRow.Load())); r != "" || !keep {
		return r
	}
	// Too long together: what was asked for just now is worth more.
	b.reset(len(p.own.layout.features))
	c.takeFetched(b, hash, p.own.layout, fetched)
	b.from = c.origins.number(fetched.From)
	r := b.build(p.own.layout, v, int(c.maxRow.Load()))
	if r != "" {
		c.stats.oversized.Add(1)
	}
	return r
}

// takeOld takes over the usable values of a row of layout from into layout l,
// which has all its features.
func (b *builder) takeOld(l *layout, old row, from *layout, now Tick) {
	to, apart := 0, old.aparts()
	b.from = old.origin()
	for i, f := range from.features {
		for l.features[to] != f {
			to++
		}
		if !old.isAbsent(i) && f.usable(old.tick(i), old.isNil(i), now) {
			b.values[to], b.ticks[to] = old.value(i), old.tick(i)
			if wire := apart.at(i); wire != nil {
				b.setApart(to, wire)
			}
		}
	}
}

// takeFetched puts fetched values into a row of layout l, in every form that it
// has a place for, unless they were invalidated since, or the value there is of a
// later fetch. It tells how many it put.
func (c *Cache) takeFetched(b *builder, hash uint64, l *layout, fetched *Fetched) (taken int) {
	pl, formed := fetched.Projection.plan(l.id), c.formed.Load()
	for j, i := range fetched.Positions {
		f := fetched.Projection.Fields[i]
		if !f.kept() || fetched.Began <= max(Tick(f.invalidated.Load()), Tick(f.unkept.Load())) {
			continue
		}
		if c.updates.holdsField(hash, f, fetched.Began) {
			c.stats.heldDownFields.Add(1)
			continue
		}
		at := int(pl.index[i])
		if b.values[at] == nil || b.ticks[at] <= fetched.Began {
			taken++
		}
		if !formed {
			b.offerAsFetched(at, fetched, j)
			continue
		}
		b.offer(at, f, fetched, j)
		if twins := *f.twins.Load(); len(twins) > 0 {
			b.offerOthers(l, f, twins, fetched, j)
		}
	}
	return taken
}

// offer puts fetched value j at a position in the form of a feature, unless the
// value there is of a later fetch.
func (b *builder) offer(at int, of *Feature, fetched *Fetched, j int) {
	if b.values[at] == nil || b.ticks[at] <= fetched.Began {
		b.put(at, of, fetched.forms, j, fetched.element(j), fetched.Began)
	}
}

// offerAsFetched is offer where no value has another form.
func (b *builder) offerAsFetched(at int, fetched *Fetched, j int) {
	if b.values[at] == nil || b.ticks[at] <= fetched.Began {
		b.values[at], b.ticks[at] = fetched.element(j), fetched.Began
	}
}

// offerOthers offers it in the other forms that the row has a place for. What was
// not made, because nobody wants it but aside, would be older than the rest: it is
// dropped, and decoded again if it is asked for.
func (b *builder) offerOthers(l *layout, f *Feature, twins []*Feature, fetched *Fetched, j int) {
	if at := l.position(f.base); f.base != f && at >= 0 {
		b.offer(at, f.base, fetched, j)
	}
	for _, twin := range twins {
		at := l.position(twin)
		switch {
		case twin == f || at < 0:
		case fetched.forms.made(twin):
			b.offer(at, twin, fetched, j)
		case twin.wanted.Load() == 0 && b.values[at] != nil && b.ticks[at] < fetched.Began:
			b.values[at] = nil
		}
	}
}
