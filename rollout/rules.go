package rollout

import (
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
)

// Mode is what is done with a read, the more careful the less.
type Mode uint8

// The modes.
const (
	Off    Mode = iota // it is forwarded
	DryRun             // the store answers, and memory is compared
	Live               // it is answered from memory
)

func modeOf(mode config.Mode) Mode {
	switch mode {
	case config.ModeLive:
		return Live
	case config.ModeDryRun:
		return DryRun
	}
	return Off
}

// Rules are the rules in force, the default one included. Immutable: other rules
// are another Rules.
type Rules struct {
	list  []*rule
	given []config.Rule // with the default rule
	same  bool          // all have the same mode
	plain bool          // all are live, and none verifies
}

// rule is one of them, ready for use.
type rule struct {
	index    int
	name     string
	features *feature.Cover // nil: all
	entities []string       // patterns, with "/" escaped; nil: all
	mode     Mode
	share    uint64 // of the hashes of entities, out of wholeShare
	verify   uint64 // of answers, out of wholeShare
}

// wholeShare is a share of all.
const wholeShare = 1 << 32

// shareOf is a percentage as a part of wholeShare.
func shareOf(percent float64) uint64 { return uint64(math.Round(percent / 100 * wholeShare)) }

// newRules makes rules of a configuration. Names may be nil. The mode is that of
// the default rule; off is that of all, so that whoever has to stop fsproxy needs
// to know no rule.
func newRules(mode config.Mode, given []config.Rule, names feature.Names) (*Rules, error) {
	given = append(append([]config.Rule{}, given...), config.Rule{Name: config.RuleDefault, Mode: mode, Percent: 100})
	limit := Live
	if mode == config.ModeOff {
		limit = Off
	}
	rs := &Rules{given: given, same: true, plain: true}
	for i, g := range given {
		r := &rule{index: i, name: g.Name, mode: min(modeOf(g.Mode), limit), share: shareOf(g.Percent), verify: shareOf(g.Verify)}
		if len(g.Features) > 0 {
			cover, err := feature.NewCover(g.Features, names)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", g.Name, err)
			}
			r.features = cover
		}
		for _, pattern := range g.Entities {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, fmt.Errorf("rule %s: read the pattern %q of entities: %w; close its [ and end it with no \\", g.Name, pattern, err)
			}
			r.entities = append(r.entities, slashless(pattern))
		}
		rs.list = append(rs.list, r)
		rs.same = rs.same && r.mode == rs.list[0].mode
		rs.plain = rs.plain && r.mode == Live && r.verify == 0
	}
	return rs, nil
}

// slashless makes of "/" a byte like any other, which it is not to path.Match: a
// key is no path.
func slashless(text string) string { return strings.ReplaceAll(text, "/", "\x00") }

// Off tells whether every read is forwarded.
func (rs *Rules) Off() bool { return rs.same && rs.list[0].mode == Off }

// Plain tells whether every read is answered from memory, and no answer is
// verified: then nobody needs to ask Decide.
func (rs *Rules) Plain() bool { return rs.plain }

// Mode is that of the default rule.
func (rs *Rules) Mode() config.Mode { return rs.given[len(rs.given)-1].Mode }

// List are the rules in their order, the default rule at the end. They must not
// be changed.
func (rs *Rules) List() []config.Rule { return rs.given }

// RuleOf names the rules that may decide for the feature in a field, in their
// order: those that take some of its entities, and the first that takes all.
func (rs *Rules) RuleOf(field string) string {
	var names []string
	for _, r := range rs.chain(field) {
		names = append(names, r.name)
	}
	return strings.Join(names, ", ")
}

// Of is the rule that decides for the feature in a field of entity: its name, and
// its mode. In mode off that is the default one.
func (rs *Rules) Of(field string, entity []byte) (name string, mode config.Mode) {
	if rs.Mode() == config.ModeOff {
		return config.RuleDefault, config.ModeOff
	}
	share := entityShare(entity)
	for _, r := range rs.chain(field) {
		if r.takes(entity, share) {
			return r.name, rs.given[r.index].Mode
		}
	}
	return config.RuleDefault, rs.Mode()
}

// chain are the rules that may decide for a feature: the last takes all entities
// of it.
func (rs *Rules) chain(field string) (chain []*rule) {
	for _, r := range rs.list {
		if r.share == 0 || r.features != nil && !r.features.Has(field) {
			continue
		}
		if chain = append(chain, r); r.takesAll() {
			break
		}
	}
	return chain
}

// takesAll tells whether the rule takes every entity of its features.
func (r *rule) takesAll() bool { return r.share == wholeShare && r.entities == nil }

// takes tells whether it takes an entity, whose hash has that share.
func (r *rule) takes(entity []byte, share uint64) bool {
	if share >= r.share {
		return false
	}
	if r.entities == nil {
		return true
	}
	text := slashless(string(entity))
	for _, pattern := range r.entities {
		if ok, _ := path.Match(pattern, text); ok { // a bad pattern does not get here
			return true
		}
	}
	return false
}

// entityShare is where an entity stands among all, below wholeShare: the same in
// every process, at all times and for every rule, so that who is within 1 % is
// within 10 %, and so that the values of an entity are cached where they are
// served.
func entityShare(entity []byte) uint64 { return xxhash.Sum64(entity) >> 32 }
