package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/proxy/session"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
	"github.com/fsproxy/fsproxy/wire"
)

// Config says how clients are served.
type Config struct {
	Limits         resp.Limits
	MaxClients     int              // connections at once
	MaxOutputBytes int              // that may wait for a client that does not read
	MaxInFlight    int              // replies a connection may be owed before its reader waits
	FetchTimeout   time.Duration    // of the upstream: how long a reply may be owed
	WriteSettle    time.Duration    // see cache.Invalidate
	ServeOn        time.Duration    // how long open connections are served when the process is to stop
	DrainTimeout   time.Duration    // after that, for what is in flight
	Rollout        *rollout.Rollout // which reads are answered from memory; nil: all
	Announce       string           // where cluster clients are told to find the proxy; "": where they did
	TunnelIdle     time.Duration    // how long a tunnel without state may go unused
	// Wrote, if set, is called when a write has changed the cache: before it is
	// forwarded, and once more after its reply. Server.Writes counts it between.
	Wrote func()
	Auth  Auth // who may connect
	// Catalogue is the one in force, for reads by name; nil: there is none.
	Catalogue func() *feature.Catalogue
	Log       *slog.Logger
}

// Server accepts clients and serves them until its context ends.
type Server struct {
	cfg      Config
	log      *slog.Logger
	cache    *cache.Cache
	upstream *cluster.Upstream
	clock    *cache.Clock
	sessions *session.Server
	latency  Latency
	verdicts *verdicts
	rollout  *rollout.Rollout
	canned   []byte // what every read is answered with; nil: as it should be

	// tuned is cfg with what Tune has changed of it since.
	tuned atomic.Pointer[Config]

	closing   atomic.Bool    // nobody new is let in
	draining  atomic.Bool    // connections end as soon as they are owed nothing
	listeners sync.WaitGroup // their goroutines
	serving   sync.WaitGroup // the clients
	polling   sync.WaitGroup // the polls' goroutines
	polls     []*wire.Poll   // from Serve on; empty where the system has none

	mu      sync.Mutex // protects what follows
	clients map[*client]struct{}
	turn    int   // through polls
	closed  Stats // counts of connections that ended

	accepted, refused, outputLimit, protocolErrors, fetchErrors, authFailures atomic.Uint64
	staleOnError                                                              atomic.Uint64 // values
	failed                                                                    atomic.Pointer[FailedRead]
	lastRefusal                                                               atomic.Int64 // Unix nanoseconds; 0: nobody was refused
	other                                                                     otherCommands
	writing                                                                   atomic.Int64 // forwarded writes that were not answered yet, of all clients

	following followers
	followed  atomic.Pointer[[]chan Asked] // nil: nobody follows
}

// New returns a server that answers from c and asks up.
func New(cfg Config, c *cache.Cache, up *cluster.Upstream, clock *cache.Clock) *Server {
	s := &Server{
		cfg: cfg, log: cfg.Log, cache: c, upstream: up, clock: clock,
		clients: make(map[*client]struct{}),
		latency: newLatency(), verdicts: newVerdicts(),
	}
	if s.rollout = cfg.Rollout; s.rollout == nil {
		s.rollout = rollout.Fixed(config.ModeLive)
	}
	s.tuned.Store(&cfg)
	s.sessions = session.NewServer(session.Config{
		KeySlot:    cluster.Slot,
		Version:    s.storeVersion,
		MaxClients: func() int { return s.tuned.Load().MaxClients },
		Info:       s.info,
		Announce:   cfg.Announce,

		Authenticate: s.authenticator(),
		Strangers:    cfg.Auth.Mode == AuthUpstream && !cfg.Auth.ShareRows,
	})
	return s
}

// Tune takes over from cfg what may change while clients are connected: limits
// on requests and output for connections to come, the others for all. Who has
// authenticated stays so, whatever the password is then.
func (s *Server) Tune(cfg Config) {
	tuned := s.cfg
	tuned.Limits, tuned.MaxClients, tuned.MaxOutputBytes, tuned.MaxInFlight = cfg.Limits, cfg.MaxClients, cfg.MaxOutputBytes, cfg.MaxInFlight
	tuned.WriteSettle, tuned.TunnelIdle, tuned.FetchTimeout = cfg.WriteSettle, cfg.TunnelIdle, cfg.FetchTimeout
	tuned.Auth.Password, tuned.Auth.CacheTTL = cfg.Auth.Password, cfg.Auth.CacheTTL
	tuned.ServeOn, tuned.DrainTimeout = cfg.ServeOn, cfg.DrainTimeout
	s.tuned.Store(&tuned)
	s.verdicts.forgetAll() // they were remembered for as long as was said before
}

// Config is what is in force.
func (s *Server) Config() Config { return *s.tuned.Load() }

// storeVersion is what the store says of itself; "" until it was asked.
func (s *Server) storeVersion() string {
	if t, _ := s.upstream.Topology(); t != nil {
		return t.Version
	}
	return ""
}

// Listen opens the address of a listener: "host:port", or "unix:///path". A
// socket file that nobody listens on any more is replaced.
func Listen(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix://")
	if !isUnix {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s (set listeners or --listen to a free address): %w", address, err)
		}
		return l, nil
	}
	if nc, err := net.Dial("unix", path); err == nil {
		_ = nc.Close()
		return nil, fmt.Errorf("listen on %s: another process listens there", address)
	} else if info, statErr := os.Stat(path); statErr == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	// The containers of a Pod share the volume and run as different users.
	const anyUser = 0o666
	if err := os.Chmod(path, anyUser); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("open %s to other users: %w", address, err)
	}
	return l, nil
}

// Writes is how many writes were forwarded and not answered yet.
func (s *Server) Writes() int64 { return s.writing.Load() }

// Serve accepts clients on listeners until ctx ends. Connections that are open
// then are served for Config.ServeOn, or until none is left, and what is in flight
// after that is finished within the drain timeout. It returns when every
// connection has ended, and closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	s.startPolls()
	defer s.stopPolls()
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		s.listeners.Go(func() {
			if err := s.accept(l); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.closing.Store(true)
	for _, l := range listeners {
		_ = l.Close()
	}
	s.listeners.Wait()
	s.serveOn()
	s.drain()
	return err
}

// cpusPerPoll is how many CPUs there are for each poll. One poll keeps a CPU
// busy at some hundred thousand requests a second that come alone, millions that
// come pipelined; more of them find less to do at each wake-up, which costs a
// sixth more CPU a request, measured with one and two polls on two CPUs.
const cpusPerPoll = 2

// startPolls makes the polls.
func (s *Server) startPolls() {
	for range max(1, runtime.GOMAXPROCS(0)/cpusPerPoll) {
		poll, err := wire.NewPoll()
		if err != nil {
			if !errors.Is(err, errors.ErrUnsupported) {
				s.log.Warn("connections get a goroutine each, which costs more", "error", err)
			}
			return
		}
		s.polls = append(s.polls, poll)
		s.polling.Go(poll.Run)
	}
}

// stopPolls ends them, when no client is left.
func (s *Server) stopPolls() {
	for _, poll := range s.polls {
		poll.Close()
	}
	s.polling.Wait()
}

// acceptPause is how long accepting rests when the process has run out of file
// descriptors, as connections that end free some.
const acceptPause = 50 * time.Millisecond

func (s *Server) accept(l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.closing.Load() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			s.log.Warn("cannot accept a client", "listener", l.Addr().String(), "error", err)
			time.Sleep(acceptPause)
			continue
		}
		s.admit(nc, viewOf(l))
	}
}

// admit starts serving a connection, or refuses it in Redis' words.
func (s *Server) admit(nc net.Conn, view View) {
	s.mu.Lock()
	most := s.tuned.Load().MaxClients
	full := len(s.clients) >= most
	var c *client
	if !full && !s.closing.Load() {
		c = s.newClient(nc)
		c.take(view)
		s.clients[c] = struct{}{}
		s.serving.Add(1)
	}
	s.mu.Unlock()
	if c == nil {
		s.refused.Add(1)
		if full {
			s.tellRefusal(most)
		}
		turnDown(nc)
		return
	}
	s.accepted.Add(1)
	if c.socket == nil {
		go c.run()
		return
	}
	c.socket.WantRead(true)
}

// refusalsOver is how long nobody was refused when the next refusal is told of: one
// line for each time that clients are too many, not for each client.
const refusalsOver = time.Minute

// tellRefusal logs that clients are refused, if that is news.
func (s *Server) tellRefusal(most int) {
	now := time.Now().UnixNano()
	if before := s.lastRefusal.Swap(now); before == 0 || now-before > int64(refusalsOver) {
		s.log.Warn("clients are refused: as many are connected as may be", "limits.max_clients", most)
	}
}

// turnDown ends a connection in Redis' words. One of TLS gets none, as from
// Redis: its handshake would have to be waited for.
func turnDown(nc net.Conn) {
	if layered, ok := nc.(interface{ NetConn() net.Conn }); ok {
		_ = layered.NetConn().Close()
		return
	}
	_ = nc.SetWriteDeadline(time.Now().Add(acceptPause))
	_, _ = nc.Write([]byte("-ERR max number of clients reached\r\n"))
	_ = nc.Close()
}

func (s *Server) newClient(nc net.Conn) *client {
	c := &client{
		server:  s,
		number:  int(s.accepted.Load()),
		remote:  addressText(nc.RemoteAddr(), nc.LocalAddr()),
		parser:  resp.NewParser(s.tuned.Load().Limits),
		buf:     make([]byte, readBuffer),
		tunnels: make(map[string]*tunnel),
		proto:   resp.V2,
	}
	local := addressText(nc.LocalAddr(), nil)
	if !s.takeOver(c, nc) {
		c.nc, c.out = nc, wire.NewOutput(nc, s.tuned.Load().MaxOutputBytes)
	}
	c.replies = newReplies(c.out, s.tuned.Load().MaxOutputBytes)
	c.session = s.sessions.Open(c.remote, local, c.out.Abort)
	c.parser.Stranger(!c.session.Authenticated())
	c.heed(s.rollout.Rules())
	return c
}

// takeOver has one of the polls look after the connection, if there are any and
// it is of a kind that can be polled.
func (s *Server) takeOver(c *client, nc net.Conn) bool {
	if len(s.polls) == 0 {
		return false
	}
	s.turn++
	poll := s.polls[s.turn%len(s.polls)]
	socket, out, ok := poll.Take(nc, s.tuned.Load().MaxOutputBytes, c.readable)
	if ok {
		c.socket, c.out, c.poll, c.looping = socket, out, poll, true
	}
	return ok
}

// addressText words an address as CLIENT LIST does: "ip:port", or "path:0" at a
// Unix socket, where the client's own address is empty and the listener's
// stands in for it.
func addressText(addr, instead net.Addr) string {
	if addr.Network() != "unix" {
		return addr.String()
	}
	if addr.String() == "" || addr.String() == "@" {
		if instead != nil {
			addr = instead
		}
	}
	return addr.String() + ":0"
}

// leave forgets a connection that ended, but not what it counted.
func (s *Server) leave(c *client) {
	c.session.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	c.counts.addTo(&s.closed)
	s.closed.BytesOut += c.out.Written()
	delete(s.clients, c)
	s.serving.Done()
}

// serveOn waits until no connection is left, or for Config.ServeOn: a sidecar is
// often told to stop before its application is.
func (s *Server) serveOn() {
	none := make(chan struct{})
	go func() {
		s.serving.Wait() // nobody new is let in, and drain ends those who stay
		close(none)
	}()
	late := time.NewTimer(s.tuned.Load().ServeOn)
	defer late.Stop()
	select {
	case <-none:
	case <-late.C:
	}
}

// drain ends the connections: each as soon as it is owed nothing, all at the
// drain timeout.
func (s *Server) drain() {
	s.draining.Store(true)
	s.each((*client).stopReading)
	late := time.AfterFunc(s.tuned.Load().DrainTimeout, func() {
		s.each(func(c *client) {
			_ = c.replies.fail(errDraining)
			c.out.Abort()
			c.endTunnels()
		})
	})
	s.serving.Wait()
	late.Stop()
}

// each calls do with every client, which may wait.
func (s *Server) each(do func(*client)) {
	s.mu.Lock()
	clients := slices.Collect(maps.Keys(s.clients))
	s.mu.Unlock()
	for _, c := range clients {
		do(c)
	}
}
