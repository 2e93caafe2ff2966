package invalidation

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/feature"
)

// Nodes is the store as a set of nodes; *cluster.Upstream is one.
type Nodes interface {
	// Topology says which nodes there are; nil: the store was not found yet.
	Topology() (*cluster.Topology, time.Duration)
	// Dial connects to a node and authenticates.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// TrackingConfig says what the store is asked to announce.
type TrackingConfig struct {
	Prefixes   []string // of the entities; none: all
	Settle     time.Duration
	MaxSilence time.Duration
	OnLoss     OnLoss
	ServeFor   time.Duration
}

// Tracking has every node of the store announce the keys that change on it, over
// a connection to each. It is a [Source].
//
// An announcement is of an entity, and says nothing of features: so all features
// are suspended while a node is not heard.
type Tracking struct {
	tuned  atomic.Pointer[TrackingConfig]
	nodes  Nodes
	memory Memory
	log    *slog.Logger
	start  *Guard // stands for all nodes until they are known

	mu       sync.Mutex // protects what follows
	trackers map[string]*tracker
	known    bool
}

// NewTracking returns a tracking that has all features suspended until Run has
// heard of every node.
func NewTracking(cfg TrackingConfig, nodes Nodes, memory Memory, log *slog.Logger) *Tracking {
	t := &Tracking{nodes: nodes, memory: memory, log: log, trackers: make(map[string]*tracker)}
	t.tuned.Store(&cfg)
	t.start = t.guard("(the store)")
	return t
}

// guard returns that of a node, which has all features suspended.
func (t *Tracking) guard(name string) *Guard {
	everything, _ := feature.NewCover([]string{"*"}, nil) // a pattern that cannot be wrong
	cfg := t.cfg().guard()
	cfg.Name, cfg.Kind, cfg.Cover = name, KindTracking, everything
	g := NewGuard(cfg, t.memory, t.log)
	g.Start()
	return g
}

// guard is what of it may be tuned in a guard.
func (c *TrackingConfig) guard() GuardConfig {
	return GuardConfig{Settle: c.Settle, MaxLag: c.MaxSilence, OnLoss: c.OnLoss, ServeFor: c.ServeFor}
}

// cfg is what NewTracking was given, with what tune has changed of it since.
func (t *Tracking) cfg() *TrackingConfig { return t.tuned.Load() }

// tune takes over all but the prefixes.
func (t *Tracking) tune(cfg TrackingConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cfg.Prefixes = t.cfg().Prefixes
	t.tuned.Store(&cfg)
	t.start.Tune(cfg.guard())
	for _, tr := range t.trackers {
		tr.guard.Tune(cfg.guard())
	}
}

// Statuses implements Source.
func (t *Tracking) Statuses() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		return []Status{t.start.Status()}
	}
	var all []Status
	for _, addr := range slices.Sorted(maps.Keys(t.trackers)) {
		all = append(all, t.trackers[addr].guard.Status())
	}
	return all
}

// topologyInterval is how often the set of nodes is compared with those that are
// tracked. For so long at most, and no longer than it takes to connect, may what
// was fetched from a new node be kept although nobody announces its changes.
const topologyInterval = 200 * time.Millisecond

// Run implements Source.
func (t *Tracking) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	untilKnown, known := context.WithCancel(ctx)
	defer known()
	wg.Go(func() { t.start.Run(untilKnown) })
	ticker := time.NewTicker(topologyInterval)
	defer ticker.Stop()
	defer t.release()
	for {
		if topology, _ := t.nodes.Topology(); topology != nil {
			t.follow(ctx, &wg, topology.Nodes())
			known()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// follow begins to track nodes that are new, and lets go of those that left.
func (t *Tracking) follow(ctx context.Context, wg *sync.WaitGroup, nodes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, tr := range t.trackers {
		if !slices.Contains(nodes, addr) {
			tr.leave()
			delete(t.trackers, addr)
		}
	}
	for _, addr := range nodes {
		if t.trackers[addr] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		tr := &tracker{addr: addr, tracking: t, guard: t.guard(addr), cancel: cancel}
		t.trackers[addr] = tr
		wg.Go(func() { tr.run(ctx) })
	}
	if !t.known {
		t.known = true
		t.start.Report(Health{Positioned: true}) // each node's own guard suspends now
	}
}

// release ends all trackers.
func (t *Tracking) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tr := range t.trackers {
		tr.cancel()
	}
}

// leave ends a tracker of a node that is no longer asked anything, and what its
// guard holds suspended.
func (tr *tracker) leave() {
	tr.cancel()
	tr.guard.Close()
}

// command is what a node is told.
func (t *Tracking) command() []string {
	args := []string{"CLIENT", "TRACKING", "ON", "BCAST"}
	for _, p := range t.cfg().Prefixes {
		args = append(args, "PREFIX", p)
	}
	return args
}

// trackingFix is what the user can do about a node's refusal.
func trackingFix(text string) string {
	text = strings.ToLower(text)
	switch {
	case strings.Contains(text, "noperm"):
		return "let the user of upstream.username run HELLO, PING and CLIENT TRACKING (ACL SETUSER … +hello +ping +client|tracking), or set invalidation.tracking.enabled to false"
	case strings.Contains(text, "unknown") || strings.Contains(text, "noproto") || strings.Contains(text, "syntax"):
		return "this store cannot announce changes, which needs Redis 6 or newer with RESP3; set invalidation.tracking.enabled to false and use markers or Kafka"
	}
	return ""
}
