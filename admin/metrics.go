package admin

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/metrictable"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/rollout"
	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// scrape is what one scrape reads, once for all metrics.
type scrape struct {
	cache    cache.Stats
	interned cache.Interned
	intern   *cache.Interner
	proxy    proxy.Stats
	upstream *cluster.Upstream
	sources  []invalidation.Status
	build    Build
	features []labelled
	reload   api.Reload
	mode     config.Mode
	compared *rollout.Rollout // nil: nothing is compared
	rollout  rollout.Stats    // of compared
	kept     *snapshot.Stats  // nil: no rows outlive the process
	peers    *peer.Stats      // nil: nothing is taken from peers
	given    *peer.Given      // nil: nothing is given to them
	// oldest is the age of the oldest value served lately.
	oldest time.Duration
}

// emit gives out one value with its labels' values.
type emit = metrictable.Emit

// metric is one row of the table from which both /metrics and its
// documentation are made.
type metric metrictable.Row[*scrape]

const (
	counter = metrictable.Counter
	gauge   = metrictable.Gauge
)

// plain is the read of a metric without labels.
func plain[N int | int64 | uint64](value func(s *scrape) N) func(*scrape, emit) {
	return func(s *scrape, emit emit) { emit(float64(value(s))) }
}

// metrics is the whole table.
var metrics = slices.Concat(baseMetrics, upstreamMetrics, freshnessMetrics, invalidationMetrics, featureMetrics, rolloutMetrics, warmMetrics, configMetrics)

var baseMetrics = []metric{
	{"fsproxy_commands_total", counter, []string{"command", "outcome"}, "Commands by name and outcome: hit (all from memory), mixed (some fetched), miss (all fetched), bypass (a read that went past the cache), tunnel (forwarded), local (answered here), error (refused here).", func(s *scrape, emit emit) {
		s.proxy.Outcomes(func(command, outcome string, n uint64) { emit(float64(n), command, outcome) })
	}},
	{"fsproxy_fields_total", counter, []string{"result"}, "Fields asked for by HMGET and HGET: hit, negative_hit (known to be missing), stale (held but too old, fetched), stale_hit (held, stale by a marker, and served within invalidation.stale_while_revalidate), miss (fetched), bypass.", func(s *scrape, emit emit) {
		s.proxy.FieldResults(func(result string, n uint64) { emit(float64(n), result) })
	}},
	{"fsproxy_bypass_total", counter, []string{"reason"}, "Reads that went past the cache, by reason.", func(s *scrape, emit emit) {
		s.proxy.Bypasses(func(reason string, n uint64) { emit(float64(n), reason) })
	}},
	{"fsproxy_read_errors_total", counter, nil, "Reads answered with an error because their fetch failed.", plain(func(s *scrape) uint64 { return s.proxy.FetchErrors })},

	{"fsproxy_connections", gauge, nil, "Client connections open now.", plain(func(s *scrape) int { return s.proxy.Connections })},
	{"fsproxy_connections_accepted_total", counter, nil, "Client connections accepted.", plain(func(s *scrape) uint64 { return s.proxy.Accepted })},
	{"fsproxy_connections_refused_total", counter, nil, "Client connections refused because limits.max_clients was reached.", plain(func(s *scrape) uint64 { return s.proxy.Refused })},
	{"fsproxy_output_limit_total", counter, nil, "Client connections closed because the client did not read its replies.", plain(func(s *scrape) uint64 { return s.proxy.OutputLimit })},
	{"fsproxy_protocol_errors_total", counter, nil, "Malformed or over-limit requests; each ends its connection.", plain(func(s *scrape) uint64 { return s.proxy.ProtocolErrors })},
	{"fsproxy_auth_failures_total", counter, nil, "Attempts of clients to authenticate that were refused.", plain(func(s *scrape) uint64 { return s.proxy.AuthFailures })},
	{"fsproxy_received_bytes_total", counter, nil, "Bytes received from clients.", plain(func(s *scrape) uint64 { return s.proxy.BytesIn })},
	{"fsproxy_sent_bytes_total", counter, nil, "Bytes sent to clients.", plain(func(s *scrape) uint64 { return s.proxy.BytesOut })},

	{"fsproxy_cache_bytes", gauge, nil, "Bytes of rows held, keys and overhead included.", plain(func(s *scrape) int64 { return s.cache.Bytes })},
	{"fsproxy_cache_max_bytes", gauge, nil, "The bound on fsproxy_cache_bytes.", plain(func(s *scrape) int64 { return s.cache.MaxBytes })},
	{"fsproxy_cache_rows", gauge, nil, "Entities held.", plain(func(s *scrape) int64 { return s.cache.Rows })},
	{"fsproxy_cache_fields", gauge, nil, "Values held, known-missing ones included.", plain(func(s *scrape) int64 { return s.cache.Fields })},
	{"fsproxy_cache_fills_total", counter, nil, "Fetched replies offered to the cache.", plain(func(s *scrape) uint64 { return s.cache.Fills })},
	{"fsproxy_cache_evictions_total", counter, nil, "Rows evicted because memory was short.", plain(func(s *scrape) uint64 { return s.cache.Evictions })},
	{"fsproxy_cache_oversized_total", counter, nil, "Fills not kept: the row would pass cache.max_row_bytes, or had nothing that may be kept.", plain(func(s *scrape) uint64 { return s.cache.Oversized })},
	{"fsproxy_cache_held_down_total", counter, nil, "Fills not kept: an invalidation of the entity was too near.", plain(func(s *scrape) uint64 { return s.cache.HeldDown })},
	{"fsproxy_interned", gauge, []string{"kind"}, "Features, projections, layouts and plans known, each bounded by an option or a constant.", func(s *scrape, emit emit) {
		emit(float64(s.interned.Features), "feature")
		emit(float64(s.interned.Projections), "projection")
		emit(float64(s.interned.Layouts), "layout")
		emit(float64(s.interned.Plans), "plan")
	}},
	{"fsproxy_interning_refused_total", counter, []string{"kind"}, "What did without interning because a bound was reached: projection (the read went past the cache), layout (a row was replaced instead of grown).", func(s *scrape, emit emit) {
		emit(float64(s.intern.Refused.Load()), "projection")
		emit(float64(s.intern.Replaced.Load()), "layout")
	}},

	{"fsproxy_build_info", gauge, []string{"version", "commit", "go"}, "1, with what is running as labels.", func(s *scrape, emit emit) {
		emit(1, s.build.Version, s.build.Commit, s.build.Go)
	}},
}

func newRegistry(build Build, sources Sources) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metrictable.NewCollector(metrics, sources.scraper(build)), sources.Proxy.Latency(),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// scraper reads what the metrics are read from.
func (from *Sources) scraper(build Build) func() *scrape {
	return func() *scrape {
		s := &scrape{
			cache: from.Cache.Stats(), interned: from.Cache.Size(), intern: from.Cache.Interner,
			proxy: from.Proxy.Stats(), upstream: from.Upstream, build: build,
			oldest: from.Cache.OldestServedLately(),
		}
		s.features = mostAsked(from)
		if s.compared = from.Compared; s.compared != nil {
			s.rollout = s.compared.Stats()
		}
		s.reload, s.mode = from.LastReload(), from.Mode()
		if from.Peers != nil {
			stats := from.Peers()
			s.peers = &stats
		}
		if from.Giver != nil {
			stats := from.Giver.Stats()
			s.given = &stats
		}
		if from.Kept != nil {
			kept := from.Kept()
			s.kept = &kept
		}
		if from.Invalidation != nil {
			s.sources = from.Invalidation()
		}
		return s
	}
}

// MarkdownTable documents the metrics, for docs/OPERATIONS.md.
func MarkdownTable() string {
	return metrictable.Markdown(metrics) +
		"| `" + proxy.LatencyName + "` | histogram | outcome | " + proxy.LatencyHelp + " |\n" +
		"\nThe Go runtime's (`go_…`) and the process's (`process_…`) own metrics are there too.\n"
}
