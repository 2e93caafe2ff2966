package cache

import (
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// Suspension keeps features from being served from memory, because nobody
// vouches for what is held of them. To the path of a hit it is an invalidation
// at a tick that never comes, so it costs nothing there.
type Suspension struct {
	in       *Interner
	cover    *feature.Cover
	features []*Feature // that it covers. Protected by Interner.mu.
	over     bool       // Protected by Interner.mu.
}

// Suspend has the covered features, those that nobody asked for yet included,
// be fetched each time, never served from memory and never kept, until Resume.
// A feature may be covered by several suspensions: it is served again when all
// have ended.
func (c *Cache) Suspend(cover *feature.Cover) *Suspension {
	in := c.Interner
	in.mu.Lock()
	defer in.mu.Unlock()
	s := &Suspension{in: in, cover: cover}
	in.suspended = append(in.suspended, s)
	for _, f := range in.covered(cover) {
		s.take(f)
	}
	return s
}

// take has s cover f. The caller holds mu.
func (s *Suspension) take(f *Feature) {
	s.features = append(s.features, f)
	f.suspensions++
	f.raise(never)
}

// suspendNew has all suspensions that cover a new feature do so. The caller
// holds mu.
func (in *Interner) suspendNew(f *Feature) {
	for _, s := range in.suspended {
		if s.cover.Has(f.Name) {
			s.take(f)
		}
	}
}

// Resume ends the suspension and forgets what it covers, as Forget does: what
// was missed meanwhile is not known. Only the first end of a suspension counts.
func (s *Suspension) Resume(settle time.Duration) {
	s.end(settle, func(f *Feature, until, now Tick) {
		f.past.Store(f.past.Load().forgotten(until, now))
	})
}

// Lift ends the suspension and keeps what is held, because whoever suspended
// knows that nothing was missed since those values were fetched. No fetch of what
// is covered that began by now, or begins until hold from now, is kept: it may be of
// before a change that was acted on elsewhere. Nor is a value put in place that a
// record brings from before that: which versions were seen elsewhere is not known.
// Only the first end of a suspension counts.
func (s *Suspension) Lift(hold time.Duration) {
	s.end(hold, func(f *Feature, until, _ Tick) {
		raise(&f.unkept, int64(until))
	})
}

// end does to each covered feature what each says, and has those served that
// nothing else suspends. Features that nobody asked for yet are born with an
// invalidation that lasts until hold from now.
func (s *Suspension) end(hold time.Duration, each func(f *Feature, until, now Tick)) {
	in := s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	for i, other := range in.suspended {
		if other == s {
			in.suspended = append(in.suspended[:i:i], in.suspended[i+1:]...)
			break
		}
	}
	now := in.clock.Now()
	until := now + HoldTicks(hold)
	in.expect(s.cover, until, now)
	lowered := make(map[*Projection]struct{})
	for _, f := range s.features {
		f.suspensions--
		each(f, until, now)
		if f.suspensions > 0 {
			continue
		}
		f.invalidated.Store(int64(f.past.Load().last()))
		for _, asked := range f.asked {
			lowered[asked] = struct{}{}
		}
	}
	for p := range lowered {
		p.invalidated.Store(int64(p.lastInvalidation()))
	}
}
