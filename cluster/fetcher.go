package cluster

import (
	"sync/atomic"
	"time"
)

// fetcher is a store node that answers reads, and what is known of it.
type fetcher struct {
	addr        string
	seed        uint64       // hash of addr
	maxInFlight atomic.Int64 // bound on outstanding
	slowStart   atomic.Int64 // how long its weight grows, a time.Duration
	conns       []*conn

	outstanding atomic.Int64  // fetches sent and not answered, late ones included
	next        atomic.Uint32 // turns through conns
	since       atomic.Int64  // clock of when it appeared or came back; 0: it was there from the beginning
	shards      atomic.Pointer[[]*shard]
	latency     latency
	health
	stats FetcherStats
}

// FetcherStats counts what was asked of one fetcher.
type FetcherStats struct {
	Fetches   atomic.Uint64 // sent
	Errors    atomic.Uint64 // connection lost or refused, or a reply that is no frame
	Timeouts  atomic.Uint64 // no reply within the fetch timeout
	Nanos     atomic.Uint64 // from send to reply, of all that were answered
	Answered  atomic.Uint64
	Ejections atomic.Uint64 // times that it was set aside
}

// conn is the connection whose turn it is, leaving out those that are down, and
// those that are not up yet where another is.
func (f *fetcher) conn() *conn {
	turn := int(f.next.Add(1) % uint32(len(f.conns)))
	if f.conns[turn].phase.Load() == phaseUp {
		return f.conns[turn]
	}
	now := time.Now()
	best, highest := f.conns[turn], phaseShut
	for i := range f.conns {
		c := f.conns[(turn+i)%len(f.conns)]
		if p := c.phaseAt(now); p > highest {
			best, highest = c, p
		}
	}
	if highest == phaseUp {
		f.conns[turn].warm()
	}
	return best
}

// phase is that of its best connection.
func (f *fetcher) phase(now time.Time) uint32 {
	highest := phaseShut
	for _, c := range f.conns {
		if p := c.phaseAt(now); p > highest {
			if highest = p; p == phaseUp {
				break
			}
		}
	}
	return highest
}

// failing tells whether its connections failed, all of them; it dials none.
func (f *fetcher) failing() bool {
	for _, c := range f.conns {
		if c.phase.Load() != phaseShut {
			return false
		}
	}
	return true
}

// lastError is why one of its connections failed; "" if none did.
func (f *fetcher) lastError() string {
	for _, c := range f.conns {
		c.mu.Lock()
		err := c.lastErr
		c.mu.Unlock()
		if err != nil {
			return err.Error()
		}
	}
	return ""
}

// warm has it dialled, for fetches to come.
func (f *fetcher) warm() { f.conns[0].warm() }

// reserve takes room for at most n fetches, and returns for how many there was
// any.
func (f *fetcher) reserve(n int) int {
	room := f.maxInFlight.Load() - (f.outstanding.Add(int64(n)) - int64(n))
	if room >= int64(n) {
		return n
	}
	got := max(room, 0)
	f.outstanding.Add(got - int64(n))
	return int(got)
}

// leave lets go of it: its connections end when they have answered what they
// were sent, and take no more.
func (f *fetcher) leave() {
	for _, c := range f.conns {
		c.leave()
	}
}
