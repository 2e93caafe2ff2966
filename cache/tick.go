package cache

import (
	"context"
	"sync/atomic"
	"time"
)

// Tick counts TickLengths of a monotonic clock since it was started, from 1.
// Zero is "never". Freshness is judged in ticks alone, never by a wall clock:
//
//   - a value carries the tick at which its fetch began;
//   - it is fresh while that tick is later than every invalidation of it
//     (equal ticks count as stale) and younger than its maximum age.
//
// So a coarse tick costs needless fetches at worst, never a stale answer.
type Tick int64

// TickLength trades a needless fetch within one tick of an invalidation
// against how often the clock wakes an idle process (100 times a second).
const TickLength = 10 * time.Millisecond

// never is later than any tick that a clock reaches.
const never Tick = 1<<63 - 1

// Ticks converts a duration to whole ticks, rounding down, so that an age
// measured in ticks is never judged younger than it is.
func Ticks(d time.Duration) Tick { return Tick(d / TickLength) }

// HoldTicks converts a duration to whole ticks, rounding up: what began at or
// before the present tick plus these began at most d from now.
func HoldTicks(d time.Duration) Tick {
	ticks := Ticks(d)
	if d%TickLength > 0 {
		ticks++
	}
	return ticks
}

// Clock is the process's source of ticks. Reading it is one atomic load.
type Clock struct {
	start time.Time
	first Tick // the tick of start
	now   atomic.Int64
}

// NewClock returns a clock that stands at tick 1 until Run moves it.
func NewClock() *Clock { return NewClockAt(1) }

// NewClockAt returns a clock that stands at tick first until Run moves it. What
// an earlier process fetched has its place before that.
func NewClockAt(first Tick) *Clock {
	c := &Clock{start: time.Now(), first: first}
	c.now.Store(int64(first))
	return c
}

// Now is the present tick.
func (c *Clock) Now() Tick { return Tick(c.now.Load()) }

// Time is when tick t began, for people: it takes part in no decision.
func (c *Clock) Time(t Tick) time.Time {
	return c.start.Add(time.Duration(t-c.first) * TickLength)
}

// Run moves the clock until ctx ends. One goroutine of the process calls it. If
// that goroutine is held up, ticks come late together for all who read them:
// order is kept, and ages are too small by the delay.
func (c *Clock) Run(ctx context.Context) {
	t := time.NewTicker(TickLength)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.now.Store(int64(time.Since(c.start)/TickLength) + int64(c.first))
		}
	}
}
