package cache

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// reclaimStep is how many rows are looked at in one go: some tenths of a
	// millisecond of one CPU, without a lock that a reader takes.
	reclaimStep = 1024
	// reclaimPause is the rest between two: a million rows take 100 seconds, at
	// some thousandths of one CPU.
	reclaimPause = 100 * time.Millisecond
	// reclaimRest is the rest between two passes, and what a pass over few rows
	// costs at least.
	reclaimRest = 5 * time.Second
)

// Reclaim goes through the rows, again and again and in small steps, until ctx
// ends: it drops those in which nothing can be served any more, and adds up the
// bytes of values that are not fresh. Nothing of that is done where a reader
// would wait for it. One goroutine calls it.
//
// A stale value in a row that is otherwise of use stays until the row is filled
// again or evicted: to copy the row for it would cost more than it does.
func (c *Cache) Reclaim(ctx context.Context) {
	timer := time.NewTimer(reclaimRest)
	defer timer.Stop()
	rest := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
	for rest(reclaimRest) {
		if !c.reclaimAll(func() bool { return rest(reclaimPause) }) {
			return
		}
	}
}

// reclaimAll is one pass. pause is called between steps; false ends it early.
func (c *Cache) reclaimAll(pause func() bool) bool {
	staleBytes, seen := int64(0), 0
	for _, shard := range c.shards {
		for entity, r := range shard.All() {
			if seen++; seen%reclaimStep == 0 && !pause() {
				return false
			}
			stale, usable := c.assess(r)
			if usable {
				staleBytes += int64(stale)
				continue
			}
			shard.Compute(entity, func(now row, found bool) (row, otter.ComputeOp) {
				if _, usable := c.assess(now); found && !usable {
					c.stats.reclaimed.Add(1)
					return "", otter.InvalidateOp
				}
				return now, otter.CancelOp
			})
		}
	}
	c.stats.staleBytes.Store(staleBytes)
	return true
}

// assess tells how many bytes of a row's values are not fresh, and whether any
// value may still be served.
func (c *Cache) assess(r row) (staleBytes int, usable bool) {
	if r == "" {
		return 0, false
	}
	now := c.clock.Now()
	for i, f := range c.layoutOf(r.layoutID()).features {
		if r.isAbsent(i) {
			continue
		}
		t, negative := r.tick(i), r.isNil(i)
		if f.freshAt(t, negative, now) {
			usable = true
			continue
		}
		staleBytes += len(r.value(i))
		usable = usable || f.usable(t, negative, now)
	}
	return staleBytes, usable
}
