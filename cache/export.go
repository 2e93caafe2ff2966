package cache

import "time"

// hottestExported is how many entities Export gives out by heat before all
// others: each is a pointer on the way, and while a shard tells its own its
// eviction waits, a millisecond at most.
const hottestExported = 1 << 16

// Exported is what a row holds, on its way out of the process.
type Exported struct {
	Entity   string
	Features []*Feature // that rows of its layout hold, one in several forms among them; all rows of one layout share it
	Layout   uint32     // the number of that list

	row row
}

// Export calls yield with rows, the hottest first, more or less, until it returns
// false. It stops no writer and copies no row; a row that changes meanwhile comes
// as it was, as it is, or not at all, and seldom twice.
func (c *Cache) Export(yield func(*Exported) bool) {
	var e Exported
	seen := make(map[uint64]struct{})
	for _, entity := range c.Hottest(hottestExported) {
		hash := c.hash(entity)
		found, ok := c.shard(hash).GetEntryQuietly(string(entity))
		if !ok {
			continue
		}
		seen[hash] = struct{}{}
		if !yield(c.export(&e, found.Key, found.Value)) {
			return
		}
	}
	for _, shard := range c.shards {
		for entity, r := range shard.All() {
			if _, did := seen[c.hash([]byte(entity))]; did {
				continue
			}
			if !yield(c.export(&e, entity, r)) {
				return
			}
		}
	}
}

func (c *Cache) export(e *Exported, entity string, r row) *Exported {
	l := c.layoutOf(r.layoutID())
	*e = Exported{Entity: entity, Features: l.features, Layout: r.layoutID(), row: r}
	return e
}

// Value is that of feature i, in wire form, and the tick at which its fetch
// began. False: the row has none, or it is not fresh at tick now.
func (e *Exported) Value(i int, now Tick) (wire []byte, began Tick, ok bool) {
	if !e.row.fresh(i, e.Features[i], now) {
		return nil, 0, false
	}
	return e.row.value(i), e.row.tick(i), true
}

// Known are all features that anybody asked for, by number.
func (in *Interner) Known() []*Feature {
	in.mu.RLock()
	defer in.mu.RUnlock()
	known := make([]*Feature, len(in.features))
	for _, f := range in.features {
		known[f.number] = f
	}
	return known
}

// Number is the feature's, by order of first sight. All its forms share it.
func (f *Feature) Number() uint32 { return f.number }

// Form is how its values lie in rows: one of FormNames.
func (f *Feature) Form() string { return formNames[f.form] }

// FormNames are all that Form may be, that of values as the store has them first.
func FormNames() []string { return formNames[:] }

// Projections are all that anybody asked for, in no order.
func (in *Interner) Projections() []*Projection {
	in.mu.RLock()
	defer in.mu.RUnlock()
	all := make([]*Projection, 0, len(in.projections))
	for _, p := range in.projections {
		all = append(all, p)
	}
	return all
}

// Held is for how long from now on at least some fetch would not be kept, because
// what it brings may be from before a write, or an invalidation by hand, that this
// process knows of. Updates are not counted: their source tells of them again.
func (c *Cache) Held() time.Duration {
	now := c.clock.Now()
	until := max(now, Tick(c.held.Load()))
	for i := range c.updates.entities {
		until = max(until, Tick(c.updates.entities[i].until.Load()))
	}
	in := c.Interner
	in.mu.RLock()
	defer in.mu.RUnlock()
	until = max(until, in.unseen)
	for _, e := range in.expected {
		until = max(until, e.until)
	}
	for _, f := range in.features {
		until = max(until, f.past.Load().gone, Tick(f.unkept.Load()))
	}
	if until == now {
		return 0
	}
	return duration(until - now)
}
