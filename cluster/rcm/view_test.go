package rcm

import (
	"fmt"
	"net"
	"testing"
)

func TestTopologyRepliesAreThoseOfRedisCluster(t *testing.T) {
	_, address := start(t, Config{Topology: twoShards(t)})
	p := dial(t, address)
	id := func(node string) string { return bulk(nodeID(node)) }
	a, b, c, d := "10.0.0.1:7001", "10.0.0.2:7002", "fetcher:60000", "[::1]:7003"
	if identify(p.LocalAddr(), "").hash%2 == 1 {
		a, b = b, a // this machine's turn
	}
	part := func(address string) (host, port string) {
		host, port, _ = net.SplitHostPort(address)
		return bulk(host), ":" + port + "\r\n"
	}
	element := func(address string) string {
		host, port := part(address)
		return "*3\r\n" + host + port + id(address)
	}
	p.expect("*4\r\n"+
		"*4\r\n:0\r\n:8191\r\n"+element(a)+element(b)+
		"*3\r\n:8192\r\n:9000\r\n"+element(c)+
		"*3\r\n:9002\r\n:16383\r\n"+element(c)+
		"*3\r\n:9001\r\n:9001\r\n"+element(d), "cluster", "SLOTS")

	shards := func(outer, inner string) string {
		member := func(address, role string) string {
			host, port := part(address)
			return inner + bulk("id") + id(address) + bulk("port") + port + bulk("ip") + host + bulk("endpoint") + host +
				bulk("role") + bulk(role) + bulk("replication-offset") + ":0\r\n" + bulk("health") + bulk("online")
		}
		return "*3\r\n" +
			outer + bulk("slots") + "*2\r\n:0\r\n:8191\r\n" + bulk("nodes") + "*2\r\n" + member(a, "master") + member(b, "replica") +
			outer + bulk("slots") + "*4\r\n:8192\r\n:9000\r\n:9002\r\n:16383\r\n" + bulk("nodes") + "*1\r\n" + member(c, "master") +
			outer + bulk("slots") + "*2\r\n:9001\r\n:9001\r\n" + bulk("nodes") + "*1\r\n" + member(d, "master")
	}
	p.expect(shards("*4\r\n", "*14\r\n"), "CLUSTER", "SHARDS")

	line := func(address, bus, flags, primary string, epoch int, slots string) string {
		host, port, _ := net.SplitHostPort(address)
		return fmt.Sprintf("%s %s:%s@%s %s %s 0 0 %d connected%s\n", nodeID(address), host, port, bus, flags, primary, epoch, slots)
	}
	bus := map[string]string{"10.0.0.1:7001": "17001", "10.0.0.2:7002": "17002"}
	_, own, _ := net.SplitHostPort(address)
	self := newNode("127.0.0.1:" + own)
	nodes := line(address, fmt.Sprint(self.busPort()), "myself,master", "-", 0, "") +
		line(a, bus[a], "master", "-", 1, " 0-8191") + line(b, bus[b], "slave", nodeID(a), 1, "") +
		line(c, "60000", "master", "-", 2, " 8192-9000 9002-16383") + line(d, "17003", "master", "-", 3, " 9001")
	p.expect(bulk(nodes), "CLUSTER", "NODES")
	p.expect(bulk(nodeID(address)), "CLUSTER", "MYID")

	p.ask("HELLO", "3")
	p.expect(shards("%2\r\n", "%7\r\n"), "CLUSTER", "SHARDS")
	p.expect(fmt.Sprintf("=%d\r\ntxt:%s\r\n", len(nodes)+4, nodes), "CLUSTER", "NODES")
}

func TestNodeIDsNeverChange(t *testing.T) {
	// SHA-1 of "127.0.0.1:7001": clients keep ids across restarts of the RCM.
	if got, want := nodeID("127.0.0.1:7001"), "73e424d53fc3edc27f2c55eb2808f7bdd833f129"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestEveryNodeIsFirstForSomeAndAlwaysForTheSame(t *testing.T) {
	for _, count := range []int{1, 2, 3, 7, 64, 200} {
		var nodes []string
		for i := range count {
			nodes = append(nodes, fmt.Sprintf("10.0.%d.%d:1", i/250, i%250))
		}
		v := newViews(testTopology(t, assignment(0, 8191, nodes...), assignment(8192, 16383, "z:1", "y:1")), nil, 0, new(counters))
		first := make(map[string]int)
		const clients = 20_000
		for i := range clients {
			address := &net.TCPAddr{IP: net.IPv4(10, 1, byte(i>>8), byte(i)), Port: i}
			n, ok := v.of(identify(address, "")).owner(0)
			if !ok {
				t.Fatal("no owner")
			}
			first[n.id]++
			address.Port++
			if again, _ := v.of(identify(address, "")).owner(0); again != n {
				t.Fatal("another port, another view")
			}
		}
		if want := min(count, maxTurns); len(first) != want {
			t.Errorf("%d of %d nodes are first for somebody, want %d", len(first), count, want)
		}
		for _, n := range first {
			if share := clients / min(count, maxTurns); n > 2*share || n < share/2 {
				t.Errorf("of %d nodes one is first for %d clients, an even share is %d", count, n, share)
			}
		}
		for _, w := range v.turns {
			seen := make(map[string]bool)
			for _, n := range w.shards[0].nodes {
				seen[n.id] = true
			}
			if len(seen) != count {
				t.Errorf("a view has %d of %d nodes", len(seen), count)
			}
		}
	}
}

func TestRepliesAreRenderedOnce(t *testing.T) {
	v := newViews(twoShards(t), nil, 0, new(counters)).of(identity{})
	for name, reply := range map[string]func() []byte{"SLOTS": v.slots, "SHARDS 2": v.shards2, "SHARDS 3": v.shards3, "NODES": v.nodes} {
		if a, b := reply(), reply(); &a[0] != &b[0] {
			t.Errorf("%s was rendered twice", name)
		}
	}
}
