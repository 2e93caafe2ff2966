package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/sampling"
)

// Build says what is running.
type Build = api.Build

// Server answers on the admin address.
type Server struct {
	http    *http.Server
	ready   atomic.Bool
	build   Build
	sources Sources
	log     *slog.Logger // of changes: none is left out
	access  *access
	history *history
	changes changes
	held    heldSample
	started time.Time
	host    string

	watchers watchers
	stopping chan struct{} // closed when the process is to stop
}

const (
	// headerTimeout bounds how long a client may take to send its request's
	// headers, so that idle connections do not pile up.
	headerTimeout = 5 * time.Second
	// shutdownTimeout bounds how long requests in flight (a scrape, a profile)
	// may keep the process.
	shutdownTimeout = time.Second
)

// New returns a server that shows sources. It is not ready until SetReady.
func New(build Build, sources Sources, log *slog.Logger) *Server {
	sources.complete()
	s := &Server{
		build: build, sources: sources, log: sampling.Without(log), access: newAccess(sources.Config),
		history: newHistory(gauges{sources}), started: time.Now(), stopping: make(chan struct{}),
	}
	s.host, _ = os.Hostname()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(build, sources), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, build) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.addRoutes(mux)
	addPage(mux)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	s.http.RegisterOnShutdown(func() { close(s.stopping) })
	return s
}

// SetReady says whether the process wants clients: its listeners are open and
// it is not stopping. Whether the store can be reached does not matter here:
// taking the pod out of service would not help.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "not ready: the listeners are not open, or the process is stopping", http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// Serve answers on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			_ = s.http.Close()
		}
	})
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	var recorder sync.WaitGroup
	recorder.Go(func() { s.history.record(ctx) })
	defer recorder.Wait()
	defer cancel()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the admin address %s: %w", l.Addr(), err)
	}
	return nil
}
