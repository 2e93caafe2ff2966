package rollout

import (
	"sync"
	"sync/atomic"

	"github.com/fsproxy/fsproxy/cache"
)

// Drop is why something was not compared.
type Drop uint8

// The reasons.
const (
	DropQueue      Drop = iota // there was no room for the read
	DropPending                // there was no room for the difference
	DropUnanswered             // the store did not answer the read
	DropUnjudged               // the store did not answer when a difference was judged
	Drops
)

var dropNames = [Drops]string{"queue", "pending", "unanswered", "unjudged"}

// counts are counted by workers, and by nobody on the way of a client but for
// drops.
type counts struct {
	compared [Kinds][Classes]atomic.Uint64 // values
	dropped  [Kinds][Drops]atomic.Uint64

	reads, served, partly atomic.Uint64 // reads in dry-run, and what memory would have answered of them: whole, and in part
	values, servedValues  atomic.Uint64 // the same, of values
	tallies               sync.Map      // *cache.Projection to *tally
}

func (c *counts) drop(kind Kind, why Drop) { c.dropped[kind][why].Add(1) }

// tally is what was compared of one projection.
type tally struct{ values []valueCounts } // by position

type valueCounts [Kinds][Classes]atomic.Uint64

// of returns the tally of a projection. There are no more of these than the
// cache interns.
func (c *counts) of(p *cache.Projection) *tally {
	if t, ok := c.tallies.Load(p); ok {
		return t.(*tally)
	}
	t, _ := c.tallies.LoadOrStore(p, &tally{values: make([]valueCounts, p.Len())})
	return t.(*tally)
}

// count says that n comparisons of the value at a position came to class.
func (c *counts) count(t *tally, position int, kind Kind, class Class, n int) {
	t.values[position][kind][class].Add(uint64(n))
	c.compared[kind][class].Add(uint64(n))
}

// Compared is how many comparisons came to each class, by kind.
type Compared [Kinds][Classes]uint64

// Stats are counts since the start.
type Stats struct {
	Compared Compared
	Dropped  [Kinds][Drops]uint64
	Kept     [Classes]int // differences that are remembered

	// What mode live would have done with the reads in dry-run that were compared.
	Reads, Served, Partly uint64
	Values, ServedValues  uint64
	// Bytes that are held, overhead included: those of reads in dry-run as live
	// would hold them.
	Bytes int64
}

// Stats reads the counts.
func (r *Rollout) Stats() Stats {
	var s Stats
	for kind := range Kinds {
		for class := range Classes {
			s.Compared[kind][class] = r.counts.compared[kind][class].Load()
		}
		for why := range Drops {
			s.Dropped[kind][why] = r.counts.dropped[kind][why].Load()
		}
	}
	for class := range Classes {
		s.Kept[class] = r.ring.count(class)
	}
	s.Reads, s.Served, s.Partly = r.counts.reads.Load(), r.counts.served.Load(), r.counts.partly.Load()
	s.Values, s.ServedValues = r.counts.values.Load(), r.counts.servedValues.Load()
	if s.Reads > 0 {
		s.Bytes = r.cfg.Cache.Stats().Bytes
	}
	return s
}

// ComparedValues calls yield with each count of comparisons.
func (s *Stats) ComparedValues(yield func(kind, class string, n uint64)) {
	for kind := range Kinds {
		for class := range Classes {
			yield(kind.String(), class.String(), s.Compared[kind][class])
		}
	}
}

// Drops calls yield with each count of what was not compared.
func (s *Stats) Drops(yield func(kind, reason string, n uint64)) {
	for kind := range Kinds {
		for why, name := range dropNames {
			yield(kind.String(), name, s.Dropped[kind][why])
		}
	}
}

// Features is how the comparisons of each feature came out, by field. Dry-run
// and verification; what a second store said is not of a feature.
func (r *Rollout) Features() map[string]Compared {
	all := map[string]Compared{}
	r.counts.tallies.Range(func(key, value any) bool {
		p, t := key.(*cache.Projection), value.(*tally)
		for i, f := range p.Fields {
			sum := all[f.Name]
			for kind := range Kinds {
				for class := range Classes {
					sum[kind][class] += t.values[i][kind][class].Load()
				}
			}
			all[f.Name] = sum
		}
		return true
	})
	return all
}

// ByRule is how the comparisons of the features of each rule came out, by its
// name. A feature of which a rule takes some entities counts for it whole, and for
// the rules behind it too.
func (r *Rollout) ByRule() map[string]Compared {
	rules, all := r.Rules(), map[string]Compared{}
	for field, of := range r.Features() {
		for _, rule := range rules.chain(field) {
			sum := all[rule.name]
			for kind := range Kinds {
				for class := range Classes {
					sum[kind][class] += of[kind][class]
				}
			}
			all[rule.name] = sum
		}
	}
	return all
}
