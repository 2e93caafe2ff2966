package cluster

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRedirectionReadsWhereARequestBelongs(t *testing.T) {
	const from = "10.0.0.1:6379"
	for _, c := range []struct {
		reply, from string
		kind        Whereto
		addr        string
	}{
		{"-MOVED 3999 127.0.0.1:6381\r\n", from, Moved, "127.0.0.1:6381"},
		{"-ASK 3999 127.0.0.1:6381\r\n", from, Ask, "127.0.0.1:6381"},
		{"-MOVED 3999 ::1:6381\r\n", from, Moved, "[::1]:6381"},
		{"-MOVED 3999 [::1]:6381\r\n", from, Moved, "[::1]:6381"},
		{"-MOVED 3999 fe80::1%eth0:6381\r\n", from, Moved, "[fe80::1%eth0]:6381"},
		{"-MOVED 3999 :6381\r\n", from, Moved, "10.0.0.1:6381"},
		{"-MOVED 3999 :6381\r\n", "[::1]:6379", Moved, "[::1]:6381"},
		{"-MOVED 3999 store.example:6381\r\n", from, Moved, "store.example:6381"},
		{"-MOVED 3999 :6381\r\n", "unix:///run/store.sock", Here, ""},
		{"-LOADING Redis is loading the dataset in memory\r\n", from, Elsewhere, ""},
		{"-CLUSTERDOWN Hash slot not served\r\n", from, Elsewhere, ""},
		{"-MASTERDOWN Link with MASTER is down\r\n", from, Elsewhere, ""},
		{"-ERR max number of clients reached\r\n", from, Elsewhere, ""},
		{"-ERR max number of clients + cluster connections reached\r\n", from, Elsewhere, ""},
		{"-DENIED Redis is running in protected mode\r\n", from, Elsewhere, ""},
		{"-ERR maximum\r\n", from, Here, ""},
		{"-WRONGTYPE Operation against a key\r\n", from, Here, ""},
		{"-ERR MOVED 1 a:1\r\n", from, Here, ""},
		{"-MOVED\r\n", from, Here, ""},
		{"-MOVED 1\r\n", from, Here, ""},
		{"-MOVED 1 \r\n", from, Here, ""},
		{"-MOVED 1 host\r\n", from, Here, ""},
		{"-MOVED 1 host:\r\n", from, Here, ""},
		{"-MOVED 1 host:0\r\n", from, Here, ""},
		{"-MOVED 1 host:65536\r\n", from, Here, ""},
		{"-MOVED 1 host:-1\r\n", from, Here, ""},
		{"-MOVED 1 host:http\r\n", from, Here, ""},
		{"-MOVED 1 ho st:1\r\n", from, Here, ""},
		{"-MOVED 1 ?:1\r\n", from, Here, ""},
		{"-MOVED 1 a\x00b:1\r\n", from, Here, ""},
		{"-\r\n", from, Here, ""},
		{"-", from, Here, ""},
		{"", from, Here, ""},
	} {
		kind, addr := Redirection([]byte(c.reply), c.from)
		if kind != c.kind || addr != c.addr {
			t.Errorf("%q from %s: got %d %q, want %d %q", c.reply, c.from, kind, addr, c.kind, c.addr)
		}
	}
}

// Whatever a fetcher says, the address to go to is one that can be dialled.
func FuzzRedirection(f *testing.F) {
	for _, reply := range []string{
		"-MOVED 3999 127.0.0.1:6381\r\n", "-ASK 1 ::1:1\r\n", "-MOVED 1 :1\r\n", "-MOVED 1 [::1]:1\r\n",
		"-LOADING\r\n", "-MOVED \xff \x00:1\r\n", "-MOVED 1 []:1\r\n", "-MOVED 1 [:1\r\n", "-MOVED 1 unix:///a:1\r\n",
	} {
		f.Add([]byte(reply), "10.0.0.1:6379")
		f.Add([]byte(reply), "unix:///a")
	}
	f.Fuzz(func(t *testing.T, reply []byte, from string) {
		kind, addr := Redirection(reply, from)
		if kind != Moved && kind != Ask {
			if addr != "" {
				t.Fatalf("%q: kind %d with an address %q", reply, kind, addr)
			}
			return
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			t.Fatalf("%q: %q is no address: %v", reply, addr, err)
		}
		if err := CheckAddress(addr); err != nil {
			t.Fatalf("%q: %v", reply, err)
		}
	})
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
