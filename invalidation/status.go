package invalidation

import (
	"context"
	"sync/atomic"
	"time"
)

// Source hears of changes in the store and acts on a [Memory].
type Source interface {
	// Run follows the source until ctx ends, and returns when all that it
	// started has ended. It does not give up: what is wrong is in the statuses.
	Run(ctx context.Context)
	// Statuses are those of its guards.
	Statuses() []Status
}

// State is how far a source can be trusted.
type State string

// The states.
const (
	StateStarting State = "starting" // it has not found where it begins
	StateTrusted  State = "trusted"
	StateLagging  State = "lagging" // it answers, and is further behind than its bound
	StateLost     State = "lost"    // it does not answer, or has lost its place
	StateServing  State = "serving" // lagging or lost, and served for a stated time nevertheless
)

// States are all of them.
var States = []State{StateStarting, StateTrusted, StateLagging, StateLost, StateServing}

// Status is what a guard knows of its source.
type Status struct {
	Name       string        // "fs:markers", "feature-updates", "10.0.0.1:6379"
	Kind       string        // "markers", "kafka", "tracking"
	State      State         //
	Since      time.Time     // of the state; for people
	Suspended  bool          // what it covers is fetched each time and not kept
	Unsettled  bool          // what it covers is to be forgotten once more
	Position   string        // for people
	Lag        time.Duration // how far behind it is, the time since it was last heard included
	LagRecords int64
	LastHeard  time.Time // when it last answered; zero: never
	MaxLag     time.Duration
	Settle     time.Duration
	OnLoss     OnLoss
	ServeFor   time.Duration // with Serve
	Interval   time.Duration // how often it looks; 0: it is told
	Covers     []string
	Gaps       uint64
	Error      string // what the source said last; "": nothing is wrong
	Counts     map[What]uint64
	Records    *Records // nil: the source reads no records
}

// Records are what became of the records of a topic.
type Records struct {
	Read       uint64 // records
	Unreadable uint64 // records, and batches of them, that were not understood
	Evicted    uint64 // values that were dropped
	Applied    uint64 // values that were put in place
	Uncovered  uint64 // values of features that the topic is not said to cover
}

// What an invalidation was of.
type What string

// What invalidations are of.
const (
	WhatUpdate What = "update" // features of an entity evicted
	WhatApply  What = "apply"  // features of an entity replaced
	WhatEntity What = "entity" // an entity evicted whole
	WhatMarker What = "marker" // a marker of a feature or of a group, counted once
	WhatForget What = "forget" // all that a source covers
)

// Counts counts the invalidations of a source.
type Counts struct {
	Updates, Applied, Entities, Markers, Forgets atomic.Uint64
}

func (c *Counts) read() map[What]uint64 {
	return map[What]uint64{
		WhatUpdate: c.Updates.Load(),
		WhatApply:  c.Applied.Load(),
		WhatEntity: c.Entities.Load(),
		WhatMarker: c.Markers.Load(),
		WhatForget: c.Forgets.Load(),
	}
}
