package peer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// Outcome is what became of asking peers for their rows.
type Outcome string

// The outcomes.
const (
	OutcomeNone  Outcome = "none"  // nobody was asked, or not yet
	OutcomeWhole Outcome = "whole" // all that a peer sent was taken
	OutcomePart  Outcome = "part"  // it took too long, or memory is full
	OutcomeCut   Outcome = "cut"   // what had come was not whole, and was dropped
	OutcomeNo    Outcome = "no"    // none would give any
)

// Outcomes are all of them.
var Outcomes = []Outcome{OutcomeNone, OutcomeWhole, OutcomePart, OutcomeCut, OutcomeNo}

// The sources of what was named.
const (
	sourcePeer = "peer"
	sourceFile = "file"
)

// Stats are what was done.
type Stats struct {
	Entities, Fetches, Failed uint64
	Source                    string        // of what was named: "peer" or "file"
	Fetching                  time.Duration // how long it took, or has taken yet
	// Rows, as they came, and Bytes as they were sent.
	Rows    snapshot.Loaded
	Bytes   int64
	Outcome Outcome
}

// counts are Stats while they grow.
type counts struct {
	entities, fetches, failed atomic.Uint64
	bytes                     atomic.Int64

	mu         sync.Mutex // protects what follows
	began, end time.Time  // of fetching
	rows       snapshot.Loaded
	outcome    Outcome
	source     string
}

func (c *counts) beginFetching(now time.Time, source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.source = source
	if c.began.IsZero() {
		c.began = now
	}
	c.end = time.Time{}
}

func (c *counts) endFetching() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = time.Now()
}

func (c *counts) took(rows snapshot.Loaded, outcome Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows, c.outcome = rows, outcome
}

// Stats tells what was done.
func (w *Warmer) Stats() Stats {
	c := &w.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Entities: c.entities.Load(), Fetches: c.fetches.Load(), Failed: c.failed.Load(),
		Source: c.source, Rows: c.rows, Bytes: c.bytes.Load(), Outcome: c.outcome,
	}
	if c.outcome == "" {
		s.Outcome = OutcomeNone
	}
	if c.source == "" {
		s.Source = sourcePeer
	}
	switch {
	case c.began.IsZero():
	case c.end.IsZero():
		s.Fetching = time.Since(c.began)
	default:
		s.Fetching = c.end.Sub(c.began)
	}
	return s
}
