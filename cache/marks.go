package cache

import (
	"slices"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// Mark makes every value held of the covered features stale, as the marker of an
// upload does: it costs the same however many rows are held. Such values may be
// served Config.StaleWhileRevalidate long all the same. A feature first asked
// for later is born with it. Mark returns how many known features were meant.
func (c *Cache) Mark(cover *feature.Cover) (features int) {
	return c.invalidate(cover, func(f *Feature, now Tick) { f.set(f.past.Load().marked(now)) }, 0)
}

// Forget is Mark for invalidations that were lost, or ordered by hand: no value
// held of the covered features is served again, not even where stale ones are
// allowed, and none whose fetch begins until settle from now is kept.
func (c *Cache) Forget(cover *feature.Cover, settle time.Duration) (features int) {
	hold := HoldTicks(settle)
	return c.invalidate(cover, func(f *Feature, now Tick) { f.forget(now+hold, now) }, hold)
}

// invalidate does what each says to the covered features, and sees to those that
// nobody asked for yet.
func (in *Interner) invalidate(cover *feature.Cover, each func(f *Feature, now Tick), hold Tick) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.clock.Now()
	known := in.covered(cover)
	for _, f := range known {
		each(f, now)
	}
	in.expect(cover, now+hold, now)
	return len(known)
}

// invalidateAll makes all values of tick now+hold or earlier gone.
func (in *Interner) invalidateAll(hold Tick) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.clock.Now()
	in.unseen = max(in.unseen, now+hold)
	for _, f := range in.features {
		f.forget(now+hold, now)
	}
}

// covered are the known features of a cover: looked up where it names them, all
// looked through where it has patterns. The caller holds mu.
func (in *Interner) covered(cover *feature.Cover) (known []*Feature) {
	fields, all := cover.Exact()
	if all {
		for _, field := range fields {
			if f, ok := in.features[field]; ok {
				known = append(known, f)
			}
		}
		return known
	}
	for name, f := range in.features {
		if cover.Has(name) {
			known = append(known, f)
		}
	}
	return known
}

// forget is called under Interner.mu.
func (f *Feature) forget(until, now Tick) { f.set(f.past.Load().forgotten(until, now)) }

// set gives f a new past, and has its projections know. The caller holds
// Interner.mu.
func (f *Feature) set(p *past) {
	f.past.Store(p)
	if f.suspensions > 0 {
		return // nothing is later than never
	}
	f.raise(p.last())
}

// raise makes at the last invalidation of f, if it is later than the last. The
// caller holds Interner.mu.
func (f *Feature) raise(at Tick) {
	if int64(at) <= f.invalidated.Load() {
		return
	}
	f.invalidated.Store(int64(at))
	for _, p := range f.asked {
		p.invalidated.Store(max(p.invalidated.Load(), int64(at)))
	}
}

// expected is an invalidation that may mean features which nobody asked for yet.
type expected struct {
	cover *feature.Cover
	until Tick
}

// maxExpected bounds the invalidations that are remembered one by one.
const maxExpected = 1024

// expect has features of cover that are first asked for later be born with an
// invalidation of that tick. Once that tick is over, all features may be born
// with it, covered or not: nothing is held of a new feature, and what is fetched
// of it from now on is later. So only those that lie ahead are kept one by one.
// The caller holds mu.
func (in *Interner) expect(cover *feature.Cover, until, now Tick) {
	in.expected = slices.DeleteFunc(in.expected, func(e expected) bool {
		over := e.until < now
		if over {
			in.unseen = max(in.unseen, e.until)
		}
		return over
	})
	if len(in.expected) == maxExpected {
		in.unseen = max(in.unseen, in.expected[0].until)
		in.expected = slices.Delete(in.expected, 0, 1)
	}
	in.expected = append(in.expected, expected{cover, until})
}

// born is the last invalidation that a new feature is born with. The caller
// holds mu.
func (in *Interner) born(name string) Tick {
	born := in.unseen
	for _, e := range in.expected {
		if e.until > born && e.cover.Has(name) {
			born = e.until
		}
	}
	return born
}
