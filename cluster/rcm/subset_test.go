package rcm

import (
	"fmt"
	"math"
	"math/rand"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
)

// The fleet and the clients of the tests of evenness.
const (
	manyNodes   = 2_000
	manyClients = 10_000
	usualSubset = 3
)

func nodeAddress(i int) string { return fmt.Sprintf("10.0.%d.%d:6379", i/250, i%250) }

// fleetOf is a topology of n nodes in so many shards, in zones a, b and c.
func fleetOf(t testing.TB, n, shards int) *cluster.Topology {
	t.Helper()
	list := make([]cluster.Assignment, shards)
	zones := make(map[string]string)
	for i := range n {
		a := &list[i%shards]
		a.Nodes = append(a.Nodes, nodeAddress(i))
		zones[nodeAddress(i)] = string(rune('a' + i/shards%3))
	}
	for i := range list {
		list[i].Slots = []cluster.SlotRange{{
			First: uint16(i * cluster.Slots / shards), Last: uint16((i+1)*cluster.Slots/shards - 1),
		}}
	}
	topology, err := cluster.NewTopology(cluster.RCM, "", list)
	if err != nil {
		t.Fatal(err)
	}
	return topology.WithZones(zones)
}

// clientOf is the i-th client, by its address: those of Kubernetes come in
// runs.
func clientOf(i int) identity {
	return identify(&net.TCPAddr{IP: net.IPv4(10, 1, byte(i/100), byte(i%100)), Port: 1000 + i}, "")
}

// testViews are those of a topology of which each client is told k nodes.
func testViews(t *cluster.Topology, k int) *views { return newViews(t, nil, k, new(counters)) }

// binomialTail is the chance that of n throws, each of which hits with chance
// p, at least x hit.
func binomialTail(n int, p float64, x int) float64 {
	tail := 0.0
	for i := x; i <= n && i < x+400; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		tail += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return tail
}

// allowed is the load that of nodes throws of dice exceed with a chance of one
// in a thousand.
func allowed(clients, nodes int, p float64) int {
	x := int(float64(clients) * p)
	for float64(nodes)*binomialTail(clients, p, x+1) > 0.001 {
		x++
	}
	return x
}

// loads counts the clients of each node, and those for whom it is the first.
func loads(v *views, clients int) (all, first map[string]int) {
	all, first = make(map[string]int), make(map[string]int)
	for i := range clients {
		for _, s := range v.of(clientOf(i)).shards {
			for j, n := range s.nodes {
				all[n.id]++
				if j == 0 {
					first[n.id]++
				}
			}
		}
	}
	return all, first
}

func most(counts map[string]int) (n int) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}

// The load of a node is that of dice: no choice made without knowing the other
// clients can do better. The test holds the choice to no worse.
func TestSubsetsAreAsEvenAsTheMathematicsAllows(t *testing.T) {
	for _, shards := range []int{1, 20} {
		size := manyNodes / shards
		v := testViews(fleetOf(t, manyNodes, shards), usualSubset)
		all, first := loads(v, manyClients)
		for _, c := range []struct {
			what   string
			counts map[string]int
			p      float64
		}{{"told of", all, float64(usualSubset) / float64(size)}, {"first for", first, 1 / float64(size)}} {
			mean, bound := float64(manyClients)*c.p, allowed(manyClients, manyNodes, c.p)
			got := most(c.counts)
			t.Logf("%d shards of %d nodes, %s: max/mean %.2f, dice allow %.2f", shards, size, c.what, float64(got)/mean, float64(bound)/mean)
			if got > bound {
				t.Errorf("%d shards: one node is %s %d clients, of %.0f on the average; dice allow %d", shards, c.what, got, mean, bound)
			}
			// Nobody is left out, where dice would leave nobody out.
			if chance := float64(manyNodes) * math.Pow(1-c.p, manyClients); len(c.counts) < manyNodes && chance < 0.001 {
				t.Errorf("%d shards: %d of %d nodes are %s nobody", shards, manyNodes-len(c.counts), manyNodes, c.what)
			}
			variance := 0.0
			for _, n := range c.counts {
				variance += (float64(n) - mean) * (float64(n) - mean)
			}
			variance = (variance + float64(manyNodes-len(c.counts))*mean*mean) / manyNodes
			if ratio := variance / (mean * (1 - c.p)); ratio > 1.15 {
				t.Errorf("%d shards, %s: the variance is %.2f times that of dice", shards, c.what, ratio)
			}
		}
	}
}

// Clients that send each read to the less busy of two of their three nodes
// level what dice leave.
func TestClientsWithAChoiceLevelTheLoad(t *testing.T) {
	v := testViews(fleetOf(t, manyNodes, 1), usualSubset)
	random := rand.New(rand.NewSource(1))
	load := make(map[*node]int)
	const reads = 10
	for range reads {
		for i := range manyClients {
			nodes := v.of(clientOf(i)).shards[0].nodes
			a := random.Intn(len(nodes))
			b := (a + 1 + random.Intn(len(nodes)-1)) % len(nodes)
			if load[nodes[b]] < load[nodes[a]] {
				a = b
			}
			load[nodes[a]]++
		}
	}
	busiest := 0
	for _, n := range load {
		busiest = max(busiest, n)
	}
	mean := float64(reads*manyClients) / manyNodes
	t.Logf("max/mean %.3f", float64(busiest)/mean)
	if float64(busiest) > 1.1*mean {
		t.Errorf("the busiest node gets %.2f times the mean", float64(busiest)/mean)
	}
}

func ids(nodes []*node) (all []string) {
	for _, n := range nodes {
		all = append(all, n.id)
	}
	return all
}

// A node that goes moves the clients that had it, each by that one node, and
// nobody else; so does one that comes.
func TestANodeMovesItsShareOfClientsAlone(t *testing.T) {
	with := testViews(fleetOf(t, manyNodes, 1), usualSubset)
	gone := nodeID(nodeAddress(1234))
	nodes := slices.DeleteFunc(slices.Clone(with.shards[0].nodes), func(n *node) bool { return n.id == gone })
	moved := 0
	for i := range manyClients {
		before := ids(with.of(clientOf(i)).shards[0].nodes)
		if i%10 != 0 && !slices.Contains(before, gone) {
			continue // one of ten stands for those whom it does not concern
		}
		after := ids(choose(nodes, usualSubset, clientOf(i).hash, ""))
		if !slices.Contains(before, gone) {
			if !slices.Equal(before, after) {
				t.Fatalf("client %d, who did not have the node, had %v and has %v", i, before, after)
			}
			continue
		}
		moved++
		// What is left keeps its order; the one that is new is last.
		left := slices.DeleteFunc(slices.Clone(before), func(id string) bool { return id == gone })
		if !slices.Equal(left, after[:usualSubset-1]) {
			t.Fatalf("client %d had %v and has %v", i, before, after)
		}
	}
	bound := allowed(manyClients, 1, float64(usualSubset)/manyNodes)
	t.Logf("%d of %d clients moved (%.3f %%), the share of one node is %.3f %%", moved, manyClients,
		100*float64(moved)/manyClients, 100*float64(usualSubset)/manyNodes)
	if moved == 0 || moved > bound {
		t.Errorf("%d clients moved, dice allow %d", moved, bound)
	}
}

// Whoever computes a subset, in whatever order it found the nodes, comes to the
// same, now and in years.
func TestAllRCMsTellAClientTheSame(t *testing.T) {
	topology := fleetOf(t, 200, 2)
	shuffled := make([]cluster.Assignment, 0, 2)
	for i, s := range topology.Shards {
		nodes := slices.Clone(s.Nodes)
		rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		shuffled = append(shuffled, cluster.Assignment{Slots: topology.Ranges()[i], Nodes: nodes})
	}
	slices.Reverse(shuffled)
	same := testTopology(t, shuffled...).WithZones(zonesOf(topology))
	for _, subset := range []int{0, 1, 3, 500} {
		a, b := testViews(topology, subset), testViews(same, subset)
		for i := range 200 {
			who := clientOf(i)
			if i%2 == 0 {
				who.zone = "b"
			}
			for which := range replies {
				if string(a.of(who).reply(which)) != string(b.of(who).reply(which)) {
					t.Fatalf("of subsets of %d client %d is told different things", subset, i)
				}
			}
		}
	}
	a := testViews(topology, 3)
	var hosts []string
	for _, n := range a.of(clientOf(0)).shards[0].nodes {
		hosts = append(hosts, n.host)
	}
	if want := []string{"10.0.0.88", "10.0.0.18", "10.0.0.14"}; !slices.Equal(hosts, want) {
		t.Errorf("the subset of 10.1.0.0 is %v; it was %v, and clients would all move", hosts, want)
	}
}

func zonesOf(t *cluster.Topology) map[string]string {
	zones := make(map[string]string)
	for _, n := range t.Nodes() {
		zones[n] = t.Zone(n)
	}
	return zones
}

func TestTheOwnZoneGoesFirstAndOverflowsWhereItIsSmall(t *testing.T) {
	var nodes []string
	zones := make(map[string]string)
	for i := range 30 {
		nodes = append(nodes, nodeAddress(i))
		zones[nodeAddress(i)] = "large"
		if i < 2 {
			zones[nodeAddress(i)] = "small"
		}
	}
	v := testViews(testTopology(t, assignment(0, 16383, nodes...)).WithZones(zones), 3)
	others := make(map[string]int)
	for i := range 1000 {
		who := clientOf(i)
		count := func(zone string) (near int, list []*node) {
			who.zone = zone
			list = v.of(who).shards[0].nodes
			for j, n := range list {
				if n.zone == zone {
					near++
					if j != near-1 {
						t.Fatalf("client %d of %s: its own zone does not go first", i, zone)
					}
				}
			}
			return near, list
		}
		if near, _ := count("large"); near != 3 {
			t.Fatalf("client %d has %d nodes of its zone, of 28", i, near)
		}
		near, list := count("small")
		if near != 2 || len(list) != 3 {
			t.Fatalf("client %d has %d nodes of its zone, of 2, and %d in all", i, near, len(list))
		}
		others[list[2].id]++
		nowhere, anywhere := who, who
		nowhere.zone, anywhere.zone = "elsewhere", ""
		if v.of(nowhere) != v.of(anywhere) {
			t.Fatal("a zone that no node is in makes views of its own")
		}
	}
	if bound := allowed(1000, 28, 1./28); len(others) != 28 || most(others) > bound {
		t.Errorf("what overflows goes to %d of 28 nodes, %d to one", len(others), most(others))
	}
}

func TestAClientIsKnownByItsAddressOrByWhatItAnnounces(t *testing.T) {
	at := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	same := func(a, b identity) {
		t.Helper()
		if a.hash != b.hash {
			t.Error("the same client is taken for two")
		}
	}
	differ := func(a, b identity) {
		t.Helper()
		if a.hash == b.hash {
			t.Error("two clients are taken for one")
		}
	}
	plain := identify(at("10.0.0.1", 1), "")
	same(plain, identify(at("10.0.0.1", 2), "app"))
	same(plain, identify(at("::ffff:10.0.0.1", 2), "fsproxy"))
	same(plain, identify(at("10.0.0.1", 1), "fsproxy:@zone"))
	differ(plain, identify(at("10.0.0.2", 1), ""))
	named := identify(at("10.0.0.1", 1), "fsproxy:pod-7@eu-1a")
	differ(plain, named)
	same(named, identify(at("10.9.9.9", 1), "fsproxy:pod-7"))
	differ(named, identify(at("10.0.0.1", 1), "fsproxy:pod-8@eu-1a"))
	differ(plain, identify(at("10.9.9.9", 1), "fsproxy:10.0.0.1"))
	if named.zone != "eu-1a" || identify(at("10.0.0.1", 1), "fsproxy:pod-7@a@b").zone != "" || plain.ip != netip.MustParseAddr("10.0.0.1") {
		t.Error("zones are misread")
	}
	identify(&net.UnixAddr{Name: "/run/rcm"}, "")
}

func TestNetworksTellZones(t *testing.T) {
	networks := Networks{
		{netip.MustParsePrefix("10.0.0.0/8"), "wide"}, {netip.MustParsePrefix("10.0.0.0/16"), "narrow"}, {netip.MustParsePrefix("fd00::/8"), "six"},
	}
	s := New(Config{Topology: testTopology(t, assignment(0, 16383, "10.0.0.1:1", "10.2.0.1:1", "[fd00::1]:1", "host:1")), Networks: networks, Subset: 1})
	v := s.views.Load()
	got := make(map[string]string)
	for _, n := range v.shards[0].nodes {
		got[n.host] = n.zone
	}
	for host, zone := range map[string]string{"10.0.0.1": "narrow", "10.2.0.1": "wide", "fd00::1": "six", "host": ""} {
		if got[host] != zone {
			t.Errorf("%s is in %q, want %q", host, got[host], zone)
		}
	}
	for i := range 20 {
		if n := v.of(identify(&net.TCPAddr{IP: net.IPv4(10, 0, 7, byte(i))}, "")).shards[0].nodes[0]; n.zone != "narrow" {
			t.Errorf("a client of narrow is told %s", n.host)
		}
	}
}

func TestRepeatedAnswersAreTheSameBytesAndBounded(t *testing.T) {
	v := testViews(fleetOf(t, 60, 20), 3)
	again := v.of(clientOf(0)).slots()
	if other := v.of(clientOf(0)).slots(); &other[0] != &again[0] {
		t.Error("a reply was rendered twice")
	}
	if n := testing.AllocsPerRun(100, func() { v.of(clientOf(0)).slots() }); n > 8 { // identify's own
		t.Errorf("a repeated reply costs %v allocations", n)
	}
	const most = 1 << 20
	v.answers.most = most
	for i := range 1000 {
		v.of(identity{hash: uint64(i)}).slots()
	}
	views, bytes := v.answers.size()
	if bytes > most || bytes < most/2 || v.counters.forgotten.Load() == 0 {
		t.Errorf("%d views of %d bytes are kept, %d forgotten", views, bytes, v.counters.forgotten.Load())
	}
	held := 0
	for e := v.answers.recent.Front(); e != nil; e = e.Next() {
		held += e.Value.(*view).held
	}
	if held != bytes || views != len(v.answers.byKey) {
		t.Errorf("%d bytes are counted, %d held; %d views, %d keys", bytes, held, views, len(v.answers.byKey))
	}
}

// Views are bounded also where nobody asks for a rendered reply: clients that
// only read data, and are sent elsewhere, under ever new names.
func TestViewsOfWhichNothingIsRenderedAreBounded(t *testing.T) {
	v := testViews(fleetOf(t, 60, 20), 3)
	const most = 1 << 18
	v.answers.most = most
	for i := range 2000 {
		if _, ok := v.of(identity{hash: uint64(i)}).owner(7); !ok {
			t.Fatal("nobody owns slot 7")
		}
	}
	views, bytes := v.answers.size()
	if bytes > most || views != len(v.answers.byKey) || v.counters.forgotten.Load() == 0 {
		t.Errorf("%d views of %d bytes are kept, %d forgotten", views, bytes, v.counters.forgotten.Load())
	}
}

// Both are of a fleet of 2,000 nodes in 20 shards and 10,000 clients, each told
// three nodes of each shard.
func BenchmarkSlots(b *testing.B) {
	topology := fleetOf(b, manyNodes, 20)
	clients := make([]identity, manyClients)
	for i := range clients {
		clients[i] = clientOf(i)
	}
	b.Run("first", func(b *testing.B) { // choosing and rendering
		v := testViews(topology, usualSubset)
		size := 0
		for i := 0; b.Loop(); i++ {
			if i%manyClients == 0 {
				v = testViews(topology, usualSubset)
			}
			size = len(v.of(clients[i%manyClients]).slots())
		}
		b.ReportMetric(float64(size), "reply-bytes")
	})
	b.Run("repeated", func(b *testing.B) {
		v := testViews(topology, usualSubset)
		for _, c := range clients {
			v.of(c).slots()
		}
		views, _ := v.answers.size()
		b.ReportMetric(float64(views), "views")
		for i := 0; b.Loop(); i++ {
			v.of(clients[i%manyClients]).slots()
		}
	})
	b.Run("change of the fleet", func(b *testing.B) {
		for b.Loop() {
			testViews(topology, usualSubset)
		}
	})
}
