package rollout

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
)

const (
	// maxQueuedBytes bounds the replies that wait to be compared, whose number
	// rollout.queue bounds.
	maxQueuedBytes = 16 << 20
	// keptRead is how large the buffers of a Read may be to be used again, in
	// bytes.
	keptRead = 16 << 10
)

// Read is a read that is to be compared with the store.
type Read struct {
	rollout    *Rollout
	kind       Kind
	entity     []byte
	projection *cache.Projection
	version    resp.Version
	at         cache.Tick // when memory was looked at
	seen       time.Time  // the same, for people and timers

	found   cache.Found
	served  bool    // memory would answer all of it, or has
	missing []int32 // what live would fetch; with served, what it would refresh
	refresh bool    // the entity's refresh is this read's

	frame []byte // the store's reply to positions; of a verification, none yet
	// positions of the projection that frame has; nil: all.
	positions []int32
	from      string
}

var reads = sync.Pool{New: func() any { return new(Read) }}

func (r *Rollout) newRead(kind Kind, entity []byte, p *cache.Projection, at cache.Tick) *Read {
	read := reads.Get().(*Read)
	read.rollout, read.kind, read.projection, read.at, read.seen = r, kind, p, at, time.Now()
	read.entity = append(read.entity[:0], entity...)
	return read
}

// full tells whether there is no room for another read, and counts it.
func (r *Rollout) full(kind Kind) bool {
	if len(r.queue) < cap(r.queue) && r.queued.Load() < maxQueuedBytes {
		return false
	}
	r.counts.drop(kind, DropQueue)
	return true
}

// Consult looks into memory as a live read of p's fields of entity at tick now
// would, for a read that the store answers. It keeps nothing of entity. Nil: the
// read is not compared. Whoever gets a Read must call Answered.
func (r *Rollout) Consult(entity []byte, p *cache.Projection, now cache.Tick, v resp.Version) *Read {
	if r.cfg.Cache == nil || r.full(KindDryRun) {
		return nil
	}
	read := r.newRead(KindDryRun, entity, p, now)
	read.version = v
	held := r.cfg.Cache
	read.found = held.Lookup(entity, p, now)
	if !read.found.Complete && p.View.Decoded && held.DecodeHeld(entity, p, &read.found, now) {
		read.found = held.Lookup(entity, p, now)
	}
	if read.served = read.found.Complete; read.served {
		return read
	}
	again, ok := held.Revalidate(&read.found, entity, p, now)
	read.served = ok
	read.refresh = ok && again.Due && held.BeginRefresh(entity)
	if !ok || read.refresh {
		read.missing, _ = read.found.Missing(read.missing[:0], p, now)
	}
	return read
}

// Answered hands over what the store answered, a whole frame, from which fetcher;
// nil: nothing of use. It keeps nothing of frame. A nil Read wants nothing.
func (read *Read) Answered(frame []byte, from string) {
	if read == nil {
		return
	}
	if frame == nil {
		read.rollout.counts.drop(read.kind, DropUnanswered)
		read.release()
		return
	}
	read.frame, read.from = append(read.frame[:0], frame...), from
	read.rollout.enqueue(read)
}

// enqueue has a read compared, if there is room.
func (r *Rollout) enqueue(read *Read) {
	r.queued.Add(int64(len(read.frame)))
	select {
	case r.queue <- read:
	default:
		r.queued.Add(-int64(len(read.frame)))
		r.counts.drop(read.kind, DropQueue)
		read.release()
	}
}

// Verify has an answer from memory compared with the store: what was found at
// tick now of p's fields of entity, whole. It keeps nothing of entity.
func (r *Rollout) Verify(entity []byte, p *cache.Projection, found *cache.Found, now cache.Tick) {
	if r.cfg.Cache == nil || r.full(KindVerify) {
		return
	}
	read := r.newRead(KindVerify, entity, p, now)
	read.found, read.served = *found, true
	r.enqueue(read)
}

// Shadow has a share of the fetches repeated at the second store: positions of
// p's fields of entity, with the reply that a fetcher gave. It keeps nothing of
// its arguments.
func (r *Rollout) Shadow(entity []byte, p *cache.Projection, positions []int32, frame []byte, from string) {
	share := shareOf(math.Float64frombits(r.shadowPercent.Load()))
	if share == 0 || uint64(rand.Uint32()) >= share || r.full(KindShadow) {
		return
	}
	read := r.newRead(KindShadow, entity, p, 0)
	read.frame, read.from = append(read.frame[:0], frame...), from
	read.positions = append(read.positions[:0], positions...)
	r.enqueue(read)
}

// release lets go of a read, whatever has become of it.
func (read *Read) release() {
	if read.refresh {
		read.rollout.cfg.Cache.EndRefresh(read.entity)
	}
	if cap(read.frame) > keptRead || cap(read.entity) > keptRead {
		return
	}
	*read = Read{
		entity: read.entity[:0], missing: read.missing[:0],
		frame: read.frame[:0], positions: read.positions[:0],
	}
	reads.Put(read)
}
