package cache

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// Config bounds a Cache. The fields up to MaxLayouts must be set, but Shards;
// config/option.go has the defaults and their reasons.
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

	// StaleWhileRevalidate is for how long after a marker what it made stale is
	// served while it is fetched anew. 0: not at all.
	StaleWhileRevalidate time.Duration
	// StaleIfError is for how long after a value went stale it is served where
	// its fetch failed. 0: not at all.
	StaleIfError time.Duration
	// Policy, if set, is asked once for each feature, in the place of MaxAge,
	// NegativeMaxAge and StaleIfError. Repolicy changes it.
	Policy func(field string) Policy
	// Decodes: some readers want decoded values. Where both forms of a value share
	// a place, it is looked at as it is filled.
	Decodes bool
}

// Cache is a sharded cache of rows. See the package comment.
type Cache struct {
	*Interner
	cfg       Config
	clock     *Clock
	seed      maphash.Seed
	shards    []*otter.Cache[string, row] // a power of two
	origins   origins
	updates   updates
	refreshes refreshes
	oldest    oldest
	stats     counters
	max       atomic.Int64 // bytes of rows; cfg has what it began with
	maxRow    atomic.Int64 // bytes of a row
	held      atomic.Int64 // the tick until which no fetch that began is kept; see Hold
	// revalidates: Config.StaleWhileRevalidate is not 0.
	revalidates atomic.Bool
}

// counters are what Stats gives out.
type counters struct {
	rows, fields        atomic.Int64
	fills, evictions    atomic.Uint64
	oversized, heldDown atomic.Uint64
	heldDownFields      atomic.Uint64
	reclaimed           atomic.Uint64
	staleBytes          atomic.Int64
}

// New returns an empty cache that judges freshness by clock.
func New(cfg Config, clock *Clock) (*Cache, error) {
	for _, pattern := range cfg.NeverCache {
		if _, err := match(pattern, ""); err != nil {
			return nil, fmt.Errorf("read the pattern %q of features never to be cached: %w; close its [ and end it with no \\", pattern, err)
		}
	}
	shards := 1
	want := cfg.Shards
	if want == 0 {
		want = 4 * runtime.GOMAXPROCS(0)
	}
	for shards < want {
		shards *= 2
	}
	c := &Cache{cfg: cfg, clock: clock, seed: maphash.MakeSeed(), shards: make([]*otter.Cache[string, row], shards)}
	c.max.Store(cfg.MaxBytes)
	c.tune(&cfg)
	c.Interner = newInterner(&c.cfg, clock, c.seed)
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

// SetMaxBytes changes the bound on the bytes of rows; what is over it is evicted
// soon. What may be interned stays as the first bound had it.
func (c *Cache) SetMaxBytes(n int64) {
	c.max.Store(n)
	for _, shard := range c.shards {
		shard.SetMaximum(uint64(max(n/int64(len(c.shards)), 1)))
	}
}

// Tune takes over from cfg, which New would accept, what may change while rows are
// held: ages and policies as Repolicy does, the bounds on bytes and numbers, and for
// how long stale values are served. Rows longer than a smaller bound stay until they
// are filled again, and what is interned already stays whatever the numbers are.
func (c *Cache) Tune(cfg Config) {
	c.SetMaxBytes(cfg.MaxBytes)
	c.tune(&cfg)
	c.Interner.tune(func(in *Config) {
		in.MaxAge, in.NegativeMaxAge, in.NeverCache, in.Policy = cfg.MaxAge, cfg.NegativeMaxAge, cfg.NeverCache, cfg.Policy
		in.StaleWhileRevalidate, in.StaleIfError = cfg.StaleWhileRevalidate, cfg.StaleIfError
		in.MaxFeatures, in.MaxProjections, in.MaxLayouts = cfg.MaxFeatures, cfg.MaxProjections, cfg.MaxLayouts
	})
}

// Config is what is in force.
func (c *Cache) Config() Config {
	c.Interner.mu.RLock()
	defer c.Interner.mu.RUnlock()
	cfg := c.cfg
	cfg.MaxBytes, cfg.MaxRowBytes = c.max.Load(), int(c.maxRow.Load())
	return cfg
}

// tune takes over what is read without the Interner's mu.
func (c *Cache) tune(cfg *Config) {
	c.maxRow.Store(int64(min(cfg.MaxRowBytes, longestRow)))
	c.revalidates.Store(cfg.StaleWhileRevalidate != 0)
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

func (c *Cache) hash(b []byte) uint64 { return maphash.Bytes(c.seed, b) }

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

	// oldest is the earliest tick of what Missing found fresh.
	oldest Tick
}

// Lookup looks for what p asks of entity, at tick now. It allocates nothing.
func (c *Cache) Lookup(entity []byte, p *Projection, now Tick) Found {
	hash := c.hash(entity)
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
		if age := now - r.oldest(); age > c.oldest.known() {
			c.oldest.note(r.oldestOf(pl), now)
		}
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
	if f.plan.view != nil && f.spelledApart() {
		return f.appendApart(out, v)
	}
	for _, run := range f.plan.runs {
		out = f.row.appendRun(out, int(run.from), int(run.to), v)
	}
	return out
}

// Missing appends to dst the positions of p whose values are not there or not
// fresh at tick now. Stale counts those that are there.
func (f *Found) Missing(dst []int32, p *Projection, now Tick) (missing []int32, stale int) {
	f.oldest = never
	for i, feature := range p.Fields {
		at := -1
		if f.plan != nil {
			at = int(f.plan.index[i])
		}
		if at >= 0 && f.row.fresh(at, feature, now) {
			f.oldest = min(f.oldest, f.row.tick(at))
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
	if f.plan.view != nil {
		return f.appendOne(out, i, v)
	}
	return f.row.appendRun(out, at, at+1, v)
}

// IsNegative tells whether the value of p's field at position i, which Missing
// did not name, is nil.
func (f *Found) IsNegative(i int) bool { return f.row.isNil(int(f.plan.index[i])) }

// Any tells whether the entity has a row at all.
func (f *Found) Any() bool { return f.plan != nil }

// Stats are figures of the moment; counts are since the start.
type Stats struct {
	Bytes, MaxBytes  int64 // overhead included
	Rows, Fields     int64
	Fills, Evictions uint64
	Oversized        uint64 // fills not kept, or in the place of all else: the row would be too long, or hold nothing new
	HeldDown         uint64 // fills not kept: an invalidation of the entity was too near
	HeldDownFields   uint64 // fetched values not kept: an update of the feature was too near
	Reclaimed        uint64 // rows dropped because nothing in them could be served any more
	StaleBytes       int64  // of values that are not fresh, as of Reclaim's last pass
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
		MaxBytes:  c.max.Load(),
		Rows:      c.stats.rows.Load(),
		Fields:    c.stats.fields.Load(),
		Fills:     c.stats.fills.Load(),
		Evictions: c.stats.evictions.Load(),
		Oversized: c.stats.oversized.Load(),
		HeldDown:  c.stats.heldDown.Load(),

		HeldDownFields: c.stats.heldDownFields.Load(),
		Reclaimed:      c.stats.reclaimed.Load(),
		StaleBytes:     c.stats.staleBytes.Load(),
	}
}
