package cluster

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// shard is the fetchers that hold the same slots. Immutable but for what it
// points to.
type shard struct {
	nodes []*fetcher // those of the own zone first
	near  int        // how many those are; all, where no zones are known or none is near
	slots string     // for messages
	pace  *pace      // stays with the slots through changes of the topology
}

// down tells whether no fetcher of it can be sent anything.
func (s *shard) down(now time.Time) bool {
	return !slices.ContainsFunc(s.nodes, func(f *fetcher) bool { return f.phase(now) != phaseShut })
}

// out is how many of its fetchers, leaving out one, are set aside or down.
func (s *shard) out(but *fetcher, now time.Time) (n int) {
	for _, f := range s.nodes {
		if f != but && (f.aside.Load() != 0 || f.phase(now) == phaseShut) {
			n++
		}
	}
	return n
}

// typical is the lower median of the latencies of its fetchers in use, leaving
// out one; 0: none is known.
func (s *shard) typical(but *fetcher) time.Duration {
	known := make([]time.Duration, 0, len(s.nodes))
	for _, f := range s.nodes {
		if l := f.latency.known(); f != but && l > 0 && f.aside.Load() == 0 {
			known = append(known, l)
		}
	}
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[(len(known)-1)/2]
}

// lastError is why one of its fetchers cannot be reached; "" if all can.
func (s *shard) lastError() string {
	for _, f := range s.nodes {
		if text := f.lastError(); text != "" {
			return f.addr + ": " + text
		}
	}
	return ""
}

// rangesText names slots in a message: the first ranges, and how many follow.
func rangesText(ranges []SlotRange) string {
	const most = 3
	words := make([]string, 0, most)
	for _, r := range ranges[:min(most, len(ranges))] {
		words = append(words, r.String())
	}
	text := "slots " + strings.Join(words, ",")
	if more := len(ranges) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more ranges"
	}
	return text
}

const (
	// hedgeFloor is the least time after which a fetch is hedged: below it the
	// timers and the second fetch cost more than they save.
	hedgeFloor = time.Millisecond
	// paceGain is how far one sample moves the estimate of the 95th percentile,
	// as a part of itself: 9.5 % up or 0.5 % down, so that it halves within some
	// 140 samples and doubles within 8.
	paceGain = 0.1
	// creditPerHedge is what a hedge costs. A fetch earns a hundredth of it for
	// each percent of the budget.
	creditPerHedge = 100
	// creditBurst bounds what is saved up, in hedges: one fetcher that stops may
	// hold that many fetches before it is noticed.
	creditBurst = 32
)

// pace is what is known of a shard's fetches as a whole.
type pace struct {
	// p95 is the bits of a float64, in nanoseconds; 0: not known. A sample moves
	// it up by 0.95 or down by 0.05 of a step, which balances where one sample in
	// twenty lies above (Ma, Muthukrishnan, Sandler: "Frugal streaming for
	// estimating quantiles", 2013, with a step that is relative). Samples lost to
	// a race do no harm.
	p95    atomic.Uint64
	credit atomic.Int64 // for hedges
	logged atomic.Bool  // that the shard is down
}

func newPace() *pace {
	p := new(pace)
	p.credit.Store(creditBurst * creditPerHedge)
	return p
}

func (p *pace) observe(took time.Duration) {
	sample, q := float64(max(took, 1)), math.Float64frombits(p.p95.Load())
	switch {
	case q == 0:
		q = sample
	case sample > q:
		q *= 1 + 0.95*paceGain
	default:
		q *= 1 - 0.05*paceGain
	}
	p.p95.Store(math.Float64bits(q))
}

// percentile is the estimate; 0: nothing is known yet.
func (p *pace) percentile() time.Duration {
	return time.Duration(math.Float64frombits(p.p95.Load()))
}

// earn gives what fetches add to the budget, which is in percent of them.
func (p *pace) earn(fetches, budget int) {
	if budget > 0 && p.credit.Load() < creditBurst*creditPerHedge {
		p.credit.Add(int64(fetches * budget))
	}
}

// spend takes what a hedge costs, if that is there.
func (p *pace) spend() bool {
	if p.credit.Add(-creditPerHedge) >= 0 {
		return true
	}
	p.credit.Add(creditPerHedge)
	return false
}
