package rollout

import (
	"slices"

	"github.com/fsproxy/fsproxy/cache"
)

// decision is what the rules come to for a projection.
//
// Features of one projection may be under different rules. A read is answered
// whole by one side, so the most careful mode of any of its features holds for
// all of it: off before dry-run before live. Of its answers as many are verified
// as of the feature that has most verified.
type decision struct {
	rules  *Rules // that it follows from
	mode   Mode
	verify uint64
	// chains are the rules by which single entities differ, a chain for the
	// features that have the same; nil: mode and verify hold for all.
	chains [][]*rule
}

// Decide says what is done with a read of p's fields of entity, and, where that
// is Live, what share of its answers is verified, out of 1<<32. It allocates
// nothing where no rule names entities, and nothing the second time.
func (rs *Rules) Decide(p *cache.Projection, entity []byte) (mode Mode, verify uint64) {
	d, _ := p.Decided.Load().(*decision)
	if d == nil || d.rules != rs {
		d = rs.decide(p)
		p.Decided.Store(d)
	}
	if d.chains == nil {
		return d.mode, d.verify
	}
	return d.of(entity)
}

func (rs *Rules) decide(p *cache.Projection) *decision {
	d := &decision{rules: rs, mode: Live}
	for _, f := range p.Fields {
		chain := rs.chain(f.Name)
		first := chain[0]
		if first.takesAll() {
			d.add(first)
			continue
		}
		if !slices.ContainsFunc(d.chains, func(known []*rule) bool { return slices.Equal(known, chain) }) {
			d.chains = append(d.chains, chain)
		}
	}
	return d
}

// add lets a rule have its say.
func (d *decision) add(r *rule) {
	d.mode, d.verify = min(d.mode, r.mode), max(d.verify, r.verify)
}

// of is what it comes to for an entity.
func (d *decision) of(entity []byte) (Mode, uint64) {
	share := entityShare(entity)
	sum := decision{mode: d.mode, verify: d.verify}
	for _, chain := range d.chains {
		for _, r := range chain {
			if r.takes(entity, share) {
				sum.add(r)
				break
			}
		}
	}
	return sum.mode, sum.verify
}
