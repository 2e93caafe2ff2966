package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
	for range 8 {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				batch := make([]*asker, 1+rand.IntN(8))
				for j := range batch {
					// Few keys, so that some join; few invalidations.
					batch[j] = ask(fmt.Sprintf("k%d", rand.IntN(400)), fmt.Sprint(rand.IntN(4)), fmt.Sprint(rand.IntN(4)))
					batch[j].fetch.Began = int64(i + 1)
					batch[j].fetch.After = allAt(2, int64(max(0, i-rand.IntN(3))))
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
