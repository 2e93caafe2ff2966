package rcm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// DefaultLimits bound a request. What is said to a discovery service is short;
// the longest that comes here is a read for the wrong address.
var DefaultLimits = resp.Limits{
	Arguments:    64 << 10,
	BulkBytes:    1 << 20,
	InlineBytes:  64 << 10,
	RequestBytes: 4 << 20,
}

const (
	// DefaultMaxClients is Redis' own, in connections.
	DefaultMaxClients = 10_000
	// firstRetry and longestRetry bound the pause after a failed accept, which
	// means as a rule that the process has no file descriptor left.
	firstRetry   = 5 * time.Millisecond
	longestRetry = time.Second
	// handshakeTimeout is how long a client's handshake of TLS may take.
	handshakeTimeout = 10 * time.Second
)

// Config is what a Server is made of. The zero value serves an empty cluster
// until SetTopology is called.
type Config struct {
	Topology   *cluster.Topology // what is told first; nil: a cluster without nodes
	Networks   Networks          // where clients and nodes are that do not say
	Subset     int               // nodes of each shard that a client is told; 0: all
	Limits     resp.Limits       // of a request; zero: DefaultLimits
	MaxClients int               // connections at once; 0: DefaultMaxClients
	Username   string            // who may ask; "": default
	Password   string            // "": everybody may ask, and AUTH is accepted whatever it says
	Logger     *slog.Logger      // nil: slog.Default()
}

// Server answers cluster clients. Its methods may be called from any goroutine.
type Server struct {
	config  Config
	views   atomic.Pointer[views]
	setting sync.Mutex   // held while views are replaced
	clients atomic.Int64 // connections
	ids     atomic.Int64 // of connections, as CLIENT ID tells them
	counters
}

// New returns a Server that listens nowhere yet.
func New(config Config) *Server {
	if config.Limits == (resp.Limits{}) {
		config.Limits = DefaultLimits
	}
	if config.MaxClients <= 0 {
		config.MaxClients = DefaultMaxClients
	}
	if config.Username == "" {
		config.Username = "default"
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	s := &Server{config: config}
	s.counters.init()
	s.views.Store(newViews(config.Topology, config.Networks.sorted(), config.Subset, &s.counters))
	return s
}

// SetTopology is what clients are told from now on. It returns false when that
// is what they are told already.
func (s *Server) SetTopology(t *cluster.Topology) (changed bool) {
	return s.set(t, s.views.Load().networks)
}

// set replaces what clients are told, and says so in one line.
func (s *Server) set(t *cluster.Topology, networks Networks) (changed bool) {
	s.setting.Lock()
	defer s.setting.Unlock()
	before := s.views.Load()
	networks = networks.sorted()
	if t.Equal(before.topology) && slices.Equal(networks, before.networks) {
		return false
	}
	s.views.Store(newViews(t, networks, s.config.Subset, &s.counters))
	s.changes.Add(1)
	logChange(s.config.Logger, before.topology, t)
	return true
}

// logChange tells what has become of the fleet.
func logChange(log *slog.Logger, before, now *cluster.Topology) {
	if now == nil {
		log.Warn("the fleet has changed: nothing is known of it any more")
		return
	}
	was := make(map[string]bool)
	if before != nil {
		for _, node := range before.Nodes() {
			was[node] = true
		}
	}
	added := 0
	for _, node := range now.Nodes() {
		if was[node] {
			delete(was, node)
		} else {
			added++
		}
	}
	level := slog.LevelInfo
	if now.Covered() < cluster.Slots {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "the fleet has changed", "shards", len(now.Shards), "fetchers", len(now.Nodes()),
		"added", added, "removed", len(was), "slots_uncovered", cluster.Slots-now.Covered())
}

// Serve answers those who connect to ln until ctx ends. It then closes ln, lets
// requests that were read be answered, and returns nil once every connection
// is closed. It may run on several listeners at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	clients.Go(func() {
		<-ctx.Done()
		ln.Close()
	})
	retry := firstRetry
	for {
		conn, err := ln.Accept()
		if err == nil {
			retry = firstRetry
			clients.Go(func() { s.serveClient(ctx, conn) })
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("rcm: accept on %s: %w", ln.Addr(), err)
		}
		s.config.Logger.Warn("cannot accept a client; is the limit of open files reached?", "error", err, "retry_in", retry)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
		retry = min(2*retry, longestRetry)
	}
}

func (s *Server) serveClient(ctx context.Context, conn net.Conn) {
	c := newClient(ctx, s, conn)
	defer c.close()
	defer s.clients.Add(-1)
	secured, isTLS := conn.(*tls.Conn)
	if s.clients.Add(1) > int64(s.config.MaxClients) {
		s.refused.Add(1)
		if !isTLS { // or its handshake would have to be waited for
			c.fail("ERR max number of clients reached")
			c.flush() // and no more: waiting for these would be a limit without effect
		}
		return
	}
	if isTLS && !s.shake(ctx, secured) {
		return
	}
	// The reader wakes by a deadline, not by a closed connection: what it has
	// read is still answered.
	defer context.AfterFunc(ctx, c.hurry)()
	c.serve()
}

// shake does the handshake of TLS; false: that failed, or took too long.
func (s *Server) shake(ctx context.Context, conn *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	err := conn.HandshakeContext(ctx)
	if err != nil && !errors.Is(err, io.EOF) { // a probe connects and leaves
		s.handshakes.Add(1)
		s.config.Logger.Debug("the TLS handshake of a client failed", "client", conn.RemoteAddr(), "error", err)
	}
	return err == nil
}
