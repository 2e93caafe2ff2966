package proxy_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

// patience is how long a test waits for what has to happen before it says that
// it does not: far longer than anything takes on a busy machine.
const patience = 10 * time.Second

// stack is a whole proxy in front of a store, in this process.
type stack struct {
	t      *testing.T
	server *proxy.Server
	cache  *cache.Cache
	up     *cluster.Upstream
	addr   string
	cancel context.CancelFunc
	served chan error // Serve's result
}

// setup is what a test may change of a stack before it starts.
type setup struct {
	proxy    proxy.Config
	cache    cache.Config
	cluster  cluster.Config
	listener net.Listener
	others   []net.Listener // beside it
	awaits   bool           // that the store is found
	// rollout makes what decides over reads; nil: all are answered from memory.
	rollout func(held *cache.Cache, clock *cache.Clock, up *cluster.Upstream) *rollout.Rollout
}

// newStack starts a proxy in front of the store at addr. It ends with the test.
func newStack(t *testing.T, addr string, change ...func(*setup)) *stack {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s := setup{
		proxy: proxy.Config{
			Limits: resp.DefaultLimits, MaxClients: 1000, MaxOutputBytes: 64 << 20, MaxInFlight: 1024,
			FetchTimeout: patience, WriteSettle: 10 * time.Millisecond, DrainTimeout: patience / 2, Log: quiet,
		},
		cache: cache.Config{
			MaxBytes: 64 << 20, MaxAge: time.Hour, NegativeMaxAge: time.Hour, Shards: 2, MaxRowBytes: 1 << 20,
			MaxFeatures: 10000, MaxProjections: 10000, MaxLayouts: 10000,
		},
		cluster: cluster.Config{
			Discovery:      cluster.DiscoveryConfig{Kind: cluster.KindStandalone, Addresses: []string{addr}},
			ConnectTimeout: 5 * time.Second, Connections: 1, RefreshInterval: time.Hour, Log: quiet,
		},
		awaits: true,
	}
	for _, c := range change {
		c(&s)
	}
	s.cluster.FetchTimeout = s.proxy.FetchTimeout
	ctx, cancel := context.WithCancel(t.Context())
	clock := cache.NewClock()
	clockEnded := make(chan struct{})
	go func() { defer close(clockEnded); clock.Run(ctx) }()

	held, err := cache.New(s.cache, clock)
	if err != nil {
		t.Fatal(err)
	}
	st := &stack{t: t, cache: held, up: cluster.NewUpstream(s.cluster), cancel: cancel, served: make(chan error, 1)}
	if s.rollout != nil {
		s.proxy.Rollout = s.rollout(st.cache, clock, st.up)
	}
	st.server = proxy.New(s.proxy, st.cache, st.up, clock)
	if s.listener == nil {
		s.listener = listen(t)
	}
	st.addr = s.listener.Addr().String()
	go func() { st.served <- st.server.Serve(ctx, append(s.others, s.listener)...) }()
	t.Cleanup(func() {
		st.stop()
		st.up.Close()
		st.cache.Close()
		<-clockEnded
	})
	if s.awaits {
		await(t, "the store is found", func() bool { topology, _ := st.up.Topology(); return topology != nil })
		// Ticks that are equal count as stale: leave the first one behind.
		first := clock.Now()
		await(t, "the clock runs", func() bool { return clock.Now() > first })
	}
	return st
}

// stop ends the proxy and waits for it.
func (s *stack) stop() {
	s.t.Helper()
	s.cancel()
	select {
	case err := <-s.served:
		s.served <- err // for the next who asks
		if err != nil {
			s.t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		s.t.Fatal("Serve does not return")
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := proxy.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// await waits until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// settle waits until what was written through the proxy may be cached again.
func settle() { time.Sleep(50 * time.Millisecond) }

// hits is how many reads were answered from memory whole.
func (s *stack) hits() uint64 {
	st := s.server.Stats()
	return st.HMGET[0] + st.HGET[0]
}
