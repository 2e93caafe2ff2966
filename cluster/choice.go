package cluster

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// The choice of a fetcher. Two are drawn by chance ("the power of two choices",
// Mitzenmacher 2001), and the one that costs less is the likelier to get the
// fetch. The cost of a fetcher is its recent latency times the fetches that it
// would have outstanding, as in the Peak EWMA balancers of Finagle and Linkerd.
// Those take the cheaper of the two every time, so that of equals, whose averages
// always differ by some noise, one gets most for a while, then another. Here
// latencies that differ by less than noise are alike, and the chances go by the
// inverse fourth power of the costs, and that of latencies beyond noise by the
// sixth: equals have the same share all the time, and one that is several times as
// slow gets so few that those who ask do not see it in their 99th percentile, also
// where the others are busy. That it has recovered is noticed as what was known of
// it is forgotten, and it is asked again.

const (
	// latencyFloor is added to each latency: differences below it are the
	// network's and this machine's, not the fetcher's.
	latencyFloor = 200 * time.Microsecond
	// latencyOver is the time constant of the average.
	latencyOver = 500 * time.Millisecond
	// latencyCount is the least part of the time between two answers that the
	// second one counts for; see observe.
	latencyCount = 4
	// latencySpike is how many times the average (the floor included) a sample
	// counts for at most: one that stands alone says little, and if more come the
	// average grows that many times faster each time.
	latencySpike = 8
	// latencyNoise is by how many times the latencies of equals may differ.
	latencyNoise = 1.5
	// latencyForget is in what time without an answer half of an average is
	// forgotten, so that a few bad answers do not keep a fetcher from being asked
	// for long, however bad they were.
	latencyForget = 10 * time.Second
	// farCost is how many times as much a fetcher of the own zone may cost and
	// still be preferred to one of another zone: it lets half of a zone's
	// fetchers be away before others are asked, and then asks them.
	farCost = 4
	// firstWeight is the share, of a full one, with which a fetcher that
	// appeared just now begins.
	firstWeight = 0.1
)

// epoch is what clock counts from.
var epoch = time.Now()

// clock is t as nanoseconds of the monotonic clock, for use in atomics.
func clock(t time.Time) int64 { return int64(t.Sub(epoch)) }

// latency is a moving average of how long a fetcher takes to answer, in
// nanoseconds. Two who observe at the same time may lose one of the two samples,
// which does no harm.
type latency struct {
	mean  atomic.Uint64 // bits of a float64; 0: not known
	at    atomic.Int64  // clock of the last sample
	since atomic.Int64  // clock of the first one
}

// observe takes a sample in. It counts for the time since the last answer, so
// that the average is one over time whatever the rate; but not for the time that
// it took itself, or else one slow answer would weigh more than a thousand quick
// ones. At first all samples count alike.
func (l *latency) observe(took time.Duration, now int64) {
	sample := float64(max(took, 1))
	mean := math.Float64frombits(l.mean.Load())
	if mean == 0 {
		l.since.Store(now)
		l.mean.Store(math.Float64bits(min(sample, latencySpike*float64(latencyFloor))))
		l.at.Store(now)
		return
	}
	sample = min(sample, latencySpike*(mean+float64(latencyFloor)))
	gap := max(now-l.at.Load(), 0)
	counts := float64(max(gap-int64(took), gap/latencyCount))
	over := float64(min(max(now-l.since.Load(), 1), int64(latencyOver)))
	l.mean.Store(math.Float64bits(mean + (sample-mean)*counts/(counts+over)))
	l.at.Store(now)
}

// set makes it what others take; 0: not known.
func (l *latency) set(mean time.Duration, now int64) {
	l.mean.Store(math.Float64bits(float64(mean)))
	l.at.Store(now)
	l.since.Store(now - int64(latencyOver))
}

// known is the average as it was last observed; 0: not known.
func (l *latency) known() time.Duration {
	return time.Duration(math.Float64frombits(l.mean.Load()))
}

// current is the average, less what was forgotten since the last answer, and
// with the floor below it.
func (l *latency) current(now int64) float64 {
	idle := float64(max(now-l.at.Load(), 0))
	return math.Float64frombits(l.mean.Load())*math.Exp2(-idle/float64(latencyForget)) + float64(latencyFloor)
}

// slower is how many times the latency of other f's is, less what noise may make
// of it.
func (f *fetcher) slower(other *fetcher, now int64) float64 {
	times := f.latency.current(now) / other.latency.current(now)
	switch {
	case times > latencyNoise:
		return times / latencyNoise
	case times < 1/latencyNoise:
		return times * latencyNoise
	}
	return 1
}

// busier is how many times the fetches of other f would have outstanding.
func (f *fetcher) busier(other *fetcher) float64 {
	return float64(f.outstanding.Load()+1) / float64(other.outstanding.Load()+1)
}

// dearer is how many times as much f costs as other.
func (f *fetcher) dearer(other *fetcher, now int64) float64 {
	return f.slower(other, now) * f.busier(other)
}

// weight is the share of a full one that a fetcher gets: it grows over the slow
// start of one that appeared or came back.
func (f *fetcher) weight(now int64) float64 {
	since := f.since.Load()
	slowStart := f.slowStart.Load()
	if since == 0 || slowStart <= 0 {
		return 1
	}
	return min(max(float64(now-since)/float64(slowStart), firstWeight), 1)
}

// rank is how fit a fetcher is to be sent a fetch, whatever it costs.
type rank uint8

const (
	full    rank = iota // it has as many fetches in flight as it may
	avoided             // it was just tried
	shut                // its connections failed, or are being made
	aside               // set aside
	cold                // not connected
	fit
)

func (f *fetcher) rank(avoid *fetcher, now time.Time) rank {
	switch {
	case f.outstanding.Load() >= f.maxInFlight.Load():
		return full
	case f == avoid:
		return avoided
	}
	phase := f.phase(now)
	switch {
	case phase <= phaseWarming:
		return shut
	case f.aside.Load() != 0:
		return aside
	case phase == phaseUp:
		return fit
	}
	return cold
}

// choose picks the fetcher of a shard for the next fetch; nil: there is none
// with room for it. One that is set aside, down, or was just tried, is chosen
// only where there is no other.
func (s *shard) choose(avoid *fetcher, now time.Time) *fetcher {
	near := s.nodes[:s.near]
	if f, r := draw(near, avoid, now); r == fit {
		far := s.nodes[s.near:]
		if len(far) == 0 {
			return f
		}
		other := far[rand.IntN(len(far))]
		if f.dearer(other, clock(now)) > farCost && other.rank(avoid, now) == fit {
			return other
		}
		return f
	}
	return fittest(s.nodes, avoid, now)
}

// draw picks one of two drawn by chance, which is fit if either is.
func draw(nodes []*fetcher, avoid *fetcher, now time.Time) (*fetcher, rank) {
	switch len(nodes) {
	case 0:
		return nil, full
	case 1:
		return nodes[0], nodes[0].rank(avoid, now)
	}
	r := rand.Uint64()
	i := int(r >> 32 * uint64(len(nodes)) >> 32)
	j := int(r & math.MaxUint32 * uint64(len(nodes)-1) >> 32)
	if j >= i {
		j++
	}
	a, b := nodes[i], nodes[j]
	ra, rb := a.rank(avoid, now), b.rank(avoid, now)
	if ra == fit && rb == fit {
		at := clock(now)
		slower := a.slower(b, at)
		times := slower * a.busier(b)
		wa, wb := a.weight(at), b.weight(at)*times*times*times*times*slower*slower
		if rand.Float64()*(wa+wb) < wa {
			return a, fit
		}
		return b, fit
	}
	if ra == cold && rb == fit {
		a.warm()
	} else if rb == cold && ra == fit {
		b.warm()
	}
	if ra >= rb {
		return a, ra
	}
	return b, rb
}

// fittest looks at all nodes, from a random one on, for when the two drawn
// would not do.
func fittest(nodes []*fetcher, avoid *fetcher, now time.Time) (best *fetcher) {
	if len(nodes) == 0 {
		return nil
	}
	first, highest := rand.IntN(len(nodes)), full
	for i := range nodes {
		f := nodes[(first+i)%len(nodes)]
		switch r := f.rank(avoid, now); {
		case r == fit && highest < fit:
			if best != nil && highest == cold {
				best.warm()
			}
			return f
		case r > highest:
			best, highest = f, r
		}
	}
	return best
}

// keeper is the fetcher that a slot stays with while the shard's fetchers may
// differ: of those fit to be asked, the one with the highest weight for that
// slot (rendezvous hashing), in the own zone where there is any.
func (s *shard) keeper(slot uint16, avoid *fetcher, now time.Time) *fetcher {
	if f, r := heaviest(s.nodes[:s.near], slot, avoid, now); r >= cold {
		return f
	}
	f, _ := heaviest(s.nodes, slot, avoid, now)
	return f
}

func heaviest(nodes []*fetcher, slot uint16, avoid *fetcher, now time.Time) (best *fetcher, highest rank) {
	var heavy uint64
	for _, f := range nodes {
		r := min(f.rank(avoid, now), cold) // not connected yet is no reason to change over
		if r == full || r < highest {
			continue
		}
		if w := mix(f.seed ^ uint64(slot)); r > highest || w > heavy {
			best, highest, heavy = f, r, w
		}
	}
	return best, highest
}

// mix spreads the bits of x: the finalizer of MurmurHash3.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
