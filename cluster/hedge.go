package cluster

import (
	"bytes"
	"sync/atomic"
	"time"
)

const (
	// stallPart is the part of the fetch timeout after which a connection that
	// has said nothing, with a fetch waiting all that time, is taken for stalled:
	// what waits there is asked of others in the other half.
	stallPart = 2
	// asleep is how late a timer of ours may fire before we take it that this
	// process was stopped, not the fetchers: it was throttled, or its machine was
	// short of CPU. Replies that have come meanwhile are read first.
	asleep = 5 * time.Millisecond
	// crowded is the part of upstream.max_in_flight, in percent, past which a
	// fetcher is spared second copies of fetches.
	crowded = 75
)

// race is a fetch that was sent to two fetchers. Both lines hold it; whoever
// claims it ends the fetch, and the other's reply is dropped. Neither touches
// the fetch without having claimed it, because its owner may long have been told
// and use it again.
//
// The fetch keeps the tick at which it began, which lies before both requests:
// whichever answers, the reply is at least that new.
type race struct {
	fetch    *Fetch // of him who claims it
	shard    *shard
	slot     uint16
	request  []byte // a copy
	deadline time.Time
	rescued  bool // not hedged: its fetcher had stalled

	running atomic.Int32 // lines that may still answer
	claimed atomic.Bool
}

// newRace takes f, which is in flight, out of the sole hands of its line. Under
// that connection's mu.
func newRace(f *Fetch) *race {
	r := &race{fetch: f, shard: f.shard, slot: f.Slot, request: bytes.Clone(f.Request), deadline: f.deadline}
	r.running.Store(2)
	return r
}

// claim returns the fetch to the first who asks, and nil to the others.
func (r *race) claim() *Fetch {
	if r.claimed.CompareAndSwap(false, true) {
		return r.fetch
	}
	return nil
}

// giveUp says that a line has no answer. The fetch is that line's to end if no
// other still runs.
func (r *race) giveUp() *Fetch {
	if r.running.Add(-1) > 0 {
		return nil
	}
	return r.claim()
}

// mayRace tells whether another fetcher may answer f too.
func (f *Fetch) mayRace() bool { return f.shard != nil && !f.asking && len(f.shard.nodes) > 1 }

// watch sees to it that fetches sent to c are looked after before their
// deadline. Under mu.
func (c *conn) watch(now time.Time) {
	f := c.inflight.at(c.inflight.len() - 1).fetch
	if f == nil || !f.mayRace() {
		return
	}
	wait := c.up.hedgeDelay(f.shard)
	if c.watching && !now.Add(wait).Before(c.watchAt) {
		return
	}
	c.watchAgain(now, wait)
}

func (c *conn) watchAgain(now time.Time, wait time.Duration) {
	c.watching, c.watchAt = true, now.Add(wait)
	if c.watcher == nil {
		c.watcher = time.AfterFunc(wait, c.look)
	} else {
		c.watcher.Reset(wait)
	}
}

// unwatch stops the timer. Under mu.
func (c *conn) unwatch() {
	if c.watcher != nil {
		c.watcher.Stop()
	}
	c.watching = false
}

// hedgeDelay is after what time fetches of a shard are looked after.
func (u *Upstream) hedgeDelay(s *shard) time.Duration {
	stall := u.cfg().FetchTimeout / stallPart
	p95 := s.pace.percentile()
	if u.cfg().HedgeBudget <= 0 || p95 == 0 {
		return stall
	}
	return min(max(p95, hedgeFloor), stall)
}

// look hedges the fetches that outlived what their shard takes for 95 of 100,
// and finds out whether the connection has stalled.
func (c *conn) look() {
	now := time.Now()
	c.mu.Lock()
	c.watching = false
	if c.inflight.len() == 0 || c.state != connUp && c.state != connDialing {
		c.mu.Unlock()
		return
	}
	if now.Sub(c.watchAt) > asleep {
		c.watchAgain(now, hedgeFloor)
		c.mu.Unlock()
		return
	}
	hedged, next := c.outlived(now)
	stalled := c.stalled(now)
	c.watchAgain(now, max(next.Sub(now), hedgeFloor))
	// Close waits for what follows: the line was not empty, so that the
	// connection's own goroutine is still counted, and this adds to no zero.
	c.up.wg.Add(1)
	defer c.up.wg.Done()
	c.mu.Unlock()

	var done flushers
	for _, r := range hedged {
		c.up.hedge(r, c.fetcher, &done)
	}
	if stalled {
		c.up.rescue(c, &done)
	}
	done.flush()
}

// outlived takes the fetches to hedge from the line; next is when to look
// again. Under mu.
func (c *conn) outlived(now time.Time) (hedged []*race, next time.Time) {
	stall := c.up.cfg().FetchTimeout / stallPart
	delay := stall
	for i := range c.inflight.len() {
		e := c.inflight.at(i)
		if e.race != nil {
			delay = c.up.hedgeDelay(e.race.shard)
		}
		f := e.fetch
		if f == nil || !f.mayRace() {
			continue
		}
		delay = c.up.hedgeDelay(f.shard)
		if at := e.sent.Add(delay); at.After(now) {
			return hedged, at // the others were sent later
		}
		if delay == stall || !c.up.mayHedge(f.shard) || !f.shard.pace.spend() {
			break // those behind it fare no better now
		}
		r := newRace(f)
		e.fetch, e.race = nil, r
		hedged = append(hedged, r)
	}
	return hedged, now.Add(delay) // for those to come, and whether it has stalled
}

// stalled tells whether c has been silent for long while a fetch waited. Under mu.
func (c *conn) stalled(now time.Time) bool {
	e := c.inflight.front()
	if e == nil || e.fetch == nil && e.race == nil {
		return false
	}
	since := e.sent
	if c.heard.After(since) {
		since = c.heard
	}
	return now.Sub(since) >= c.up.cfg().FetchTimeout/stallPart
}

// mayHedge tells whether a shard has room for fetches that are sent twice: not
// where one of its fetchers is set aside, and not while its slots stay with one
// fetcher each.
func (u *Upstream) mayHedge(s *shard) bool {
	if clock(time.Now()) < u.stuckUntil.Load() {
		return false
	}
	for _, f := range s.nodes {
		if f.aside.Load() != 0 || f.outstanding.Load()*100 >= f.maxInFlight.Load()*crowded {
			return false
		}
	}
	return true
}

// hedge sends r's fetch to another fetcher than from, if there is one that
// could answer it at once.
func (u *Upstream) hedge(r *race, from *fetcher, done *flushers) {
	if u.second(r, from, done) {
		u.Hedges.Add(1)
	}
}

// second gives r its other line, or leaves the fetch to the one that it has.
func (u *Upstream) second(r *race, from *fetcher, done *flushers) bool {
	now := time.Now()
	err := errNoOther
	if !r.claimed.Load() {
		to := u.pick(r.shard, r.slot, from, now)
		if to != nil && to != from && to.rank(from, now) == fit && to.reserve(1) == 1 {
			if err = to.conn().sendRace(r); err == nil {
				return true
			}
			to.outstanding.Add(-1)
		}
	}
	if f := r.giveUp(); f != nil {
		f.fetcher = from
		u.failed(f, err, done)
	}
	return false
}

// rescue sets c's fetcher aside, where its shard can spare it, and asks others
// for what waits there. That is a retry, and has no budget of its own: at most
// half of a shard is set aside.
func (u *Upstream) rescue(c *conn, done *flushers) {
	if !u.setAside(c.fetcher, "silent for half of upstream.fetch_timeout while fetches waited") {
		return
	}
	var saved []*race
	c.mu.Lock()
	for i := range c.inflight.len() {
		if e := c.inflight.at(i); e.fetch != nil && e.fetch.mayRace() {
			e.race, e.fetch = newRace(e.fetch), nil
			e.race.rescued = true
			saved = append(saved, e.race)
		}
	}
	c.mu.Unlock()
	for _, r := range saved {
		if u.second(r, c.fetcher, done) {
			u.Retries.Add(1)
		}
	}
}
