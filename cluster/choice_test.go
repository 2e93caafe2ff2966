package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// shardOf is a shard of fetchers in one zone.
func shardOf(nodes ...*fetcher) *shard {
	s := &shard{nodes: nodes, near: len(nodes), slots: "slots 0-16383", pace: newPace()}
	for i, f := range nodes {
		f.shards.Store(&[]*shard{s})
		f.seed = mix(uint64(i + 1))
	}
	return s
}

// inState is a fetcher with one connection in a state.
func inState(state connState) *fetcher {
	f := new(fetcher)
	f.maxInFlight.Store(1000)
	c := &conn{fetcher: f, state: state}
	c.settle()
	f.conns = []*conn{c}
	return f
}

func up() *fetcher { return inState(connUp) }

func down() *fetcher {
	f := inState(connDown)
	f.conns[0].retryAt = time.Now().Add(time.Hour)
	return f
}

// shares is the part of n choices that each fetcher of s gets.
func shares(s *shard, n int, now time.Time) map[*fetcher]float64 {
	got := make(map[*fetcher]float64)
	for range n {
		got[s.choose(nil, now)] += 1 / float64(n)
	}
	return got
}

// draws is enough for a share of a tenth to lie within 4 % of what it should be
// in all but one of a million runs, many times over.
const draws = 200_000

func TestNodeThatIsDownIsChosenOnlyWhereThereIsNoOther(t *testing.T) {
	now := time.Now()
	a, b, c, d := down(), up(), up(), down()
	s := shardOf(a, b, c, d)
	pair := shardOf(a, b)
	for range 200 {
		if f := s.choose(nil, now); f != b && f != c {
			t.Fatal("chose one that is down")
		}
		if f := s.choose(b, now); f != c {
			t.Fatal("chose one that is down, or was just tried")
		}
		if f := pair.choose(b, now); f != a {
			t.Fatal("where only one that is down is left, it is better than the one just tried")
		}
	}
	if shardOf().choose(nil, now) != nil || shardOf(a).choose(a, now) != a {
		t.Fatal("the only one is chosen whatever is known of it")
	}
}

func TestNodeThatIsSetAsideIsChosenOnlyWhereThereIsNoOther(t *testing.T) {
	now := time.Now()
	a, b, c := up(), up(), down()
	a.aside.Store(1)
	s, pair := shardOf(a, b, c), shardOf(a, c)
	for range 200 {
		if s.choose(nil, now) != b {
			t.Fatal("chose one that is set aside, or down")
		}
		if pair.choose(nil, now) != a {
			t.Fatal("one that is set aside is better than one that is down")
		}
	}
}

func TestNodeAtItsBoundIsNeverChosen(t *testing.T) {
	now := time.Now()
	a, b := up(), up()
	a.outstanding.Store(a.maxInFlight.Load())
	s := shardOf(a, b)
	for range 200 {
		if s.choose(nil, now) != b {
			t.Fatal("chose one that is at its bound")
		}
	}
	if s.choose(b, now) != b {
		t.Fatal("one that was just tried is better than one without room")
	}
	b.outstanding.Store(b.maxInFlight.Load())
	if s.choose(nil, now) != nil {
		t.Fatal("chose one though none has room")
	}
}

// Equals get equal shares, the one that is listed first included, also where
// their averages differ as much as noise makes them.
func TestEqualsGetEqualSharesWhateverTheirOrder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, n := range []int{2, 3, 10} {
		s := shardOf()
		for i := range n {
			f := up()
			f.latency.set(time.Duration(200+i%2*100)*time.Microsecond, clock(now))
			s.nodes, s.near = append(s.nodes, f), n
		}
		got := shares(s, draws, now)
		for i, f := range s.nodes {
			if share := got[f] * float64(n); share < 0.96 || share > 1.04 {
				t.Errorf("of %d, node %d gets %.3f of the mean", n, i, share)
			}
		}
	}
}

// One that is a few times as slow gets few. One that is ten times as slow gets
// next to none, until what is known of it is old: TestOldLatencyIsForgotten.
func TestSlowNodeGetsFewButSome(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, b, slow := up(), up(), up()
	for _, f := range []*fetcher{a, b} {
		f.latency.set(time.Millisecond, clock(now))
	}
	for _, c := range []struct {
		times       int
		least, most float64
	}{{1, 0.32, 0.35}, {2, 0.1, 0.25}, {3, 0.01, 0.03}, {5, 0.0005, 0.002}, {10, 0, 0.0002}} {
		slow.latency.set(time.Duration(c.times)*time.Millisecond, clock(now))
		if got := shares(shardOf(slow, a, b), draws, now)[slow]; got < c.least || got > c.most {
			t.Errorf("%d times as slow, it gets %.4f of all", c.times, got)
		}
	}
}

func TestBusierNodeGetsLess(t *testing.T) {
	t.Parallel()
	now := time.Now()
	busy, idle := up(), up()
	busy.outstanding.Store(5)
	if got := shares(shardOf(busy, idle), draws, now)[busy]; got > 0.01 {
		t.Errorf("one with 5 outstanding gets %.3f beside an idle one", got)
	}
}

// A bad answer long ago keeps nobody from being asked for ever.
func TestOldLatencyIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	bad, good := up(), up()
	good.latency.set(time.Millisecond, clock(now))
	bad.latency.set(50*time.Millisecond, clock(now))
	s := shardOf(bad, good)
	before := shares(s, draws, now)[bad]
	later := now.Add(10 * time.Minute)
	good.latency.set(time.Millisecond, clock(later))
	if after := shares(s, draws, later)[bad]; before > 0.01 || after < 0.3 {
		t.Errorf("its share goes from %.3f to %.3f in ten minutes", before, after)
	}
}

// The average follows a fetcher that slows down or recovers within a second or
// two, and is not moved by a spike.
func TestLatencyFollowsWhatLasts(t *testing.T) {
	var l latency
	at := int64(0)
	feed := func(took time.Duration, n int) { // one at a time, as soon as the last is answered
		for range n {
			at += int64(took) + int64(10*time.Microsecond)
			l.observe(took, at)
		}
	}
	feed(time.Millisecond, 1000)
	feed(50*time.Millisecond, 1)
	if got := l.known(); got > 2500*time.Microsecond {
		t.Errorf("one spike makes %s of 1ms", got)
	}
	feed(time.Millisecond, 10000)
	feed(10*time.Millisecond, 200)
	if got := l.known(); got < 6*time.Millisecond {
		t.Errorf("%s after 2 s at 10 ms", got)
	}
	feed(time.Millisecond, 10000)
	if got := l.known(); got > 1200*time.Microsecond {
		t.Errorf("%s after 10 s at 1 ms", got)
	}
}

func TestNodeThatAppearedStartsSlowly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old, fresh := up(), up()
	fresh.slowStart.Store(int64(10 * time.Second))
	fresh.since.Store(clock(now))
	s := shardOf(old, fresh)
	last := 0.0
	for _, c := range []struct {
		after       time.Duration
		least, most float64
	}{{0, 0.08, 0.1}, {2 * time.Second, 0.15, 0.18}, {5 * time.Second, 0.32, 0.35}, {10 * time.Second, 0.49, 0.51}, {time.Hour, 0.49, 0.51}} {
		got := shares(s, draws, now.Add(c.after))[fresh]
		if got < c.least || got > c.most || got < last-0.01 {
			t.Errorf("after %s it gets %.3f, want %.2f to %.2f", c.after, got, c.least, c.most)
		}
		last = got
	}
}

func TestOwnZoneIsPreferredUntilItCostsMuchMore(t *testing.T) {
	now := time.Now()
	near, far := up(), up()
	s := shardOf(near, far)
	s.near = 1
	for _, f := range s.nodes {
		f.latency.set(time.Millisecond, clock(now))
	}
	if got := shares(s, 1000, now)[near]; got < 0.999 {
		t.Errorf("the own zone gets %.3f", got)
	}
	near.outstanding.Store(farCost + 1)
	if got := shares(s, 1000, now)[far]; got < 0.999 {
		t.Errorf("a zone that costs %d times as much keeps all but %.3f", farCost+2, got)
	}
	near.outstanding.Store(0)
	near.aside.Store(1)
	if got := shares(s, 1000, now)[far]; got < 0.999 {
		t.Errorf("another zone gets %.3f while the own one is set aside", got)
	}
}

// The time after a marker: each slot stays with one fetcher, all fetchers are
// kept busy, and one that cannot be reached loses its slots, and nobody else's.
func TestSlotStaysWithOneFetcher(t *testing.T) {
	now := time.Now()
	s := shardOf(up(), up(), up(), up())
	keeper := make([]*fetcher, Slots)
	count := make(map[*fetcher]int)
	for slot := range keeper {
		keeper[slot] = s.keeper(uint16(slot), nil, now)
		count[keeper[slot]]++
		s.nodes[rand.IntN(len(s.nodes))].outstanding.Add(1) // load is no reason
		s.nodes[rand.IntN(len(s.nodes))].maxInFlight.Store(1 << 20)
	}
	for i, f := range s.nodes {
		if share := float64(count[f]) * 4 / Slots; share < 0.9 || share > 1.1 {
			t.Errorf("node %d keeps %.2f of the mean", i, share)
		}
	}
	gone := s.nodes[1]
	gone.aside.Store(1)
	for slot, f := range keeper {
		switch now := s.keeper(uint16(slot), nil, now); {
		case f == gone && now == gone, f != gone && now != f:
			t.Fatalf("slot %d: kept by the wrong fetcher", slot)
		}
	}
}

// BenchmarkChoose is one choice among the fetchers of a shard that are all fit.
func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{1, 3, 2000} {
		b.Run(fmt.Sprint("fetchers=", n), func(b *testing.B) {
			s := shardOf()
			for range n {
				f := up()
				f.latency.set(rand.N(time.Millisecond)+1, clock(time.Now()))
				s.nodes = append(s.nodes, f)
			}
			s.near = n
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				s.choose(nil, now)
			}
		})
	}
}
