package cache

import "sync/atomic"

// Revalidation is how a read is answered with values that a marker made stale.
type Revalidation struct {
	// Stale is how many of the values are; the others are fresh.
	Stale int
	// Due: it is time to fetch them anew. Before, the entity's turn has not come.
	Due bool
}

// Revalidate tells whether f, which is not complete, may be appended all the
// same: each value that p asks for is there, and fresh or made stale by a marker
// no longer ago than Config.StaleWhileRevalidate. If so it counts the fresh nils.
//
// When a value is to be fetched anew is spread over most of that time by entity,
// so that a marker is not answered with all fetches at once.
func (c *Cache) Revalidate(f *Found, entity []byte, p *Projection, now Tick) (r Revalidation, ok bool) {
	if !c.revalidates.Load() || f.plan == nil || !f.plan.covers || f.row.lacks(f.plan.mask) {
		return r, false
	}
	hash, oldest := c.hash(entity), never
	for i, at := range f.plan.index {
		feature, t, negative := p.Fields[i], f.row.tick(int(at)), f.row.isNil(int(at))
		oldest = min(oldest, t)
		if feature.freshAt(t, negative, now) {
			if negative {
				f.Negatives++
			}
			continue
		}
		since, ok := feature.mayRevalidate(t, negative, now)
		if !ok {
			return Revalidation{}, false
		}
		r.Stale++
		r.Due = r.Due || now >= since+turn(hash, since, feature.rules.Load().revalidate)
	}
	c.oldest.note(oldest, now)
	return r, true
}

// turn is how long after the marker of tick since an entity's values are fetched
// anew, of the window in which they may be served: another share of it for each
// entity and marker, but never its last quarter, which is left to the fetch.
func turn(hash uint64, since, window Tick) Tick {
	const odd = 0x9e3779b97f4a7c15 // 2^64 / golden ratio: Knuth's multiplicative hash
	share := (hash ^ uint64(since)*odd) * odd >> 48
	return Tick(share) * (window - window/4) >> 16
}

// refreshSlots bounds the fetches that refresh stale values at one time. Two
// entities that share a slot wait for each other.
const refreshSlots = 1 << 12

// refreshes are the entities of which a refresh is in flight, by hash.
type refreshes [refreshSlots]atomic.Bool

// BeginRefresh tells whether the caller is the one to fetch entity's stale values
// anew: nobody else does. It must call EndRefresh when that fetch is over.
func (c *Cache) BeginRefresh(entity []byte) bool {
	return c.refreshes[c.hash(entity)%refreshSlots].CompareAndSwap(false, true)
}

// EndRefresh says that the refresh of entity is over, whatever came of it.
func (c *Cache) EndRefresh(entity []byte) {
	c.refreshes[c.hash(entity)%refreshSlots].Store(false)
}

// OnError tells whether p's fields at positions, whose fetch failed, may be
// answered from f: each is there, and fresh by now, or went stale no longer ago
// than its StaleIfError. f has to be looked up after the fetch failed: what was
// updated or forgotten meanwhile must not be served. It counts the stale ones.
func (c *Cache) OnError(f *Found, p *Projection, positions []int32, now Tick) (stale int, ok bool) {
	if f.plan == nil {
		return 0, false
	}
	oldest := never
	for _, i := range positions {
		at := int(f.plan.index[i])
		if at < 0 || f.row.isAbsent(at) {
			return 0, false
		}
		feature, t, negative := p.Fields[i], f.row.tick(at), f.row.isNil(at)
		oldest = min(oldest, t)
		switch {
		case feature.freshAt(t, negative, now):
		case feature.mayServeOnError(t, negative, now):
			stale++
		default:
			return 0, false
		}
	}
	c.oldest.note(oldest, now)
	return stale, true
}
