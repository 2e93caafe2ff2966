package cluster

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hedging lets fetches be hedged after the least time.
func hedging(c *Config) { c.HedgeBudget = 100 }

// quick makes a shard's fetches known to be quick, so that a hedge comes soon.
func quick(u *Upstream) {
	for _, s := range u.view.Load().shards {
		s.pace.p95.Store(0)
		s.pace.observe(time.Microsecond)
	}
}

// connected waits until all have a connection: a hedge waits for no dial.
func connected(t testing.TB, u *Upstream, fakes ...*fake) {
	t.Helper()
	for _, f := range fakes {
		until(t, "it is connected", func() bool { get(t, u, "k"); return stateOf(u, f.addr) == connUp })
	}
}

// hangsFirst hangs at the first read, of whichever fetcher it is, until let go,
// and then says "late" to it; all others are answered as echo does.
func hangsFirst(fakes ...*fake) (letGo chan struct{}) {
	letGo = make(chan struct{})
	var n atomic.Int32
	for _, f := range fakes {
		f.will(func(p *peer, args [][]byte) bool {
			if n.Add(1) > 1 {
				return echo(p, args)
			}
			select {
			case <-letGo:
				return p.say("*1\r\n" + bulk("late"))
			case <-p.ended:
				return false
			}
		})
	}
	return letGo
}

func TestSlowFetchIsHedgedAndTheLateAnswerHarmsNobody(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, hedging, fakes...)
	connected(t, u, fakes...)
	letGo := hangsFirst(fakes...)
	quick(u)
	a := ask("k")
	send(u, a)
	a.mustAnswer(t)
	close(letGo)
	drive(t, u, 40, 2) // on both connections, behind the late answer
	u.Close()
	if n := a.told.Load(); n != 1 {
		t.Errorf("told %d times", n)
	}
	if h, won := u.Hedges.Load(), u.HedgesWon.Load(); h == 0 || won == 0 || won > h {
		t.Errorf("%d hedges, %d won", h, won)
	}
	u.Fetchers(func(addr string, outstanding int64, _ *FetcherStats) {
		if outstanding != 0 {
			t.Errorf("%s has %d outstanding", addr, outstanding)
		}
	})
}

// A joiner of a hedged fetch is told what the quicker one answered; the lead's
// beginning still lies before both requests.
func TestJoinerOfAHedgedFetchGetsTheFirstAnswer(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, hedging, fakes...)
	connected(t, u, fakes...)
	letGo := hangsFirst(fakes...)
	defer close(letGo)
	quick(u)
	lead, joiner := ask("k"), ask("k")
	joiner.fetch.Began = 2
	send(u, lead, joiner)
	lead.mustAnswer(t)
	if got := joiner.mustAnswer(t); !got.joined {
		t.Error("it did not join")
	}
}

// An invalidation comes while a fetch is hedged: whoever asks then must not be
// told what the hedge brings, although it is sent after the invalidation, since
// the first request was not.
func TestReaderAfterAnInvalidationJoinsNoHedgedFetch(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, hedging, fakes...)
	connected(t, u, fakes...)
	letGo := make(chan struct{})
	var n atomic.Int32
	for _, f := range fakes {
		f.will(func(p *peer, _ [][]byte) bool {
			i := n.Add(1)
			if i <= 2 { // the fetch and its hedge
				<-letGo
				return p.say("*1\r\n" + bulk("old"))
			}
			return p.say("*1\r\n" + bulk("new"))
		})
	}
	quick(u)
	before, after := ask("k"), ask("k")
	before.fetch.Began = 10
	send(u, before)
	until(t, "it is hedged", func() bool { return n.Load() == 2 })
	after.fetch.Began, after.fetch.After = 20, allAt(1, 15)
	send(u, after)
	close(letGo)
	if got := before.wait(t); got.reply != "*1\r\n"+bulk("old") {
		t.Errorf("the first was told %+v", got)
	}
	if got := after.wait(t); got.joined || got.reply != "*1\r\n"+bulk("new") {
		t.Errorf("the one after the invalidation was told %+v", got)
	}
}

func TestHedgesKeepToTheirBudget(t *testing.T) {
	p := newPace()
	for p.spend() {
	}
	const fetches, budget = 10_000, 5
	var hedges int
	for range fetches {
		p.earn(1, budget)
		if p.spend() {
			hedges++
		}
	}
	if hedges != fetches*budget/100 {
		t.Errorf("%d hedges of %d fetches, with a budget of %d %%", hedges, fetches, budget)
	}
	for range fetches {
		p.earn(1, budget)
	}
	for hedges = 0; p.spend(); hedges++ {
	}
	if hedges > creditBurst {
		t.Errorf("%d hedges were saved up, want at most %d", hedges, creditBurst)
	}
}

func TestNothingIsHedgedWhereItWouldDoHarm(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	u := upstreamOf(t, hedging, fakes...)
	s := u.view.Load().shards[0]
	if !u.mayHedge(s) {
		t.Fatal("nothing speaks against it")
	}
	s.nodes[1].aside.Store(1)
	if u.mayHedge(s) {
		t.Error("with a fetcher set aside")
	}
	s.nodes[1].aside.Store(0)
	s.nodes[2].outstanding.Store(DefaultMaxInFlight * crowded / 100)
	if u.mayHedge(s) {
		t.Error("with a fetcher near its bound")
	}
	s.nodes[2].outstanding.Store(0)
	u.Stick(time.Hour)
	if u.mayHedge(s) {
		t.Error("while slots stay with one fetcher each")
	}
}

// The estimate settles where one sample in twenty lies above it, and follows.
func TestPaceFollowsThe95thPercentile(t *testing.T) {
	p := newPace()
	for _, unit := range []time.Duration{10 * time.Microsecond, 200 * time.Microsecond, time.Microsecond} {
		above := 0
		for i := range 40_000 {
			sample := time.Duration(1+(i*7919)%100) * unit // 1 to 100 units, each as often
			if i >= 20_000 && sample > p.percentile() {
				above++
			}
			p.observe(sample)
		}
		if share := float64(above) / 20_000; share < 0.03 || share > 0.07 {
			t.Errorf("%.3f of the samples lie above the estimate, %s", share, p.percentile())
		}
	}
}

// Both copies of a fetch fail: it is told once, with the real error.
func TestRaceThatBothLoseIsToldOnce(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, hedging, fakes...)
	connected(t, u, fakes...)
	for _, f := range fakes {
		f.will(hang)
	}
	quick(u)
	a := ask("k")
	send(u, a)
	until(t, "it is hedged", func() bool { return u.Hedges.Load() == 1 })
	for _, f := range fakes {
		f.stop()
	}
	a.mustFail(t, "fetch from 127.0.0.1:")
	u.Close()
	if n := a.told.Load(); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// A fetcher that stops in the midst of its work (a long pause, a machine that
// hangs) costs no client an error where its shard has others: what waits there is
// asked of them while there is time.
func TestFetchesOfAStalledFetcherAreSaved(t *testing.T) {
	inParallel(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 4 * time.Second }, fakes...)
	connected(t, u, fakes...)
	fakes[0].will(hang)
	askers := make([]*asker, 300)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i))
		send(u, askers[i])
	}
	for _, a := range askers {
		a.mustAnswer(t)
	}
	if fakes[0].reads.Load() == 0 || u.Retries.Load() == 0 {
		t.Fatal("the test shows nothing")
	}
	var state FetcherStatus
	u.FetcherStatuses(func(s FetcherStatus) {
		if s.Addr == fakes[0].addr {
			state = s
		}
	})
	if state.State != StateAside || !strings.Contains(state.Why, "silent") && !strings.Contains(state.Why, "probe") || state.Stats.Ejections.Load() != 1 {
		t.Errorf("it is shown as %+v", state)
	}
}
