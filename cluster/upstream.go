package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
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
	MaxInFlight     int           // fetches that one fetcher has not answered; 0: DefaultMaxInFlight
	HedgeBudget     int           // percent of the fetches that may be sent to a second fetcher; 0: none
	SlowStart       time.Duration // how long the share of a fetcher that appears grows; 0: it has all of it at once
	Zone            string        // whose fetchers are preferred; "": none are

	// TopologyPatience is how long a topology that leaves more slots uncovered
	// than the one in use, or is a plain server's where that is a fleet's, has to
	// persist before it is believed.
	TopologyPatience time.Duration

	Log *slog.Logger
}

// DefaultMaxInFlight is what a fetcher that answers 80,000 reads a second
// answers in a fetch timeout of 50 ms: more would not be answered in time.
const DefaultMaxInFlight = 4096

// Upstream is the store, whatever stands behind its address: it finds the
// fetchers, keeps the slot table, and spreads fetches over a shard's fetchers.
type Upstream struct {
	tuned     atomic.Pointer[Config]
	log       *slog.Logger
	discovery *Discovery
	view      atomic.Pointer[view]
	flights   flights
	refresh   chan struct{} // asks for a refresh before its time
	looked    chan struct{} // closed when the store was looked for once
	unwell    chan struct{} // says that a fetcher was set aside

	stuckUntil atomic.Int64 // clock until which slots stay with one fetcher each
	asides     atomic.Int64 // fetchers that are set aside
	healthMu   sync.Mutex   // protects what health says it does

	ctx    context.Context // ends all connections
	cancel context.CancelFunc
	wg     sync.WaitGroup // of the refresher and of the connections' goroutines

	mu       sync.Mutex // protects what follows
	fetchers map[string]*fetcher
	members  int // how many of fetchers the topology names; redirections named the others
	// discoveryErr is why the topology could not be had or refreshed last time.
	discoveryErr error

	doubts doubts // about topologies that were not believed; the refresher's

	// Refused counts the readings of the topology that were not believed, Full the
	// fetches that no fetcher had room for, HedgesWon the hedges that answered first.
	Refreshes, RefreshErrors, Refused                   atomic.Uint64
	Joined, Retries, Redirects, Hedges, HedgesWon, Full atomic.Uint64
}

// view is a topology with the fetchers that belong to it. Immutable.
type view struct {
	topology *Topology
	shards   []*shard
	at       time.Time
}

// NewUpstream starts looking for the store. It does not wait for it.
func NewUpstream(cfg Config) *Upstream {
	cfg.complete()
	u := &Upstream{
		log:       cfg.Log,
		discovery: NewDiscovery(cfg.Discovery),
		refresh:   make(chan struct{}, 1),
		looked:    make(chan struct{}),
		unwell:    make(chan struct{}, 1),
		fetchers:  make(map[string]*fetcher),
	}
	u.tuned.Store(&cfg)
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.wg.Go(u.keepTopology)
	u.wg.Go(u.keepHealth)
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

var (
	// errUncovered says that nobody serves a slot.
	errUncovered = errors.New("no fetcher serves the hash slot")
	errNoOther   = errors.New("no other fetcher can answer at once")
)

// Send takes over fetches. Those of one shard leave in one write. Each Owner is
// told, perhaps before Send returns.
func (u *Upstream) Send(batch []*Fetch) {
	var done flushers
	now := time.Now()
	deadline := now.Add(u.cfg().FetchTimeout)
	for _, f := range batch {
		f.deadline = deadline
	}
	u.depart(batch, nil, now, &done)
	done.flush()
}

// depart sends what no fetch in flight brings of what batch asks for, not to avoid
// where there is another. It changes batch.
func (u *Upstream) depart(batch []*Fetch, avoid *fetcher, now time.Time, done *flushers) {
	leaving, slack := batch[:0], u.cfg().FetchTimeout/expiries // as late as anybody may be told
	for _, f := range batch {
		leaves, joined := u.flights.board(f, slack)
		if joined {
			u.Joined.Add(1)
		}
		if leaves != nil {
			leaving = append(leaving, leaves)
		}
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
		u.sendGroup(v, shard, group, avoid, now, done)
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

func (u *Upstream) sendGroup(v *view, shard int, group []*Fetch, avoid *fetcher, now time.Time, done *flushers) {
	if shard < 0 {
		u.askRefresh()
		for _, f := range group {
			u.finish(f, nil, fmt.Errorf("%w %d", errUncovered, f.Slot), done)
		}
		return
	}
	s := v.shards[shard]
	s.pace.earn(len(group), u.cfg().HedgeBudget)
	for len(group) > 0 {
		part := group
		if u.stuck(now) {
			part = sameSlot(group)
		}
		to := u.pick(s, part[0].Slot, avoid, now)
		if to == nil {
			u.refuse(s, group, done)
			return
		}
		part = part[:to.reserve(len(part))]
		for _, f := range part {
			f.shard = s
		}
		if len(part) > 0 {
			u.sendTo(to, part, done)
		}
		group = group[len(part):]
	}
}

// sameSlot moves the fetches of the first one's slot to the front.
func sameSlot(group []*Fetch) []*Fetch {
	n := 0
	for i, f := range group {
		if f.Slot == group[0].Slot {
			group[n], group[i] = group[i], group[n]
			n++
		}
	}
	return group[:n]
}

// pick is the fetcher for a fetch of a slot of s; nil: none has room.
func (u *Upstream) pick(s *shard, slot uint16, avoid *fetcher, now time.Time) *fetcher {
	if u.stuck(now) {
		return s.keeper(slot, avoid, now)
	}
	return s.choose(avoid, now)
}

// Stick keeps each slot with one fetcher for that long, as long as it can be
// reached, so that values do not go back and forth between fetchers that load an
// upload one after the other. It is for the time after a marker.
func (u *Upstream) Stick(d time.Duration) {
	until := clock(time.Now().Add(d))
	for known := u.stuckUntil.Load(); known < until && !u.stuckUntil.CompareAndSwap(known, until); {
		known = u.stuckUntil.Load()
	}
}

func (u *Upstream) stuck(now time.Time) bool {
	until := u.stuckUntil.Load()
	return until != 0 && clock(now) < until
}

// refuse fails fetches that no fetcher of s has room for. They do not wait: what
// is in flight is all that could be answered in time.
func (u *Upstream) refuse(s *shard, group []*Fetch, done *flushers) {
	u.Full.Add(uint64(len(group)))
	err := fmt.Errorf("each of the %d fetchers of %s has %d fetches unanswered (upstream.max_in_flight): add fetchers, or see why they are slow", len(s.nodes), s.slots, u.cfg().MaxInFlight)
	for _, f := range group {
		u.finish(f, nil, err, done)
	}
}

// requests are buffers in which a batch's requests are put together.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// sendTo sends fetches to one that room was reserved of.
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
	to.outstanding.Add(int64(-len(group)))
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
		if next := u.next(f); next != nil && u.retry(f, next, done) {
			return
		}
	}
	u.finish(f, nil, u.fetchError(f, err), done)
}

// next is the fetcher to ask after f.fetcher, which it may be; nil: nobody
// serves the slot any more, or has room.
func (u *Upstream) next(f *Fetch) *fetcher {
	v := u.view.Load()
	if v == nil {
		return nil
	}
	shard := v.shardOf(f.Slot)
	if shard < 0 {
		return nil
	}
	f.shard = v.shards[shard]
	return u.pick(f.shard, f.Slot, f.fetcher, time.Now())
}

// retry tells whether next had room.
func (u *Upstream) retry(f *Fetch, next *fetcher, done *flushers) bool {
	if next.reserve(1) == 0 {
		return false
	}
	u.Retries.Add(1)
	f.asking = false
	u.sendTo(next, []*Fetch{f}, done)
	return true
}

// fetchError names the fetcher, and the shard if all of it is down.
func (u *Upstream) fetchError(f *Fetch, err error) error {
	if s := f.shard; s != nil && len(s.nodes) > 1 && u.ctx.Err() == nil && s.down(time.Now()) {
		return fmt.Errorf("fetch from %s: %w; none of the %d fetchers of %s can be reached: see that they run", f.fetcher.addr, err, len(s.nodes), s.slots)
	}
	return fmt.Errorf("fetch from %s: %w", f.fetcher.addr, err)
}

// timedOut tells f's owner. Those that joined f later have time left, and are
// asked for anew, each what it wanted of f: nobody gets another's deadline.
func (u *Upstream) timedOut(f *Fetch, done *flushers) {
	err := u.fetchError(f, fmt.Errorf("no answer within %s", u.cfg().FetchTimeout))
	slow, joiners := f.fetcher, u.flights.land(f)
	done.add(f.Owner.Done(nil, false, err))
	now := time.Now()
	var again []*Fetch
	for _, j := range joiners {
		if u.ctx.Err() == nil && now.Before(j.fetch.deadline) {
			again = append(again, j.fetch)
			continue
		}
		done.add(j.fetch.Owner.Done(nil, true, err))
	}
	if len(again) > 0 {
		u.Retries.Add(1)
		u.depart(again, slow, now, done)
	}
}

// measured learns from a reply how long the fetcher and its shard take. f and r
// are what it answers, if anybody wants it still. Errors tell nothing: one who
// refuses is quick. Nor do probes: one who is slow with reads may be quick with
// them.
func (u *Upstream) measured(from *fetcher, f *Fetch, r *race, reply []byte, took time.Duration, now time.Time) {
	if reply[0] == '-' || f != nil && f.probe {
		return
	}
	from.latency.observe(took, clock(now))
	switch {
	case r != nil:
		from.answered()
		r.shard.pace.observe(took)
	case f != nil:
		from.answered()
		if f.shard != nil {
			f.shard.pace.observe(took)
		}
	}
}

// slow learns from a fetch that was given up.
func (u *Upstream) slow(from *fetcher, f *Fetch, now time.Time) {
	from.latency.observe(u.cfg().FetchTimeout, clock(now))
	if f.shard != nil {
		f.shard.pace.observe(u.cfg().FetchTimeout)
	}
}

// ofRace is the fetch that a reply to r ends; nil: it is ended already, or may
// be by the other, where this reply points elsewhere.
func (u *Upstream) ofRace(r *race, from *fetcher, reply []byte) *Fetch {
	if reply[0] == '-' {
		switch kind, _ := Redirection(reply, from.addr); kind {
		case Here:
		case Elsewhere:
			u.setAside(from, errorText(reply))
			return r.giveUp()
		default:
			u.askRefresh()
			return r.giveUp()
		}
	}
	f := r.claim()
	if f != nil && !r.rescued && f.fetcher != from {
		u.HedgesWon.Add(1)
	}
	return f
}

// errorText is an error reply in a message.
func errorText(reply []byte) string {
	return clip(string(bytes.TrimSuffix(bytes.TrimPrefix(reply, []byte("-")), []byte("\r\n"))))
}

// wrongType begins the one error reply that says nothing of its fetcher.
var wrongType = []byte("-WRONGTYPE ")

// answered gives out a reply, or follows where it points.
func (u *Upstream) answered(f *Fetch, reply []byte, done *flushers) {
	if reply[0] == '-' && !bytes.HasPrefix(reply, wrongType) && u.follow(f, reply, done) {
		return
	}
	u.finish(f, reply, nil, done)
}

// follow acts on an error that says "not here" or "not now". False: the error is
// the answer.
func (u *Upstream) follow(f *Fetch, reply []byte, done *flushers) bool {
	kind, addr := Redirection(reply, f.fetcher.addr)
	switch kind {
	case Here:
		u.fault(f.fetcher, errorText(reply))
		return false
	case Elsewhere:
		u.setAside(f.fetcher, errorText(reply))
		if f.tries >= maxTries {
			return false
		}
		next := u.next(f)
		return next != nil && next != f.fetcher && u.retry(f, next, done)
	case Moved:
		u.askRefresh()
	}
	if f.tries > maxRedirects {
		return false
	}
	to := u.stranger(addr)
	if to == nil || to.reserve(1) == 0 {
		return false
	}
	u.Redirects.Add(1)
	f.asking, f.shard = kind == Ask, nil
	u.sendTo(to, []*Fetch{f}, done)
	return true
}

// finish tells f's owner and those that joined it.
func (u *Upstream) finish(f *Fetch, reply []byte, err error, done *flushers) {
	joiners := u.flights.land(f)
	done.add(f.Owner.Done(reply, false, err))
	deal(joiners, reply, err, done)
}

func (u *Upstream) unreachable() error {
	if err := u.TopologyError(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w yet: still looking for it", ErrUnreachable)
}
