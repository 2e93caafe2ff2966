package cache

import (
	"strconv"
	"sync/atomic"
)

// maxPlans bounds the plans that all projections together remember. Past it a
// plan is made anew for each use: slower, and right.
const maxPlans = 1 << 16

// Projection is the exact ordered list of fields that an HMGET asks for, in the
// form in which its reader wants them, interned.
type Projection struct {
	View View
	// Header is the reply's first line: "*50\r\n".
	Header string
	// Wire is the fields as requests carry them, behind the entity:
	// "$10\r\n2496559762\r\n$10\r\n1170383926\r\n…".
	Wire string
	// Fields are its features in order; one may stand in it twice.
	Fields []*Feature

	own *plan // for the layout of its own features
	// fill is the layout that fills make: its own features, in the other forms too
	// that anybody asks for. Written under Interner.mu.
	fill atomic.Pointer[layout]
	// invalidated is the latest invalidation of any of its features; never while
	// one of them is suspended. Written under Interner.mu.
	invalidated atomic.Int64
	// plans by layout id; copied on write under Interner.mu. latest is the one
	// used last, which is nearly always the next one.
	plans  atomic.Pointer[map[uint32]*plan]
	latest atomic.Pointer[plan]
	intern *Interner

	// Decided is for whoever decides how reads of p are answered, to remember
	// what follows from its features. The cache does nothing with it.
	Decided atomic.Value

	missed atomic.Uint64 // requests that needed a fetch
	_      [64]byte      // what is counted for each request stays off the lines above
	asked  asked
}

func newProjection(in *Interner, view View, wire string, fields []*Feature, own *layout) *Projection {
	p := &Projection{
		View:   view,
		Header: "*" + strconv.Itoa(len(fields)) + "\r\n",
		Wire:   wire,
		Fields: fields,
		own:    newPlan(own, fields, view),
		intern: in,
	}
	p.fill.Store(own)
	p.latest.Store(p.own)
	p.plans.Store(&map[uint32]*plan{own.id: p.own})
	p.invalidated.Store(int64(p.lastInvalidation()))
	return p
}

// lastInvalidation is the latest of any of its features. The caller holds
// Interner.mu.
func (p *Projection) lastInvalidation() (last Tick) {
	for _, f := range p.Fields {
		last = max(last, Tick(f.invalidated.Load()))
	}
	return last
}

// Len is the number of fields asked for.
func (p *Projection) Len() int { return len(p.Fields) }

// plan returns how to read p from rows of the layout with that id.
func (p *Projection) plan(id uint32) *plan {
	if latest := p.latest.Load(); latest.layout.id == id {
		return latest
	}
	if known, ok := (*p.plans.Load())[id]; ok {
		p.latest.Store(known)
		return known
	}
	return p.intern.addPlan(p, id)
}
