package cache

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// Config bounds a Cache. All fields must be set; config/options.go has the
// defaults and their reasons.
type Config struct {
	MaxBytes       int64         // of rows, keys and overhead
	MaxAge         time.Duration // how long a value may be served after its fetch began
	NegativeMaxAge time.Duration // the same for "the store has none"
	Shards         int           // 0: four for each CPU
	MaxRowBytes    int           // a longer row is not kept
	MaxFeatures    int           // interned, for the life of the process
	MaxProjections int
	MaxLayouts     int
	NeverCache     []string // patterns of features, as path.Match has them
}

// Cache is a sharded cache of rows. See the package comment.
type Cache struct {
	*Interner
	cfg     Config
	clock   *Clock
	seed    maphash.Seed
	shards  []*otter.Cache[string, row] // a power of two
	updates updates
	stats   counters
}

// counters are what Stats gives out.
type counters struct {
	rows, fields        atomic.Int64
	fills, evictions    atomic.Uint64
	oversized, heldDown atomic.Uint64
}

// New returns an empty cache that judges freshness by clock.
func New(cfg Config, clock *Clock) (*Cache, error) {
	for _, pattern := range cfg.NeverCache {
		if _, err := match(pattern, ""); err != nil {
			return nil, fmt.Errorf("read the pattern %q of features never to be cached: %w; close its [ and end it with no \\", pattern, err)
		}
	}
	cfg.MaxRowBytes = min(cfg.MaxRowBytes, longestRow)
	shards := 1
	want := cfg.Shards
	if want == 0 {
		want = 4 * runtime.GOMAXPROCS(0)
	}
	for shards < want {
		shards *= 2
	}
	c := &Cache{cfg: cfg, clock: clock, seed: maphash.MakeSeed(), shards: make([]*otter.Cache[string, row], shards)}
	c.Interner = newInterner(&c.cfg)
	for i := range c.shards {
		shard, err := otter.New(&otter.Options[string, row]{
			MaximumWeight:    uint64(max(cfg.MaxBytes/int64(shards), 1)),
			Weigher:          weigh,
			OnAtomicDeletion: c.deleted,
		})
		if err != nil {
			return nil, fmt.Errorf("make a cache shard of %d bytes: %w", cfg.MaxBytes/int64(shards), err)
		}
		c.shards[i] = shard
	}
	return c, nil
}

// Close ends the cache's own goroutines.
func (c *Cache) Close() {
	for _, shard := range c.shards {
		shard.StopAllGoroutines()
	}
}

// deleted keeps the counts of rows and fields. otter calls it under the lock of
// the row's bucket, for replaced rows too.
func (c *Cache) deleted(e otter.DeletionEvent[string, row]) {
	c.stats.rows.Add(-1)
	c.stats.fields.Add(int64(-e.Value.present()))
	if e.Cause == otter.CauseOverflow {
		c.stats.evictions.Add(1)
	}
}

func (c *Cache) shard(hash uint64) *otter.Cache[string, row] {
	return c.shards[hash>>32&uint64(len(c.shards)-1)]
}

// Found is what a lookup found. It stays valid whatever happens to the cache.
type Found struct {
	row  row
	plan *plan
	// Complete: every field asked for is there and fresh.
	Complete bool
	// Negatives is how many of them are nil, if Complete.
	Negatives int
}

// Lookup looks for what p asks of entity, at tick now. It allocates nothing.
func (c *Cache) Lookup(entity []byte, p *Projection, now Tick) Found {
	hash := maphash.Bytes(c.seed, entity)
	// GetIfPresent reads the key and does not keep it.
	r, ok := c.shard(hash).GetIfPresent(unsafe.String(unsafe.SliceData(entity), len(entity)))
	if !ok {
		return Found{}
	}
	pl := p.plan(r.layoutID())
	f := Found{row: r, plan: pl}
	if !pl.covers || r.lacks(pl.mask) {
		return f
	}
	// The oldest value of the whole row against the latest invalidation of
	// anything that p asks for: nearly always enough.
	if r.oldest() > Tick(p.invalidated.Load()) && now < r.expires() {
		f.Complete = true
	} else {
		f.Complete = r.allFresh(pl, p, now)
	}
	if f.Complete {
		f.Negatives = r.nilsOf(pl)
	}
	return f
}

// nilsOf counts the nils of the reply that pl writes.
func (r row) nilsOf(pl *plan) (n int) {
	switch {
	case pl.whole:
		return r.nils()
	case !pl.repeats:
		return r.nilsIn(pl.mask)
	}
	for _, at := range pl.index {
		if r.isNil(int(at)) {
			n++
		}
	}
	return n
}

// allFresh judges each value that p asks for. The plan covers p.
func (r row) allFresh(pl *plan, p *Projection, now Tick) bool {
	for i, at := range pl.index {
		if !r.fresh(int(at), p.Fields[i], now) {
			return false
		}
	}
	return true
}

// Append appends the values of a complete Found in p's order, without the
// array's header, as version v has them.
func (f *Found) Append(out []byte, v resp.Version) []byte {
	for _, run := range f.plan.runs {
		out = f.row.appendRun(out, int(run.from), int(run.to), v)
	}
	return out
}

// Missing appends to dst the positions of p whose values are not there or not
// fresh at tick now. Stale counts those that are there.
func (f *Found) Missing(dst []int32, p *Projection, now Tick) (missing []int32, stale int) {
	for i, feature := range p.Fields {
		at := -1
		if f.plan != nil {
			at = int(f.plan.index[i])
		}
		if at >= 0 && f.row.fresh(at, feature, now) {
			continue
		}
		if at >= 0 && !f.row.isAbsent(at) {
			stale++
		}
		dst = append(dst, int32(i))
	}
	return dst, stale
}

// AppendValue appends the value of p's field at position i, which Missing did
// not name.
func (f *Found) AppendValue(out []byte, i int, v resp.Version) []byte {
	at := int(f.plan.index[i])
	return f.row.appendRun(out, at, at+1, v)
}

// IsNegative tells whether the value of p's field at position i, which Missing
// did not name, is nil.
func (f *Found) IsNegative(i int) bool { return f.row.isNil(int(f.plan.index[i])) }

// Any tells whether the entity has a row at all.
func (f *Found) Any() bool { return f.plan != nil }

// InvalidatedAt is the tick of the last invalidation of what p asks of entity: a
// fetch that began then or earlier must not answer a request made now.
func (c *Cache) InvalidatedAt(entity []byte, p *Projection) Tick {
	return max(c.updates.last(maphash.Bytes(c.seed, entity)), Tick(p.invalidated.Load()))
}

// Fetched is the answer of a fetcher to a fetch of some fields of a projection.
type Fetched struct {
	Projection *Projection
	Positions  []int32 // in Projection, of the fields fetched
	// Frame holds the reply; value j of Positions is Frame[Ends[j]:Ends[j+1]].
	Frame []byte
	Ends  []int
	// Began is the tick read before the request was written.
	Began Tick
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// Fill puts fetched values into entity's row, each unless something
// invalidated it at or after the tick at which its fetch began. Nils are
// written for version v, the one that will most likely be asked for. Nothing
// of entity and fetched is kept.
func (c *Cache) Fill(entity []byte, fetched *Fetched, v resp.Version) {
	hash := maphash.Bytes(c.seed, entity)
	b := builders.Get().(*builder)
	c.stats.fills.Add(1)
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if fetched.Began <= c.updates.last(hash) {
			c.stats.heldDown.Add(1)
			return old, otter.CancelOp
		}
		r := c.rebuild(b, old, fetched, v)
		if r == "" {
			c.stats.oversized.Add(1)
			return old, otter.CancelOp
		}
		c.stats.rows.Add(1)
		c.stats.fields.Add(int64(r.present()))
		return r, otter.WriteOp
	})
	b.release()
	builders.Put(b)
}

// rebuild returns the row that holds what old has and is still fresh, and what
// was fetched.
func (c *Cache) rebuild(b *builder, old row, fetched *Fetched, v resp.Version) row {
	p := fetched.Projection
	l := p.own.layout
	keep := old != ""
	if keep {
		l, keep = c.merged(c.layoutOf(old.layoutID()), p)
	}
	b.reset(len(l.features))
	if keep {
		b.takeOld(l, old, c.layoutOf(old.layoutID()), c.clock.Now())
	}
	if b.takeFetched(p.plan(l.id), fetched) == 0 {
		return ""
	}
	if r := b.build(l, v, c.cfg.MaxRowBytes); r != "" || !keep {
		return r
	}
	// Too long together: what was asked for just now is worth more.
	b.reset(len(p.own.layout.features))
	b.takeFetched(p.own, fetched)
	r := b.build(p.own.layout, v, c.cfg.MaxRowBytes)
	if r != "" {
		c.stats.oversized.Add(1)
	}
	return r
}

// takeOld takes over the fresh values of a row of layout from into layout l,
// which has all its features.
func (b *builder) takeOld(l *layout, old row, from *layout, now Tick) {
	to := 0
	for i, f := range from.features {
		for l.features[to] != f {
			to++
		}
		if old.fresh(i, f, now) {
			b.values[to], b.ticks[to] = old.value(i), old.tick(i)
		}
	}
}

// takeFetched puts fetched values where pl says, unless the value there is of a
// later fetch. It tells how many it put.
func (b *builder) takeFetched(pl *plan, fetched *Fetched) (taken int) {
	for j, i := range fetched.Positions {
		f := fetched.Projection.Fields[i]
		at := pl.index[i]
		if !f.keep || fetched.Began <= Tick(f.invalidated.Load()) {
			continue
		}
		if b.values[at] != nil && b.ticks[at] > fetched.Began {
			continue
		}
		b.values[at] = fetched.Frame[fetched.Ends[j]:fetched.Ends[j+1]]
		b.ticks[at] = fetched.Began
		taken++
	}
	return taken
}

// Invalidate drops what is held of entity, and sees to it that no fetch which
// began until settle from now is kept: a fetcher may answer with the old value
// until then.
func (c *Cache) Invalidate(entity []byte, settle time.Duration) {
	hash := maphash.Bytes(c.seed, entity)
	c.updates.stamp(hash, c.clock.Now()+HoldTicks(settle))
	c.shard(hash).Invalidate(string(entity))
}

// InvalidateFeature makes every held value of a feature stale, and keeps none
// whose fetch begins until settle from now. False: nobody asked for it yet.
func (c *Cache) InvalidateFeature(name []byte, settle time.Duration) bool {
	return c.invalidate(name, c.clock.Now()+HoldTicks(settle))
}

// InvalidateAll drops everything, and keeps no fetch that began until settle
// from now.
func (c *Cache) InvalidateAll(settle time.Duration) {
	c.invalidateAll(c.clock.Now() + HoldTicks(settle))
	for _, shard := range c.shards {
		shard.InvalidateAll()
	}
}

// Stats are figures of the moment; counts are since the start.
type Stats struct {
	Bytes, MaxBytes  int64 // overhead included
	Rows, Fields     int64
	Fills, Evictions uint64
	Oversized        uint64 // fills not kept, or in the place of all else: the row would be too long, or hold nothing new
	HeldDown         uint64 // fills not kept: an invalidation was too near
}

// Stats reads the cache's figures. It takes each shard's lock for a moment.
func (c *Cache) Stats() Stats {
	// The shards first: telling its size has a shard evict what is over its bound.
	bytes := int64(0)
	for _, shard := range c.shards {
		bytes += int64(shard.WeightedSize())
	}
	return Stats{
		Bytes:     bytes,
		MaxBytes:  c.cfg.MaxBytes,
		Rows:      c.stats.rows.Load(),
		Fields:    c.stats.fields.Load(),
		Fills:     c.stats.fills.Load(),
		Evictions: c.stats.evictions.Load(),
		Oversized: c.stats.oversized.Load(),
		HeldDown:  c.stats.heldDown.Load(),
	}
}
