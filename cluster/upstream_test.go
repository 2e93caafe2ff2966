package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// soakFor is how long the fault soak goes on.
const soakFor = 2 * time.Second

// Whatever fetchers do, each owner is told exactly once, no later than its
// deadline allows, and never of another's values.
func TestEveryOwnerIsToldOnceWhateverFails(t *testing.T) {
	noLeaks(t)
	fakes := make([]*fake, 6)
	for i := range fakes {
		fakes[i] = startFake(t)
	}
	slots := slotsOf(fakes[:3], fakes[3:])
	for _, f := range fakes {
		f.slots.Store(&slots)
	}
	addrs := fakes[:2]
	u := lookingFor(t, func(c *Config) {
		c.FetchTimeout = 30 * time.Millisecond
		c.ConnectTimeout = 100 * time.Millisecond
		c.Connections = 2
		c.HedgeBudget, c.MaxInFlight = 100, 300
	}, addrs...)
	found(t, u)

	stop := make(chan struct{})
	var faults sync.WaitGroup
	faults.Go(func() { breakThings(fakes, stop) })
	var mu sync.Mutex
	var all []*asker
	var answered, failed atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(soakFor)
	for g := range 8 {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				batch := make([]*asker, 1+rand.IntN(8))
				for j := range batch {
					// Few keys, so that some join; few invalidations.
					batch[j] = ask(fmt.Sprintf("k%d", rand.IntN(400)), "1", fmt.Sprint(g%2))
					batch[j].fetch.Began = int64(i + 1)
					batch[j].fetch.After = int64(max(0, i-rand.IntN(3)))
				}
				send(u, batch...)
				for _, a := range batch {
					got := mustEnd(t, u, a)
					switch {
					case got.err != nil:
						failed.Add(1)
					case strings.HasPrefix(got.reply, "*2\r\n") && got.reply != a.want:
						t.Errorf("got %q, want %q", got.reply, a.want)
					default:
						answered.Add(1)
					}
				}
				mu.Lock()
				all = append(all, batch...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	close(stop)
	faults.Wait()
	u.Close()
	for _, a := range all {
		if n := a.told.Load(); n != 1 {
			t.Fatalf("an owner was told %d times", n)
		}
	}
	t.Logf("%d answered, %d failed, %d joined, %d retries, %d redirects, %d refreshes, %d hedges of which %d won, %d refused",
		answered.Load(), failed.Load(), u.Joined.Load(), u.Retries.Load(), u.Redirects.Load(), u.Refreshes.Load(), u.Hedges.Load(), u.HedgesWon.Load(), u.Full.Load())
	u.Fetchers(func(addr string, outstanding int64, _ *FetcherStats) {
		if outstanding != 0 {
			t.Errorf("%s has %d outstanding in the end", addr, outstanding)
		}
	})
	if answered.Load() == 0 || failed.Load() == 0 {
		t.Error("the test shows nothing")
	}
}

// breakThings changes the ways of a fetcher every few milliseconds, and stops
// and starts one now and then; at the end all work again.
func breakThings(fakes []*fake, stop <-chan struct{}) {
	elsewhere := func(p *peer, args [][]byte) bool {
		kind := []string{"MOVED", "ASK"}[rand.IntN(2)]
		return p.say(fmt.Sprintf("-%s %d %s\r\n", kind, Slot(args[1]), fakes[rand.IntN(len(fakes))].addr))
	}
	ways := []behaviour{
		echo, echo, echo, hang, cut, elsewhere,
		after(20*time.Millisecond, echo), after(40*time.Millisecond, echo), after(time.Millisecond, cut),
		says("-LOADING Redis is loading the dataset in memory\r\n"), says("-CLUSTERDOWN Hash slot not served\r\n"),
		says("$-7\r\n"), says("+OK\r\n+OK\r\n"), says("*2\r\n$1\r\na"), says("*0\r\n"),
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			for _, f := range fakes {
				f.will(echo)
			}
			return
		case <-tick.C:
		}
		f := fakes[rand.IntN(len(fakes))]
		switch rand.IntN(20) {
		case 0:
			f.stop()
			f.start()
		case 1:
			f.cut()
		default:
			f.will(ways[rand.IntN(len(ways))])
		}
	}
}

// What was in flight on a connection that dies is asked of another node.
func TestFetchesOfALostConnectionAreRetriedElsewhere(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, nil, fakes...)
	fakes[0].will(hang)
	fakes[1].will(hang)
	askers := make([]*asker, 40)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i))
		send(u, askers[i])
	}
	until(t, "both are asked", func() bool { return fakes[0].reads.Load() > 0 && fakes[1].reads.Load() > 0 })
	fakes[1].will(echo)
	fakes[1].cut() // its hanging fetches are lost, too; it answers from now on
	fakes[0].stop()
	lost := 0
	for _, a := range askers {
		if got := a.wait(t); got.err != nil {
			lost++ // lost twice, or at the only node left
		} else if got.reply != a.want {
			t.Fatalf("got %q, want %q", got.reply, a.want)
		}
		if got := a.told.Load(); got != 1 {
			t.Fatalf("told %d times", got)
		}
	}
	if u.Retries.Load() == 0 {
		t.Error("none was retried")
	}
	fakes[0].start()
	fakes[0].will(echo)

	// With the other in good health none is lost.
	until(t, "both are up", func() bool {
		get(t, u, "x")
		return stateOf(u, fakes[0].addr) == connUp && stateOf(u, fakes[1].addr) == connUp
	})
	fakes[0].will(hang)
	waiting := make([]*asker, 40)
	for i := range waiting {
		waiting[i] = ask(fmt.Sprint("w", i))
		send(u, waiting[i])
	}
	for _, a := range waiting {
		if len(a.answers) == 0 {
			fakes[0].stop()
		}
		a.mustAnswer(t)
	}
}

// Failing fast is half of it: the other node's answer must come within the
// deadline, not after it.
func TestLostConnectionFailsItsFetchesAtOnce(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = time.Hour }, fetcher)
	fetcher.will(hang)
	a := ask("k")
	send(u, a)
	until(t, "it is asked", func() bool { return fetcher.reads.Load() == 1 })
	fetcher.stop()
	a.mustFail(t, fetcher.addr)
}

func TestStandaloneRecoversByItself(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, nil, fetcher)
	get(t, u, "k")
	for range 3 {
		fetcher.stop()
		until(t, "the loss shows", func() bool {
			got := get(t, u, "k")
			if got.err != nil && !strings.Contains(got.err.Error(), fetcher.addr) {
				t.Fatalf("the error does not name %s: %v", fetcher.addr, got.err)
			}
			return got.err != nil
		})
		fetcher.start()
		until(t, "it is found again", func() bool { return get(t, u, "k").err == nil })
	}
}

func TestStoreThatIsNotThereAtTheStartIsFound(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	fetcher.stop()
	u := lookingFor(t, nil, fetcher)
	until(t, "the reason is known", func() bool {
		got := get(t, u, "k")
		got.mustNotBeAnswer(t)
		return strings.Contains(got.err.Error(), fetcher.addr)
	})
	if _, err := u.Route(0); err == nil {
		t.Error("a route to nowhere")
	}
	fetcher.start()
	found(t, u)
	if got := get(t, u, "k"); got.err != nil {
		t.Error(got.err)
	}
}

func TestSlotThatNobodyServesFailsAlone(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	host, port, _ := net.SplitHostPort(fetcher.addr)
	half := fmt.Sprintf("*1\r\n*3\r\n:0\r\n:8191\r\n*3\r\n%s:%s\r\n$2\r\nid\r\n", bulk(host), port)
	fetcher.slots.Store(&half)
	u := lookingFor(t, nil, fetcher)
	found(t, u)
	served, unserved := ask(keyOf(0, 2)), ask(keyOf(1, 2))
	send(u, unserved, served)
	served.mustAnswer(t)
	unserved.mustFail(t, fmt.Sprint(Slot([]byte(keyOf(1, 2)))))
}

// One batch, many shards: each gets its own.
func TestBatchIsSplitByShard(t *testing.T) {
	noLeaks(t)
	var shards [][]*fake
	for range 4 {
		shards = append(shards, []*fake{startFake(t)})
	}
	slots := slotsOf(shards...)
	u := lookingFor(t, nil, shards[0][0])
	shards[0][0].slots.Store(&slots)
	found(t, u)
	u.Refresh()
	until(t, "the cluster is seen", func() bool { topology, _ := u.Topology(); return len(topology.Shards) == 4 })
	for i, shard := range shards {
		shard[0].will(func(p *peer, args [][]byte) bool {
			if int(Slot(args[1]))*4/Slots != i {
				return p.say("-ERR not mine\r\n")
			}
			return echo(p, args)
		})
	}
	askers := make([]*asker, 200)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("st_", i))
	}
	send(u, askers...)
	for _, a := range askers {
		a.mustAnswer(t)
	}
}

// clusterOf is a cluster of one node a shard, found and ready.
func clusterOf(t *testing.T, n int) (*Upstream, []*fake) {
	var fakes []*fake
	var shards [][]*fake
	for range n {
		f := startFake(t)
		fakes, shards = append(fakes, f), append(shards, []*fake{f})
	}
	slots := slotsOf(shards...)
	for _, f := range fakes {
		f.slots.Store(&slots)
	}
	u := lookingFor(t, nil, fakes[0])
	found(t, u)
	return u, fakes
}

func TestMovedIsFollowedAndTheTopologyLookedAt(t *testing.T) {
	inParallel(t)
	u, fakes := clusterOf(t, 2)
	fakes[0].will(says("-MOVED 1 " + fakes[1].addr + "\r\n"))
	all := slotsOf([]*fake{fakes[1]})
	fakes[0].slots.Store(&all)
	a := ask(keyOf(0, 2))
	send(u, a)
	a.mustAnswer(t)
	until(t, "the new topology is in use", func() bool { topology, _ := u.Topology(); return len(topology.Shards) == 1 })
	until(t, "the node that left is let go", func() bool { return fakes[0].connections() == 0 })
}

func TestAskIsFollowedBehindASKING(t *testing.T) {
	noLeaks(t)
	u, fakes := clusterOf(t, 2)
	fakes[0].will(says("-ASK 1 " + fakes[1].addr + "\r\n"))
	fakes[1].will(func(p *peer, args [][]byte) bool {
		if fakes[1].saw("ASKING") == 0 {
			return p.say("-MOVED 1 " + fakes[0].addr + "\r\n")
		}
		return echo(p, args)
	})
	// Fetches before and behind the one that asks keep their own replies.
	key := keyOf(0, 2)
	asking, plain := ask(key), ask(keyOf(1, 2)+"x", "7")
	send(u, asking)
	asking.mustAnswer(t)
	if Slot([]byte(keyOf(1, 2)+"x"))*2/Slots == 1 {
		send(u, plain)
		plain.mustAnswer(t)
	}
	if n := fakes[1].saw("ASKING"); n != 1 {
		t.Errorf("ASKING %d times", n)
	}
	if topology, _ := u.Topology(); len(topology.Shards) != 2 {
		t.Error("ASK changed the topology")
	}
}

func TestRedirectionsInACircleEnd(t *testing.T) {
	noLeaks(t)
	u, fakes := clusterOf(t, 2)
	fakes[0].will(says("-MOVED 1 " + fakes[1].addr + "\r\n"))
	fakes[1].will(says("-MOVED 1 " + fakes[0].addr + "\r\n"))
	got := get(t, u, keyOf(0, 2))
	if got.err == nil && !strings.HasPrefix(got.reply, "-MOVED") {
		t.Errorf("got %+v", got)
	}
	if n := fakes[0].reads.Load() + fakes[1].reads.Load(); n > maxRedirects+2 {
		t.Errorf("chased %d times", n)
	}
}

func TestNodeThatCannotAnswerNowIsPassedOver(t *testing.T) {
	for _, line := range []string{"LOADING Redis is loading the dataset in memory", "CLUSTERDOWN The cluster is down", "MASTERDOWN Link with MASTER is down", "ERR max number of clients reached", "DENIED Redis is running in protected mode"} {
		t.Run(line, func(t *testing.T) {
			noLeaks(t)
			fakes := []*fake{startFake(t), startFake(t)}
			u := upstreamOf(t, nil, fakes...)
			fakes[0].will(says("-" + line + "\r\n"))
			drive(t, u, 50, 1)
			fakes[1].will(says("-" + line + "\r\n"))
			got := get(t, u, "k")
			if got.err == nil && got.reply != "-"+line+"\r\n" || got.err != nil && !strings.Contains(got.err.Error(), line) {
				t.Errorf("where none can answer, its words are the answer; got %+v", got)
			}
		})
	}
}

// A fetcher that sends everybody somewhere else, each time anew, must not make
// us keep all those places.
func TestStrangersAreBounded(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	var n atomic.Int64
	fetcher.will(func(p *peer, _ [][]byte) bool {
		return p.say(fmt.Sprintf("-ASK 1 127.%d.%d.1:1\r\n", 1+n.Load()/250, 1+n.Add(1)%250))
	})
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = time.Second }, fetcher)
	for i := range 500 {
		get(t, u, fmt.Sprint("k", i))
	}
	known := 0
	u.Fetchers(func(string, int64, *FetcherStats) { known++ })
	if known > 1+maxStrangers {
		t.Errorf("%d fetchers are kept", known)
	}
	fetcher.will(echo)
	u.Refresh()
	until(t, "strangers are let go", func() bool {
		known := 0
		u.Fetchers(func(string, int64, *FetcherStats) { known++ })
		return known == 1
	})
	if got := get(t, u, "k"); got.err != nil {
		t.Error(got.err)
	}
}

// Nodes that leave are closed: at once when idle, after their last answer when
// not, and also when they were being dialled just then.
func TestNodesThatLeaveAreClosed(t *testing.T) {
	inParallel(t)
	stays, idle, busy, dialling := startFake(t), startFake(t), startFake(t), startFake(t)
	slots := slotsOf([]*fake{stays, idle, busy, dialling})
	stays.slots.Store(&slots)
	u := lookingFor(t, nil, stays)
	found(t, u)
	release := make(chan struct{})
	slow := behaviour(func(p *peer, args [][]byte) bool {
		select {
		case <-release:
			return p.say("+OK\r\n")
		case <-p.ended:
			return false
		}
	})
	dialling.greet.Store(&slow)
	busy.will(func(p *peer, args [][]byte) bool {
		select {
		case <-release:
			return echo(p, args)
		case <-p.ended:
			return false
		}
	})
	var askers []*asker
	for i := 0; idle.reads.Load() == 0 || busy.reads.Load() == 0 || dialling.connections() == 0; i++ {
		a := ask(fmt.Sprint("k", i))
		askers = append(askers, a)
		send(u, a)
		time.Sleep(time.Millisecond)
	}
	only := slotsOf([]*fake{stays})
	stays.slots.Store(&only)
	u.Refresh()
	until(t, "the new topology is in use", func() bool { topology, _ := u.Topology(); return len(topology.Nodes()) == 1 })
	until(t, "the idle one is closed", func() bool { return idle.connections() == 0 })
	close(release)
	for _, a := range askers {
		a.mustAnswer(t)
	}
	until(t, "all are closed", func() bool { return busy.connections() == 0 && dialling.connections() == 0 })
	u.Fetchers(func(addr string, _ int64, _ *FetcherStats) {
		if addr != stays.addr {
			t.Errorf("%s is still known", addr)
		}
	})
	drive(t, u, 20, 2)
}

func TestFailedRefreshKeepsTheLastTopology(t *testing.T) {
	inParallel(t)
	rcm, fetcher := startFake(t), startFake(t)
	slots := slotsOf([]*fake{fetcher})
	rcm.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Discovery.Kind = KindRCM }, rcm)
	found(t, u)
	rcm.stop()
	u.Refresh()
	until(t, "the refresh failed", func() bool { return u.RefreshErrors.Load() > 0 })
	drive(t, u, 20, 2)
	if topology, age := u.Topology(); topology == nil || age <= 0 {
		t.Error("the last topology is gone")
	}
	broken := "*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\na\r\n:1\r\n"
	rcm.slots.Store(&broken)
	rcm.start()
	failed := u.RefreshErrors.Load()
	until(t, "nonsense is refused", func() bool { u.Refresh(); return u.RefreshErrors.Load() > failed })
	drive(t, u, 20, 2)
}

// A fetcher that stays dead must not have the topology asked for all the time.
func TestDeadFetcherCostsFewRefreshes(t *testing.T) {
	inParallel(t)
	rcm, alive, dead := startFake(t), startFake(t), startFake(t)
	slots := slotsOf([]*fake{alive, dead})
	rcm.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Discovery.Kind = KindRCM }, rcm)
	found(t, u)
	dead.stop()
	constantLoad(t, u, 5*time.Second)
	// One at the start, then 1, 2 and 4 s apart at the least.
	if n := u.Refreshes.Load(); n < 2 || n > 4 {
		t.Errorf("%d refreshes in 5 s", n)
	}
}

// The pauses between refreshes, on a clock of their own.
func TestRefreshesKeepTheirDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &Upstream{ctx: t.Context(), refresh: make(chan struct{}, 1)}
		// Nobody asks: the whole wait passes.
		began := time.Now()
		if woken, ok := u.sleep(30*time.Second, minRefresh, u.refresh); woken || !ok || time.Since(began) != 30*time.Second {
			t.Fatalf("slept %s", time.Since(began))
		}
		// Asked at once: the pause is kept all the same, with jitter.
		lengths := make(map[time.Duration]bool)
		for range 100 {
			u.askRefresh()
			u.askRefresh()
			began = time.Now()
			woken, ok := u.sleep(30*time.Second, minRefresh, u.refresh)
			slept := time.Since(began)
			if !woken || !ok || slept < minRefresh || slept > minRefresh+refreshJitter {
				t.Fatalf("slept %s", slept)
			}
			lengths[slept] = true
		}
		if len(lengths) < 50 {
			t.Errorf("%d different lengths of 100: pods would ask all at once", len(lengths))
		}
		// Asked late: soon, but not all pods in the same moment.
		began = time.Now()
		time.AfterFunc(10*time.Second, u.askRefresh)
		u.sleep(30*time.Second, minRefresh, u.refresh)
		if slept := time.Since(began); slept < 10*time.Second || slept > 10*time.Second+refreshJitter {
			t.Fatalf("slept %s", slept)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) { c.Connections = 2 }, fakes...)
	drive(t, u, 100, 4)
	for _, f := range fakes {
		f.will(hang)
	}
	var askers []*asker
	for i := range 100 {
		askers = append(askers, ask(fmt.Sprint("k", i%60)))
		send(u, askers[i])
	}
	u.Close()
	for _, a := range askers {
		select {
		case got := <-a.answers:
			got.mustNotBeAnswer(t)
		default:
			t.Fatal("Close returned before an owner was told")
		}
	}
	get(t, u, "after Close").mustNotBeAnswer(t)
}

// Close and Send at the same time: each owner is told once, and nothing is left.
func TestSendWhileClosing(t *testing.T) {
	for range 30 {
		noLeaks(t)
		fakes := []*fake{startFake(t), startFake(t)}
		u := upstreamOf(t, func(c *Config) { c.Connections = 2 }, fakes...)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 30 {
					a := ask(fmt.Sprintf("k%d-%d", g, i))
					send(u, a)
					a.wait(t)
					if n := a.told.Load(); n != 1 {
						t.Errorf("told %d times", n)
					}
				}
			})
		}
		time.Sleep(rand.N(3 * time.Millisecond))
		u.Close()
		wg.Wait()
	}
}
