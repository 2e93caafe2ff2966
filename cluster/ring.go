package cluster

import "time"

// entry is a request in flight. It has a fetch of its own, or takes part in a
// race; one with neither waits for a reply that nobody wants any more.
type entry struct {
	fetch *Fetch
	race  *race
	sent  time.Time
	skip  int // replies that precede its own
}

// ring is a queue of entries that grows and is used over and over.
type ring struct {
	entries []entry // a power of two
	head, n int
}

func (r *ring) len() int { return r.n }

// at returns entry i, counted from the oldest.
func (r *ring) at(i int) *entry { return &r.entries[(r.head+i)&(len(r.entries)-1)] }

func (r *ring) front() *entry {
	if r.n == 0 {
		return nil
	}
	return r.at(0)
}

func (r *ring) push(e entry) {
	if r.n == len(r.entries) {
		grown := make([]entry, max(16, 2*r.n))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.entries, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = e
}

func (r *ring) pop() {
	*r.at(0) = entry{}
	r.head = (r.head + 1) & (len(r.entries) - 1)
	r.n--
}

// takeAll empties the ring.
func (r *ring) takeAll() []entry {
	all := make([]entry, r.n)
	for i := range all {
		all[i] = *r.at(i)
	}
	*r = ring{}
	return all
}
