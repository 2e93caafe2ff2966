package cache

import "sync/atomic"

// updateSlots is the size of the table of recent updates: 512 KiB. Two
// entities that share a slot cost a needless fetch within settle of an update
// of either, nothing else.
const updateSlots = 1 << 16

// updates remembers, by hash of the entity, until which tick a fetch may have
// seen a value older than the entity's last update. A fill looks at it under
// its row's lock, after the update has stamped it and before the update drops
// the row, so that a value fetched before an update cannot survive it whichever
// of the two comes first.
type updates struct {
	slots [updateSlots]atomic.Int64
}

// stamp says: what was fetched for that hash at tick until or earlier must not
// be kept.
func (u *updates) stamp(hash uint64, until Tick) {
	slot := &u.slots[hash%updateSlots]
	for {
		old := slot.Load()
		if old >= int64(until) || slot.CompareAndSwap(old, int64(until)) {
			return
		}
	}
}

// last is the tick until which a fetch may have seen an old value.
func (u *updates) last(hash uint64) Tick {
	return Tick(u.slots[hash%updateSlots].Load())
}
