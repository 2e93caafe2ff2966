//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// staleAllowed is upstream.stale_if_error, where it is set.
const staleAllowed = time.Hour

// failure is something that happens to a fleet under load.
type failure struct {
	name string
	// onLine: there is a line before the first fetcher; fronted: a front before
	// the RCM.
	onLine, fronted bool
	stale           time.Duration // upstream.stale_if_error
	// fails tells which reads may fail; nil: none.
	fails func(c *chaos, r chaosRead) bool
	// strike begins it, hold lets it go on (nil: for as long as chaosTimes says),
	// and mend ends it.
	strike func(t testing.TB, c *chaos)
	hold   func(t testing.TB, c *chaos)
	mend   func(t testing.TB, c *chaos)
	// shows returns nil when fsproxy has noticed it, while it goes on; nil: nobody
	// asks.
	shows func(c *chaos, t testing.TB) error
	// check looks further into what came of it; nil: there is nothing to.
	check func(t testing.TB, c *chaos, r *chaosReport)
}

// failures are all that are tried: the rows of the table in docs/OPERATIONS.md.
var failures = []*failure{
	{
		name:   "one of three fetchers ends (SIGTERM) and comes back",
		strike: func(_ testing.TB, c *chaos) { c.first().stop() },
		mend:   func(t testing.TB, c *chaos) { restart(t, 0, c.first()) },
		shows:  (*chaos).firstFails,
	},
	{
		name:   "one of three is killed (SIGKILL) and comes back",
		strike: func(_ testing.TB, c *chaos) { c.first().kill() },
		mend:   func(t testing.TB, c *chaos) { restart(t, 0, c.first()) },
		shows:  (*chaos).firstFails,
	},
	{
		name:   "one of three hangs (SIGSTOP, SIGCONT)",
		strike: func(t testing.TB, c *chaos) { c.first().signal(t, syscall.SIGSTOP) },
		mend:   func(t testing.TB, c *chaos) { c.first().signal(t, syscall.SIGCONT) },
		shows:  (*chaos).firstFails,
	},
	{
		name: "one of three restarts and loads its data, with LOADING",
		strike: func(t testing.TB, c *chaos) {
			c.first().kill()
			restart(t, c.perKey(), c.first())
		},
		mend:  func(t testing.TB, c *chaos) { awaitLoaded(t, c.first()) },
		shows: (*chaos).firstFails,
	},
	troubled("the network to one of three is slow: 10 ms each way, and up to 10 more", trouble{delay: 10 * time.Millisecond, jitter: 10 * time.Millisecond}),
	troubled("the network to one of three loses 5 % of the packets", trouble{loss: 0.05}),
	troubled("connections to one of three are reset at 2 % of the packets", trouble{resets: 0.02}),
	troubled("nothing gets to one of three or back, unsaid (half-open)", trouble{silent: true}),
	{
		name: "all fetchers are replaced, one by one",
		hold: replaceAll,
		check: func(t testing.TB, c *chaos, _ *chaosReport) {
			if err := c.asked(t); err != nil {
				t.Errorf("after all were replaced: %v", err)
			}
		},
	},
	{
		name:   "the RCM is down",
		hold:   func(_ testing.TB, c *chaos) { time.Sleep(c.times.rcm) },
		strike: func(_ testing.TB, c *chaos) { c.rcm.kill() },
		mend: func(t testing.TB, c *chaos) {
			c.rcm.process = startProcess(t, fsproxyBinary, c.rcm.cmd.Args[1:]...)
			c.rcm.waitForPort(t, c.rcm.addr)
			c.awaitRefresh(t)
		},
		check: func(t testing.TB, c *chaos, _ *chaosReport) {
			if c.refreshes(t, "error") == 0 {
				t.Error("fsproxy did not notice that the RCM was down")
			}
		},
	},
	{
		name:    "the RCM answers rubbish of all kinds",
		fronted: true,
		hold:    answerRubbish,
		mend: func(t testing.TB, c *chaos) {
			c.front.says.Store(nil)
			c.awaitRefresh(t)
		},
	},
	{
		name:   "a whole shard is killed and comes back",
		fails:  coldOfFirstShard,
		strike: func(_ testing.TB, c *chaos) { everywhere(c.fleet.shards[0].nodes, (*store).kill) },
		mend:   func(t testing.TB, c *chaos) { restart(t, 0, c.fleet.shards[0].nodes...) },
		check:  func(t testing.TB, c *chaos, r *chaosReport) { checkLost(t, c, r, lostShard) },
	},
	{
		name:   "a whole shard hangs",
		fails:  coldOfFirstShard,
		strike: func(t testing.TB, c *chaos) { signalAll(t, c, syscall.SIGSTOP) },
		mend:   func(t testing.TB, c *chaos) { signalAll(t, c, syscall.SIGCONT) },
		check:  func(t testing.TB, c *chaos, r *chaosReport) { checkLost(t, c, r, lostFetch) },
	},
	{
		name:   "a whole shard restarts and loads, with LOADING",
		fails:  coldOfFirstShard,
		strike: func(t testing.TB, c *chaos) { c.reload(t) },
		mend:   func(t testing.TB, c *chaos) { awaitLoaded(t, c.fleet.shards[0].nodes...) },
		check:  func(t testing.TB, c *chaos, r *chaosReport) { checkLost(t, c, r, lostOrLoading) },
	},
	{
		name:   "a whole shard is killed and comes back, with `upstream.stale_if_error`",
		stale:  staleAllowed,
		strike: func(_ testing.TB, c *chaos) { everywhere(c.fleet.shards[0].nodes, (*store).kill) },
		mend:   func(t testing.TB, c *chaos) { restart(t, 0, c.fleet.shards[0].nodes...) },
		check:  checkStale,
	},
	{
		name:   "a whole shard hangs, with `upstream.stale_if_error`",
		stale:  staleAllowed,
		strike: func(t testing.TB, c *chaos) { signalAll(t, c, syscall.SIGSTOP) },
		mend:   func(t testing.TB, c *chaos) { signalAll(t, c, syscall.SIGCONT) },
		check:  checkStale,
	},
	{
		name:   "a whole shard restarts and loads, with LOADING and `upstream.stale_if_error`",
		stale:  staleAllowed,
		strike: func(t testing.TB, c *chaos) { c.reload(t) },
		mend:   func(t testing.TB, c *chaos) { awaitLoaded(t, c.fleet.shards[0].nodes...) },
		check:  checkStale,
	},
}

// troubled is a failure of the network to one fetcher.
func troubled(name string, what trouble) *failure {
	return &failure{
		name: name, onLine: true,
		strike: func(_ testing.TB, c *chaos) { c.line.set(what) },
		shows:  (*chaos).lineHarms,
		mend:   func(_ testing.TB, c *chaos) { c.line.set(trouble{}) },
	}
}

// firstFails returns nil when fsproxy has noticed that the first fetcher is not
// well, so that a failure that did not happen is not taken for one survived.
func (c *chaos) firstFails(t testing.TB) error {
	t.Helper()
	seen := map[string]float64{}
	for _, s := range c.proxy.samples(t) {
		if s.labels["fetcher"] == c.first().addr {
			seen[s.name] += s.value
		}
	}
	if seen["fsproxy_fetch_errors_total"]+seen["fsproxy_fetch_timeouts_total"]+seen["fsproxy_fetcher_ejections_total"] == 0 {
		return fmt.Errorf("fsproxy did not notice: %v", seen)
	}
	return nil
}

// lineHarms returns nil when the line has done something to what passed.
func (c *chaos) lineHarms(testing.TB) error {
	if c.line.harmed.Load() == 0 {
		return errors.New("nothing passed that the network could harm")
	}
	return nil
}

// longestLoad bounds how long fetchers are made to load: they answer between
// keys alone, which are few.
const longestLoad = 5 * time.Second

// perKey is how long a fetcher takes for a key to load for as long as a failure
// lasts.
func (c *chaos) perKey() time.Duration {
	keys := 0
	for key := range c.hashes {
		if c.fleet.shardOf(key) == 0 {
			keys++
		}
	}
	return min(c.times.during, longestLoad) / time.Duration(keys)
}

// reload ends all fetchers of the first shard and has them load again.
func (c *chaos) reload(t testing.TB) {
	t.Helper()
	nodes := c.fleet.shards[0].nodes
	everywhere(nodes, (*store).kill)
	restart(t, c.perKey(), nodes...)
}

// awaitLoaded waits until fetchers have loaded.
func awaitLoaded(t testing.TB, stores ...*store) {
	t.Helper()
	for _, s := range stores {
		eventually(t, "loading", func() error { return s.client.Ping(t.Context()).Err() })
	}
}

func signalAll(t testing.TB, c *chaos, sig syscall.Signal) {
	t.Helper()
	for _, n := range c.fleet.shards[0].nodes {
		n.signal(t, sig)
	}
}

// replaceAll puts a new fetcher in the place of each. In the first shard the old
// one ends when fsproxy has let go of it, in the other at once.
func replaceAll(t testing.TB, c *chaos) {
	t.Helper()
	for shard := range c.fleet.shards {
		for node := range c.fleet.shards[shard].nodes {
			old := c.replace(t, shard, node)
			if shard > 0 {
				old.stop()
			}
			eventually(t, "fsproxy asking the new fetcher", func() error { return c.asked(t) })
			old.stop()
		}
	}
}

// answerRubbish has the RCM answer all kinds of it, each until fsproxy has heard
// it and for its part of the time.
func answerRubbish(t testing.TB, c *chaos) {
	t.Helper()
	for i := range rubbishes {
		until := time.Now().Add(c.times.during / time.Duration(len(rubbishes)))
		asked := c.front.asked.Load()
		c.front.says.Store(&rubbishes[i])
		eventually(t, "fsproxy asking for the topology", func() error {
			if c.front.asked.Load() == asked {
				return fmt.Errorf("it did not while the RCM answers %s", rubbishes[i].name)
			}
			return nil
		})
		time.Sleep(time.Until(until))
		if err := c.asked(t); err != nil {
			t.Errorf("while the RCM answers %s: %v", rubbishes[i].name, err)
		}
	}
}

// awaitRefresh waits until fsproxy has read the topology again.
func (c *chaos) awaitRefresh(t testing.TB) {
	t.Helper()
	before := c.refreshes(t, "ok")
	eventually(t, "reading the topology", func() error {
		if c.refreshes(t, "ok") == before {
			return fmt.Errorf("%d readings went wrong", c.refreshes(t, "error"))
		}
		return nil
	})
}

// coldOfFirstShard are the reads that need a fetcher of the first shard.
func coldOfFirstShard(c *chaos, r chaosRead) bool {
	return !r.hot && c.fleet.shardOf(r.key) == 0
}

// What docs/OPERATIONS.md says of a shard that is down. rueidis leaves out ERR.
var (
	lostFetch   = regexp.MustCompile(`^(?:ERR )?fsproxy: (fetch from 127\.0\.1\.\d+:\d+: .+|each of the 3 fetchers of slots 0-8191 has .+)$`)
	lostShard   = regexp.MustCompile(`^(?:ERR )?fsproxy: fetch from 127\.0\.1\.\d+:\d+: .+; none of the 3 fetchers of slots 0-8191 can be reached: see that they run$`)
	lostLoading = regexp.MustCompile(`^LOADING `)
	// A connection that lasted gets the store's own words, one that was lost is refused.
	lostOrLoading = regexp.MustCompile(lostLoading.String() + "|" + lostFetch.String())
)

const (
	// deadlineSlack is how much later than upstream.fetch_timeout a busy machine
	// may tell a client of it.
	deadlineSlack = 2 * time.Second
	// mostRefreshes is how many readings of the topology a shard that is back may
	// take to be used: none is needed, since its fetchers are dialled all the time.
	mostRefreshes = 10
)

// checkLost checks what clients were told of a shard that is down: usual is what
// most of them see.
func checkLost(t testing.TB, c *chaos, r *chaosReport, usual *regexp.Regexp) {
	t.Helper()
	failed := r.errors()
	said := 0
	for _, read := range failed {
		text := read.err.Error()
		if !errorReply(read.err) || !lostFetch.MatchString(text) && !lostLoading.MatchString(text) {
			t.Errorf("a read of a shard that is down failed with %q", text)
			return
		}
		if usual.MatchString(text) {
			said++
		}
		if read.took > c.times.fetch+deadlineSlack {
			t.Errorf("a read took %v to fail; upstream.fetch_timeout is %v", read.took, c.times.fetch)
		}
	}
	if len(failed) == 0 {
		t.Error("no read failed, so nothing is known of it")
	}
	if said < len(failed)/2 {
		t.Errorf("%d of %d errors are not as %v: such as %v", len(failed)-said, len(failed), usual, failed[len(failed)/2].err)
	}
}

// checkStale checks that values past their age were served.
func checkStale(t testing.TB, c *chaos, _ *chaosReport) {
	t.Helper()
	if c.proxy.metric(t, "fsproxy_stale_served_total", "reason", "error") == 0 {
		t.Error("no value was served past its age")
	}
}
