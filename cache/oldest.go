package cache

import (
	"sync"
	"sync/atomic"
	"time"
)

// oldest knows the age of the oldest value that was served. To a hit it is one
// comparison: a row's oldest value is seldom the oldest of all rows'.
type oldest struct {
	// age is the greatest since it was last folded, in ticks.
	age atomic.Int64

	mu    sync.Mutex // protects what follows
	since Tick       // the greatest since OldestServed was last called
	// spans are the greatest by time of folding, for the last minute.
	spans [oldestSpans + 1]oldestSpan
}

// oldestSpans make a minute.
const (
	oldestSpans    = 6
	oldestSpanTick = Tick(10 * time.Second / TickLength)
)

type oldestSpan struct{ number, age Tick }

func (o *oldest) known() Tick { return Tick(o.age.Load()) }

// note says that a value of tick t was served at tick now.
func (o *oldest) note(t, now Tick) { raise(&o.age, int64(now-t)) }

// NoteServed says that what Missing did not name of f was served at tick now.
// What is complete is noted by Lookup itself.
func (c *Cache) NoteServed(f *Found, now Tick) {
	if f.oldest != never {
		c.oldest.note(f.oldest, now)
	}
}

// fold files what was noted under the present.
func (o *oldest) fold(now Tick) {
	age := Tick(o.age.Swap(0))
	o.since = max(o.since, age)
	number := now / oldestSpanTick
	span := &o.spans[number%Tick(len(o.spans))]
	if span.number != number {
		*span = oldestSpan{number: number}
	}
	span.age = max(span.age, age)
}

// OldestServed is the age of the oldest value that was served from memory since
// the last call: an upper bound, one tick above what was counted.
func (c *Cache) OldestServed() time.Duration {
	o := &c.oldest
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fold(c.clock.Now())
	age := o.since
	o.since = 0
	return duration(age)
}

// OldestServedLately is the same for the last minute, or since it was last asked
// for if that is longer ago. The two do not disturb each other.
func (c *Cache) OldestServedLately() time.Duration {
	o := &c.oldest
	o.mu.Lock()
	defer o.mu.Unlock()
	now := c.clock.Now()
	o.fold(now)
	age := Tick(0)
	for _, span := range o.spans {
		if now/oldestSpanTick-span.number <= oldestSpans {
			age = max(age, span.age)
		}
	}
	return duration(age)
}

// duration is the longest time that an age of so many ticks may stand for; an
// age of none is that of nothing.
func duration(age Tick) time.Duration {
	if age == 0 {
		return 0
	}
	return time.Duration(age+1) * TickLength
}
