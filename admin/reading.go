package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fsproxy/fsproxy/cluster"
)

// reading is what the counters said at a moment.
type reading struct {
	at          time.Time
	reads       map[string]uint64 // HMGET and HGET by outcome
	fields      map[string]uint64 // by result
	errors      uint64
	fetches     uint64
	latency     map[string]histogram // by outcome
	cacheBytes  int64
	resident    int64         // 0: the system does not tell
	cpu         time.Duration // spent by the process
	connections int
	lag         *float64 // seconds; nil: there is no source
}

func (r reading) readsAsked() uint64 {
	return r.reads["hit"] + r.reads["mixed"] + r.reads["miss"] + r.reads["bypass"]
}

func (r reading) fieldsAsked() (n uint64) {
	for _, count := range r.fields {
		n += count
	}
	return n
}

func (r reading) fieldsFromMemory() uint64 {
	return r.fields["hit"] + r.fields["negative_hit"] + r.fields["stale_hit"]
}

// gauges is where readings are taken.
type gauges struct{ sources Sources }

func (g gauges) read() reading {
	counts := g.sources.Proxy.Stats()
	r := reading{
		at: time.Now(), reads: map[string]uint64{}, fields: map[string]uint64{}, errors: counts.FetchErrors,
		latency: readLatency(g.sources.Proxy.Latency()), cacheBytes: g.sources.Cache.Stats().Bytes,
		connections: counts.Connections,
	}
	counts.Outcomes(func(command, outcome string, n uint64) {
		if command == "hmget" || command == "hget" {
			r.reads[outcome] += n
		}
	})
	counts.FieldResults(func(result string, n uint64) { r.fields[result] = n })
	g.sources.Upstream.Fetchers(func(_ string, _ int64, f *cluster.FetcherStats) { r.fetches += f.Fetches.Load() })
	r.cpu, r.resident = usage()
	for _, source := range g.sources.statuses() {
		if r.lag == nil || source.LagSeconds > *r.lag {
			lag := source.LagSeconds
			r.lag = &lag
		}
	}
	return r
}

// histogram has counts of durations by bucket. The zero value has none.
type histogram struct {
	bounds []float64 // upper bounds of the buckets, in seconds, rising
	counts []uint64  // of each bucket, and of what is above the last
}

// readLatency reads the histograms that collector has, by their only label.
func readLatency(collector prometheus.Collector) map[string]histogram {
	metrics := make(chan prometheus.Metric)
	go func() {
		collector.Collect(metrics)
		close(metrics)
	}()
	byOutcome := map[string]histogram{}
	for m := range metrics {
		var written dto.Metric
		if m.Write(&written) != nil || len(written.GetLabel()) != 1 {
			continue
		}
		from := written.GetHistogram()
		h, below := histogram{}, uint64(0)
		for _, b := range from.GetBucket() {
			h.bounds = append(h.bounds, b.GetUpperBound())
			h.counts = append(h.counts, b.GetCumulativeCount()-below)
			below = b.GetCumulativeCount()
		}
		h.counts = append(h.counts, from.GetSampleCount()-below)
		byOutcome[written.GetLabel()[0].GetValue()] = h
	}
	return byOutcome
}

func (h histogram) plus(other histogram) histogram {
	return h.join(other, func(a, b uint64) uint64 { return a + b })
}

// minus is what was counted since an earlier state of h.
func (h histogram) minus(earlier histogram) histogram {
	return h.join(earlier, func(a, b uint64) uint64 { return a - b })
}

func (h histogram) join(other histogram, join func(a, b uint64) uint64) histogram {
	if len(other.counts) == 0 {
		return h
	}
	if len(h.counts) == 0 {
		return other
	}
	joined := histogram{bounds: h.bounds, counts: make([]uint64, len(h.counts))}
	for i := range h.counts {
		joined.counts[i] = join(h.counts[i], other.counts[i])
	}
	return joined
}

// quantile is the duration, in seconds, below which a share q of all lies,
// supposing that a bucket's are spread evenly; nil when nothing was counted. What
// lies above all bounds is given as the last bound.
func (h histogram) quantile(q float64) *float64 {
	total := uint64(0)
	for _, n := range h.counts {
		total += n
	}
	if total == 0 || len(h.bounds) == 0 {
		return nil
	}
	left, lower := q*float64(total), 0.0 // durations still to pass
	for i, upper := range h.bounds {
		n := float64(h.counts[i])
		if n > 0 && left <= n {
			lower += left / n * (upper - lower)
			break
		}
		left -= n
		lower = upper
	}
	lower = round(lower)
	return &lower
}
