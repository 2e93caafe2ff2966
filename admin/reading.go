package admin

import (
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/histogram"
)

// reading is what the counters said at a moment.
type reading struct {
	at          time.Time
	reads       map[string]uint64 // HMGET and HGET by outcome
	fields      map[string]uint64 // by result
	errors      uint64
	refused     uint64 // client connections
	fetches     uint64
	latency     map[string]histogram.Histogram // by outcome
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
		at: time.Now(), reads: map[string]uint64{}, fields: map[string]uint64{}, errors: counts.FetchErrors, refused: counts.Refused,
		latency: histogram.Read(g.sources.Proxy.Latency()), cacheBytes: g.sources.Cache.Stats().Bytes,
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

// quantile is the duration, in seconds, below which a share q of all lies; nil when
// nothing was counted.
func quantile(h histogram.Histogram, q float64) *float64 {
	d, counted := h.Quantile(q)
	if !counted {
		return nil
	}
	seconds := round(d.Seconds())
	return &seconds
}
