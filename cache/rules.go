package cache

import (
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
)

// rules are a feature's Policy, in ticks, and what follows from it. Immutable.
type rules struct {
	maxAge      Tick // of a value
	negativeAge Tick // of the knowledge that the store has none
	revalidate  Tick // for how long after a marker a stale value is served
	onError     Tick // for how long after it went stale one is, if a fetch fails
	keep        bool // false: fetched each time, never cached

	definition *feature.Definition // nil: its values are not decoded
	// spelled: the decoded form of a value is nearly always the stored one, so
	// that it is held once, and beside it only where it is spelled otherwise.
	spelled bool
	plain   bool // what comes compressed by Snappy is held uncompressed
}

func (cfg *Config) rules(name string) *rules {
	p := cfg.policy(name)
	r := &rules{
		maxAge:      Ticks(p.MaxAge),
		negativeAge: Ticks(min(p.NegativeMaxAge, p.MaxAge)),
		revalidate:  Ticks(cfg.StaleWhileRevalidate),
		onError:     Ticks(p.StaleIfError),
		keep:        p.Keep,
		plain:       p.Definition != nil && p.HoldPlain,
	}
	if p.Definition != nil {
		r.definition = p.Definition
		r.spelled = cfg.Decodes && sharesPlace(p.Definition.Form) && !same(p.Definition.Form)
	}
	return r
}

// same tells whether the decoded form of a value is the stored one whatever the
// value is: one that does not decode is served as stored too.
func same(f codec.Form) bool {
	text := f.Type == codec.String || f.Type == codec.Bytes
	return text && (f.Encoding == codec.Text || f.Encoding == codec.Raw)
}

// sharesPlace tells whether the two forms are so often the same bytes that they
// share a place in rows.
func sharesPlace(f codec.Form) bool {
	if f.Encoding == codec.Text {
		return f.ElementBytes() == 0 && f.Type != codec.StringList
	}
	wide := f.Type != codec.IntList || f.Bits != narrowInt // others are widened
	return same(f) || f.Encoding == codec.Raw && f.ElementBytes() > 0 && wide
}

const narrowInt = 32 // bits

// stricter tells whether something of what was kept by the rules before must not
// be kept by r, or is decoded in another way. For how long stale values are served
// is looked up when they are.
func (r *rules) stricter(before *rules) bool {
	return r.maxAge < before.maxAge || r.negativeAge < before.negativeAge ||
		!r.keep && before.keep || r.redefined(before)
}

// redefined tells whether values mean something else than by the rules before.
func (r *rules) redefined(before *rules) bool {
	a, b := r.definition, before.definition
	return (a == nil) != (b == nil) || a != nil && a.Form != b.Form
}

// Repolicy asks policy for every feature anew, as for all to come. What is held
// of a feature that may be kept for a shorter time now, or means something else,
// is forgotten. Decoded projections that were given out before are to be asked for
// again where Generation has changed.
func (c *Cache) Repolicy(policy func(field string) Policy) {
	c.Interner.tune(func(cfg *Config) { cfg.Policy = policy })
}

// tune changes the configuration and has all features go by it.
func (in *Interner) tune(change func(cfg *Config)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	change(in.cfg)
	redefined := false
	for _, f := range in.features {
		before, rules := f.rules.Load(), in.cfg.rules(f.Name)
		// The rules first: whoever decodes by the old ones fetched before.
		f.rules.Store(rules)
		// Read after that: what was filled by the old rules began by now.
		now := in.clock.Now()
		f.setMissing()
		for _, twin := range *f.twins.Load() {
			twin.setMissing()
		}
		in.noteForms(f)
		if rules.stricter(before) {
			f.forget(now, now)
		}
		redefined = redefined || rules.redefined(before)
	}
	in.suspendRenamed()
	if redefined {
		in.dropDecoded()
		in.generation.Add(1)
	}
}

// suspendRenamed has suspensions cover what has got a name that they cover. What
// lost such a name stays covered until they end. The caller holds mu.
func (in *Interner) suspendRenamed() {
	for _, s := range in.suspended {
		covered := make(map[*Feature]struct{}, len(s.features))
		for _, f := range s.features {
			covered[f] = struct{}{}
		}
		for _, f := range in.features {
			if _, did := covered[f]; !did && s.cover.Has(f.Name) {
				s.take(f)
			}
		}
	}
}

// Generation changes with what projections in a decoded view are made of.
func (in *Interner) Generation() uint64 { return in.generation.Load() }

// dropDecoded forgets the projections that want decoded values: which forms they
// are made of has changed. The caller holds mu.
func (in *Interner) dropDecoded() {
	for key, p := range in.projections {
		if !p.View.Decoded {
			continue
		}
		delete(in.projections, key)
		for _, f := range p.own.layout.features {
			f.leave(p)
		}
	}
}
