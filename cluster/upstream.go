package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// Config says how to reach the store.
type Config struct {
	Discovery       DiscoveryConfig
	TLS             *tls.Config   // nil: plain TCP
	Username        string        // sent with Password if that is set
	Password        string        // "": no AUTH
	ConnectTimeout  time.Duration // of one dial, its greeting included
	FetchTimeout    time.Duration // from Send to Done
	Connections     int           // to each fetcher, for fetches
	RefreshInterval time.Duration // of the topology, jittered by a fifth either way
	Log             *slog.Logger
}

// Upstream is the store, whatever stands behind its address: it finds the
// fetchers, keeps the slot table, and spreads fetches over a shard's fetchers.
type Upstream struct {
	cfg       Config
	log       *slog.Logger
	discovery *Discovery
	view      atomic.Pointer[view]
	flights   flights
	refresh   chan struct{} // asks for a refresh before its time

	ctx    context.Context // ends all connections
	cancel context.CancelFunc
	wg     sync.WaitGroup // of the refresher and of the connections' goroutines

	mu       sync.Mutex // protects fetchers and discoveryErr
	fetchers map[string]*fetcher
	// discoveryErr is why the topology could not be had or refreshed last time.
	discoveryErr error

	Refreshes, RefreshErrors, Joined, Retries, Redirects atomic.Uint64
}

// view is a topology with the fetchers that belong to it. Immutable.
type view struct {
	topology *Topology
	shards   [][]*fetcher
	at       time.Time
}

// NewUpstream starts looking for the store. It does not wait for it.
func NewUpstream(cfg Config) *Upstream {
	u := &Upstream{
		cfg:       cfg,
		log:       cfg.Log,
		discovery: NewDiscovery(cfg.Discovery),
		refresh:   make(chan struct{}, 1),
		fetchers:  make(map[string]*fetcher),
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.wg.Go(u.keepTopology)
	return u
}

// Close ends all connections and waits for their goroutines. Fetches in flight
// fail.
func (u *Upstream) Close() {
	u.cancel()
	u.wg.Wait()
	u.discovery.Close()
}

// ErrUnreachable says that the store was not found yet.
var ErrUnreachable = errors.New("the store cannot be reached")

// errUncovered says that nobody serves a slot.
var errUncovered = errors.New("no fetcher serves the hash slot")

// Send takes over fetches. Those of one shard leave in one write. Each Owner is
// told, perhaps before Send returns.
func (u *Upstream) Send(batch []*Fetch) {
	var done flushers
	deadline := time.Now().Add(u.cfg.FetchTimeout)
	leaving := batch[:0]
	for _, f := range batch {
		f.deadline = deadline
		if u.flights.board(f) {
			u.Joined.Add(1)
			continue
		}
		leaving = append(leaving, f)
	}
	v := u.view.Load()
	if v == nil {
		for _, f := range leaving {
			u.finish(f, nil, u.unreachable(), &done)
		}
		done.flush()
		return
	}
	for len(leaving) > 0 {
		shard, group := 0, leaving
		shard, group, leaving = v.splitFirst(leaving)
		u.sendGroup(v, shard, group, &done)
	}
	done.flush()
}

// splitFirst moves the fetches of the first one's shard to the front.
func (v *view) splitFirst(batch []*Fetch) (shard int, group, rest []*Fetch) {
	shard = v.shardOf(batch[0].Slot)
	n := 0
	for i, f := range batch {
		if v.shardOf(f.Slot) == shard {
			batch[n], batch[i] = batch[i], batch[n]
			n++
		}
	}
	return shard, batch[:n], batch[n:]
}

// shardOf returns -1 for a slot that nobody serves.
func (v *view) shardOf(slot uint16) int {
	if i, ok := v.topology.ShardOf(slot); ok {
		return i
	}
	return -1
}

func (u *Upstream) sendGroup(v *view, shard int, group []*Fetch, done *flushers) {
	if shard < 0 {
		u.askRefresh()
		for _, f := range group {
			u.finish(f, nil, fmt.Errorf("%w %d", errUncovered, f.Slot), done)
		}
		return
	}
	u.sendTo(choose(v.shards[shard], nil), group, done)
}

// requests are buffers in which a batch's requests are put together.
var requests = sync.Pool{New: func() any { return new([]byte) }}

func (u *Upstream) sendTo(to *fetcher, group []*Fetch, done *flushers) {
	buf := requests.Get().(*[]byte)
	b := (*buf)[:0]
	for _, f := range group {
		f.tries++
		if f.asking {
			b = resp.AppendCommand(b, "ASKING")
		}
		b = append(b, f.Request...)
	}
	err := to.conn().send(group, b)
	if *buf = b; cap(b) <= 64<<10 {
		requests.Put(buf)
	}
	if err == nil {
		return
	}
	for _, f := range group {
		f.fetcher = to
		u.failed(f, err, done)
	}
}

// maxTries is how often a fetch is sent: once, and once more to another fetcher
// when the first could not answer at all; redirections have their own bound.
const maxTries = 2

// maxRedirects bounds a chase through a cluster that moves its slots.
const maxRedirects = 5

// failed tries f once more on another fetcher of its shard if there is time, or
// gives up.
func (u *Upstream) failed(f *Fetch, err error, done *flushers) {
	v := u.view.Load()
	if u.ctx.Err() != nil || v == nil || f.tries >= maxTries || !time.Now().Before(f.deadline) {
		u.finish(f, nil, fetchError(f, err), done)
		return
	}
	shard := v.shardOf(f.Slot)
	if shard < 0 {
		u.finish(f, nil, fetchError(f, err), done)
		return
	}
	next := choose(v.shards[shard], f.fetcher)
	if next == f.fetcher {
		u.finish(f, nil, fetchError(f, err), done)
		return
	}
	u.Retries.Add(1)
	f.asking = false
	u.sendTo(next, []*Fetch{f}, done)
}

func fetchError(f *Fetch, err error) error {
	return fmt.Errorf("fetch from %s: %w", f.fetcher.addr, err)
}

func (u *Upstream) timedOut(f *Fetch, done *flushers) {
	u.finish(f, nil, fetchError(f, fmt.Errorf("no answer within %s", u.cfg.FetchTimeout)), done)
}

// answered gives out a reply, or follows where it points.
func (u *Upstream) answered(f *Fetch, reply []byte, done *flushers) {
	if reply[0] == '-' && u.follow(f, reply, done) {
		return
	}
	u.finish(f, reply, nil, done)
}

// follow acts on an error that says "not here" or "not now". False: the error is
// the answer.
func (u *Upstream) follow(f *Fetch, reply []byte, done *flushers) bool {
	kind, addr := Redirection(reply, f.fetcher.addr)
	switch {
	case kind == Here || f.tries > maxRedirects:
		return false
	case kind == Elsewhere:
		if f.tries >= maxTries {
			return false
		}
		u.failed(f, fmt.Errorf("it answered %q", reply[1:len(reply)-2]), done)
		return true
	case kind == Moved:
		u.askRefresh()
	}
	u.Redirects.Add(1)
	f.asking = kind == Ask
	u.sendTo(u.fetcherAt(addr), []*Fetch{f}, done)
	return true
}

// finish tells f's owner and those that joined it.
func (u *Upstream) finish(f *Fetch, reply []byte, err error, done *flushers) {
	joiners := u.flights.land(f)
	done.add(f.Owner.Done(reply, false, err))
	for _, j := range joiners {
		done.add(j.Owner.Done(reply, true, err))
	}
}

func (u *Upstream) unreachable() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.discoveryErr != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, u.discoveryErr)
	}
	return fmt.Errorf("%w yet: still looking for it", ErrUnreachable)
}

// fetcherAt returns the fetcher at addr, which may be new.
func (u *Upstream) fetcherAt(addr string) *fetcher {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f, ok := u.fetchers[addr]; ok {
		return f
	}
	f := &fetcher{addr: addr}
	for range u.cfg.Connections {
		f.conns = append(f.conns, &conn{up: u, fetcher: f})
	}
	u.fetchers[addr] = f
	return f
}

// noticed hears of each connection that ended.
func (u *Upstream) noticed(addr string, err error) {
	if u.ctx.Err() == nil {
		u.log.Debug("connection to a fetcher ended", "fetcher", addr, "error", err)
		u.askRefresh()
	}
}

// askRefresh wants the topology looked at before its time.
func (u *Upstream) askRefresh() {
	select {
	case u.refresh <- struct{}{}:
	default:
	}
}

const (
	// minRefresh keeps refreshes that failures ask for apart, so that a fleet
	// in trouble is not asked for its topology by every pod all the time.
	minRefresh = time.Second
	// firstRetry and lastRetry bound the pause after a failed discovery while
	// no topology is known.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// keepTopology finds the store and looks again on a jittered timer, when asked,
// and after failures.
func (u *Upstream) keepTopology() {
	retry := firstRetry
	for {
		u.refreshOnce()
		interval := u.cfg.RefreshInterval
		wait := interval - interval/5 + rand.N(2*interval/5+1)
		refresh := u.refresh
		if u.view.Load() == nil {
			wait, refresh = retry/2+rand.N(retry/2+1), nil
			retry = min(2*retry, lastRetry)
		}
		if !u.sleep(wait, refresh) {
			return
		}
	}
}

// sleep waits, at least minRefresh if woken early. False: the end.
func (u *Upstream) sleep(wait time.Duration, woken <-chan struct{}) bool {
	earliest := time.Now().Add(min(wait, minRefresh))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-u.ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-woken:
	}
	timer.Reset(time.Until(earliest))
	select {
	case <-u.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (u *Upstream) refreshOnce() {
	topology, err := u.discovery.Discover(u.ctx)
	if u.ctx.Err() != nil {
		return
	}
	u.mu.Lock()
	before := u.discoveryErr
	u.discoveryErr = err
	u.mu.Unlock()
	if err != nil {
		u.RefreshErrors.Add(1)
		if before == nil {
			u.log.Warn("the store's topology cannot be read; retrying", "error", err)
		}
		return
	}
	u.Refreshes.Add(1)
	old := u.view.Load()
	if before != nil || old == nil {
		u.log.Info("found the store", "kind", topology.Kind.String(),
			"shards", len(topology.Shards), "fetchers", len(topology.Nodes()), "version", topology.Version)
	}
	u.install(old, topology)
}

// install makes topology the one in use, and lets go of fetchers that left.
func (u *Upstream) install(old *view, topology *Topology) {
	v := &view{topology: topology, shards: make([][]*fetcher, len(topology.Shards)), at: time.Now()}
	stays := make(map[string]bool)
	for i, shard := range topology.Shards {
		for _, addr := range shard.Nodes {
			v.shards[i] = append(v.shards[i], u.fetcherAt(addr))
			stays[addr] = true
		}
	}
	u.view.Store(v)
	if old != nil && old.topology.Equal(topology) {
		return
	}
	u.mu.Lock()
	var left []*fetcher
	for addr, f := range u.fetchers {
		if !stays[addr] {
			left = append(left, f)
			delete(u.fetchers, addr)
		}
	}
	u.mu.Unlock()
	for _, f := range left {
		for _, c := range f.conns {
			c.close()
		}
	}
}
