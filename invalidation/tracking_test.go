package invalidation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

// nodes is a store of nodes that a test plays.
type nodes struct {
	t  *testing.T
	mu sync.Mutex // protects what follows
	// play answers on a connection to a node; nil: the node is down.
	play  map[string]func(n *node)
	wg    sync.WaitGroup
	dials int
}

// node is one connection, seen from the node.
type node struct {
	net.Conn
	in *bufio.Reader
}

// command reads one command, as its words; nil: the connection has ended.
func (n *node) command() []string {
	var count int
	if _, err := fmt.Fscanf(n.in, "*%d\r\n", &count); err != nil {
		return nil
	}
	words := make([]string, count)
	for i := range words {
		var length int
		if _, err := fmt.Fscanf(n.in, "$%d\r\n", &length); err != nil {
			return nil
		}
		buf := make([]byte, length+2)
		for read := 0; read < len(buf); {
			k, err := n.in.Read(buf[read:])
			if err != nil {
				return nil
			}
			read += k
		}
		words[i] = string(buf[:length])
	}
	return words
}

func (n *node) say(text string) { _, _ = n.Write([]byte(text)) }

// obey answers everything well, until the connection ends.
func obey(n *node) {
	for n.command() != nil {
		n.say("+OK\r\n")
	}
}

func (ns *nodes) set(addr string, play func(n *node)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.play[addr] = play
}

func (ns *nodes) Topology() (*cluster.Topology, time.Duration) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	var addrs []string
	for addr := range ns.play {
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		return nil, 0
	}
	slices.Sort(addrs)
	topology, err := cluster.NewTopology(cluster.Standalone, "", []cluster.Assignment{{Slots: []cluster.SlotRange{cluster.AllSlots}, Nodes: addrs}})
	if err != nil {
		ns.t.Error(err)
	}
	return topology, 0
}

func (ns *nodes) Dial(_ context.Context, addr string) (net.Conn, error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.dials++
	play := ns.play[addr]
	if play == nil {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	ns.wg.Go(func() {
		defer theirs.Close()
		play(&node{theirs, bufio.NewReader(theirs)})
	})
	return ours, nil
}

// tracked runs test beside a tracking of nodes that it plays, in fake time.
func tracked(t *testing.T, test func(ns *nodes, tr *Tracking, memory *recorder, log *lines)) {
	synctest.Test(t, func(t *testing.T) {
		ns := &nodes{t: t, play: map[string]func(*node){}}
		memory, log := newRecorder(), new(lines)
		tr := NewTracking(TrackingConfig{Prefixes: []string{"st_", "u_"}, Settle: time.Second, MaxSilence: 10 * time.Second, OnLoss: Bypass}, ns, memory, log.logger())
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { tr.Run(ctx) })
		test(ns, tr, memory, log)
		cancel()
		wg.Wait()
		ns.wg.Wait()
	})
}

func statesOf(source Source) string {
	var all []string
	for _, s := range source.Statuses() {
		all = append(all, s.Name+" "+string(s.State))
	}
	return strings.Join(all, ", ")
}

func wantStates(t *testing.T, source Source, want string) {
	t.Helper()
	synctest.Wait()
	if got := statesOf(source); got != want {
		t.Fatalf("%s; want %s", got, want)
	}
}

func TestNothingIsServedFromMemoryUntilEveryNodeAnnounces(t *testing.T) {
	tracked(t, func(ns *nodes, tr *Tracking, memory *recorder, _ *lines) {
		wantStates(t, tr, "(the store) starting")
		ns.set("a:1", obey)
		ns.set("b:1", nil)
		time.Sleep(2 * time.Second)
		wantStates(t, tr, "a:1 trusted, b:1 starting")
		if !memory.isSuspended() {
			t.Fatal("served although a node announces nothing")
		}
		ns.set("b:1", obey)
		time.Sleep(15 * time.Second)
		wantStates(t, tr, "a:1 trusted, b:1 trusted")
		if memory.isSuspended() {
			t.Fatal("suspended although all nodes announce")
		}
	})
}

func TestAnnouncedKeysAreInvalidatedWithSettle(t *testing.T) {
	tracked(t, func(ns *nodes, _ *Tracking, memory *recorder, _ *lines) {
		ns.set("a:1", func(n *node) {
			if got := n.command(); !slices.Equal(got, []string{"HELLO", "3"}) {
				t.Errorf("first %q", got)
			}
			n.say("%1\r\n$5\r\nproto\r\n:3\r\n")
			if got := strings.Join(n.command(), " "); got != "CLIENT TRACKING ON BCAST PREFIX st_ PREFIX u_" {
				t.Errorf("then %q", got)
			}
			n.say("+OK\r\n")
			n.command()
			// Before the reply, split anywhere, behind it, and of another kind.
			n.say(">2\r\n$10\r\ninvali")
			n.say("date\r\n*2\r\n$4\r\nst_1\r\n$6\r\nu_\r\n\x00\xff\r\n+PONG\r\n")
			n.say(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n")
			n.say(">2\r\n$10\r\ninvalidate\r\n*1\r\n$4\r\nst_2\r\n")
			n.say(">2\r\n$10\r\ninvalidate\r\n_\r\n")
			obey(n)
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		var got []string
		for _, did := range memory.take() {
			if _, what, _ := strings.Cut(did, " "); strings.HasPrefix(what, "invalidate") {
				got = append(got, what)
			}
		}
		want := []string{"invalidate st_1 settle 1s", "invalidate u_\r\n\x00\xff settle 1s", "invalidate st_2 settle 1s", "invalidate all settle 1s"}
		if !slices.Equal(got, want) {
			t.Errorf("done %q, want %q", got, want)
		}
	})
}

// H10
func TestALostConnectionIsALossAndForgetsEverything(t *testing.T) {
	tracked(t, func(ns *nodes, tr *Tracking, memory *recorder, log *lines) {
		var at time.Time
		ns.set("a:1", func(n *node) {
			for range 30 {
				if n.command() == nil {
					return
				}
				n.say("+OK\r\n")
			}
			at = time.Now()
		})
		time.Sleep(20 * time.Second)
		wantStates(t, tr, "a:1 trusted")
		ns.set("a:1", nil)
		memory.take()
		time.Sleep(20 * time.Second)
		wantStates(t, tr, "a:1 lost")
		if did := memory.take(); len(did) != 1 || did[0] != at.Sub(memory.began).String()+" suspend *" {
			t.Fatalf("done %q, want a suspension the moment the connection is lost", did)
		}
		ns.set("a:1", obey)
		time.Sleep(3 * time.Second)
		wantStates(t, tr, "a:1 trusted")
		if s := tr.Statuses()[0]; s.Gaps != 1 || memory.isSuspended() {
			t.Errorf("%d gaps, suspended: %v", s.Gaps, memory.isSuspended())
		}
		if said := log.take(); len(said) > 8 {
			t.Errorf("%d lines of log: %q", len(said), said)
		}
	})
}

func TestANodeThatHangsIsALoss(t *testing.T) {
	tracked(t, func(ns *nodes, tr *Tracking, memory *recorder, _ *lines) {
		ns.set("a:1", func(n *node) {
			for i := 0; n.command() != nil; i++ {
				if i < 5 {
					n.say("+OK\r\n")
				}
			}
		})
		time.Sleep(5 * time.Second)
		wantStates(t, tr, "a:1 trusted")
		time.Sleep(7500 * time.Millisecond) // the last answer came after 2 s
		wantStates(t, tr, "a:1 lost")
		if !memory.isSuspended() {
			t.Error("served although the node hangs")
		}
	})
}

func TestAStoreThatCannotAnnounceIsALossWithTheFix(t *testing.T) {
	for reply, fix := range map[string]string{
		"-ERR unknown command 'HELLO'":                               "use markers or Kafka",
		"-NOPROTO unsupported protocol version":                      "use markers or Kafka",
		"-NOPERM User default has no permissions to run the command": "ACL SETUSER",
	} {
		tracked(t, func(ns *nodes, tr *Tracking, memory *recorder, log *lines) {
			ns.set("a:1", func(n *node) {
				for n.command() != nil {
					n.say(reply + "\r\n")
				}
			})
			time.Sleep(30 * time.Second)
			wantStates(t, tr, "a:1 lost")
			said := 0
			for _, line := range log.take() {
				if strings.Contains(line, "a node announces no changes") && strings.Contains(line, fix) {
					said++
				}
			}
			if said != 1 || !memory.isSuspended() {
				t.Errorf("%s: said %d times, suspended: %v", reply, said, memory.isSuspended())
			}
		})
	}
}

func TestANodeThatLeftHoldsNothingSuspended(t *testing.T) {
	tracked(t, func(ns *nodes, tr *Tracking, memory *recorder, _ *lines) {
		ns.set("a:1", obey)
		ns.set("b:1", nil)
		time.Sleep(5 * time.Second)
		wantStates(t, tr, "a:1 trusted, b:1 starting")
		ns.mu.Lock()
		delete(ns.play, "b:1")
		ns.mu.Unlock()
		time.Sleep(5 * time.Second)
		wantStates(t, tr, "a:1 trusted")
		if memory.isSuspended() {
			t.Error("still suspended for a node that is no more")
		}
	})
}

func TestNonsenseFromANodeEndsTheConnection(t *testing.T) {
	for _, nonsense := range []string{
		">0\r\n", ">2\r\n$10\r\ninvalidate\r\n*1\r\n:5\r\n", ">2\r\n$10\r\ninvalidate\r\n:5\r\n", "$-7\r\n", ">99999999999\r\n", "+more\r\n+more\r\n",
	} {
		tracked(t, func(ns *nodes, tr *Tracking, _ *recorder, _ *lines) {
			ns.set("a:1", func(n *node) {
				for range 3 {
					n.command()
					n.say("+OK\r\n")
				}
				n.say(nonsense)
				n.command()
			})
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if s := tr.Statuses()[0]; s.State == StateTrusted || s.Error == "" {
				t.Errorf("%q: %s, error %q", nonsense, s.State, s.Error)
			}
		})
	}
}

// redis starts a redis-server on a Unix socket of its own, and returns what
// kills it.
func redis(t *testing.T, socket string) (kill func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	process := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = process.Process.Kill(); _ = process.Wait() })
	t.Cleanup(kill)
	return kill
}

// real is a store of one redis-server behind a socket.
type real struct {
	*nodes
	socket string
}

func (r real) Dial(ctx context.Context, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", r.socket)
}

func TestRedisAnnouncesItsChangesAndItsEndIsALoss(t *testing.T) {
	socket := t.TempDir() + "/redis.sock"
	kill := redis(t, socket)
	ns := &nodes{t: t, play: map[string]func(*node){"redis:1": nil}}
	memory := newRecorder()
	tr := NewTracking(TrackingConfig{Prefixes: []string{"st_"}, Settle: time.Second, MaxSilence: 3 * time.Second, OnLoss: Bypass}, real{ns, socket}, memory, new(lines).logger())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { tr.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	until := func(what string, ok func() bool) {
		t.Helper()
		for range 2000 {
			if ok() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("never: %s (%s)", what, statesOf(tr))
	}
	until("trusted", func() bool { return statesOf(tr) == "redis:1 trusted" })
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, command := range [][]string{{"HSET", "other", "f", "1"}, {"HSET", "st_1", "f", "1"}, {"FLUSHALL"}} {
		if _, err := cluster.Ask1(nc, command...); err != nil {
			t.Fatal(err)
		}
	}
	did := ""
	until("announced", func() bool {
		did += strings.Join(memory.take(), "\n") + "\n"
		return strings.Contains(did, "invalidate st_1") && strings.Contains(did, "invalidate all")
	})
	if strings.Contains(did, "other") {
		t.Errorf("announced what has another prefix: %s", did)
	}
	kill()
	until("lost", func() bool { return statesOf(tr) == "redis:1 lost" && memory.isSuspended() })
	redis(t, socket)
	until("trusted again", func() bool { return statesOf(tr) == "redis:1 trusted" && !memory.isSuspended() })
}
