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
	maxAge      Tick   // of a value
	negativeAge Tick   // of the knowledge that the store has none
	keep        bool   // false: fetched each time, never cached

	// invalidated is the tick of its last invalidation: values whose fetch began
	// then or earlier are stale. Written under Interner.mu.
	invalidated atomic.Int64
	// asked are the projections that hold it. Protected by Interner.mu.
	asked []*Projection
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

func newFeature(name string, index uint32, cfg *Config) *Feature {
	f := &Feature{
		Name:        name,
		index:       index,
		wire:        "$" + strconv.Itoa(len(name)) + "\r\n" + name + "\r\n",
		maxAge:      Ticks(cfg.MaxAge),
		negativeAge: Ticks(min(cfg.NegativeMaxAge, cfg.MaxAge)),
		keep:        true,
	}
	for _, pattern := range cfg.NeverCache {
		if ok, err := match(pattern, name); ok && err == nil {
			f.keep = false
		}
	}
	return f
}

// match tells whether name is one of those that pattern means. A pattern is as
// path.Match has it, but for "/", which is a byte like any other: a name is no
// path, and what is never to be cached must not slip by because of one.
func match(pattern, name string) (bool, error) {
	return path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
}
