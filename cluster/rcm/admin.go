package rcm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
	"github.com/fsproxy/fsproxy/metrictable"
)

const (
	// adminTimeout bounds a question to the admin address, and adminDrain what
	// is under way when the process stops.
	adminTimeout = 10 * time.Second
	adminDrain   = 2 * time.Second
)

// Admin answers HTTP: /metrics, /healthz and /readyz.
type Admin struct {
	server *Server
	status func() fleet.Status
	http   *http.Server
}

// NewAdmin tells of server, and of where its fleet comes from.
func NewAdmin(server *Server, status func() fleet.Status, log *slog.Logger) *Admin {
	a := &Admin{server: server, status: status}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrictable.NewCollector(metrics, a.read), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.readyz)
	a.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: adminTimeout, ReadTimeout: adminTimeout, WriteTimeout: adminTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return a
}

// readyz: ready once a fleet is known, and from then on. That its source does
// not answer now is no reason to take away what is known.
func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	if a.server.Topology() != nil {
		_, _ = fmt.Fprintln(w, "ready")
		return
	}
	reason := "it was not found yet"
	if err := a.status().Err; err != nil {
		reason = err.Error()
	}
	http.Error(w, "not ready: no fleet is known: "+reason, http.StatusServiceUnavailable)
}

// Serve answers until ctx ends, and closes ln.
func (a *Admin) Serve(ctx context.Context, ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		<-ctx.Done()
		drain, done := context.WithTimeout(context.Background(), adminDrain)
		defer done()
		if a.http.Shutdown(drain) != nil {
			_ = a.http.Close()
		}
	})
	if err := a.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the admin address %s: %w", ln.Addr(), err)
	}
	return nil
}

// reading is what one scrape reads, once for all metrics.
type reading struct {
	server   *Server
	views    *views
	topology *cluster.Topology // never nil
	source   fleet.Status
}

// metric is one row of the table.
type metric metrictable.Row[*reading]

func one(value func(*reading) float64) func(*reading, func(float64, ...string)) {
	return func(r *reading, emit func(float64, ...string)) { emit(value(r)) }
}

const (
	counter = metrictable.Counter
	gauge   = metrictable.Gauge
)

var metrics = []metric{
	{"fsproxy_rcm_shards", gauge, nil, "Shards of the fleet that have fetchers.", one(func(r *reading) float64 { return float64(len(r.topology.Shards)) })},
	{"fsproxy_rcm_fetchers", gauge, []string{"zone"}, "Fetchers of the fleet, by zone; an empty one where it is not known.", readFetchers},
	{"fsproxy_rcm_uncovered_slots", gauge, nil, "Slots that no fetcher holds: reads of theirs fail.", one(func(r *reading) float64 { return float64(cluster.Slots - r.topology.Covered()) })},
	{"fsproxy_rcm_fleet_changes_total", counter, nil, "Changes of the fleet.", one(func(r *reading) float64 { return float64(r.server.changes.Load()) })},

	{"fsproxy_rcm_source_up", gauge, []string{"source"}, "1 while the source of the fleet (file, kubernetes, dns) answers; while it does not, the last fleet stays in force.", func(r *reading, emit func(float64, ...string)) {
		up := 1.0
		if r.source.Err != nil || r.source.Heard.IsZero() {
			up = 0
		}
		emit(up, r.source.Kind)
	}},
	{"fsproxy_rcm_source_age_seconds", gauge, nil, "Since when the source has not been heard of; not there before it was.", func(r *reading, emit func(float64, ...string)) {
		if !r.source.Heard.IsZero() {
			emit(time.Since(r.source.Heard).Seconds())
		}
	}},
	{"fsproxy_rcm_source_errors_total", counter, nil, "Questions to the source that failed.", one(func(r *reading) float64 { return float64(r.source.Errors) })},
	{"fsproxy_rcm_source_relists_total", counter, nil, "How often all Pods were listed anew, because the API server no longer knew where a watch had ended.", one(func(r *reading) float64 { return float64(r.source.Relists) })},
	{"fsproxy_rcm_source_found", gauge, nil, "Pods or addresses that the source found.", one(func(r *reading) float64 { return float64(r.source.Found) })},
	{"fsproxy_rcm_source_left_out", gauge, nil, "What of that is not as it should be, as the log says: Pods that name no slots or port, shards that overlap, or of which no Pod is ready.", one(func(r *reading) float64 { return float64(r.source.LeftOut) })},

	{"fsproxy_rcm_connections", gauge, nil, "Client connections open now.", one(func(r *reading) float64 { return float64(r.server.clients.Load()) })},
	{"fsproxy_rcm_connections_refused_total", counter, nil, "Client connections refused because there were too many.", one(func(r *reading) float64 { return float64(r.server.refused.Load()) })},
	{"fsproxy_rcm_auth_failures_total", counter, nil, "Attempts of clients to authenticate that were refused.", one(func(r *reading) float64 { return float64(r.server.logins.Load()) })},
	{"fsproxy_rcm_tls_failures_total", counter, nil, "TLS handshakes of clients that failed.", one(func(r *reading) float64 { return float64(r.server.handshakes.Load()) })},
	{"fsproxy_rcm_requests_total", counter, []string{"command"}, "Requests by command; data: commands on keys, which are sent to a fetcher (MOVED).", func(r *reading, emit func(float64, ...string)) {
		for _, name := range slices.Sorted(maps.Keys(r.server.requests)) {
			emit(float64(r.server.requests[name].Load()), name)
		}
	}},
	{"fsproxy_rcm_rendered_total", counter, nil, "Replies about the topology that were rendered; all others are repeated.", one(func(r *reading) float64 { return float64(r.server.rendered.Load()) })},
	{"fsproxy_rcm_views", gauge, nil, "Clients' subsets that are kept with their replies.", one(func(r *reading) float64 { n, _ := r.views.answers.size(); return float64(n) })},
	{"fsproxy_rcm_views_bytes", gauge, nil, "Bytes that these take.", one(func(r *reading) float64 { _, n := r.views.answers.size(); return float64(n) })},
	{"fsproxy_rcm_views_forgotten_total", counter, nil, "Subsets that had to make room for others.", one(func(r *reading) float64 { return float64(r.server.forgotten.Load()) })},
}

func readFetchers(r *reading, emit func(float64, ...string)) {
	zones := make(map[string]int)
	seen := make(map[string]bool)
	for _, s := range r.views.shards {
		for _, n := range s.nodes {
			if !seen[n.id] {
				seen[n.id] = true
				zones[n.zone]++
			}
		}
	}
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		emit(float64(zones[zone]), zone)
	}
}

// read reads what the metrics are read from.
func (a *Admin) read() *reading {
	r := &reading{server: a.server, views: a.server.views.Load(), source: a.status()}
	if r.topology = r.views.topology; r.topology == nil {
		r.topology = new(cluster.Topology)
	}
	return r
}

// MarkdownTable documents the metrics.
func MarkdownTable() string { return metrictable.Markdown(metrics) }
