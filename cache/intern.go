package cache

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// Interner gives features, projections and layouts one identity each, so that
// the path of a request compares pointers and numbers instead of names. What
// it holds is bounded and never freed.
type Interner struct {
	cfg *Config

	layouts atomic.Pointer[[]*layout] // by id; copied on write under mu

	mu          sync.RWMutex // protects what follows
	features    map[string]*Feature
	projections map[string]*Projection // by Wire
	byKey       map[string]*layout
	plans       int

	// Refused counts projections that went uncached because a bound was reached;
	// Replaced counts rows that could not grow for the same reason.
	Refused, Replaced atomic.Uint64
}

func newInterner(cfg *Config) *Interner {
	in := &Interner{
		cfg:         cfg,
		features:    make(map[string]*Feature),
		projections: make(map[string]*Projection),
		byKey:       make(map[string]*layout),
	}
	in.layouts.Store(&[]*layout{})
	return in
}

// Projection returns the projection of fields, whose canonical wire form is
// wire. Neither is kept: they may alias a buffer. Nil means that a bound was
// reached: the request has to go without the cache.
func (in *Interner) Projection(wire []byte, fields [][]byte) *Projection {
	in.mu.RLock()
	p := in.projections[string(wire)]
	in.mu.RUnlock()
	if p != nil {
		return p
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if p := in.projections[string(wire)]; p != nil {
		return p
	}
	if p = in.addProjection(string(wire), fields); p == nil {
		in.Refused.Add(1)
	}
	return p
}

// addProjection makes a projection, its features and its layout, or nothing at
// all when a bound would be passed. The caller holds mu.
func (in *Interner) addProjection(wire string, names [][]byte) *Projection {
	if len(in.projections) >= in.cfg.MaxProjections || len(names) > maxLayoutFeatures {
		return nil
	}
	unknown := 0
	for _, name := range names {
		if _, ok := in.features[string(name)]; !ok {
			unknown++
		}
	}
	if len(in.features)+unknown > in.cfg.MaxFeatures {
		return nil
	}
	fields := make([]*Feature, len(names))
	for i, name := range names {
		fields[i] = in.feature(name)
	}
	sorted := slices.Clone(fields)
	slices.SortFunc(sorted, func(a, b *Feature) int { return cmp.Compare(a.index, b.index) })
	own := in.layout(slices.Compact(sorted))
	if own == nil {
		return nil
	}
	p := newProjection(in, wire, fields, own)
	in.plans++
	in.projections[wire] = p
	for _, f := range own.features {
		f.asked = append(f.asked, p)
	}
	return p
}

// feature returns the feature of that name. The caller holds mu.
func (in *Interner) feature(name []byte) *Feature {
	if f, ok := in.features[string(name)]; ok {
		return f
	}
	f := newFeature(string(bytes.Clone(name)), uint32(len(in.features)), in.cfg)
	in.features[f.Name] = f
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
	if len(known) >= in.cfg.MaxLayouts || len(features) > maxLayoutFeatures {
		return nil
	}
	l := &layout{id: uint32(len(known)), features: features}
	// Readers of the old slice do not look past its length, so growing it in
	// place is safe.
	grown := append(known, l)
	in.layouts.Store(&grown)
	in.byKey[key] = l
	return l
}

// layoutOf returns the layout with that id, which a row carries.
func (in *Interner) layoutOf(id uint32) *layout { return (*in.layouts.Load())[id] }

// merged returns a layout that has what a row of layout l holds and what p
// asks for. False means that no such layout can be had: the row must be
// replaced by one of p's own.
func (in *Interner) merged(l *layout, p *Projection) (*layout, bool) {
	own := p.own.layout
	if l.contains(own) {
		return l, true
	}
	if wide := l.widest(); wide.contains(own) {
		return wide, true
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	from := l.widest()
	to := in.layout(union(from.features, own.features))
	if to == nil {
		in.Replaced.Add(1)
		return own, false
	}
	to = to.widest()
	if to != from {
		from.grown.Store(to)
	}
	return to, true
}

// addPlan makes p's plan for a layout and remembers it within maxPlans.
func (in *Interner) addPlan(p *Projection, id uint32) *plan {
	made := newPlan(in.layoutOf(id), p.Fields)
	in.mu.Lock()
	defer in.mu.Unlock()
	known := *p.plans.Load()
	if again, ok := known[id]; ok {
		return again
	}
	if in.plans >= maxPlans {
		return made
	}
	in.plans++
	next := make(map[uint32]*plan, len(known)+1)
	for k, v := range known {
		next[k] = v
	}
	next[id] = made
	p.plans.Store(&next)
	p.latest.Store(made)
	return made
}

// invalidate makes every value of feature name whose fetch began at tick at or
// earlier stale. It costs the same whatever the cache holds. False: no
// projection ever asked for that feature.
func (in *Interner) invalidate(name []byte, at Tick) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	f, ok := in.features[string(name)]
	if ok {
		f.invalidate(at)
	}
	return ok
}

// invalidateAll does the same for all features.
func (in *Interner) invalidateAll(at Tick) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, f := range in.features {
		f.invalidate(at)
	}
}

// invalidate is called under Interner.mu.
func (f *Feature) invalidate(at Tick) {
	if int64(at) <= f.invalidated.Load() {
		return
	}
	f.invalidated.Store(int64(at))
	for _, p := range f.asked {
		p.invalidated.Store(max(p.invalidated.Load(), int64(at)))
	}
}

// Interned are the numbers of interned things.
type Interned struct{ Features, Projections, Layouts, Plans int }

// Size counts what is interned.
func (in *Interner) Size() Interned {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return Interned{len(in.features), len(in.projections), len(*in.layouts.Load()), in.plans}
}
