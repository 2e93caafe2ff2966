package cache

import (
	"slices"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// Place is a feature in one of its forms, by their names.
type Place struct {
	Name []byte
	Form string // see Feature.Form
}

// Roster is a list of places that rows are imported with, in the order of the one
// who exported them.
type Roster struct {
	layout *layout
	at     []int32 // of each in the layout; -1: it is left out
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

// Roster returns the roster of places, of features that are known, each once. Left
// out are decoded forms that no projection here asks for, and values as stored of
// which only decoded forms are asked for that are there too. Nil: a feature is not
// known, nothing is left, or a bound was reached.
func (in *Interner) Roster(places []Place) *Roster {
	in.mu.Lock()
	defer in.mu.Unlock()
	features := make([]*Feature, len(places))
	served := make(map[*field]bool) // in a decoded form
	for i, place := range places {
		base := in.features[string(place.Name)]
		if base == nil {
			return nil
		}
		features[i] = base.in(place.Form)
		if twin := features[i]; twin != nil && twin.form != formStored {
			served[twin.field] = true
		}
	}
	var kept []*Feature
	for i, f := range features {
		if f != nil && f.form == formStored && f.readers == 0 && served[f.field] {
			features[i] = nil
		} else if f != nil {
			kept = append(kept, f)
		}
	}
	sortFeatures(kept)
	if len(kept) == 0 || len(slices.Compact(slices.Clone(kept))) != len(kept) {
		return nil
	}
	l := in.layout(kept)
	if l == nil {
		return nil
	}
	ro := &Roster{layout: l, at: make([]int32, len(features))}
	for i, f := range features {
		ro.at[i] = -1
		if f != nil {
			ro.at[i] = int32(l.position(f))
		}
	}
	return ro
}

// in is the feature in the form of that name; nil: it is a decoded one that no
// projection asks for. The caller holds Interner.mu.
func (f *Feature) in(form string) *Feature {
	if form == formNames[formStored] {
		return f.base
	}
	for _, twin := range *f.twins.Load() {
		if twin.Form() == form && twin.readers > 0 {
			return twin
		}
	}
	return nil
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
// Values in a decoded form are taken as they are: it is for the caller to know that
// they were made by the definitions in force here.
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
		for i, at := range ro.at {
			if at < 0 || values[i] == nil {
				continue
			}
			f := ro.layout.features[at]
			if c.importable(hash, f, ticks[i], resp.IsNil(values[i]), now) {
				b.putImported(int(at), f, values[i], ticks[i])
				kept++
			}
		}
		r := b.build(ro.layout, resp.V2, int(c.maxRow.Load()))
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

// Hold has no fetch be kept that begins within d from now: a fetcher may not have
// what an earlier process wrote through it, which Held told of. What is imported is
// from before that, and stays. It comes before the first fill.
func (c *Cache) Hold(d time.Duration) {
	if d <= 0 {
		return
	}
	raise(&c.held, int64(c.clock.Now()+HoldTicks(d)))
}
