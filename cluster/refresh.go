package cluster

import (
	"hash/maphash"
	"math/rand/v2"
	"time"
)

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
	f := &fetcher{addr: addr, seed: maphash.String(addrSeed, addr)}
	f.bound(u.cfg())
	for range max(u.cfg().Connections, 1) {
		c := &conn{up: u, fetcher: f}
		c.settle()
		f.conns = append(f.conns, c)
	}
	if u.ctx.Err() != nil {
		f.leave()
	}
	u.fetchers[addr] = f
	return f
}

// addrSeed is that of the fetchers' hashes, which nobody else needs to know.
var addrSeed = maphash.MakeSeed()

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
	// doubtLooks is how often the topology is looked at while a poorer one is in
	// doubt: behind one address there may be several RCMs, of which a connection
	// finds the one that knows the fleet by chance.
	doubtLooks = 10
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
		interval := u.interval()
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

// interval is how long it is until the topology is looked at again.
func (u *Upstream) interval() time.Duration {
	cfg := u.cfg()
	if len(u.doubts) == 0 {
		return cfg.RefreshInterval
	}
	return min(cfg.RefreshInterval, max(cfg.TopologyPatience/doubtLooks, minRefresh))
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
	return u.learn(topology, err, time.Now())
}

// learn takes in a reading of the topology, or why there is none.
func (u *Upstream) learn(topology *Topology, err error, now time.Time) (changed bool) {
	u.mu.Lock()
	before := u.discoveryErr
	u.discoveryErr = err
	u.mu.Unlock()
	if err != nil {
		u.RefreshErrors.Add(1)
		u.doubts = nil // what comes after it may be a store that has just started
		if before == nil {
			u.log.Warn("the store's topology cannot be read; retrying", "error", err)
		}
		return false
	}
	old := u.view.Load()
	if old != nil && !u.believe(old.topology, topology, now) {
		return false
	}
	u.Refreshes.Add(1)
	if before != nil || old == nil {
		what := "found the store"
		if topology.Kind == Standalone && topology.Version == "" {
			what = "the store is taken to be where it is configured; it has not told its version yet"
		}
		u.log.Info(what, "kind", topology.Kind.String(),
			"shards", len(topology.Shards), "fetchers", len(topology.Nodes()), "version", topology.Version)
	}
	u.install(topology, now)
	return old == nil || !old.topology.Equal(topology)
}

// believe tells whether a topology may take the place of the one in use. A poorer
// one has to persist first, as the best that is read: an RCM that has just started
// may not know the whole fleet yet, and one in trouble may answer as if it were a
// plain server.
func (u *Upstream) believe(old, topology *Topology, now time.Time) bool {
	fleet := old.Kind != Standalone
	worth, before := topology.worth(fleet), old.worth(fleet)
	if worth >= before {
		u.doubts = nil
		return true
	}
	poorer := "covers fewer slots"
	if worth == 0 {
		poorer = "is one server's where a fleet was"
	}
	patience := u.cfg().TopologyPatience
	if len(u.doubts) == 0 {
		u.log.Warn("a topology that "+poorer+" is not believed yet; the last one stays in use",
			"covered", topology.Covered(), "before", old.Covered(), "believed_after", patience)
	}
	if !u.doubts.persisted(worth, patience, now) {
		u.Refused.Add(1)
		return false
	}
	u.log.Warn("a topology that "+poorer+" has persisted, and is in use now", "covered", topology.Covered(), "before", old.Covered())
	u.doubts = nil
	return true
}

// install makes topology the one in use, and lets go of the fetchers that it
// does not name. Requests go on meanwhile: all that they need is replaced at
// once, in the end.
func (u *Upstream) install(topology *Topology, now time.Time) {
	old := u.view.Load()
	v := &view{topology: topology, shards: make([]*shard, len(topology.Shards)), at: now}
	ranges := topology.Ranges()
	member := make(map[*fetcher][]*shard)
	fresh := make(map[*fetcher]bool)
	u.mu.Lock()
	for i := range topology.Shards {
		s := &shard{slots: rangesText(ranges[i]), pace: paceOf(old, ranges[i])}
		for _, addr := range topology.Shards[i].Nodes {
			f, known := u.fetchers[addr]
			if !known {
				f = u.known(addr)
				fresh[f] = old != nil
			}
			s.nodes = append(s.nodes, f)
			member[f] = append(member[f], s)
		}
		s.near = nearest(s.nodes, topology, u.cfg().Zone)
		v.shards[i] = s
	}
	u.mu.Unlock()
	u.introduce(member, fresh, now)
	u.view.Store(v)
	u.dismiss(member)
	if topology.Kind == Cluster && (old == nil || old.topology.Kind != Cluster) {
		for f := range member {
			for _, c := range f.conns {
				c.wantReads()
			}
		}
	}
}

// paceOf is the pace of the shard that had the first of these slots before.
func paceOf(old *view, ranges []SlotRange) *pace {
	if old != nil && len(ranges) > 0 {
		if i := old.shardOf(ranges[0].First); i >= 0 {
			return old.shards[i].pace
		}
	}
	return newPace()
}

// nearest moves the fetchers of a zone to the front and counts them. Where there
// is none, all are.
func nearest(nodes []*fetcher, topology *Topology, zone string) (near int) {
	for i, f := range nodes {
		if zone != "" && topology.Zone(f.addr) == zone {
			nodes[near], nodes[i] = nodes[i], nodes[near]
			near++
		}
	}
	if near == 0 {
		return len(nodes)
	}
	return near
}

// introduce tells fetchers of their shards, and gives those that appeared in a
// store that was in use what is typical of the others, and a small share.
func (u *Upstream) introduce(member map[*fetcher][]*shard, fresh map[*fetcher]bool, now time.Time) {
	for f, shards := range member {
		f.shards.Store(&shards)
		if !fresh[f] {
			continue
		}
		f.latency.set(shards[0].typical(f), clock(now))
		f.since.Store(clock(now))
	}
}

// dismiss lets go of the fetchers that are in no shard.
func (u *Upstream) dismiss(member map[*fetcher][]*shard) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = len(member)
	for addr, f := range u.fetchers {
		if _, stays := member[f]; !stays {
			delete(u.fetchers, addr)
			f.leave()
			u.forget(f)
		}
	}
}

// forget ends what health keeps of a fetcher that left.
func (u *Upstream) forget(f *fetcher) {
	u.healthMu.Lock()
	defer u.healthMu.Unlock()
	f.shards.Store(nil) // it is not set aside any more
	if f.aside.Swap(0) != 0 {
		u.asides.Add(-1)
	}
}
