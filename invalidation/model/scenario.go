package model

// Scenario bounds a walk: what happens in it, how often at most, and what the
// world around fsproxy keeps to. All times are in ticks.
type Scenario struct {
	Name string

	// What changes the store, and how often at most; fewer than maxVersions in
	// all.
	Updates int // the store, then a record in the stream
	Uploads int // the store and the marker at once
	Writes  int // through fsproxy
	Silent  int // told to nobody, as when a key expires

	// What the world keeps to.
	Lag     int // a fetcher has a change at the latest so long after the store
	Produce int // a record is in the stream at the latest so long after the store's change
	Fetch   int // a fetch is answered at the latest so long after it began
	Write   int // and so is a write that passes through
	Late    int // a record or marker is read at the latest so long after the store's change, and so is an answer after the question; 0: whenever

	// How fsproxy is set.
	Settle int
	Bound  int  // of a source's silence, and of its lag
	Age    int  // of a value
	Apply  bool // a record's value is put in place, which needs Late; else it evicts
	Stale  int  // for so long after a marker a stale value may be served
	Serve  int  // for so long a lost source is served nevertheless
	Flush  bool // a lost source is served by age, and forgotten before and after

	// What else happens.
	Fetches    int  // in flight at once, at most maxFetches
	Outages    int  // during which the sources cannot be asked
	Gaps       int  // in which the stream loses what was not read
	Evictions  int  // of the row
	Restarts   int  // of the process, which leaves its row to the next
	Unordered  bool // records come in any order
	Positioned bool // the sources know where they begin from the start on

	Ticks int // after which the walk ends
	B     int // the promise: how long after it was replaced a value may be served
}

// streams tells whether there is a source that tells of updates.
func (s *Scenario) streams() bool { return s.Updates > 0 }

// marks tells whether there is one that tells of uploads.
func (s *Scenario) marks() bool { return s.Uploads > 0 }
