package cache

import "sync/atomic"

// askedStripes keep apart the processors that count requests for one projection.
const askedStripes = 4

// asked counts what was asked of a projection: requests, not fields.
type asked [askedStripes]struct {
	hits atomic.Uint64
	_    [56]byte // the rest of a line of the processors' caches
}

// CountHits adds n requests that were answered from memory whole. Who counts
// gives the same small number each time, another than others do, if it can.
func (p *Projection) CountHits(n, who int) { p.asked[who%askedStripes].hits.Add(uint64(n)) }

// CountMiss adds a request of which the fields at positions had to be fetched.
func (p *Projection) CountMiss(positions []int32) {
	p.missed.Add(1)
	for _, i := range positions {
		p.Fields[i].missed.Add(1)
	}
}

// Asked is how many requests for p were answered from memory whole, and how many
// were not.
func (p *Projection) Asked() (hits, misses uint64) {
	for i := range p.asked {
		hits += p.asked[i].hits.Load()
	}
	return hits, p.missed.Load()
}
