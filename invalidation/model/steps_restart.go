package model

// restartSteps are those of a snapshot, of the end of the process that wrote it,
// and of the start of the next.
func (w *walker) restartSteps(s state) {
	f := &s.file
	switch {
	case f.loading:
		w.load(s)
	case s.left.restarts == 0:
	case f.noted && f.written:
		w.startAgain(s)
	case !f.noted && (w.CheckpointFirst || f.written):
		w.note(s)
	case !f.written:
		w.write(s)
	}
}

// note has the snapshot say where the sources stand, if they can be trusted.
func (w *walker) note(s state) {
	if s.suspended() || s.stream.between != 0 || w.streams() && s.again != 0 {
		return
	}
	f := &s.file
	f.noted, f.position, f.seen, f.pending, f.taken = true, s.stream.position, s.marker.seen, s.again != 0, s.now
	w.add(s, "a checkpoint is taken")
}

// write has the snapshot hold the row.
func (w *walker) write(s state) {
	s.file.written = true
	if w.hit(&s) || !w.FreshOnly {
		s.file.row = s.row
	}
	w.add(s, "the row is written")
}

// startAgain has a process take the place of the one that wrote the snapshot.
// Nobody is answered whom that one would have answered.
func (w *walker) startAgain(s state) {
	f := &s.file
	s.left.restarts--
	f.loading = true
	s.row, s.fetches = row{}, [maxFetches]fetch{}
	s.known, s.changed, s.stamp, s.invalid, s.gone, s.again, s.marked = none, none, none, none, none, 0, 0
	s.event = s.now
	if w.streams() {
		s.stream.source = source{suspended: true, continues: true, asked: none, down: s.stream.down}
		s.stream.between = 0
		s.stream.position = f.position
		if !w.ReadOn {
			s.stream.position = s.stream.end
		}
	}
	if w.marks() {
		s.marker.source = source{suspended: true, continues: true, asked: none, down: s.marker.down}
	}
	w.add(s, "the next process starts")
}

// load puts the row of the snapshot in place, unless it was updated meanwhile.
func (w *walker) load(s state) {
	r := s.file.row
	if !w.TrueAge {
		r.tick = s.now
	}
	if r.held && !s.row.held && (!w.LoadObeys || w.later(r.tick, s.stamp) && w.later(r.tick, s.invalid)) {
		s.row = r
	}
	s.file.loading, s.file.row = false, row{}
	w.add(s, "the row is loaded")
}

// lift has what is held served, since nothing was missed.
func (w *walker) lift(s *state) {
	s.unkept = s.now
	if w.HoldCarried {
		s.unkept = max(s.unkept, s.file.taken+int8(w.Settle))
	}
}
