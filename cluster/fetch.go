package cluster

import (
	"sync"
	"time"
)

// Fetch is one read of the store: one request, one reply. It is in the hands
// of Upstream from Send until its Owner is told the outcome.
type Fetch struct {
	Slot    uint16 // of its key
	Request []byte // the whole frame; must not change until Done
	Owner   Owner

	// Began is the tick read before Send: the reply is at least that new. A
	// fetch in flight for the same Request answers this one too if it began
	// later than After, the tick of the last invalidation of what is asked.
	Began, After int64

	deadline time.Time
	fetcher  *fetcher // that it was last sent to
	sent     time.Time
	tries    int     // times that it was sent
	asking   bool    // goes behind an ASKING: a slot is moving to that fetcher
	flight   *flight // that it leads; nil: nobody may join
}

// Owner is who asked.
type Owner interface {
	// Done is called once, from any goroutine, and must not block. Reply is a
	// whole frame, valid during the call only; it may be an error that the store
	// answered. joined says that another fetch brought it, whose owner sees to
	// filling the cache. Otherwise err says why there is none. The Flusher, if
	// any, is called when the replies at hand have all been given out.
	Done(reply []byte, joined bool, err error) Flusher
}

// Flusher sends on what Done completed.
type Flusher interface{ Flush() }

// flushers collects whom to flush, each once.
type flushers []Flusher

func (fs *flushers) add(f Flusher) {
	if f == nil {
		return
	}
	for _, known := range *fs {
		if known == f {
			return
		}
	}
	*fs = append(*fs, f)
}

func (fs *flushers) flush() {
	for i, f := range *fs {
		f.Flush()
		(*fs)[i] = nil
	}
	*fs = (*fs)[:0]
}

// flightShards keeps the locks of fetches in flight apart.
const flightShards = 64

// flights are the fetches in flight that others may join, by request.
type flights [flightShards]struct {
	mu        sync.Mutex
	byRequest map[string]*flight // protected by mu
}

// flight is a fetch in flight and those that wait for its reply.
type flight struct {
	began   int64
	joiners []*Fetch // protected by the shard's mu
}

// board lets f join a fetch in flight, or makes it one that others may join.
func (fl *flights) board(f *Fetch) (joined bool) {
	shard := &fl[f.Slot%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if lead, ok := shard.byRequest[string(f.Request)]; ok {
		if lead.began > f.After {
			lead.joiners = append(lead.joiners, f)
			return true
		}
		// What it brings may be older than the invalidation: a new one takes
		// its place, and it lands for those already aboard.
	}
	if shard.byRequest == nil {
		shard.byRequest = make(map[string]*flight)
	}
	f.flight = &flight{began: f.Began}
	shard.byRequest[string(f.Request)] = f.flight
	return false
}

// land ends f's flight and returns those aboard.
func (fl *flights) land(f *Fetch) []*Fetch {
	if f.flight == nil {
		return nil
	}
	shard := &fl[f.Slot%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.byRequest[string(f.Request)] == f.flight {
		delete(shard.byRequest, string(f.Request))
	}
	return f.flight.joiners
}
