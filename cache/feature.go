package cache

import (
	"path"
	"strconv"
	"strings"
	"sync/atomic"
)

// Feature is a hash field that some projection asked for, in the form in which
// it did, interned.
type Feature struct {
	*field

	index uint32 // by which layouts are ordered: those in stored form come first
	form  form
	// missing is what stands for a missing value where a reader wants defaults; nil:
	// there is no default.
	missing atomic.Pointer[string]
	// readers is how many projections ask for it, those aside not counted. Protected
	// by Interner.mu.
	readers int
	// wanted: as a twin it is decoded at each fill, since it has readers. It says
	// which of the interner's to become so it was; 0: it is not. Written under
	// Interner.mu.
	wanted atomic.Uint32
}

// field is what all forms of a feature share: nearly everything. So nothing can
// invalidate one form and not the others.
type field struct {
	Name string // the field's exact bytes

	number uint32 // in order of first sight
	wire   string // "$10\r\n2496559762\r\n"
	hash   uint64 // of Name, for the table of updates
	rules  atomic.Pointer[rules]
	// base is the feature in stored form, twins are the others. Twins are copied on
	// write under Interner.mu.
	base  *Feature
	twins atomic.Pointer[[]*Feature]

	// invalidated is the tick of its last invalidation: values whose fetch began
	// then or earlier are stale. While the feature is suspended it is never.
	// Written under Interner.mu.
	invalidated atomic.Int64
	// past is what it remembers of its invalidations. Written under Interner.mu,
	// before invalidated is.
	past atomic.Pointer[past]
	// unkept is the tick until which no fetch that began is kept, although what is
	// held is served: see Suspension.Lift. Written under Interner.mu.
	unkept atomic.Int64
	// asked are the projections that hold it. Protected by Interner.mu.
	asked []*Projection
	// suspensions is how many cover it. Protected by Interner.mu.
	suspensions int
	// missed is how often it had to be fetched.
	missed atomic.Uint64
	// undecoded counts values that did not decode and are served as stored.
	undecoded atomic.Uint64
}

// Wire is the feature's name as a bulk string, as requests carry it.
func (f *field) Wire() string { return f.wire }

// age is how long a value, or the lack of one, may be served, in ticks.
func (f *field) age(negative bool) Tick {
	rules := f.rules.Load()
	if negative {
		return rules.negativeAge
	}
	return rules.maxAge
}

// kept tells whether the feature may be kept at all: false: it is fetched each time.
func (f *field) kept() bool { return f.rules.Load().keep }

// noTwins is what nearly all features have.
var noTwins []*Feature

// newFeature makes a feature in stored form of which no value of tick born or
// earlier is ever served.
func newFeature(name string, number uint32, hash uint64, cfg *Config, born Tick) *Feature {
	f := &Feature{
		index: number,
		field: &field{
			Name:   name,
			number: number,
			hash:   hash,
			wire:   "$" + strconv.Itoa(len(name)) + "\r\n" + name + "\r\n",
		},
	}
	f.base = f
	f.twins.Store(&noTwins)
	f.rules.Store(cfg.rules(name))
	f.setMissing()
	f.past.Store(&past{gone: born, at: born})
	f.invalidated.Store(int64(born))
	return f
}

// policy is that of a feature: its own or that of all, and never to be kept if a
// pattern says so.
func (cfg *Config) policy(name string) Policy {
	p := Policy{MaxAge: cfg.MaxAge, NegativeMaxAge: cfg.NegativeMaxAge, StaleIfError: cfg.StaleIfError, Keep: true}
	if cfg.Policy != nil {
		p = cfg.Policy(name)
	}
	for _, pattern := range cfg.NeverCache {
		if ok, err := match(pattern, name); ok && err == nil {
			p.Keep = false
		}
	}
	return p
}

// match tells whether name is one of those that pattern means. A pattern is as
// path.Match has it, but for "/", which is a byte like any other: a name is no
// path, and what is never to be cached must not slip by because of one.
func match(pattern, name string) (bool, error) {
	return path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
}
