package model

import "fmt"

// later tells whether a value of that tick is of after an invalidation.
func (w *walker) later(tick, invalidation int8) bool {
	return tick > invalidation || !w.EqualIsStale && tick == invalidation
}

// hit tells whether a reader would be answered from memory.
func (w *walker) hit(s *state) bool {
	return s.row.held && !s.suspended() && w.later(s.row.tick, s.invalid) && w.young(s)
}

func (w *walker) young(s *state) bool { return !w.MaxAge || int(s.now-s.row.tick) < w.Age }

// stale tells whether a reader would be answered with a value that a marker made
// stale.
func (w *walker) stale(s *state) bool {
	if w.Stale == 0 || !s.row.held || s.suspended() || !w.young(s) || w.StaleUnlessGone && s.row.tick <= s.gone {
		return false
	}
	since := none
	for tick := max(s.row.tick, 0); tick <= s.now; tick++ {
		if s.marked&(1<<tick) != 0 && (since == none || !w.StaleSinceFirst) {
			since = int(tick)
		}
	}
	return since != none && int(s.now)-since < w.Stale
}

// readSteps are readers whom memory does not answer, their fetches, and
// evictions.
func (w *walker) readSteps(s state) {
	if s.row.held && s.left.evictions > 0 {
		n := s
		n.left.evictions--
		n.row = row{}
		w.add(n, "the row is evicted")
	}
	if !w.hit(&s) {
		w.miss(s)
	}
	for i, f := range s.fetches {
		switch {
		case !f.active:
		case !f.replied:
			w.reply(s, i, s.version, "the store")
			if s.replica != s.version {
				w.reply(s, i, s.replica, "the fetcher that lags")
			}
		case !w.TableUnderLock && !f.passed && w.mayKeep(&s, f):
			s.fetches[i].passed = true
			w.add(s, fmt.Sprintf("the fetch of tick %d is found fit to be kept", f.began))
		default:
			w.fill(s, i)
		}
	}
}

// miss has a reader join a fetch, or begin one.
func (w *walker) miss(s state) {
	need := w.need(&s)
	free := none
	for i, f := range s.fetches[:w.Fetches] {
		switch {
		case !f.active:
			free = i
		case w.mayJoin(&s, f):
			held := w.later(f.began, max(s.changed, s.invalid)) && int(f.began) <= int(s.event)+w.Settle
			if need > f.need && !held {
				s.fetches[i].need = need
				w.add(s, fmt.Sprintf("a reader joins the fetch of tick %d", f.began))
			}
			return
		}
	}
	if free != none {
		s.fetches[free] = fetch{active: true, began: s.now, need: need}
		w.add(s, "a reader begins a fetch")
	}
}

// mayJoin tells whether a reader may join a fetch: of two who come in one tick
// one will do, even if nobody vouches for what is in memory. One that joins a
// fetch from within a settle is answered as its others are.
func (w *walker) mayJoin(s *state, f fetch) bool {
	if !w.JoinYounger {
		return true
	}
	return w.later(f.began, max(s.changed, s.invalid)) && (!s.suspended() || f.began == s.now)
}

// reply has a fetcher answer a fetch.
func (w *walker) reply(s state, i int, version int8, who string) {
	s.fetches[i].replied, s.fetches[i].value = true, version
	w.add(s, fmt.Sprintf("%s answers the fetch of tick %d with version %d", who, s.fetches[i].began, version))
}

// tickOf is the tick that a fetch's value carries.
func (w *walker) tickOf(s *state, f fetch) int8 {
	if w.BeginTick {
		return f.began
	}
	return s.now
}

// mayKeep tells whether the table of recent updates lets a fetch be kept.
func (w *walker) mayKeep(s *state, f fetch) bool {
	return !w.TableAtFill || w.later(w.tickOf(s, f), s.stamp)
}

// fill keeps what was fetched, where it may, and answers those who wait.
func (w *walker) fill(s state, i int) {
	f := s.fetches[i]
	tick := w.tickOf(&s, f)
	keep := f.passed || w.mayKeep(&s, f)
	if keep && !s.suspended() && w.later(tick, max(s.invalid, s.unkept)) && (!s.row.held || s.row.tick <= tick) {
		s.row = row{held: true, value: f.value, tick: tick}
	}
	s.fetches[i] = fetch{}
	w.next = append(w.next, reached{
		state:  s,
		step:   fmt.Sprintf("the fetch of tick %d is filled and answered with version %d", f.began, f.value),
		broken: w.judge(&s, f.value, f.need),
	})
}
