package cache

import (
	"path"
	"strconv"
	"strings"
	"sync/atomic"
)

// Feature is a hash field that some projection asked for, interned.
type Feature struct {
	Name string // the field's exact bytes

	index       uint32 // its number, in order of first sight
	wire        string // "$10\r\n2496559762\r\n"
	hash        uint64 // of Name, for the table of updates
	maxAge      Tick   // of a value
	negativeAge Tick   // of the knowledge that the store has none
	revalidate  Tick   // for how long after a marker a stale value is served
	onError     Tick   // for how long after it went stale one is, if a fetch fails
	keep        bool   // false: fetched each time, never cached

	// invalidated is the tick of its last invalidation: values whose fetch began
	// then or earlier are stale. While the feature is suspended it is never.
	// Written under Interner.mu.
	invalidated atomic.Int64
	// past is what it remembers of its invalidations. Written under Interner.mu,
	// before invalidated is.
	past atomic.Pointer[past]
	// asked are the projections that hold it. Protected by Interner.mu.
	asked []*Projection
	// suspensions is how many cover it. Protected by Interner.mu.
	suspensions int
	// missed is how often it had to be fetched.
	missed atomic.Uint64
}

// Wire is the feature's name as a bulk string, as requests carry it.
func (f *Feature) Wire() string { return f.wire }

// age is how long a value, or the lack of one, may be served, in ticks.
func (f *Feature) age(negative bool) Tick {
	if negative {
		return f.negativeAge
	}
	return f.maxAge
}

// newFeature makes a feature of which no value of tick born or earlier is ever
// served.
func newFeature(name string, index uint32, hash uint64, cfg *Config, born Tick) *Feature {
	policy := cfg.policy(name)
	f := &Feature{
		Name:        name,
		index:       index,
		hash:        hash,
		wire:        "$" + strconv.Itoa(len(name)) + "\r\n" + name + "\r\n",
		maxAge:      Ticks(policy.MaxAge),
		negativeAge: Ticks(min(policy.NegativeMaxAge, policy.MaxAge)),
		revalidate:  Ticks(cfg.StaleWhileRevalidate),
		onError:     Ticks(policy.StaleIfError),
		keep:        policy.Keep,
	}
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
