package cache

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// updateSlots is the size of each table of recent updates, 1 MiB and 2 MiB:
// memory that is touched only as updates come. Two that share a slot cost a
// needless fetch within settle of an update of either, nothing else.
const updateSlots = 1 << 16

// recently remembers of what shares a slot when it was last changed, and until
// which tick a fetch may not have seen the change. A fill looks at it under its
// row's lock, after the update has stamped it and before the update changes the
// row, so that a value fetched before an update cannot survive it whichever of
// the two comes first.
type recently struct {
	at, until atomic.Int64
}

// stamp says: there was an update at tick now, and what was fetched at tick
// until or earlier must not be kept.
func (r *recently) stamp(now, until Tick) {
	raise(&r.at, int64(now))
	raise(&r.until, int64(until))
}

// changed is when the last update came: fetches begun then or earlier must not
// be joined by those who come now.
func (r *recently) changed() Tick { return Tick(r.at.Load()) }

// holds tells whether a fetch that began at that tick must not be kept.
func (r *recently) holds(began Tick) bool { return began <= Tick(r.until.Load()) }

// raise makes to the value of an atomic unless it is greater already.
func raise(at *atomic.Int64, to int64) (raised bool) {
	for {
		old := at.Load()
		if old >= to {
			return false
		}
		if at.CompareAndSwap(old, to) {
			return true
		}
	}
}

// fieldUpdates is recently for a feature of an entity, with what Apply has to
// know.
type fieldUpdates struct {
	recently
	// version is the greatest that any record brought that shares the slot.
	version atomic.Int64
	// unversioned is until which tick the last update without a version may be
	// ahead of what fetchers answer.
	unversioned atomic.Int64
}

// updates are the tables of recent updates, by hash.
type updates struct {
	entities [updateSlots]recently
	fields   [updateSlots]fieldUpdates
	// latest is the latest until of all fields: a fill that began later need not
	// look at any of them.
	latest atomic.Int64
}

func (u *updates) entity(hash uint64) *recently { return &u.entities[hash%updateSlots] }

// field is the slot of a feature of an entity, of their hashes.
func (u *updates) field(entity, feature uint64) *fieldUpdates {
	const odd = 0x9e3779b97f4a7c15 // 2^64 / golden ratio: Knuth's multiplicative hash
	mixed := (entity ^ bits.RotateLeft64(feature, 32)) * odd
	return &u.fields[mixed>>32%updateSlots]
}

// stampField is stamp for a feature of an entity.
func (u *updates) stampField(slot *fieldUpdates, now, until Tick) {
	slot.stamp(now, until)
	raise(&u.latest, int64(until))
}

// holdsField tells whether a fetch of f that began at that tick must not be kept.
func (u *updates) holdsField(entity uint64, f *Feature, began Tick) bool {
	return began <= Tick(u.latest.Load()) && u.field(entity, f.hash).holds(began)
}

// Invalidate drops what is held of entity, and sees to it that no fetch which
// began until settle from now is kept: a fetcher may answer with the old value
// until then.
func (c *Cache) Invalidate(entity []byte, settle time.Duration) {
	hash := c.hash(entity)
	now := c.clock.Now()
	c.updates.entity(hash).stamp(now, now+HoldTicks(settle))
	// Under the row's lock even if there is no row: a fill that saw no stamp may
	// be about to make one.
	c.shard(hash).Invalidate(string(entity))
}

// Update drops what is held of some features of entity, because the store has
// newer values, and sees to it that no fetch of them which began until settle
// from now is kept. It keeps nothing of its arguments.
func (c *Cache) Update(entity []byte, features [][]byte, settle time.Duration) {
	hash := c.hash(entity)
	now := c.clock.Now()
	until := now + HoldTicks(settle)
	for _, name := range features {
		slot := c.updates.field(hash, c.hash(name))
		raise(&slot.unversioned, int64(until))
		c.updates.stampField(slot, now, until)
	}
	// What is interned only now cannot be in the row, and no fill puts it there
	// that the stamps do not allow.
	known := c.find(features)
	c.rewrite(entity, hash, func(b *builder, l *layout, _ row) bool {
		return b.drop(l, known) > 0
	})
}

// find returns the interned features of those names, nil where there is none.
func (in *Interner) find(names [][]byte) []*Feature {
	in.mu.RLock()
	defer in.mu.RUnlock()
	found := make([]*Feature, len(names))
	for i, name := range names {
		found[i] = in.features[string(name)]
	}
	return found
}

// drop takes features out of the row, and tells how many were in it.
func (b *builder) drop(l *layout, features []*Feature) (dropped int) {
	for _, f := range features {
		if f == nil {
			continue
		}
		for _, f := range f.forms() {
			if at := l.position(f); at >= 0 && b.values[at] != nil {
				b.values[at] = nil
				dropped++
			}
		}
	}
	return dropped
}

// rewrite changes the row of entity in place, under its lock. change gets what of
// the old row is still usable, and tells whether it changed anything. A row that
// comes out empty, or too long, is dropped.
func (c *Cache) rewrite(entity []byte, hash uint64, change func(b *builder, l *layout, old row) bool) {
	b := builders.Get().(*builder)
	// Not ComputeIfPresent, which looks for the row without its lock: a fill that
	// saw no stamp may be about to make it.
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if !found {
			return old, otter.CancelOp
		}
		l := c.layoutOf(old.layoutID())
		b.reset(len(l.features))
		b.takeOld(l, old, l, c.clock.Now())
		if !change(b, l, old) {
			return old, otter.CancelOp
		}
		r := b.build(l, old.version(), int(c.maxRow.Load()))
		if r == "" {
			return old, otter.InvalidateOp
		}
		c.stats.rows.Add(1)
		c.stats.fields.Add(int64(r.present()))
		return r, otter.WriteOp
	})
	b.release()
	builders.Put(b)
}

// InvalidateAll drops everything, and keeps no fetch that began until settle
// from now.
func (c *Cache) InvalidateAll(settle time.Duration) {
	c.invalidateAll(HoldTicks(settle))
	for _, shard := range c.shards {
		shard.InvalidateAll()
	}
}

// InvalidatedAt is the last of the ticks that AppendInvalidated appends.
func (c *Cache) InvalidatedAt(entity []byte, p *Projection, positions []int32, now Tick) (last Tick) {
	for _, at := range c.AppendInvalidated(nil, entity, p, positions, now) {
		last = max(last, Tick(at))
	}
	return last
}

// AppendInvalidated appends the ticks of the last invalidation of each of p's
// fields at positions of entity, as of tick now: a fetch that began then or earlier
// must not answer a request for that field made now.
func (c *Cache) AppendInvalidated(ticks []int64, entity []byte, p *Projection, positions []int32, now Tick) []int64 {
	hash := c.hash(entity)
	all := c.updates.entity(hash).changed()
	updated := c.updates.latest.Load() > 0
	for _, i := range positions {
		f, at := p.Fields[i], all
		if f.suspended() {
			// What was invalidated since is not known. A fetch of this very tick is
			// as good as one's own, or each reader of a feature that nobody vouches
			// for would send its own.
			at = max(at, now-1)
		}
		at = max(at, f.past.Load().at)
		if updated {
			at = max(at, c.updates.field(hash, f.hash).changed())
		}
		ticks = append(ticks, int64(at))
	}
	return ticks
}
