package cluster

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func statusOf(u *Upstream, addr string) (status FetcherStatus) {
	u.FetcherStatuses(func(s FetcherStatus) {
		if s.Addr == addr {
			status = s
		}
	})
	return status
}

// A node that says that it loads its data is left alone, without a client
// noticing, until a probe finds it well; then it is back.
func TestNodeThatCannotAnswerNowIsSetAsideAndProbed(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down", "BUSY Redis is busy running a script", "TRYAGAIN Multiple keys request during rehashing of slot"} {
		t.Run(strings.Fields(line)[0], func(t *testing.T) {
			inParallel(t)
			fakes := []*fake{startFake(t), startFake(t), startFake(t)}
			u := upstreamOf(t, nil, fakes...)
			until(t, "all are connected", func() bool {
				get(t, u, "k")
				return fakes[0].reads.Load() > 0 && fakes[1].reads.Load() > 0 && fakes[2].reads.Load() > 0
			})
			for _, f := range u.view.Load().shards[0].nodes {
				f.latency.set(0, 0) // all are alike, whatever this machine did meanwhile
			}
			says := says("-" + line + "\r\n")
			fakes[0].greet.Store(&says)
			fakes[0].will(says)
			reads := fakes[0].reads.Load()
			drive(t, u, 300, 1)
			if n := fakes[0].reads.Load() - reads; n == 0 || n > 3 {
				t.Errorf("it was asked %d times while it loads", n)
			}
			if got := statusOf(u, fakes[0].addr); got.State != StateAside || !strings.Contains(got.Why, strings.Fields(line)[0]) {
				t.Errorf("it is shown as %+v", got)
			}
			until(t, "it is probed, and found not to be well", func() bool { return fakes[0].saw("PING") >= 2 })
			if got := statusOf(u, fakes[0].addr); got.State != StateAside {
				t.Errorf("it is shown as %+v", got)
			}
			fakes[0].greet.Store(nil)
			fakes[0].will(echo)
			until(t, "it is back", func() bool { return statusOf(u, fakes[0].addr).State == StateServing })
			reads = fakes[0].reads.Load()
			until(t, "it is asked", func() bool { get(t, u, "k"); return fakes[0].reads.Load() > reads })
		})
	}
}

// Never more than half of a shard, rounded down, is set aside, whatever all of
// its nodes do: those that are down count.
func TestAtMostHalfOfAShardIsSetAside(t *testing.T) {
	noLeaks(t)
	for n, most := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var nodes []*fetcher
			for range n {
				nodes = append(nodes, up())
			}
			s := shardOf(nodes...)
			u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
			var wg sync.WaitGroup
			for _, f := range nodes {
				wg.Go(func() {
					for range failuresInARow {
						u.fault(f, "a failure")
					}
				})
			}
			wg.Wait()
			if out := s.out(nil, time.Now()); out != most {
				t.Errorf("%d of %d are set aside, want %d", out, n, most)
			}
			if n := int(u.asides.Load()); n != most {
				t.Errorf("%d are counted", n)
			}
		})
	}
	a, b, c := up(), up(), down()
	shardOf(a, b, c)
	u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
	if u.setAside(a, "one is down already") {
		t.Error("one of three is left")
	}
	_ = b
}

func TestAnswerForgivesTheFailuresBeforeIt(t *testing.T) {
	a := up()
	shardOf(a, up())
	u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
	for range 10 {
		for range failuresInARow - 1 {
			u.fault(a, "a failure")
		}
		a.answered()
	}
	if a.aside.Load() != 0 {
		t.Error("it was set aside for failures with answers between them")
	}
}

// The back-off grows while probes fail and after short spells of health, up to
// its bound, and begins anew after long ones.
func TestBackOffGrowsAndIsForgotten(t *testing.T) {
	a := up()
	shardOf(a, up())
	u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
	a.since.Store(clock(time.Now()))
	last := time.Duration(0)
	for i := range 12 {
		if !u.setAside(a, "again") {
			t.Fatal("it was not set aside")
		}
		if a.backoff > lastAside || a.backoff < last || i == 11 && a.backoff != lastAside {
			t.Fatalf("back-off %d is %s, after %s", i, a.backoff, last)
		}
		last = a.backoff
		u.takeBack(a, time.Now())
	}
	a.since.Store(clock(time.Now().Add(-forgiven*lastAside - time.Second)))
	if u.setAside(a, "long after"); a.backoff != firstAside {
		t.Errorf("back-off %s after a long time in good health", a.backoff)
	}
}

// One whose latency is far above its shard's is set aside; one that is slower by
// what no deadline notices is not.
func TestLatencyFarAboveTheShardsSetsAside(t *testing.T) {
	for _, c := range []struct {
		latency time.Duration
		aside   bool
	}{{40 * time.Millisecond, true}, {4 * time.Millisecond, false}, {time.Millisecond, false}} {
		nodes := []*fetcher{up(), up(), up()}
		s := shardOf(nodes...)
		for _, f := range nodes {
			f.latency.set(time.Millisecond, 1)
		}
		nodes[0].latency.set(c.latency, 1)
		u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
		u.tuned.Store(&Config{FetchTimeout: 50 * time.Millisecond})
		u.view.Store(&view{shards: []*shard{s}})
		u.compareLatencies(time.Now())
		if got := nodes[0].aside.Load() != 0; got != c.aside || s.out(nodes[0], time.Now()) != 0 {
			t.Errorf("%s beside 1ms: set aside %v, want %v", c.latency, got, c.aside)
		}
	}
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// A shard that is down says which it is, what happened last, and what to do, to
// each client; the log says it once, however many ask.
func TestShardThatIsDownSaysSo(t *testing.T) {
	inParallel(t)
	fakes := []*fake{startFake(t), startFake(t)}
	log := new(lines)
	u := upstreamOf(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) }, fakes...)
	drive(t, u, 20, 1)
	for _, f := range fakes {
		f.stop()
	}
	until(t, "the shard is known to be down", func() bool {
		got := get(t, u, "k")
		return got.err != nil && strings.Contains(got.err.Error(), "none of the 2 fetchers of slots 0-16383 can be reached")
	})
	until(t, "it is logged", func() bool { get(t, u, "k"); return log.count("a shard is down") > 0 })
	for _, f := range fakes {
		f.start()
	}
	until(t, "it is back", func() bool { return get(t, u, "k").err == nil })
	until(t, "that is logged", func() bool { return log.count("a shard is back") > 0 })
	if n := log.count("a shard is down"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// READONLY reaches connections that were made before the store turned out to be
// a cluster, once each, and the fetches behind it keep their own replies.
func TestOldConnectionsAreToldThatReadsAreWanted(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	u := lookingFor(t, nil, fetcher)
	found(t, u)
	drive(t, u, 10, 1)
	if n := fetcher.saw("READONLY"); n != 0 {
		t.Fatalf("READONLY was sent %d times to a plain server", n)
	}
	slots := slotsOf([]*fake{fetcher})
	fetcher.slots.Store(&slots)
	u.Refresh()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			a := ask(fmt.Sprint("st_", i))
			send(u, a)
			a.mustAnswer(t)
		}
	})
	until(t, "it is told", func() bool { return fetcher.saw("READONLY") > 0 })
	u.Refresh()
	drive(t, u, 10, 1)
	stop.Store(true)
	wg.Wait()
	if n := fetcher.saw("READONLY"); n != 1 {
		t.Errorf("READONLY was sent %d times", n)
	}
}

// What a probe takes says nothing of what reads take: a fetcher that is slow with
// those, and quick with PING, must not come back as the quickest of all.
func TestProbesAreNoMeasureOfLatency(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	u := upstreamOf(t, nil, fakes...)
	connected(t, u, fakes...)
	nodes := u.view.Load().shards[0].nodes
	const latency = 20 * time.Millisecond
	for _, f := range nodes {
		f.latency.set(latency, clock(time.Now()))
	}
	if !u.setAside(nodes[0], "slow") {
		t.Fatal("it was not set aside")
	}
	until(t, "it is back", func() bool { return nodes[0].aside.Load() == 0 })
	if fakes[0].saw("PING") == 0 && fakes[1].saw("PING") == 0 && fakes[2].saw("PING") == 0 {
		t.Fatal("the test shows nothing: nobody was probed")
	}
	if got := nodes[0].latency.known(); got != latency {
		t.Errorf("its latency was %s before the probe, and %s after it", latency, got)
	}
}

// A fetcher that leaves the topology while it is being set aside is not counted
// among those that are to be probed: nobody would ever take it back.
func TestFetcherThatLeftIsNotSetAside(t *testing.T) {
	a := up()
	shardOf(a, up())
	u := &Upstream{ctx: t.Context(), unwell: make(chan struct{}, 1)}
	u.healthMu.Lock()
	aside := make(chan bool)
	go func() { aside <- u.setAside(a, "it fails") }()
	time.Sleep(10 * time.Millisecond) // it waits for the lock: if not, nothing is shown, and nothing fails
	a.shards.Store(nil)               // as forget does
	u.healthMu.Unlock()
	if <-aside || u.asides.Load() != 0 {
		t.Errorf("%d are set aside, and none is left to be probed", u.asides.Load())
	}
}

// A node that was told on an open connection that reads are wanted, and hangs, is
// let go of like any other when it leaves.
func TestConnectionThatOnlyWaitsForReadonlyIsNotKept(t *testing.T) {
	inParallel(t)
	stays, hangs := startFake(t), startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 50 * time.Millisecond }, stays, hangs)
	until(t, "both are connected", func() bool {
		get(t, u, "k")
		return stateOf(u, stays.addr) == connUp && stateOf(u, hangs.addr) == connUp
	})
	silent := behaviour(hang)
	hangs.greet.Store(&silent)
	c := u.fetcherAt(hangs.addr).conns[0]
	until(t, "no timer of the fetches runs any more", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.armedFor.IsZero()
	})
	c.wantReads()
	without, err := NewTopology(RCM, "", []Assignment{{Slots: []SlotRange{AllSlots}, Nodes: []string{stays.addr}}})
	if err != nil {
		t.Fatal(err)
	}
	u.install(without, time.Now())
	until(t, "it is let go of", func() bool { return hangs.connections() == 0 })
}
