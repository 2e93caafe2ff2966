package demo

import (
	"time"

	"github.com/fsproxy/fsproxy/histogram"
)

// Reading is what the proxy has counted since its start, and what it holds.
type Reading struct {
	At     time.Time
	HMGETs uint64 // answered
	Hits   uint64 // of these, whole from memory
	Errors uint64 // of these, with an error

	Hit  histogram.Histogram // how long hits took
	Miss histogram.Histogram // how long those took of which something was fetched

	Bytes int64 // of the cache
	Rows  int64

	Invalidations uint64        // markers, and updates of entities
	Lag           time.Duration // of the source that is furthest behind
	Oldest        time.Duration // the age of the oldest value served since the reading before

	Up, Fetchers int // fetchers that run, and all
}

// since is what was counted from an earlier reading to r.
func (r Reading) since(earlier Reading) (change Reading, took time.Duration) {
	change = r
	change.HMGETs -= earlier.HMGETs
	change.Hits -= earlier.Hits
	change.Errors -= earlier.Errors
	change.Invalidations -= earlier.Invalidations
	change.Hit = r.Hit.Minus(earlier.Hit)
	change.Miss = r.Miss.Minus(earlier.Miss)
	return change, r.At.Sub(earlier.At)
}
