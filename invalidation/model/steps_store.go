package model

import "fmt"

// tick moves the clock, unless something has to happen before. What is due at a
// tick happens as the tick begins.
func (w *walker) tick(s state) {
	if int(s.now) == w.Ticks || w.due(&s) {
		return
	}
	s.now++
	if s.again&(1<<s.now) != 0 {
		s.again &^= 1 << s.now
		w.mark(&s)
	}
	if w.streams() {
		w.watch(&s, &s.stream.source)
	}
	if w.marks() {
		w.watch(&s, &s.marker.source)
	}
	w.add(s, fmt.Sprintf("tick %d", s.now))
}

// due tells whether something must happen within this tick.
func (w *walker) due(s *state) bool {
	late := func(since int8, within int) bool { return int(s.now-since) >= within }
	if s.replica < s.version && late(s.replaced[s.replica+1], w.Lag) {
		return true
	}
	for v := int8(1); v <= s.version; v++ {
		if s.stream.unsent&(1<<v) != 0 && late(s.replaced[v], w.Produce) {
			return true
		}
	}
	for i := s.stream.position; w.Late > 0 && s.stream.positioned && i < s.stream.end; i++ {
		if i >= s.stream.first && late(s.replaced[s.stream.log[i]], w.Late) {
			return true
		}
	}
	if m := &s.marker; w.Late > 0 && m.positioned && m.seen < m.value && late(s.replaced[m.seen+1], w.Late) {
		return true
	}
	for _, of := range []source{s.stream.source, s.marker.source} {
		if w.Late > 0 && of.continues && of.asked != none && late(of.asked, w.Late) {
			return true
		}
	}
	for _, f := range s.fetches {
		if f.active && late(f.began, w.Fetch) {
			return true
		}
	}
	return s.through.under && late(s.through.began, w.Scenario.Write)
}

// change has the store hold a new version.
func (s *state) change() {
	s.version++
	s.replaced[s.version] = s.now
	s.silent = false
}

// storeSteps are what happens to the store, and to the fetcher that lags.
func (w *walker) storeSteps(s state) {
	if s.replica < s.version {
		n := s
		n.replica++
		w.add(n, fmt.Sprintf("the fetcher gets version %d", n.replica))
	}
	if s.left.updates > 0 {
		n := s
		n.left.updates--
		n.change()
		n.stream.unsent |= 1 << n.version
		w.add(n, fmt.Sprintf("an update stores version %d", n.version))
	}
	if s.left.uploads > 0 {
		n := s
		n.left.uploads--
		n.change()
		n.marker.value = n.version
		w.add(n, fmt.Sprintf("an upload stores version %d and its marker", n.version))
	}
	if s.left.silent > 0 {
		n := s
		n.left.silent--
		n.change()
		n.silent = true
		w.add(n, fmt.Sprintf("version %d comes without a word", n.version))
	}
}

// writeSteps are those of a write that passes through fsproxy.
func (w *walker) writeSteps(s state) {
	switch t := &s.through; {
	case !t.under && s.left.writes > 0:
		s.left.writes--
		t.under, t.began = true, s.now
		if w.WriteBefore {
			w.dropForWrite(&s)
		}
		w.add(s, "a write is forwarded")
	case t.under && !t.stored:
		t.stored = true
		s.change()
		w.add(s, fmt.Sprintf("the write stores version %d", s.version))
	case t.under:
		*t = through{}
		s.event = s.now
		if w.WriteAfter {
			w.dropForWrite(&s)
		}
		w.add(s, "the write is answered")
	}
}

func (w *walker) dropForWrite(s *state) {
	w.hold(s)
	s.row = row{}
	s.event = s.now
}
