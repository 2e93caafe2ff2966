package cluster

import "time"

// Fetch is one read of the store: one request, one reply. It is in the hands
// of Upstream from Send until its Owner is told the outcome.
type Fetch struct {
	Slot    uint16 // of its key
	Request []byte // the whole frame; must not change until Done
	Owner   Owner

	// Entity is that of which Request is an HMGET, for others to join it, and it
	// them. nil: it goes alone. It must not change until Done.
	Entity []byte
	// Began is the tick read before Send: the reply is at least that new. After is
	// the tick of the last invalidation of each field, in the order of Request;
	// none: nothing ever was. What is in flight for a field answers this one too if
	// it began later than that.
	Began int64
	After []int64

	deadline time.Time
	shard    *shard   // of Slot; nil: nobody else may answer it
	fetcher  *fetcher // that it was last sent to
	tries    int      // times that it was sent
	asking   bool     // goes behind an ASKING: a slot is moving to that fetcher
	probe    bool     // no read: what it takes is no measure of those

	hash  uint64 // of Entity
	leads bool   // it is in flights, for others to join
	// Protected by its shard of flights:
	next, prev *Fetch   // others that lead for entities of that hash, the newest first
	fields     *fields  // of Request; nil: nobody has looked yet
	joiners    []joiner // that wait for its reply
}

// Owner is who asked.
type Owner interface {
	// Done is called once, from any goroutine, and must not block. Reply is a
	// whole frame, valid during the call only; it may be an error that the store
	// answered. joined says that other fetches brought all of it, or all but what a
	// PartOwner was given before: their owners see to filling the cache. Otherwise
	// err says why there is none. The Flusher, if any, is called when the replies at
	// hand have all been given out.
	Done(reply []byte, joined bool, err error) Flusher
}

// PartOwner is an Owner that fills the cache with what its fetch brings where that
// joined others for the rest.
type PartOwner interface {
	// Part is called with each part that its fetch asked the store for itself, before
	// Done, from any goroutine and perhaps from several at once, and must not block.
	// Reply is the answer to an HMGET of the fields of those numbers in the request,
	// and like them valid during the call only; from is who gave it.
	Part(reply []byte, numbers []int32, from string)
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
