package cache

import (
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// Policy says for how long a feature's values may be served, and whether they
// are kept at all.
type Policy struct {
	MaxAge         time.Duration // of a value
	NegativeMaxAge time.Duration // of the knowledge that the store has none; at most MaxAge
	// StaleIfError is for how long after it went stale a value is served where a
	// fetch failed. 0: not at all.
	StaleIfError time.Duration
	Keep         bool // false: fetched each time, never kept

	// Definition says how values are decoded; nil: not at all.
	Definition *feature.Definition
	// HoldPlain has values that come compressed by Snappy be held, and sent, as
	// uncompressed Snappy blocks.
	HoldPlain bool
}

// The rules of freshness, all of them in ticks (tick.go). A value carries the
// tick at which its fetch began, and is
//
//   - fresh while that tick is later than every invalidation of its feature, and
//     it is younger than its age (fresh);
//   - stale since the first marker that came after that tick, or since it came
//     of age, whichever was first (wentStale). A stale value is served for a
//     stated time after that, where that was allowed, and then no more;
//   - gone, and never served, once its feature was forgotten or suspended, or
//     more markers came than are remembered.
//
// What an update or a write invalidates is taken out of its row, so it needs no
// rule here; that it is not put back is updates.go's.

// maxMarks is how many markers of a feature are remembered: an upload counts
// twice, so this is the last two uploads. Values from before that are gone.
const maxMarks = 4

// past is what a feature remembers of its invalidations. Immutable.
type past struct {
	// gone: a value of that tick or earlier is never served. It may lie ahead of
	// the present: what is fetched until then is not kept.
	gone Tick
	// marks are the last markers, ascending, all later than gone.
	marks []Tick
	// at is when the last invalidation of either kind came.
	at Tick
}

// last is the tick until which values are stale.
func (p *past) last() Tick {
	if n := len(p.marks); n > 0 {
		return p.marks[n-1]
	}
	return p.gone
}

// marked is p with a marker at tick at.
func (p *past) marked(at Tick) *past {
	next := &past{gone: p.gone, marks: p.marks, at: max(p.at, at)}
	if at <= p.last() {
		return next
	}
	if len(next.marks) == maxMarks {
		next.gone, next.marks = next.marks[0], next.marks[1:]
	}
	next.marks = append(next.marks[:len(next.marks):len(next.marks)], at)
	return next
}

// forgotten is p where values of tick until or earlier are gone, since tick at.
func (p *past) forgotten(until, at Tick) *past {
	next := &past{gone: max(p.gone, until), at: max(p.at, at)}
	for _, m := range p.marks {
		if m > next.gone {
			next.marks = append(next.marks, m)
		}
	}
	return next
}

// suspended tells whether the feature is fetched each time for now.
func (f *Feature) suspended() bool { return Tick(f.invalidated.Load()) == never }

// freshAt tells whether a value whose fetch began at tick t may be served.
func (f *Feature) freshAt(t Tick, negative bool, now Tick) bool {
	return t > Tick(f.invalidated.Load()) && now-t < f.age(negative)
}

// wentStale is when a value of tick t goes or went stale, and whether a marker
// does it rather than its age. Not ok: it is gone.
func (f *Feature) wentStale(t Tick, negative bool) (since Tick, marked, ok bool) {
	// In this order: a suspension that ends has changed the past before.
	if f.suspended() {
		return 0, false, false
	}
	p := f.past.Load()
	if t <= p.gone {
		return 0, false, false
	}
	since = t + f.age(negative)
	for _, m := range p.marks {
		if m >= t {
			if m < since {
				return m, true, true
			}
			break
		}
	}
	return since, false, true
}

// mayRevalidate tells whether a value that is stale by a marker alone may be
// served while it is fetched anew: for so long after the marker, and never past
// its age. Without a marker it may not.
func (f *Feature) mayRevalidate(t Tick, negative bool, now Tick) (since Tick, ok bool) {
	since, marked, ok := f.wentStale(t, negative)
	return since, ok && marked && now-since < f.rules.Load().revalidate && now-t < f.age(negative)
}

// mayServeOnError tells whether a stale value may be served because it could not
// be fetched.
func (f *Feature) mayServeOnError(t Tick, negative bool, now Tick) bool {
	since, _, ok := f.wentStale(t, negative)
	return ok && now-since < f.rules.Load().onError
}

// usable tells whether a value may still be served in any way, and so is worth
// its memory.
func (f *Feature) usable(t Tick, negative bool, now Tick) bool {
	if f.suspended() {
		// The suspension may be lifted: what an update is to take out of the row
		// must be seen there.
		return t > f.past.Load().last() && now-t < f.age(negative)
	}
	if f.freshAt(t, negative, now) || f.mayServeOnError(t, negative, now) {
		return true
	}
	_, ok := f.mayRevalidate(t, negative, now)
	return ok
}

// fresh tells whether the value at position i may be served.
func (r row) fresh(i int, f *Feature, now Tick) bool {
	return !r.isAbsent(i) && f.freshAt(r.tick(i), r.isNil(i), now)
}
