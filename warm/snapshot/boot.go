package snapshot

import (
	"math"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// ahead is the first tick of a process's clock, so that what another process
// fetched before it has a tick of its own: the longest age that may be configured,
// and as much again.
const ahead = cache.Tick(60 * 24 * time.Hour / cache.TickLength)

// Clock is a cache's clock, and where it lies on that of the machine, which began
// when the machine was started, runs while it sleeps and cannot be set.
type Clock struct {
	*cache.Clock
	// Boot names this start of this machine; "": it is not known, and nothing can
	// be carried over.
	Boot string

	// The first tick began between these, in nanoseconds since the boot.
	earliest, latest int64
}

// NewClock returns a clock for a process whose cache may take over what an earlier
// one left behind, or leave something behind itself.
func NewClock() *Clock {
	c := &Clock{Boot: bootID()}
	c.earliest = sinceBoot()
	c.Clock = cache.NewClockAt(ahead)
	c.latest = sinceBoot()
	return c
}

// carry returns the tick of this clock at which what another's tick stands for
// began, or an earlier one. 0: it is too long ago, or lies ahead. A tick before the
// other's first is what it took over itself.
func (c *Clock) carry(h *Header, tick int64) cache.Tick {
	ticks := tick - h.First
	if most := math.MaxInt64 / 4 / h.Tick; ticks > most || ticks < -most {
		return 0
	}
	if h.asked != 0 {
		return c.carryFar(h, ticks)
	}
	began := h.Epoch + ticks*h.Tick
	if began > c.earliest {
		return 0
	}
	return c.before(began)
}

// before is the tick that began at a time before this process, in nanoseconds since
// the boot, or an earlier one.
func (c *Clock) before(began int64) cache.Tick {
	// One more than the division drops, as a tick is as old as its beginning.
	t := int64(ahead) - (c.latest-began)/int64(cache.TickLength) - 1
	return cache.Tick(max(t, 0))
}

// Age is how long ago it was, at least, that the clock of the machine stood at so
// many nanoseconds.
func age(since int64) time.Duration { return time.Duration(sinceBoot() - since) }
