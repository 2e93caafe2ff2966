package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// covering is a topology that leaves some slots uncovered.
func covering(t testing.TB, last uint16) *Topology {
	t.Helper()
	topology, err := NewTopology(RCM, "", []Assignment{{Slots: []SlotRange{{0, last}}, Nodes: []string{"10.0.0.1:6379"}}})
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// H26: a topology that covers fewer slots than the one in use is believed when it has
// persisted, not before; one that covers as many is, at once.
func TestPoorerTopologyHasToPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lines)
		u := &Upstream{cfg: Config{TopologyPatience: time.Minute}, log: slog.New(slog.NewTextHandler(log, nil))}
		whole, half := covering(t, Slots-1), covering(t, Slots/2)
		for range 3 {
			for range 4 { // 45 s of it, and then the whole again
				if u.believe(whole, half, time.Now()) {
					t.Fatal("half a topology was believed at once")
				}
				time.Sleep(15 * time.Second)
			}
			if !u.believe(whole, whole, time.Now()) {
				t.Fatal("a whole topology was not believed")
			}
		}
		if n := log.count("not believed yet"); n != 3 {
			t.Errorf("logged %d times, want once each", n)
		}
		began := time.Now()
		for !u.believe(whole, half, time.Now()) {
			time.Sleep(15 * time.Second)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("believed after %s", took)
		}
		if !u.believe(half, half, time.Now()) || !u.believe(half, whole, time.Now()) {
			t.Error("what is no poorer was not believed")
		}
		if n := u.Refused.Load(); n != 3*4+4 {
			t.Errorf("%d refusals are counted", n)
		}
	})
}

// An RCM that answers as a plain server would is not asked for features in place
// of the fleet.
func TestPlainServerDoesNotReplaceAFleetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &Upstream{cfg: Config{TopologyPatience: time.Minute}, log: slog.New(slog.DiscardHandler)}
		plain, err := NewTopology(Standalone, "", []Assignment{{Slots: []SlotRange{AllSlots}, Nodes: []string{"10.0.0.2:6379"}}})
		if err != nil {
			t.Fatal(err)
		}
		if u.believe(covering(t, Slots-1), plain, time.Now()) {
			t.Error("it was believed at once")
		}
		time.Sleep(time.Minute)
		if !u.believe(covering(t, Slots-1), plain, time.Now()) {
			t.Error("it was not believed when it had persisted")
		}
		if !u.believe(plain, covering(t, Slots-1), time.Now()) || !u.believe(plain, plain, time.Now()) {
			t.Error("a plain server was not given up, or kept")
		}
	})
}

// A poorer topology that comes by the wire: fetches of all slots go on.
func TestPoorerTopologyLeavesAllSlotsServed(t *testing.T) {
	inParallel(t)
	rcm, one, other := startFake(t), startFake(t), startFake(t)
	slots := slotsOf([]*fake{one}, []*fake{other})
	rcm.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Discovery.Kind = KindRCM; c.TopologyPatience = time.Hour }, rcm)
	found(t, u)
	host, port, _ := net.SplitHostPort(one.addr)
	half := fmt.Sprintf("*1\r\n*3\r\n:0\r\n:8191\r\n*3\r\n%s:%s\r\n$2\r\nid\r\n", bulk(host), port)
	rcm.slots.Store(&half)
	until(t, "the poorer one is read", func() bool { u.Refresh(); return u.Refused.Load() > 0 })
	drive(t, u, 40, 2)
	empty := "*0\r\n"
	rcm.slots.Store(&empty)
	failed := u.RefreshErrors.Load()
	until(t, "the empty one is read", func() bool { u.Refresh(); return u.RefreshErrors.Load() > failed })
	drive(t, u, 40, 2)
	if topology, _ := u.Topology(); topology.Covered() != Slots {
		t.Errorf("%d slots are covered", topology.Covered())
	}
}

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

// Zones come from CLUSTER SHARDS, which is asked only for them.
func TestZonesAreReadFromTheStore(t *testing.T) {
	noLeaks(t)
	node := func(port int, zone string) []any {
		return []any{"id", fmt.Sprint("n", port), "port", int64(port), "ip", "10.0.0.1", "endpoint", "10.0.0.1", "role", "replica", "health", "online", "availability-zone", zone}
	}
	reply := []any{
		[]any{"slots", []any{int64(0), int64(Slots - 1)}, "nodes", []any{node(1, "a"), node(2, "b"), node(3, "")}},
		"nonsense",
	}
	zones := parseZones(reply, "10.0.0.9:1", false)
	if len(zones) != 2 || zones["10.0.0.1:1"] != "a" || zones["10.0.0.1:2"] != "b" {
		t.Errorf("got %v", zones)
	}
	for _, nothing := range []any{nil, "text", []any{}, []any{[]any{"nodes"}}} {
		if zones := parseZones(nothing, "10.0.0.9:1", false); len(zones) != 0 {
			t.Errorf("%v has zones %v", nothing, zones)
		}
	}
	topology, err := NewTopology(RCM, "", []Assignment{{Slots: []SlotRange{AllSlots}, Nodes: []string{"10.0.0.1:2", "10.0.0.1:1", "10.0.0.1:3"}}})
	if err != nil {
		t.Fatal(err)
	}
	topology.zones = zones
	for zone, near := range map[string]int{"a": 1, "b": 1, "": 3, "elsewhere": 3} {
		nodes := []*fetcher{{addr: "10.0.0.1:2"}, {addr: "10.0.0.1:1"}, {addr: "10.0.0.1:3"}}
		if got := nearest(nodes, topology, zone); got != near || near == 1 && topology.Zone(nodes[0].addr) != zone {
			t.Errorf("zone %q: %d near, the first is %s", zone, got, nodes[0].addr)
		}
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
		u := &Upstream{ctx: b.Context(), fetchers: make(map[string]*fetcher), cfg: Config{Connections: 2, MaxInFlight: 1, SlowStart: time.Second}}
		u.install(topologies[0], time.Now())
		for i := 0; b.Loop(); i++ {
			u.install(topologies[i%len(topologies)], time.Now())
		}
	}
	same, other := parse(0), parse(nodes/10)
	b.Run("install/same", func(b *testing.B) { install(b, same) })
	b.Run("install/a tenth is new", func(b *testing.B) { install(b, same, other) })
}
