package cache

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// Interner gives features, projections and layouts one identity each, so that
// the path of a request compares pointers and numbers instead of names. What
// it holds is bounded and never freed.
type Interner struct {
	cfg   *Config
	clock *Clock
	seed  maphash.Seed

	layouts atomic.Pointer[[]*layout] // by id; copied on write under mu

	mu          sync.RWMutex // protects what follows, up to twins
	features    map[string]*Feature
	projections map[string]*Projection // by Wire
	byKey       map[string]*layout
	plans       int
	bytes       int64 // that all of these take, about
	// unseen and expected are the invalidations that may have meant features
	// which nobody asked for yet: they are born with them (marks.go).
	unseen    Tick
	expected  []expected
	suspended []*Suspension // that have not ended

	twins      uint32        // how many there are
	generation atomic.Uint64 // see Generation
	wanted     atomic.Uint32 // see Feature. Written under mu, after the feature's
	// formed: some feature is held otherwise than as fetched, or in another form
	// beside. Without, a fill need not look for any.
	formed atomic.Bool

	// Refused counts projections that went uncached because a bound was reached;
	// Replaced counts rows that could not grow for the same reason.
	Refused, Replaced atomic.Uint64
}

func newInterner(cfg *Config, clock *Clock, seed maphash.Seed) *Interner {
	in := &Interner{
		cfg:         cfg,
		clock:       clock,
		seed:        seed,
		features:    make(map[string]*Feature),
		projections: make(map[string]*Projection),
		byKey:       make(map[string]*layout),
	}
	in.layouts.Store(&[]*layout{})
	return in
}

// Projection returns the projection of fields as stored, whose canonical wire
// form is wire. Neither is kept: they may alias a buffer. Nil means that a bound
// was reached: the request has to go without the cache.
func (in *Interner) Projection(wire []byte, fields [][]byte) *Projection {
	return in.ProjectionIn(View{}, wire, fields)
}

// ProjectionIn is Projection for a view.
func (in *Interner) ProjectionIn(view View, wire []byte, fields [][]byte) *Projection {
	prefix, key := view.key(), wire
	if len(prefix) > 0 {
		key = append(prefix, wire...)
	}
	in.mu.RLock()
	p := in.projections[string(key)]
	in.mu.RUnlock()
	if p != nil {
		return p
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if p := in.projections[string(key)]; p != nil {
		return p
	}
	if p = in.addProjection(view, string(key), len(prefix), fields); p == nil {
		in.Refused.Add(1)
	}
	return p
}

// Bytes that interned things take, roughly, beside the names in them: structs,
// pointers to them, and their share of maps.
const (
	featureBytes    = 512
	twinBytes       = 128
	projectionBytes = 896
	perFieldBytes   = 48 // of a projection, with its own layout and plan
	layoutBytes     = 192
	perPlaceBytes   = 12 // of a layout
	planBytes       = 192
	leastBytes      = 4 << 20 // the bound, however small the cache
)

// afford takes n bytes of what interned things may take together: an eighth of
// what rows may. Counts alone would bound nothing, since a name may be long.
// False: there is not so much left. The caller holds mu.
func (in *Interner) afford(n int) bool {
	if in.bytes+int64(n) > max(in.cfg.MaxBytes/8, leastBytes) {
		return false
	}
	in.bytes += int64(n)
	return true
}

// addProjection makes a projection whose wire form is what follows a prefix of so
// many bytes of key, its features and its layout, or nothing at all when a bound
// would be passed. The caller holds mu.
func (in *Interner) addProjection(view View, key string, prefix int, names [][]byte) *Projection {
	wire := key[prefix:]
	if len(in.projections) >= in.cfg.MaxProjections || len(names) > maxLayoutFeatures {
		return nil
	}
	unknown, cost := 0, projectionBytes+len(wire)+len(names)*perFieldBytes
	if view.Decoded {
		cost += len(names) * twinBytes
	}
	for _, name := range names {
		if _, ok := in.features[string(name)]; !ok {
			unknown++
			cost += featureBytes + 2*len(name)
		}
	}
	if len(in.features)+unknown > in.cfg.MaxFeatures {
		return nil
	}
	// A projection with a feature of its own needs a layout of its own.
	if unknown > 0 && len(*in.layouts.Load()) >= in.cfg.MaxLayouts || !in.afford(cost) {
		return nil
	}
	fields := make([]*Feature, len(names))
	for i, name := range names {
		base := in.feature(name)
		fields[i] = in.twin(base, base.rules.Load().formIn(view))
	}
	sorted := slices.Clone(fields)
	sortFeatures(sorted)
	own := in.layout(slices.Compact(sorted))
	if own == nil {
		return nil
	}
	p := newProjection(in, view, wire, fields, own)
	in.plans++
	in.projections[key] = p
	in.enrol(p)
	return p
}

// feature returns the feature of that name. The caller holds mu.
func (in *Interner) feature(name []byte) *Feature {
	if f, ok := in.features[string(name)]; ok {
		return f
	}
	f := newFeature(string(name), uint32(len(in.features)), maphash.Bytes(in.seed, name), in.cfg, in.born(string(name)))
	in.features[f.Name] = f
	in.noteForms(f)
	in.suspendNew(f)
	return f
}

// layout returns the layout of features, ascending by number, or nil when no
// more can be made. The caller holds mu.
func (in *Interner) layout(features []*Feature) *layout {
	key := layoutKey(features)
	if l, ok := in.byKey[key]; ok {
		return l
	}
	known := *in.layouts.Load()
	if len(known) >= in.cfg.MaxLayouts || len(features) > maxLayoutFeatures ||
		!in.afford(layoutBytes+len(features)*perPlaceBytes) {
		return nil
	}
	l := &layout{id: uint32(len(known)), features: features}
	for l.stored < len(features) && features[l.stored].form == formStored {
		l.stored++
	}
	// Readers of the old slice do not look past its length, so growing it in
	// place is safe.
	grown := append(known, l)
	in.layouts.Store(&grown)
	in.byKey[key] = l
	return l
}

// layoutOf returns the layout with that id, which a row carries.
func (in *Interner) layoutOf(id uint32) *layout { return (*in.layouts.Load())[id] }

// merged returns a layout that has what a row of layout l holds and what own
// has. False means that no such layout can be had: the row must be replaced by
// one of own.
func (in *Interner) merged(l, own *layout) (*layout, bool) {
	if to := joint(l, own); to != nil {
		return to, true
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if to := joint(l, own); to != nil {
		return to, true
	}
	if to := in.grow(l, own); to != nil {
		return to, true
	}
	in.Replaced.Add(1)
	return own, false
}

// maxMerges is how often a layout grows by just what is asked for. After that
// it grows by all that its other half ever grew to, so that two lines of growth
// become one: fields asked for one by one in any order would else make a layout
// of each subset that some row passes through. So n projections make at most
// (2+maxMerges)*n layouts, and what is asked of most entities does not widen
// the rows of all of them to the union of all.
const maxMerges = 2

// grow makes a layout that has what both have, where joint finds none. Nil: a
// bound was reached. The caller holds mu.
func (in *Interner) grow(a, b *layout) *layout {
	if len(a.features) < len(b.features) {
		a, b = b, a
	}
	from, with := a.widest(), b
	both := from.merges >= maxMerges
	if both {
		with = b.widest()
	}
	if to := in.layout(union(from.features, with.features)); to != nil {
		to.merges = max(to.merges, from.merges+1)
		from.grown.Store(to)
		if both {
			in.join(with, from, to)
		}
		return to
	}
	// What grew together became too much for one row. Such rows must not use up
	// the layouts that new projections need.
	if len(*in.layouts.Load()) >= in.cfg.MaxLayouts/2 {
		return nil
	}
	return in.layout(union(a.features, b.features))
}

// join makes to the end of a's line, as it is of b's. What led to either leads
// straight there, so that lines stay short. The caller holds mu.
func (in *Interner) join(a, b, to *layout) {
	if a != to {
		a.grown.Store(to)
	}
	for _, l := range *in.layouts.Load() {
		if next := l.grown.Load(); l.merges >= maxMerges && (next == a || next == b) && next != to {
			l.grown.Store(to)
		}
	}
}

// addPlan makes p's plan for a layout and remembers it within maxPlans.
func (in *Interner) addPlan(p *Projection, id uint32) *plan {
	made := newPlan(in.layoutOf(id), p.Fields, p.View)
	in.mu.Lock()
	defer in.mu.Unlock()
	known := *p.plans.Load()
	if again, ok := known[id]; ok {
		return again
	}
	p.latest.Store(made)
	if in.plans >= maxPlans || !in.afford(planBytes+12*len(made.index)+8*len(made.mask)) {
		return made
	}
	in.plans++
	next := make(map[uint32]*plan, len(known)+1)
	for k, v := range known {
		next[k] = v
	}
	next[id] = made
	p.plans.Store(&next)
	return made
}

// Interned are the numbers of interned things, and about how many bytes they
// take, beside those of rows.
type Interned struct {
	Features, Projections, Layouts, Plans int
	Bytes                                 int64
}

// Size counts what is interned.
func (in *Interner) Size() Interned {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return Interned{len(in.features), len(in.projections), len(*in.layouts.Load()), in.plans, in.bytes}
}
