package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

// twoNodes is a fake cluster whose first node owns the lower half of the slots.
func twoNodes(t *testing.T) (a, b *fakeStore) {
	t.Helper()
	a, b = newFakeStore(t), newFakeStore(t)
	owns(a, b)
	return a, b
}

// keyOf is a key whose slot lies in the lower or the upper half.
func keyOf(upper bool, n int) string {
	for i := 0; ; i++ {
		key := fmt.Sprintf("k%d-%d", n, i)
		if (cluster.Slot([]byte(key)) >= cluster.Slots/2) == upper {
			return key
		}
	}
}

func moved(key string, to *fakeStore) string {
	return fmt.Sprintf("-MOVED %d %s\r\n", cluster.Slot([]byte(key)), to.addr)
}

func ask(key string, to *fakeStore) string {
	return fmt.Sprintf("-ASK %d %s\r\n", cluster.Slot([]byte(key)), to.addr)
}

// Each request goes to the node that owns its key, be it fetched or tunnelled,
// and their replies keep the order of the requests.
func TestRequestsGoToTheNodeThatOwnsTheKey(t *testing.T) {
	a, b := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high := keyOf(false, 1), keyOf(true, 1)
	p.send(cmds("HMGET "+high+" f", "GET "+high, "HMGET "+low+" f", "GET "+low, "PING"))
	fromA := a.wantsAll("HMGET "+low+" f", "GET "+low)
	fromA["HMGET "+low+" f"].reply(array("LOW"))
	fromA["GET "+low].reply(bulk("low"))
	fromB := b.wantsAll("HMGET "+high+" f", "GET "+high)
	fromB["GET "+high].reply(bulk("high"))
	fromB["HMGET "+high+" f"].reply(array("HIGH"))
	p.wants(array("HIGH"), bulk("high"), array("LOW"), bulk("low"), "+PONG\r\n")
}

// MOVED and ASK are followed, for fetches and for tunnels; clients never see
// them.
func TestRedirectionsAreFollowed(t *testing.T) {
	for _, c := range []struct {
		name      string
		point     func(string, *fakeStore) string
		preceding []string
	}{{"MOVED", moved, nil}, {"ASK", ask, []string{"ASKING"}}} {
		for _, request := range []string{"HMGET %s f", "GET %s", "SET %s v"} {
			t.Run(c.name+" "+request, func(t *testing.T) {
				a, b := twoNodes(t)
				p := newStack(t, a.addr, asCluster).dial()
				key := keyOf(false, 1)
				words := fmt.Sprintf(request, key)
				p.send(cmds(words, "PING"))
				a.wants(words).reply(c.point(key, b))
				for _, w := range c.preceding {
					b.wants(w).reply("+OK\r\n")
				}
				b.wants(words).reply(array("there"))
				p.wants(array("there"), "+PONG\r\n")
			})
		}
	}
}

// Redirected requests of one connection keep their order among themselves.
func TestRedirectedRequestsKeepTheirOrder(t *testing.T) {
	a, b := twoNodes(t)
	a.answers(func(r *fakeRequest) string { return moved(r.args[1], b) })
	b.answers(func(r *fakeRequest) string { return bulk(r.String()) })
	p := newStack(t, a.addr, asCluster).dial()
	key := keyOf(false, 1)
	const requests = 200
	var all strings.Builder
	for i := range requests {
		all.WriteString(cmd(fmt.Sprintf("SET %s v%d", key, i)))
	}
	p.send(all.String())
	for i := range requests {
		p.wants(bulk(fmt.Sprintf("SET %s v%d", key, i)))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range b.seen {
		if want := fmt.Sprintf("SET %s v%d", key, i); s != want {
			t.Fatalf("request %d was %q, want %q", i, s, want)
		}
	}
}

// Nodes that point to each other for ever are an error, not a chase.
func TestRedirectionsWithoutEnd(t *testing.T) {
	for _, request := range []string{"HMGET %s f", "GET %s"} {
		t.Run(request, func(t *testing.T) {
			a, b := twoNodes(t)
			a.answers(func(r *fakeRequest) string { return moved(r.args[1], b) })
			b.answers(func(r *fakeRequest) string { return moved(r.args[1], a) })
			p := newStack(t, a.addr, asCluster).dial()
			p.send(cmds(fmt.Sprintf(request, keyOf(false, 1)), "PING"))
			if reply := p.reply(); reply[0] != '-' {
				t.Errorf("reply is %q, want an error", reply)
			}
			p.wants("+PONG\r\n")
			if n := a.asked("") + b.asked(""); n > 20 {
				t.Errorf("the nodes were asked %d times", n)
			}
		})
	}
}

// A request that cannot be sent elsewhere, for its transaction lives where it
// is, tells the client to try again, and names no node.
func TestSlotThatMovesDuringATransaction(t *testing.T) {
	a, b := twoNodes(t)
	s := newStack(t, a.addr, asCluster)
	p := s.dial()
	key := keyOf(false, 1)
	before := s.up.Refreshes.Load()
	p.send(cmds("MULTI", "SET "+key+" v", "EXEC"))
	a.wants("MULTI").reply("+OK\r\n")
	a.wants("SET " + key + " v").reply(moved(key, b))
	a.wants("EXEC").reply("-EXECABORT Transaction discarded because of previous errors.\r\n")
	p.wants("+OK\r\n")
	p.wantsError("TRYAGAIN")
	p.wantsError("EXECABORT")
	owns(b, a) // as everybody says now
	await(t, "the topology is read anew", func() bool { return s.up.Refreshes.Load() > before })
}

// What spans nodes is refused as Redis Cluster refuses it; in a transaction it
// fails EXEC, and nothing is carried out.
func TestCommandsAcrossNodesAreRefused(t *testing.T) {
	a, _ := twoNodes(t)
	p := newStack(t, a.addr, asCluster).dial()
	low, high := keyOf(false, 1), keyOf(true, 1)
	const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
	p.wantsDone("SINTER "+low+" "+high, crossSlot)
	p.send(cmds("MULTI", "SET "+low+" v"))
	a.wants("MULTI").reply("+OK\r\n")
	a.wants("SET " + low + " v").reply("+QUEUED\r\n")
	p.wants("+OK\r\n", "+QUEUED\r\n")
	p.send(cmds("SET "+high+" v", "EXEC", "PING"))
	a.wants("DISCARD").reply("+OK\r\n")
	p.wants(crossSlot, "-EXECABORT Transaction discarded because of previous errors.\r\n", "+PONG\r\n")
	if n := a.asked("EXEC"); n != 0 {
		t.Error("EXEC reached the store")
	}
}

// A request that is being sent on to a node which does not greet holds up its
// own connection alone: hits of others, whichever goroutine looks after them, go
// on.
func TestRedirectionToASilentNodeHoldsUpNobodyElse(t *testing.T) {
	a, b := twoNodes(t)
	s := newStack(t, a.addr, asCluster, func(s *setup) {
		s.cluster.Password = "secret" // so that a dial waits for an answer
		s.cluster.ConnectTimeout = patience
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b.answers(func(r *fakeRequest) string { return array("warm") })
	a.answers(func(r *fakeRequest) string {
		return fmt.Sprintf("-MOVED %d %s\r\n", cluster.Slot([]byte(r.args[1])), silent.Addr())
	})
	warm := "HMGET " + keyOf(true, 1) + " f"
	p := s.dial()
	others := []*peer{s.dial(), s.dial(), s.dial(), s.dial()}
	for _, o := range append(others, p) {
		o.wantsDone(warm, array("warm"))
		o.wantsDone(warm, array("warm"))
	}
	p.send(cmd("GET " + keyOf(false, 1)))
	dialled, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p.send(cmd(warm))
	for range 100 {
		for _, o := range others {
			o.wantsDone(warm, array("warm"))
		}
	}
	p.wantsSilence(time.Millisecond)
	_ = dialled.Close()
	p.wantsError("greet")
	p.wants(array("warm"))
}

// A client that leaves while its request is being sent on leaves nothing behind.
func TestClientThatLeavesDuringARedirection(t *testing.T) {
	a, b := twoNodes(t)
	s := newStack(t, a.addr, asCluster, func(s *setup) { s.proxy.FetchTimeout = 50 * time.Millisecond })
	for range 50 {
		p := s.dial()
		key := keyOf(false, 1)
		p.send(cmd("GET " + key))
		r := a.wants("GET " + key)
		go r.reply(moved(key, b))
		_ = p.Close()
	}
	await(t, "all connections are forgotten", func() bool { return s.server.Stats().Connections == 0 })
}
