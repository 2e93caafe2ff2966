package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/cluster"
)

var severalNodes = []struct {
	kind   string
	strict bool
}{{cluster.KindCluster, true}, {cluster.KindRCM, false}}

// spanning makes random requests of which many span nodes.
type spanning struct{ rng *rand.Rand }

func (s spanning) key() string { return fmt.Sprint("k", s.rng.IntN(30)) }

func (s spanning) keysOf(between string) string {
	var keys []string
	for range 1 + s.rng.IntN(12) {
		keys = append(keys, s.key()+between)
	}
	return strings.Join(keys, " ")
}

func (s spanning) request() string {
	switch s.rng.IntN(20) {
	case 0:
		return "DEL " + s.keysOf("")
	case 1:
		return "UNLINK " + s.keysOf("")
	case 2, 3:
		return "EXISTS " + s.keysOf("")
	case 4:
		return "TOUCH " + s.keysOf("")
	case 5, 6, 7:
		return "MSET " + s.keysOf(fmt.Sprint(" v", s.rng.IntN(1000)))
	case 8:
		return fmt.Sprintf("SET %s x%d", s.key(), s.rng.IntN(1000))
	case 9:
		return "GET " + s.key()
	case 10:
		return "DBSIZE"
	case 11:
		return "keys k1*"
	case 12:
		return "PING"
	case 13:
		return fmt.Sprintf("HSET h%d f v%d", s.rng.IntN(9), s.rng.IntN(100))
	case 14:
		return fmt.Sprintf("DEL h%d h%d k%d", s.rng.IntN(9), s.rng.IntN(9), s.rng.IntN(30))
	case 15, 16:
		return fmt.Sprintf("HMGET h%d f", s.rng.IntN(9))
	case 17:
		return []string{"MSET a", "DEL", "MGET", "DBSIZE x"}[s.rng.IntN(4)]
	}
	return "MGET " + s.keysOf("")
}

// inOrder is a reply with its elements sorted, for what comes in any order.
func inOrder(reply string) string {
	parts := strings.SplitAfter(reply, "\r\n")
	slices.Sort(parts)
	return strings.Join(parts, "")
}

// Requests that span nodes are answered as by one server that has all keys,
// whatever stands before and behind them in a pipeline.
func TestRequestsThatSpanNodesAreAnsweredAsByOneServer(t *testing.T) {
	for _, c := range severalNodes {
		for _, hello := range []string{"", "HELLO 3"} {
			t.Run(c.kind+" "+hello, func(t *testing.T) {
				ns, alone := startNodes(t, 3, c.strict), miniredis.RunT(t)
				s := ns.newStack(t, c.kind)
				proxied, direct := s.dial(), dial(t, alone.Addr())
				if hello != "" {
					proxied.do(hello)
					direct.do(hello)
				}
				rng := rand.New(rand.NewPCG(11, uint64(len(hello))))
				gen := spanning{rng}
				for range 150 {
					var requests []string
					for range 1 + rng.IntN(30) {
						requests = append(requests, gen.request())
					}
					direct.send(cmds(requests...))
					proxied.send(cmds(requests...))
					for i, r := range requests {
						want, got := direct.reply(), proxied.reply()
						if strings.HasPrefix(r, "keys") {
							want, got = inOrder(want), inOrder(got)
						}
						if got != want {
							t.Fatalf("request %d of %q, %q: %q through the proxy, %q of one server", i, requests, r, got, want)
						}
					}
				}
				for i, n := range ns.all {
					if len(n.Keys()) == 0 && alone.Exists("k1") {
						t.Errorf("node %d holds nothing: nothing is tried", i)
					}
				}
				proxied.wantsDone("FLUSHALL", "+OK\r\n")
				for i, n := range ns.all {
					if keys := n.Keys(); len(keys) > 0 {
						t.Errorf("node %d still holds %v", i, keys)
					}
				}
			})
		}
	}
}

// A scan returns each key once, though every page is asked for on another
// connection.
func TestScanGoesThroughAllNodes(t *testing.T) {
	for _, c := range severalNodes {
		t.Run(c.kind, func(t *testing.T) {
			ns := startNodes(t, 3, c.strict)
			s := ns.newStack(t, c.kind)
			p := s.dial()
			want := map[string]int{}
			for i := range 100 {
				want[fmt.Sprint("key", i)] = 1
				p.wantsDone(fmt.Sprintf("SET key%d v", i), "+OK\r\n")
			}
			got := map[string]int{}
			pages := 0
			for cursor := "0"; pages == 0 || cursor != "0"; pages++ {
				lines := strings.Split(s.dial().do("SCAN "+cursor+" COUNT 7 MATCH key*"), "\r\n")
				cursor = lines[2]
				for _, line := range lines {
					if strings.HasPrefix(line, "key") {
						got[line]++
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d pages held %v", pages, got)
			}
			if pages < 3 {
				t.Errorf("%d pages: fewer than nodes", pages)
			}
			p.wantsDone("SCAN x", "-ERR invalid cursor\r\n")
			if key := strings.Split(p.do("RANDOMKEY"), "\r\n")[1]; want[key] != 1 {
				t.Errorf("RANDOMKEY is %q", key)
			}
		})
	}
}

// Scripts are loaded where any key may want them.
func TestScriptsAreLoadedOnAllNodes(t *testing.T) {
	ns := startNodes(t, 3, true)
	p := ns.newStack(t, cluster.KindCluster).dial()
	const script, sha = "return 7", "0123456789012345678901234567890123456789"
	load := "*3\r\n" + bulk("SCRIPT") + bulk("LOAD") + bulk(script)
	p.send(load)
	name := p.reply()
	sum := strings.Split(name, "\r\n")[1]
	p.wantsDone("SCRIPT EXISTS "+sum+" "+sha, "*2\r\n:1\r\n:0\r\n")
	for i := range 20 {
		p.wantsDone(fmt.Sprintf("EVALSHA %s 1 k%d", sum, i), ":7\r\n")
	}
	// What one node lacks is not there.
	dial(t, ns.all[1].Addr()).wantsDone("SCRIPT FLUSH", "+OK\r\n")
	p.wantsDone("SCRIPT EXISTS "+sum, "*1\r\n:0\r\n")
	p.wantsDone("SCRIPT FLUSH", "+OK\r\n")
}

// A message reaches each subscriber once: in a cluster one node passes it on, in
// a fleet each node has its own.
func TestPublishReachesSubscribersOnce(t *testing.T) {
	for _, c := range []struct {
		kind string
		want string
	}{{cluster.KindCluster, ":1\r\n"}, {cluster.KindRCM, ":3\r\n"}} {
		t.Run(c.kind, func(t *testing.T) {
			ns := startNodes(t, 3, false)
			p := ns.newStack(t, c.kind).dial()
			var subscribers []*peer
			for _, n := range ns.all {
				s := dial(t, n.Addr())
				s.send(cmd("SUBSCRIBE news"))
				s.reply()
				subscribers = append(subscribers, s)
			}
			p.wantsDone("PUBLISH news hello", c.want)
			if c.kind == cluster.KindRCM {
				for _, s := range subscribers {
					s.wants(array("message", "news", "hello"))
				}
			}
		})
	}
}

// threeKeys lie on a, on b, and on a in another slot.
func threeKeys() (low, high, other string) { return keyOf(false, 1), keyOf(true, 2), keyOf(false, 3) }

// One part that fails makes the whole reply its error, in its place in line.
func TestPartThatFailsFailsTheWhole(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, other := threeKeys()
	p.send(cmds("DEL "+low+" "+high+" "+other, "PING"))
	a.wants("DEL " + low).reply(":1\r\n")
	a.wants("DEL " + other).reply("-LOADING Redis is loading the dataset in memory\r\n")
	b.wants("DEL " + high).reply(":1\r\n")
	p.wants("-LOADING Redis is loading the dataset in memory\r\n", "+PONG\r\n")

	p.send(cmd("MGET " + high + " " + low))
	a.wants("MGET " + low).reply(array("one", "too many"))
	b.wants("MGET " + high).reply(array("v"))
	p.wantsError("replies to mget are not of the kind")

	p.send(cmd("DBSIZE"))
	a.wants("DBSIZE").reply(":3\r\n")
	b.wants("DBSIZE")
	b.hangUp()
	p.wantsError("ended")
	p.wantsDone("PING", "+PONG\r\n")
}

// Where a node cannot be reached, no other is asked either.
func TestNothingIsSentUnlessAllNodesCanBeReached(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, _ := threeKeys()
	b.close()
	p.send(cmds("MSET "+low+" v "+high+" v", "FLUSHALL", "PING"))
	p.wantsError("connect to the store")
	p.wantsError("connect to the store")
	p.wants("+PONG\r\n")
	if n := a.asked(""); n != 0 {
		t.Errorf("the other node was asked %v", a.seen)
	}
}

// A part goes where MOVED and ASK point, alone.
func TestRedirectionsOfPartsAreFollowed(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, other := threeKeys()
	p.send(cmds("MGET "+low+" "+high+" "+other, "PING"))
	a.wants("MGET " + low).reply(moved(low, b))
	b.wantsAll("MGET "+high, "MGET "+low)["MGET "+low].reply(array("H") + array("L"))
	a.wants("MGET " + other).reply(ask(other, b))
	b.wants("ASKING").reply("+OK\r\n")
	b.wants("MGET " + other).reply(array("O"))
	p.wants(array("L", "H", "O"), "+PONG\r\n")
}

// What a split write changed is not served from memory, neither while it is on
// its way nor later.
func TestSplitWriteInvalidatesAllItsKeys(t *testing.T) {
	a, b := twoNodes(t)
	s := newStack(t, a.addr, asCluster)
	p, other := s.dial(), s.dial()
	low, high, _ := threeKeys()
	read := func(c *peer, node *fakeStore, key, value string) {
		t.Helper()
		c.send(cmd("HMGET " + key + " f"))
		node.wants("HMGET " + key + " f").reply(array(value))
		c.wants(array(value))
	}
	read(p, a, low, "old")
	read(p, b, high, "old")
	p.wantsDone("HMGET "+high+" f", array("old"))
	p.send(cmd("DEL " + low + " " + high))
	first := a.wants("DEL " + low)
	second := b.wants("DEL " + high)
	first.reply(":1\r\n")
	read(other, b, high, "old") // not from memory
	settle()
	read(other, b, high, "old") // kept, as the write takes long
	other.wantsDone("HMGET "+high+" f", array("old"))
	// A read behind it takes the same way.
	p.send(cmd("HMGET " + low + " f"))
	if r := a.wants("HMGET " + low + " f"); r.nc != first.nc {
		t.Error("the read went over another connection than the write before it")
	} else {
		r.reply(array("-"))
	}
	second.reply(":1\r\n")
	p.wants(":2\r\n", array("-"))
	read(other, b, high, "-")
	settle()
	read(p, a, low, "-")
	p.wantsDone("HMGET "+low+" f", array("-")) // nothing is on its way any more
}

// In a transaction what spans nodes is refused, and EXEC fails.
func TestSpanningRequestsFailTransactions(t *testing.T) {
	low, high, _ := threeKeys()
	for _, request := range []string{
		"MGET " + low + " " + high, "DBSIZE", "FLUSHALL", "SCAN 0", "KEYS *", "SCRIPT EXISTS x", "INFO keyspace",
	} {
		t.Run(request, func(t *testing.T) {
			a, b := twoNodes(t)
			p := newStack(t, a.addr, asCluster).dial()
			a.answers(func(r *fakeRequest) string { return "+QUEUED\r\n" })
			p.send(cmds("MULTI", "SET "+low+" v", request, "EXEC", "PING"))
			p.wants("+OK\r\n", "+QUEUED\r\n", crossSlot, execAbort, "+PONG\r\n")
			if a.asked("EXEC") != 0 || b.asked("") != 0 {
				t.Errorf("the nodes were asked %v and %v", a.seen, b.seen)
			}
		})
	}
}

const (
	crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
	execAbort = "-EXECABORT Transaction discarded because of previous errors.\r\n"
)

// What has no well-defined result over several nodes is refused as Redis Cluster
// refuses it, and the connection goes on.
func TestOtherRequestsOfSeveralNodesAreRefused(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, _ := threeKeys()
	for _, request := range []string{"MSETNX %s v %s v", "SINTER %s %s", "RENAME %s %s", "PFCOUNT %s %s", "SUNIONSTORE %s %s", "WATCH %s %s"} {
		p.wantsDone(fmt.Sprintf(request, low, high), crossSlot)
	}
	p.wantsDone("MSET "+low+" v "+high, "-ERR wrong number of arguments for 'mset' command\r\n")
	if a.asked("") != 0 || b.asked("") != 0 {
		t.Errorf("the nodes were asked %v and %v", a.seen, b.seen)
	}
}

// Replies of parts that nobody is to see are waited for all the same.
func TestSilentRequestThatSpansNodes(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high, _ := threeKeys()
	p.send(cmds("CLIENT REPLY SKIP", "DEL "+low+" "+high, "PING"))
	a.wants("DEL " + low).reply(":1\r\n")
	b.wants("DEL " + high).reply(":1\r\n")
	p.wants("+PONG\r\n")
}

// Replies that together are larger than what a client may be owed are an error,
// not memory.
func TestJoinedRepliesAreBounded(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster, func(s *setup) { s.proxy.MaxOutputBytes = 100_000 }).dial()
	large := array(strings.Repeat("x", 60_000))
	p.send(cmds("KEYS *", "PING"))
	a.wants("KEYS *").reply(large)
	b.wants("KEYS *").reply(large)
	p.wantsError("limits.max_output_bytes")
	p.wants("+PONG\r\n")
}
