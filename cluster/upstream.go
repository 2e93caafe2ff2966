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
	looked    chan struct{} // closed when the store was looked for once

	ctx    context.Context // ends all connections
	cancel context.CancelFunc
	wg     sync.WaitGroup // of the refresher and of the connections' goroutines

	mu       sync.Mutex // protects what follows
	fetchers map[string]*fetcher
	members  int // how many of fetchers the topology names; redirections named the others
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
		looked:    make(chan struct{}),
		fetchers:  make(map[string]*fetcher),
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.wg.Go(u.keepTopology)
	return u
}

// Looked is closed when the store was looked for once, whether or not it was
// found.
func (u *Upstream) Looked() <-chan struct{} { return u.looked }

// Close ends all connections and waits for their goroutines. Fetches in flight
// fail.
func (u *Upstream) Close() {
	u.cancel()
	u.mu.Lock()
	for _, f := range u.fetchers {
		f.leave() // none of its connections is dialled from now on
	}
	u.mu.Unlock()
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
	for _, f := range batch {
		f.deadline = deadline
	}
	u.depart(batch, nil, &done)
	done.flush()
}

// depart sends those of batch that can join no fetch in flight, not to avoid
// where there is another. It changes the order of batch.
func (u *Upstream) depart(batch []*Fetch, avoid *fetcher, done *flushers) {
	leaving := batch[:0]
	for _, f := range batch {
		if u.flights.board(f) {
			u.Joined.Add(1)
			continue
		}
		leaving = append(leaving, f)
	}
	v := u.view.Load()
	if v == nil {
		for _, f := range leaving {
			u.finish(f, nil, u.unreachable(), done)
		}
		return
	}
	for len(leaving) > 0 {
		shard, group := 0, leaving
		shard, group, leaving = v.splitFirst(leaving)
		u.sendGroup(v, shard, group, avoid, done)
	}
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

func (u *Upstream) sendGroup(v *view, shard int, group []*Fetch, avoid *fetcher, done *flushers) {
	if shard < 0 {
		u.askRefresh()
		for _, f := range group {
			u.finish(f, nil, fmt.Errorf("%w %d", errUncovered, f.Slot), done)
		}
		return
	}
	u.sendTo(choose(v.shards[shard], avoid), group, done)
}

// requests are buffers in which a batch's requests are put together.
var requests = sync.Pool{New: func() any { return new([]byte) }}

func (u *Upstream) sendTo(to *fetcher, group []*Fetch, done *flushers) {
	buf := requests.Get().(*[]byte)
	b := (*buf)[:0]
	for _, f := range group {
		f.tries++
		b = appendRequest(b, f)
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

func appendRequest(b []byte, f *Fetch) []byte {
	if f.asking {
		b = resp.AppendCommand(b, "ASKING")
	}
	return append(b, f.Request...)
}

// maxTries is how often a fetch is sent: once, and once more, to another fetcher
// if there is one, when the first could not answer at all; redirections have
// their own bound.
const maxTries = 2

// maxRedirects bounds a chase through a cluster that moves its slots.
const maxRedirects = 5

// failed tries f once more if there is time, or gives up. The only fetcher of a
// shard is tried again too: a connection that was lost says little of the next.
func (u *Upstream) failed(f *Fetch, err error, done *flushers) {
	if u.ctx.Err() == nil && f.tries < maxTries && time.Now().Before(f.deadline) {
		if next := u.next(f); next != nil {
			u.retry(f, next, done)
			return
		}
	}
	u.finish(f, nil, fetchError(f, err), done)
}

// next is the fetcher to ask after f.fetcher, which it may be; nil: nobody
// serves the slot any more.
func (u *Upstream) next(f *Fetch) *fetcher {
	v := u.view.Load()
	if v == nil {
		return nil
	}
	shard := v.shardOf(f.Slot)
	if shard < 0 {
		return nil
	}
	return choose(v.shards[shard], f.fetcher)
}

func (u *Upstream) retry(f *Fetch, next *fetcher, done *flushers) {
	u.Retries.Add(1)
	f.asking = false
	u.sendTo(next, []*Fetch{f}, done)
}

func fetchError(f *Fetch, err error) error {
	return fmt.Errorf("fetch from %s: %w", f.fetcher.addr, err)
}

// timedOut tells f's owner. Those that joined f later have time left, and are
// asked for anew: nobody gets another's deadline.
func (u *Upstream) timedOut(f *Fetch, done *flushers) {
	err := fetchError(f, fmt.Errorf("no answer within %s", u.cfg.FetchTimeout))
	slow, joiners := f.fetcher, u.flights.land(f)
	done.add(f.Owner.Done(nil, false, err))
	now := time.Now()
	again := joiners[:0]
	for _, j := range joiners {
		if u.ctx.Err() == nil && now.Before(j.deadline) {
			again = append(again, j)
			continue
		}
		done.add(j.Owner.Done(nil, true, err))
	}
	if len(again) > 0 {
		u.Retries.Add(1)
		u.depart(again, slow, done)
	}
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
	if kind == Here || f.tries > maxRedirects {
		return false
	}
	if kind == Elsewhere {
		next := u.next(f)
		if f.tries >= maxTries || next == nil || next == f.fetcher {
			return false
		}
		u.retry(f, next, done)
		return true
	}
	if kind == Moved {
		u.askRefresh()
	}
	to := u.stranger(addr)
	if to == nil {
		return false
	}
	u.Redirects.Add(1)
	f.asking = kind == Ask
	u.sendTo(to, []*Fetch{f}, done)
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
	return u.known(addr)
}

// maxStrangers bounds the fetchers that a redirection named and the topology
// did not yet; those that it still does not name go with the next refresh.
const maxStrangers = 64

// stranger is fetcherAt for an address that a redirection named; nil: it named
// too many already.
func (u *Upstream) stranger(addr string) *fetcher {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.fetchers[addr]; !ok && len(u.fetchers) >= u.members+maxStrangers {
		return nil
	}
	return u.known(addr)
}

// known is fetcherAt under mu.
func (u *Upstream) known(addr string) *fetcher {
	if f, ok := u.fetchers[addr]; ok {
		return f
	}
	f := &fetcher{addr: addr}
	for range max(u.cfg.Connections, 1) {
		f.conns = append(f.conns, &conn{up: u, fetcher: f})
	}
	if u.ctx.Err() != nil {
		f.leave()
	}
	u.fetchers[addr] = f
	return f
}

// noticed hears of each connection that failed.
func (u *Upstream) noticed(addr string, err error) {
	u.log.Debug("connection to a fetcher failed", "fetcher", addr, "error", err)
	u.askRefresh()
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
	// in trouble is not asked for its topology by every pod all the time. The
	// distance doubles, up to the refresh interval, while they find nothing new:
	// a fetcher that stays dead is reason to look again, not to keep looking.
	minRefresh = time.Second
	// refreshJitter is by how much a refresh that was asked for is put off at
	// most: all pods see the same failure in the same moment.
	refreshJitter = 200 * time.Millisecond
	// firstRetry and lastRetry bound the pause after a failed discovery while
	// no topology is known.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// keepTopology finds the store and looks again on a jittered timer, when asked,
// and after failures.
func (u *Upstream) keepTopology() {
	retry, distance := firstRetry, minRefresh
	changed := u.refreshOnce()
	close(u.looked)
	for woken := false; ; changed = u.refreshOnce() {
		interval := u.cfg.RefreshInterval
		distance = min(2*distance, interval)
		if changed || !woken {
			distance = min(minRefresh, interval)
		}
		wait := interval - interval/5 + rand.N(2*interval/5+1)
		refresh := u.refresh
		if u.view.Load() == nil {
			wait, refresh = retry/2+rand.N(retry/2+1), nil
			retry = min(2*retry, lastRetry)
		}
		var ok bool
		if woken, ok = u.sleep(wait, distance, refresh); !ok {
			return
		}
	}
}

// sleep waits, at least for distance if woken. Not ok: the end.
func (u *Upstream) sleep(wait, distance time.Duration, woken <-chan struct{}) (early, ok bool) {
	earliest := time.Now().Add(distance)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-u.ctx.Done():
		return false, false
	case <-timer.C:
		return false, true
	case <-woken:
	}
	timer.Reset(max(time.Until(earliest), 0) + rand.N(refreshJitter))
	select {
	case <-u.ctx.Done():
		return true, false
	case <-timer.C:
		return true, true
	}
}

// refreshOnce tells whether the topology is another than before.
func (u *Upstream) refreshOnce() (changed bool) {
	topology, err := u.discovery.Discover(u.ctx)
	if u.ctx.Err() != nil {
		return false
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
		return false
	}
	u.Refreshes.Add(1)
	old := u.view.Load()
	if before != nil || old == nil {
		u.log.Info("found the store", "kind", topology.Kind.String(),
			"shards", len(topology.Shards), "fetchers", len(topology.Nodes()), "version", topology.Version)
	}
	u.install(topology)
	return old == nil || !old.topology.Equal(topology)
}

// install makes topology the one in use, and lets go of the fetchers that it
// does not name.
func (u *Upstream) install(topology *Topology) {
	v := &view{topology: topology, shards: make([][]*fetcher, len(topology.Shards)), at: time.Now()}
	stays := make(map[string]bool)
	for i, shard := range topology.Shards {
		for _, addr := range shard.Nodes {
			v.shards[i] = append(v.shards[i], u.fetcherAt(addr))
			stays[addr] = true
		}
	}
	u.view.Store(v)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = len(stays)
	for addr, f := range u.fetchers {
		if !stays[addr] {
			delete(u.fetchers, addr)
			f.leave()
		}
	}
}
