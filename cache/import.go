package cache

import (
	"cmp"
	"slices"

	"github.com/maypok86/otter/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// Roster is a list of features that rows are imported with, in the order of the
// one who exported them.
type Roster struct {
	layout *layout
	places []int32 // of each in the layout
}

// Know interns features, in this order, as far as the bounds allow.
func (in *Interner) Know(names [][]byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, name := range names {
		if _, known := in.features[string(name)]; known {
			continue
		}
		if len(in.features) >= in.cfg.MaxFeatures || !in.afford(featureBytes+2*len(name)) {
			return
		}
		in.feature(name)
	}
}

// Roster returns the roster of features that are known, each once; nil: one is
// not, or a bound was reached.
func (in *Interner) Roster(names [][]byte) *Roster {
	in.mu.Lock()
	defer in.mu.Unlock()
	features := make([]*Feature, len(names))
	for i, name := range names {
		if features[i] = in.features[string(name)]; features[i] == nil {
			return nil
		}
	}
	sorted := slices.Clone(features)
	slices.SortFunc(sorted, func(a, b *Feature) int { return cmp.Compare(a.index, b.index) })
	if sorted = slices.Compact(sorted); len(sorted) != len(features) || len(sorted) == 0 {
		return nil
	}
	l := in.layout(sorted)
	if l == nil {
		return nil
	}
	ro := &Roster{layout: l, places: make([]int32, len(features))}
	for i, f := range features {
		ro.places[i] = int32(l.position(f))
	}
	return ro
}

// Import puts values of entity in place that an earlier process fetched, each
// with the tick of this process's clock at which its fetch began, and returns how
// many, and what the row weighs in bytes. values are in wire form, in the order
// of ro; nil: there is none. Nothing of entity, values and ticks is kept.
//
// The rules of a fill hold: what has been invalidated since, or is past its age, or
// was updated since this process began, is left out. An entity that has a row
// already keeps it as it is: what it holds was fetched by this process.
//
// Where a feature is suspended its value is put in place all the same, and is
// served if the suspension is lifted.
func (c *Cache) Import(entity []byte, ro *Roster, values [][]byte, ticks []Tick) (kept, weight int) {
	hash := c.hash(entity)
	b := builders.Get().(*builder)
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if found {
			return old, otter.CancelOp
		}
		b.reset(len(ro.layout.features))
		now := c.clock.Now()
		for i, at := range ro.places {
			if values[i] != nil && c.importable(hash, ro.layout.features[at], ticks[i], resp.IsNil(values[i]), now) {
				b.putStored(at, ro.layout.features[at], values[i], ticks[i])
				kept++
			}
		}
		r := b.build(ro.layout, resp.V2, c.cfg.MaxRowBytes)
		if r == "" {
			kept = 0
			return old, otter.CancelOp
		}
		weight = int(weigh(string(entity), r))
		c.stats.rows.Add(1)
		c.stats.fields.Add(int64(r.present()))
		return r, otter.WriteOp
	})
	b.release()
	builders.Put(b)
	return kept, weight
}

// importable tells, under the row's lock, whether a value of tick t may be put in
// place.
func (c *Cache) importable(hash uint64, f *Feature, t Tick, negative bool, now Tick) bool {
	return f.kept() && t > f.past.Load().last() && now-t < f.age(negative) &&
		!c.updates.entity(hash).holds(t) && !c.updates.holdsField(hash, f, t)
}
