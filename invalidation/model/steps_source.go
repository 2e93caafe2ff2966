package model

import "fmt"

// watch suspends what a source covers that was not heard for too long.
func (w *walker) watch(s *state, of *source) {
	bound := w.Bound + w.Serve
	if !w.ServeEnds && w.Serve > 0 {
		return
	}
	if !w.Suspend || !of.positioned || int(s.now-of.heard) < bound {
		return
	}
	if !w.Flush {
		of.suspended = true
	} else if !of.flushed {
		of.flushed = true
		w.forget(s)
	}
}

// hear takes note that a source answered the question under way, and that all
// that it told of was acted on.
func (w *walker) hear(s *state, of *source) {
	of.positioned, of.heard = true, s.now
	if w.HeardWhenAsked {
		of.heard = of.asked
	}
	of.asked = none
	if int(s.now-of.heard) >= w.Bound {
		return
	}
	if of.flushed {
		of.flushed = false
		w.forget(s)
	}
	if of.suspended {
		of.suspended = false
		switch {
		case of.continues:
			w.lift(s)
		case w.ForgetFirst:
			w.forget(s)
		}
	}
	of.continues = false
}

// forget is what is done about invalidations that were missed.
func (w *walker) forget(s *state) {
	s.invalid, s.event = s.now, s.now
	if w.Stale > 0 {
		s.gone = s.now
	}
	if w.ForgetTwice {
		w.repeat(s)
	}
}

// repeat has the value invalidated once more, one settle from now.
func (w *walker) repeat(s *state) {
	if w.Settle == 0 {
		return
	}
	if !w.RepeatEach {
		s.again = 0
	}
	s.again |= 1 << (int(s.now) + w.Settle)
}

// hold stamps the table of recent updates.
func (w *walker) hold(s *state) {
	until := int(s.now)
	if w.HoldDown {
		until += w.Settle
	}
	s.changed, s.stamp = s.now, max(s.stamp, int8(until))
}

// markerSteps are those of the poller of markers.
func (w *walker) markerSteps(s state) {
	m := &s.marker
	w.outage(s, func(n *state) *source { return &n.marker.source }, "markers")
	switch {
	case m.down:
	case m.asked == none && (m.seen != m.value || w.worthAsking(&s, &m.source)):
		m.asked, m.answer = s.now, m.value
		w.add(s, "the marker is read")
	case m.asked != none:
		switch {
		case m.continues && (w.Compared && m.answer != s.file.seen || w.PendingCarried && s.file.pending):
			w.forget(&s)
		case m.positioned && m.answer != m.seen:
			w.mark(&s)
			if w.MarkTwice {
				w.repeat(&s)
			}
		}
		m.seen = m.answer
		w.hear(&s, &m.source)
		w.add(s, fmt.Sprintf("the marker is seen to be that of version %d", m.seen))
	}
}

// mark makes the value stale.
func (w *walker) mark(s *state) {
	s.invalid, s.event = s.now, s.now
	if w.Stale > 0 {
		s.marked |= 1 << s.now
	}
}

// outage has a source go down and come back.
func (w *walker) outage(s state, of func(*state) *source, name string) {
	if src := of(&s); src.down {
		src.down = false
		w.add(s, name+" can be asked again")
	} else if s.left.outages > 0 {
		s.left.outages--
		src.down, src.asked = true, none
		w.add(s, name+" cannot be asked any more")
	}
}

// worthAsking leaves out questions that would teach nothing.
func (w *walker) worthAsking(s *state, of *source) bool {
	return !of.positioned || of.suspended || of.heard < s.now && w.Bound <= w.Ticks
}

// streamSteps are those of the topic and its consumer.
func (w *walker) streamSteps(s state) {
	st := &s.stream
	w.sendSteps(s)
	w.outage(s, func(n *state) *source { return &n.stream.source }, "the stream")
	if s.left.gaps > 0 && st.position < st.end && st.first < st.end && st.between == 0 {
		n := s
		n.left.gaps--
		n.stream.first = st.end
		w.add(n, "the stream loses what it has")
	}
	if st.down {
		if st.continues && !w.CaughtWhenAsked {
			st.asked = s.now
			w.hear(&s, &st.source)
			w.add(s, "the stream cannot be asked, and is trusted")
		}
		return
	}
	if st.asked == none && w.worthAsking(&s, &st.source) {
		n := s
		n.stream.asked, n.stream.askedEnd = s.now, st.end
		w.add(n, fmt.Sprintf("the end of the stream is asked for: %d", st.end))
	}
	switch {
	case st.asked != none && st.continues && w.CaughtUp && st.position < st.askedEnd:
	case st.asked != none && st.continues:
		n := s
		w.hear(&n, &n.stream.source)
		w.add(n, "the consumer has caught up")
	case st.asked != none && !st.positioned:
		n := s
		n.stream.position = st.askedEnd
		w.hear(&n, &n.stream.source)
		w.add(n, fmt.Sprintf("the consumer is positioned at %d", st.askedEnd))
	case st.asked != none && (st.position >= st.askedEnd || !w.HeardWhenRead):
		n := s
		w.hear(&n, &n.stream.source)
		w.add(n, "the consumer is found to be at the end")
	}
	if st.positioned || st.continues {
		w.consume(s)
	}
}

// sendSteps put records into the topic.
func (w *walker) sendSteps(s state) {
	for v := int8(1); v <= s.version; v++ {
		if s.stream.unsent&(1<<v) == 0 {
			continue
		}
		n := s
		n.stream.unsent &^= 1 << v
		n.stream.log[n.stream.end] = v
		n.stream.end++
		w.add(n, fmt.Sprintf("the record of version %d is produced", v))
		if !w.Unordered {
			return
		}
	}
}

// consume reads the next record, in two steps, or finds that it is lost.
func (w *walker) consume(s state) {
	switch st := &s.stream; {
	case st.between != 0:
		v := st.between
		if w.StampFirst {
			w.drop(&s, v)
		} else {
			w.hold(&s)
		}
		st.between = 0
		st.position++
		s.event = s.now
		w.add(s, fmt.Sprintf("the update to version %d is done", v))
	case st.position < st.first:
		st.position = st.first
		s.event = s.now
		if w.GapForgets {
			st.positioned, st.continues = true, false // and forgotten, if it was suspended
			w.forget(&s)
		}
		w.add(s, "the consumer finds the gap")
	case st.position < st.end:
		st.between = st.log[st.position]
		if w.StampFirst {
			w.hold(&s)
		} else {
			w.drop(&s, st.between)
		}
		w.add(s, fmt.Sprintf("the record of version %d is read", st.between))
	}
}

// drop evicts the value that a record is about, or puts the record's in place.
func (w *walker) drop(s *state, version int8) {
	newer := version > s.known || !w.VersionNewer
	if newer {
		s.known = version
	}
	tick := s.now
	if w.LagAgo {
		tick -= int8(w.Late)
	}
	since := s.invalid
	if w.VersionsUnknown {
		since = max(since, s.unkept)
	}
	if w.Apply && newer && w.hit(s) && w.later(tick, since) {
		s.row = row{held: true, value: version, tick: tick}
		return
	}
	s.row = row{}
}
