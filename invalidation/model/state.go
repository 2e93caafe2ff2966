package model

const (
	// maxVersions of the value, the first included.
	maxVersions = 4
	// maxFetches in flight at once.
	maxFetches = 2
	// none is a tick before all others.
	none = -1
)

// state is a moment of the whole world. It is comparable: two moments alike are
// walked on from once.
type state struct {
	now  int8
	left left

	// The store. Version 0 is there from the start; version v replaced the one
	// before at tick replaced[v].
	version  int8
	replaced [maxVersions]int8
	replica  int8 // the version that the lagging fetcher has
	silent   bool // the last version was told to nobody

	stream  stream
	marker  marker
	through through

	// The cache.
	row     row
	known   int8   // the latest version that a record told of
	changed int8   // the table of recent updates: when the last one came,
	stamp   int8   // and until when no fetch that begins is kept
	invalid int8   // the feature's last invalidation
	again   uint32 // the ticks at which it is invalidated once more, a bit each
	fetches [maxFetches]fetch
	gone    int8   // the last invalidation that was no marker
	marked  uint32 // the ticks of markers, a bit each; only where stale values are served
	unkept  int8   // until when no fetch that began is kept, by a process before this one

	file file // the snapshot

	event int8 // when fsproxy last acted on something
}

// left counts what may still happen.
type left struct{ updates, uploads, writes, silent, outages, gaps, evictions, restarts int8 }

// file is a snapshot: under way, whole, or taken over by the process that runs.
type file struct {
	noted, written, loading bool
	position                int8 // of the consumer
	seen                    int8 // the marker that is known
	pending                 bool // the value is to be invalidated once more
	taken                   int8 // when that was so
	row                     row
}

// source is what a guard knows of the stream or of markers.
type source struct {
	positioned bool
	suspended  bool
	down       bool // it cannot be asked
	continues  bool // it goes on from the snapshot, and was not heard yet
	flushed    bool // it is lost, and was forgotten
	heard      int8
	asked      int8 // when the question was put that is under way; none
}

// stream is the topic, and the consumer of it.
type stream struct {
	source
	log      [maxVersions]int8 // the versions in the topic, in order
	end      int8
	first    int8 // what lies before is lost
	position int8
	askedEnd int8
	unsent   uint8 // versions whose record is not in the topic yet, a bit each
	between  int8  // the version whose update is between its two steps; 0: none
}

// marker is the marker of the last upload, and the poller of it.
type marker struct {
	source
	value, answer, seen int8 // versions: in the store, in the reply under way, known
}

// row is what the cache holds of the value.
type row struct {
	held  bool
	value int8
	tick  int8
}

// fetch is a fetch in flight.
type fetch struct {
	active  bool
	replied bool
	passed  bool // it was found fit to be kept, where that is looked at beforehand
	began   int8
	value   int8
	need    int8 // who waits for it must not be answered with an older version
}

// through is a write that passes through fsproxy.
type through struct {
	under, stored bool
	began         int8
}

// start is the first state.
func (w *walker) start() state {
	s := state{
		left: left{
			int8(w.Updates), int8(w.Uploads), int8(w.Writes), int8(w.Silent),
			int8(w.Outages), int8(w.Gaps), int8(w.Evictions), int8(w.Restarts),
		},
		known: none, changed: none, stamp: none, invalid: none, event: none, gone: none, unkept: none,
	}
	s.stream.source = w.startOf(w.streams())
	s.marker.source = w.startOf(w.marks())
	return s
}

// startOf is how a source starts, if there is one.
func (w *walker) startOf(there bool) source {
	known := w.Positioned || !there
	return source{positioned: known, suspended: !known && w.PositionFirst, asked: none}
}

// suspended tells whether the value is fetched each time.
func (s *state) suspended() bool { return s.stream.suspended || s.marker.suspended }

// quiet tells whether all that changed was told of and acted on, and fetchers
// have had their settle since.
func (s *state) quiet(settle int) bool {
	return s.stream.positioned && s.stream.unsent == 0 && s.stream.position == s.stream.end &&
		s.marker.positioned && s.marker.seen == s.marker.value &&
		s.again == 0 && !s.through.under && !s.silent &&
		int(s.now) > int(max(s.event, s.replaced[s.version]))+settle
}

// forgetPast makes alike the states that differ only in what cannot matter any
// more.
func (s *state) forgetPast(w *walker) {
	if s.row.held && !w.later(s.row.tick, s.invalid) && !w.stale(s) && s.marked == 0 {
		s.row = row{}
	}
	oldest := s.now // of what is not kept yet
	if s.file.row.held {
		oldest = min(oldest, s.file.row.tick)
	}
	for i := range s.fetches {
		if f := &s.fetches[i]; f.active {
			oldest = min(oldest, f.began)
		} else {
			*f = fetch{}
		}
	}
	if s.fetches[0].order() < s.fetches[1].order() {
		s.fetches[0], s.fetches[1] = s.fetches[1], s.fetches[0]
	}
	if int(s.event)+w.Settle < int(oldest) {
		s.event = none
	}
	if !w.Apply { // or a value comes that is as old as the stream
		s.changed = later(s.changed, oldest)
		s.stamp = later(s.stamp, oldest)
		s.unkept = later(s.unkept, oldest)
		if !s.row.held || s.invalid < s.row.tick {
			s.invalid = later(s.invalid, oldest)
		}
		s.forgetReplaced()
	}
	if !s.file.noted {
		s.stream.forgetRead()
	}
}

// later is a tick that matters only from another one on.
func later(tick, from int8) int8 {
	if tick < from {
		return none
	}
	return tick
}

// forgetReplaced forgets when versions were replaced that nobody can be answered
// with any more.
func (s *state) forgetReplaced() {
	oldest := s.replica
	if s.row.held {
		oldest = min(oldest, s.row.value)
	}
	if s.file.row.held {
		oldest = min(oldest, s.file.row.value)
	}
	for _, f := range s.fetches {
		if f.replied {
			oldest = min(oldest, f.value)
		}
	}
	for v := int8(1); v <= oldest && v < s.version; v++ {
		if s.stream.unsent&(1<<v) == 0 {
			s.replaced[v] = 0
		}
	}
}

// forgetRead forgets the records that were read.
func (st *stream) forgetRead() {
	if !st.positioned || st.position == 0 {
		return
	}
	read := st.position
	copy(st.log[:], st.log[read:])
	for i := st.end - read; int(i) < len(st.log); i++ {
		st.log[i] = 0
	}
	st.end -= read
	st.first = max(st.first-read, 0)
	st.askedEnd = max(st.askedEnd-read, 0)
	st.position = 0
}

// order tells fetches apart, since it does not matter which place one has.
func (f *fetch) order() int {
	n := int(f.began)<<16 | int(f.value)<<8 | int(f.need)<<4
	for i, set := range []bool{f.active, f.replied, f.passed} {
		if set {
			n |= 1 << i
		}
	}
	return n
}
