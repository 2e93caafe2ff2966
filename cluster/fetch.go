package cluster

import (
	"bytes"
	"hash/maphash"
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
	shard    *shard   // of Slot; nil: nobody else may answer it
	fetcher  *fetcher // that it was last sent to
	tries    int      // times that it was sent
	asking   bool     // goes behind an ASKING: a slot is moving to that fetcher
	probe    bool     // no read: what it takes is no measure of those
	hash     uint64   // of Request
	leads    bool     // others may join
	joiners  []*Fetch // that wait for its reply; protected by its shard of flights
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

// flights are the fetches in flight that others may join.
type flights [flightShards]struct {
	mu sync.Mutex
	// leads are those that lead, by the hash of their request. Protected by mu.
	// None is listed any more when its owner is told, so that its request may be
	// compared with until then, and needs no copy.
	leads map[uint64]*Fetch
}

// requestSeed keeps those who choose the keys from choosing the hashes.
var requestSeed = maphash.MakeSeed()

// board lets f join a fetch in flight, or makes it one that others may join.
func (fl *flights) board(f *Fetch) (joined bool) {
	f.hash = maphash.Bytes(requestSeed, f.Request)
	shard := &fl[f.hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if lead, ok := shard.leads[f.hash]; ok {
		if !bytes.Equal(lead.Request, f.Request) {
			return false // one hash for two requests: f goes alone
		}
		if lead.Began > f.After {
			lead.joiners = append(lead.joiners, f)
			return true
		}
		// What it brings may be older than the invalidation: f takes its place,
		// and it lands for those already aboard.
	}
	if shard.leads == nil {
		shard.leads = make(map[uint64]*Fetch)
	}
	shard.leads[f.hash], f.leads = f, true
	return false
}

// land takes f out of those that may be joined, and returns who did.
func (fl *flights) land(f *Fetch) []*Fetch {
	if !f.leads {
		return nil
	}
	shard := &fl[f.hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.leads[f.hash] == f {
		delete(shard.leads, f.hash)
	}
	joiners := f.joiners
	f.leads, f.joiners = false, nil
	return joiners
}
