package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// What DiscoveryConfig.Kind may be.
const (
	KindAuto       = "auto"
	KindStandalone = "standalone"
	KindCluster    = "cluster"
	KindRCM        = "rcm"
)

// RCMInfoField is the line "fsproxy_rcm:1" in the server section of INFO by
// which a Redis Cluster Manager makes itself known.
const RCMInfoField = "fsproxy_rcm"

// ClientNamePrefix begins the name by which a client tells a Redis Cluster
// Manager who it is, and in which zone: "fsproxy:id@zone".
const ClientNamePrefix = "fsproxy:"

const (
	// defaultConnectTimeout is used when DiscoveryConfig has none.
	defaultConnectTimeout = 300 * time.Millisecond
	// answerTimeout bounds what an address may take to greet and to answer,
	// so that one that hangs does not keep the next from being asked. A reply
	// of MaxReply takes a tenth of it on a slow network.
	answerTimeout = 3 * time.Second
	// firstPause and longestPause bound how long an address that failed is
	// left alone. The longest is how late a store that came back may be found.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
	// idlePing is how often rueidis would send a PING on an idle connection.
	// None lives that long here.
	idlePing = time.Hour
)

// ErrDiscoveryClosed is what Discover gives once Close was called.
var ErrDiscoveryClosed = errors.New("discovery: closed")

// DiscoveryConfig says whom to ask for the topology, and how.
type DiscoveryConfig struct {
	Kind      string   // one of the Kind… constants; "" is KindAuto
	Addresses []string // host:port of cluster nodes, of an RCM, or of plain servers

	Username string
	Password string
	TLS      *tls.Config // nil: plain TCP; without ServerName the address' host is expected
	Zones    bool        // ask in which zone each node is, where the store can tell
	ClientID string      // announced to an RCM, which chooses fetchers by it; "": it goes by the address
	Zone     string      // announced with ClientID; "": not known

	ConnectTimeout time.Duration // for one address, TLS handshake included; 0: 300 ms

	// DialFunc opens connections in place of net.Dialer; nil: net.Dialer.
	DialFunc func(ctx context.Context, address string) (net.Conn, error)
}

// Discovery asks the configured addresses for the topology. Between two
// questions it holds neither connections nor goroutines.
type Discovery struct {
	tuned atomic.Pointer[DiscoveryConfig]

	// turn holds a token while a Discover runs: there is one at a time, and it
	// alone touches what follows.
	turn      chan struct{}
	pauses    map[string]*pause // by address
	fleet     bool              // some address told of more than one plain server
	lastZones map[string]string // of the nodes of the last topology, as far as known

	closed context.Context
	close  context.CancelFunc
}

// pause is how long an address that failed is left alone, so that callers who
// ask again and again cause no storm of connections.
type pause struct {
	failures int
	until    time.Time
	reason   error
}

// NewDiscovery returns a Discovery; it does not connect.
func NewDiscovery(config DiscoveryConfig) *Discovery {
	config.complete()
	d := &Discovery{
		turn:   make(chan struct{}, 1),
		pauses: make(map[string]*pause),
	}
	d.tuned.Store(&config)
	d.closed, d.close = context.WithCancel(context.Background())
	return d
}

// complete puts defaults in place of what was left out.
func (c *DiscoveryConfig) complete() {
	if c.Kind == "" {
		c.Kind = KindAuto
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.DialFunc == nil {
		c.DialFunc = func(ctx context.Context, address string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
}

func (d *Discovery) config() *DiscoveryConfig { return d.tuned.Load() }

// Close ends a Discover that is under way and waits for it.
func (d *Discovery) Close() {
	d.close()
	d.turn <- struct{}{}
	<-d.turn
}

// Discover asks the addresses in turn, from a random one on, and returns the
// first topology it is told that leaves no slot uncovered, or else the one that
// covers most. An address that says it is no cluster, where another told of a
// fleet at any time, comes last. The error tells the reason of each address. For
// KindStandalone the addresses are the topology, so it is returned even when
// none of them answers, without a Version.
func (d *Discovery) Discover(ctx context.Context) (*Topology, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("discovery: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.closed, func() { cancel(ErrDiscoveryClosed) })()
	if d.closed.Err() != nil {
		return nil, ErrDiscoveryClosed
	}
	if err := d.config().check(); err != nil {
		return nil, err
	}
	return d.askAll(ctx)
}

func (c *DiscoveryConfig) check() error {
	if !slices.Contains([]string{KindAuto, KindStandalone, KindCluster, KindRCM}, c.Kind) {
		return fmt.Errorf("discovery: unknown kind %q: use auto, standalone, cluster or rcm", c.Kind)
	}
	if len(c.Addresses) == 0 {
		return errors.New("discovery: no address to ask: name at least one in upstream.addresses")
	}
	for _, address := range c.Addresses {
		if err := CheckAddress(address); err != nil {
			return fmt.Errorf("discovery: %w: correct it in upstream.addresses", err)
		}
	}
	return nil
}

func (d *Discovery) askAll(ctx context.Context) (*Topology, error) {
	addresses := d.config().Addresses
	first := rand.IntN(len(addresses))
	reasons := make(askErrors, 0, len(addresses))
	var best *Topology
	for i := range addresses {
		address := addresses[(first+i)%len(addresses)]
		t, err := d.ask(ctx, address)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("discovery: while asking %s: %w", address, context.Cause(ctx))
		}
		if err != nil {
			reasons = append(reasons, fmt.Errorf("%s: %w", address, err))
			continue
		}
		d.fleet = d.fleet || t.Kind != Standalone
		if best == nil || t.worth(d.fleet) > best.worth(d.fleet) {
			best = t
		}
		if best.worth(d.fleet) == Slots {
			break
		}
	}
	if best != nil {
		return d.withLastZones(best), nil
	}
	if d.config().Kind == KindStandalone {
		return d.config().standalone("")
	}
	return nil, fmt.Errorf("discovery: no address told the topology: %w", reasons)
}

// askErrors are the reasons of all addresses, on one line.
type askErrors []error

func (e askErrors) Unwrap() []error { return e }

func (e askErrors) Error() string {
	var b strings.Builder
	for i, err := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// ask asks one address, unless it failed too short a time ago.
func (d *Discovery) ask(ctx context.Context, address string) (*Topology, error) {
	p := d.pauses[address]
	if p != nil {
		if wait := time.Until(p.until); wait > 0 {
			return nil, fmt.Errorf("asked again in %s; the last time: %w", wait.Round(time.Millisecond), p.reason)
		}
	}
	t, err := d.askNow(ctx, address)
	switch {
	case err == nil:
		delete(d.pauses, address)
	case ctx.Err() == nil:
		if p == nil {
			p = &pause{}
			d.pauses[address] = p
		}
		length := min(firstPause<<min(p.failures, 10), longestPause)
		length = length/2 + rand.N(length/2) // jitter: pods that failed together do not come back together
		p.failures++
		p.until = time.Now().Add(length)
		p.reason = err
	}
	return t, err
}

func (d *Discovery) askNow(ctx context.Context, address string) (*Topology, error) {
	timeout := d.config().ConnectTimeout + answerTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	s, err := d.open(ctx, address)
	if err == nil {
		defer s.close()
		var t *Topology
		if t, err = s.topology(ctx, d.config()); err == nil {
			return t, nil
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // the connection was closed under rueidis, whose error says only that
	}
	return nil, err
}

// session is one connection to one address, for as long as one topology takes.
type session struct {
	address string
	client  rueidis.Client
	conn    net.Conn
	detach  func() bool // parts the connection from the context
}

// open connects and greets. When ctx ends the connection is closed, so that
// rueidis' own timers never outlast the caller's.
func (d *Discovery) open(ctx context.Context, address string) (*session, error) {
	s := &session{address: address, detach: func() bool { return true }}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{address},
		Username:          d.config().Username,
		Password:          d.config().Password,
		ClientName:        d.config().clientName(),
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		ForceSingleClient: true,
		PipelineMultiplex: -1,   // one connection
		AlwaysRESP2:       true, // what all servers speak, Kvrocks included
		DisableCache:      true,
		DisableRetry:      true,
		// The smallest buffers: one connection, a handful of requests.
		RingScaleEachConn:   3,
		ReadBufferEachConn:  4 << 10,
		WriteBufferEachConn: 1 << 10,
		Dialer:              net.Dialer{Timeout: answerTimeout, KeepAlive: idlePing},
		ConnWriteTimeout:    answerTimeout,
		DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			if s.conn != nil {
				return nil, errors.New("the connection was lost")
			}
			conn, err := d.dial(ctx, address)
			if err != nil {
				return nil, err
			}
			s.conn = Checked(conn, MaxReply)
			s.detach = context.AfterFunc(ctx, func() { conn.Close() })
			return s.conn, nil
		},
	})
	s.client = client
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// clientName is what the client calls itself: blanks and the like cannot be in
// a name.
func (c *DiscoveryConfig) clientName() string {
	if c.ClientID == "" && c.Zone == "" {
		return "fsproxy"
	}
	name := ClientNamePrefix + strings.ReplaceAll(c.ClientID, "@", "_")
	if c.Zone != "" {
		name += "@" + c.Zone
	}
	return strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return '_'
		}
		return r
	}, name)
}

func (d *Discovery) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config().ConnectTimeout)
	defer cancel()
	config := d.config().TLS
	conn, err := d.config().DialFunc(ctx, address)
	if err != nil || config == nil {
		return conn, err
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

// close closes the connection before the client: with an open one rueidis
// would send a PING and wait for its reply.
func (s *session) close() {
	s.detach()
	if s.conn != nil {
		s.conn.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
}

// do sends commands together and returns their replies; a reply that is an
// error of the server is its result's error.
func (s *session) do(ctx context.Context, commands ...[]string) []rueidis.RedisResult {
	multi := make([]rueidis.Completed, len(commands))
	for i, args := range commands {
		multi[i] = s.client.B().Arbitrary(args...).Build()
	}
	return s.client.DoMulti(ctx, multi...)
}

// topology asks what the address is and what it knows.
func (s *session) topology(ctx context.Context, c *DiscoveryConfig) (*Topology, error) {
	info := []string{"INFO", "server"}
	if c.Kind == KindStandalone {
		about, err := infoText(s.do(ctx, info)[0])
		if err != nil {
			return nil, err
		}
		return c.standalone(infoField(about, "redis_version"))
	}
	replies := s.do(ctx, []string{"CLUSTER", "SLOTS"}, info)
	about, err := infoText(replies[1])
	if err != nil {
		return nil, err
	}
	version := infoField(about, "redis_version")
	assignments, err := s.assignments(ctx, replies[0], c.TLS != nil)
	if c.Kind == KindAuto && errors.Is(err, errNoCluster) {
		return c.standalone(version)
	}
	if err != nil {
		return nil, err
	}
	if len(assignments) == 0 {
		return nil, errors.New("it names no usable node for any slot: was the cluster given its slots?")
	}
	kind := Cluster
	if c.Kind == KindRCM || c.Kind == KindAuto && infoField(about, RCMInfoField) == "1" {
		kind = RCM
	}
	t, err := NewTopology(kind, version, assignments)
	if err == nil && c.Zones {
		t.zones = s.zones(ctx, c.TLS != nil)
	}
	return t, err
}

// standalone is the topology of plain servers: the configured addresses are
// equals, of which the first takes the writes.
func (c *DiscoveryConfig) standalone(version string) (*Topology, error) {
	return NewTopology(Standalone, version, []Assignment{{
		Slots: []SlotRange{AllSlots},
		Nodes: distinct(slices.Clone(c.Addresses)),
	}})
}

var errNoCluster = errors.New("the server is not part of a cluster: use upstream.discovery standalone, or auto, for it")

// assignments reads the reply to CLUSTER SLOTS. Where a server does not know
// that command, CLUSTER SHARDS and then CLUSTER NODES are tried.
func (s *session) assignments(ctx context.Context, slots rueidis.RedisResult, secure bool) ([]Assignment, error) {
	reply, err := slots.ToAny()
	if err == nil {
		return parseSlots(reply, s.address)
	}
	if serverSays(err, "unknown command", "unknown subcommand") {
		reply, err = s.do(ctx, []string{"CLUSTER", "SHARDS"})[0].ToAny()
		if err == nil {
			return parseShards(reply, s.address, secure)
		}
	}
	if serverSays(err, "unknown command", "unknown subcommand") {
		reply, err = s.do(ctx, []string{"CLUSTER", "NODES"})[0].ToAny()
		if err == nil {
			return parseNodes(reply, s.address)
		}
	}
	// Redis: "This instance has cluster support disabled"; Kvrocks: "Cluster
	// mode is not enabled".
	if serverSays(err, "cluster support disabled", "not enabled", "unknown command", "unknown subcommand") {
		return nil, fmt.Errorf("%w (it says: %s)", errNoCluster, clip(err.Error()))
	}
	return nil, fmt.Errorf("CLUSTER SLOTS: %w", err)
}

// serverSays tells whether err is an error reply that holds one of texts.
func serverSays(err error, texts ...string) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	said := strings.ToLower(reply.Error())
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(said, text) })
}

// infoText is the reply to INFO. A server that refuses INFO tells nothing of
// itself, which is no reason to do without its topology.
func infoText(r rueidis.RedisResult) (string, error) {
	text, err := r.ToString()
	if err != nil && r.NonRedisError() != nil {
		return "", err
	}
	return text, nil
}

// infoField is the value of "name:value" in the reply to INFO, or "".
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
