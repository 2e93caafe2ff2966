package inject

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Paths of the webhook: by who asked for the sidecar, as the webhook's
// configuration sends only what one or the other asked for.
const (
	PodPath       = "/inject/pod"
	NamespacePath = "/inject/namespace"
)

const (
	// headerTimeout and requestTimeout bound a request, of which the API server
	// awaits the answer for 30 s at most, and ours for 5 s.
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second

	// idleTimeout keeps the API server's connection between two Pods.
	idleTimeout = 2 * time.Minute

	// drainTimeout is for reviews in flight when the process stops.
	drainTimeout = 5 * time.Second
)

// ServerConfig is what a Server needs besides its Injector.
type ServerConfig struct {
	Strict bool // deny the Pods that asked and cannot have the sidecar
	Log    *slog.Logger

	// Certificate is the certificate to show, asked for each connection; nil:
	// [Server.SetCertificate] gives it.
	Certificate func() *tls.Certificate

	// Linger is how long reviews are still taken when the server is to stop, and
	// says that it is not ready: until then Services lead here.
	Linger time.Duration
}

// Server answers admission reviews over TLS, and tells of itself over plain
// HTTP.
type Server struct {
	reviews, admin *http.Server
	metrics        *metrics
	certificate    func() *tls.Certificate // nil: there is none yet
	set            atomic.Pointer[tls.Certificate]
	linger         time.Duration
	lanes          lanes
	leaving        atomic.Bool
}

// NewServer returns a server, which is not ready before it has a certificate.
func NewServer(in *Injector, cfg ServerConfig) *Server {
	s := &Server{certificate: cfg.Certificate, linger: cfg.Linger, lanes: newLanes()}
	if s.certificate == nil {
		s.certificate = s.set.Load
	}
	s.metrics = newMetrics(s.certificate)
	mux := http.NewServeMux()
	mux.Handle("POST "+PodPath, &reviewer{in, ByPod, cfg.Strict, cfg.Log, s.metrics, s.lanes})
	mux.Handle("POST "+NamespacePath, &reviewer{in, ByNamespace, cfg.Strict, cfg.Log, s.metrics, s.lanes})
	quiet := slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)
	s.reviews = &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		IdleTimeout: idleTimeout, ErrorLog: quiet,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.getCertificate},
	}
	side := http.NewServeMux()
	side.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	side.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	side.HandleFunc("GET /readyz", s.readyz)
	s.admin = &http.Server{Handler: side, ReadHeaderTimeout: headerTimeout, ErrorLog: quiet}
	return s
}

// SetCertificate takes a certificate into use. Connections that are open keep
// theirs.
func (s *Server) SetCertificate(c *tls.Certificate) { s.set.Store(c) }

func (s *Server) getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := s.certificate(); c != nil {
		return c, nil
	}
	return nil, errors.New("there is no certificate yet")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.leaving.Load():
		http.Error(w, "not ready: the injector is stopping", http.StatusServiceUnavailable)
	case s.certificate() == nil:
		http.Error(w, "not ready: there is no certificate yet", http.StatusServiceUnavailable)
	default:
		_, _ = fmt.Fprintln(w, "ready")
	}
}

// Serve answers until ctx ends, and for the time of Linger after that: reviews
// over TLS on one listener, health and metrics on the other, which may be nil. It
// closes both.
func (s *Server) Serve(ctx context.Context, reviews, admin net.Listener) error {
	ended, end := context.WithCancel(context.Background()) // one of them ended
	defer end()
	var (
		wg   sync.WaitGroup
		errs [2]error // of one goroutine each
	)
	serve := func(i int, server *http.Server, l net.Listener, run func(net.Listener) error) {
		wg.Go(func() {
			defer end()
			if err := run(l); !errors.Is(err, http.ErrServerClosed) {
				errs[i] = fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
		wg.Go(func() {
			s.awaitEnd(ctx, ended)
			drain, done := context.WithTimeout(context.Background(), drainTimeout)
			defer done()
			if server.Shutdown(drain) != nil {
				_ = server.Close()
			}
		})
	}
	serve(0, s.reviews, reviews, func(l net.Listener) error { return s.reviews.ServeTLS(l, "", "") })
	if admin != nil {
		serve(1, s.admin, admin, s.admin.Serve)
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// awaitEnd waits until the server is to close.
func (s *Server) awaitEnd(ctx, ended context.Context) {
	select {
	case <-ended.Done():
		return
	case <-ctx.Done():
	}
	s.leaving.Store(true)
	select {
	case <-ended.Done():
	case <-time.After(s.linger):
	}
}
