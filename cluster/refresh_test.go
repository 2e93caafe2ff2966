package cluster

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is known of fetchers and shards stays through a change of the topology; a
// fetcher that appears starts slowly, with what is typical of the others.
func TestChangeOfTopologyKeepsWhatIsKnown(t *testing.T) {
	inParallel(t)
	rcm, one, other := startFake(t), startFake(t), startFake(t)
	slots := slotsOf([]*fake{one})
	rcm.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Discovery.Kind = KindRCM; c.SlowStart = time.Hour }, rcm)
	found(t, u)
	drive(t, u, 50, 1)
	before, f := u.view.Load().shards[0], u.fetcherAt(one.addr)
	known := f.latency.known()
	if statusOf(u, one.addr).State != StateServing || known == 0 {
		t.Fatalf("it is shown as %+v", statusOf(u, one.addr))
	}
	more := slotsOf([]*fake{other, one})
	rcm.slots.Store(&more)
	until(t, "it appears", func() bool { u.Refresh(); return len(u.view.Load().shards[0].nodes) == 2 })
	after := u.view.Load().shards[0]
	if after.pace != before.pace || u.fetcherAt(one.addr) != f {
		t.Error("what was known is gone")
	}
	if got := statusOf(u, other.addr); got.State != StateWarming || got.Latency != known {
		t.Errorf("the new one is shown as %+v, the old one takes %s", got, known)
	}
}

// H27: while slots stay with one fetcher each, all fetches of a key go to one, and
// values do not go back and forth.
func TestStickKeepsKeysWithOneFetcher(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	for i, f := range fakes {
		f.will(says("*1\r\n" + bulk(fmt.Sprint("from ", i))))
	}
	u := upstreamOf(t, nil, fakes...)
	u.Stick(time.Hour)
	u.Stick(time.Second) // takes nothing away
	seen := make(map[string]string)
	for round := range 20 {
		askers := make(map[string]*asker)
		var batch []*asker
		for i := range 30 {
			key := fmt.Sprint("st_", i)
			askers[key] = ask(key, fmt.Sprint(round))
			batch = append(batch, askers[key])
		}
		send(u, batch...)
		for key, a := range askers {
			got := a.wait(t).reply
			if before, ok := seen[key]; ok && got != before {
				t.Fatalf("%s: %q after %q", key, got, before)
			}
			seen[key] = got
		}
	}
	all := make(map[string]bool)
	for _, reply := range seen {
		all[reply] = true
	}
	if len(all) != len(fakes) {
		t.Errorf("%d of %d fetchers are asked", len(all), len(fakes))
	}
}

func TestRangesAreNamedShortly(t *testing.T) {
	var ranges []SlotRange
	for i := range 100 {
		ranges = append(ranges, SlotRange{uint16(10 * i), uint16(10*i + i%2)})
	}
	if got := rangesText(ranges); got != "slots 0,10-11,20 and 97 more ranges" {
		t.Error(got)
	}
	if got := rangesText(ranges[:1]); got != "slots 0" {
		t.Error(got)
	}
}

// BenchmarkRefresh is what 2,000 nodes and all slots cost: the asking, from the
// dial to the topology; of that, the parsing of the reply to CLUSTER SLOTS once
// its bytes are decoded; and the installing of what it says where nothing has
// changed, and where a tenth of the nodes has.
func BenchmarkRefresh(b *testing.B) {
	const shards, nodes = 50, 40
	reply := func(changed int) []any {
		var entries []any
		for i := range shards {
			entry := []any{int64(i * Slots / shards), int64((i+1)*Slots/shards - 1)}
			for j := range nodes {
				host := fmt.Sprintf("10.0.%d.%d", i, j)
				if j < changed {
					host = "10.1" + strings.TrimPrefix(host, "10.0")
				}
				entry = append(entry, []any{host, int64(6379), fmt.Sprintf("%040d", i*nodes+j)})
			}
			entries = append(entries, entry)
		}
		return entries
	}
	parse := func(changed int) *Topology {
		assignments, err := parseSlots(reply(changed), "10.0.0.1:6379")
		if err != nil {
			b.Fatal(err)
		}
		topology, err := NewTopology(RCM, "", assignments)
		if err != nil {
			b.Fatal(err)
		}
		return topology
	}
	b.Run("ask", func(b *testing.B) {
		f := startFake(b)
		var slots strings.Builder
		fmt.Fprintf(&slots, "*%d\r\n", shards)
		for _, entry := range reply(0) {
			e := entry.([]any)
			fmt.Fprintf(&slots, "*%d\r\n:%d\r\n:%d\r\n", len(e), e[0], e[1])
			for _, n := range e[2:] {
				node := n.([]any)
				fmt.Fprintf(&slots, "*3\r\n%s:%d\r\n%s", bulk(node[0].(string)), node[1], bulk(node[2].(string)))
			}
		}
		text := slots.String()
		f.slots.Store(&text)
		d := NewDiscovery(DiscoveryConfig{Kind: KindRCM, Addresses: []string{f.addr}})
		defer d.Close()
		for b.Loop() {
			if topology, err := d.Discover(b.Context()); err != nil || len(topology.Nodes()) != shards*nodes {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		entries := reply(0)
		for b.Loop() {
			assignments, _ := parseSlots(entries, "10.0.0.1:6379")
			_, _ = NewTopology(RCM, "", assignments)
		}
	})
	install := func(b *testing.B, topologies ...*Topology) {
		u := &Upstream{ctx: b.Context(), fetchers: make(map[string]*fetcher)}
		u.tuned.Store(&Config{Connections: 2, MaxInFlight: 1, SlowStart: time.Second})
		u.install(topologies[0], time.Now())
		for i := 0; b.Loop(); i++ {
			u.install(topologies[i%len(topologies)], time.Now())
		}
	}
	same, other := parse(0), parse(nodes/10)
	b.Run("install/same", func(b *testing.B) { install(b, same) })
	b.Run("install/a tenth is new", func(b *testing.B) { install(b, same, other) })
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
