package rcm

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

func testTopology(t *testing.T, shards ...cluster.Assignment) *cluster.Topology {
	t.Helper()
	topology, err := cluster.NewTopology(cluster.RCM, "", shards)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

func assignment(first, last uint16, nodes ...string) cluster.Assignment {
	return cluster.Assignment{Slots: []cluster.SlotRange{{First: first, Last: last}}, Nodes: nodes}
}

// twoShards is what the golden replies below tell.
func twoShards(t *testing.T) *cluster.Topology {
	return testTopology(t,
		assignment(0, 8191, "10.0.0.1:7001", "10.0.0.2:7002"),
		cluster.Assignment{Slots: []cluster.SlotRange{{First: 8192, Last: 9000}, {First: 9002, Last: 16383}}, Nodes: []string{"fetcher:60000"}},
		assignment(9001, 9001, "[::1]:7003"),
	)
}

// rueidisRefresh is where a cluster client of rueidis sleeps before it refreshes
// its slots, up to a second, whether or not it was closed meanwhile.
var rueidisRefresh = goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1")

// start serves config on a port of its own until the test ends.
func start(t *testing.T, config Config) (s *Server, address string) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	config.Logger = slog.New(slog.DiscardHandler)
	s = New(config)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore, rueidisRefresh)
	})
	return s, ln.Addr().String()
}

// peer is a client at the level of bytes.
type peer struct {
	t *testing.T
	net.Conn
	r      *bufio.Reader
	framer *resp.Framer
}

func dial(t *testing.T, address string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // a test that hangs fails
	return &peer{t: t, Conn: conn, r: bufio.NewReader(conn), framer: resp.NewFramer(1 << 24)}
}

// ask sends the words of one request and returns the whole reply.
func (p *peer) ask(words ...string) string {
	p.t.Helper()
	if _, err := p.Write(resp.AppendCommand(nil, words...)); err != nil {
		p.t.Fatal(err)
	}
	return p.reply()
}

func (p *peer) reply() string {
	p.t.Helper()
	var b []byte
	for {
		c, err := p.r.ReadByte()
		if err != nil {
			p.t.Fatalf("after %q: %v", b, err)
		}
		b = append(b, c)
		if n, err := p.framer.Next(b); err != nil || n > 0 {
			if err != nil {
				p.t.Fatal(err)
			}
			return string(b)
		}
	}
}

func (p *peer) expect(want string, words ...string) {
	p.t.Helper()
	if got := p.ask(words...); got != want {
		p.t.Errorf("%q\n got %q\nwant %q", words, got, want)
	}
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

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

func TestGreetingsAreAnsweredAsRedisWordsThem(t *testing.T) {
	_, address := start(t, Config{Topology: testTopology(t, assignment(0, 16383, "a:1"))})
	p := dial(t, address)
	info := "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nfsproxy_rcm:1\r\n"
	for _, test := range []struct{ request, want string }{
		{"PING", "+PONG\r\n"},
		{"ping hi", "$2\r\nhi\r\n"},
		{"ECHO hi", "$2\r\nhi\r\n"},
		{"CLIENT SETINFO LIB-NAME x", "+OK\r\n"},
		{"client setname app", "+OK\r\n"},
		{"CLIENT GETNAME", "$3\r\napp\r\n"},
		{"CLIENT TRACKING ON OPTIN", "+OK\r\n"},
		{"CLIENT MAINT_NOTIFICATIONS ON", "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"},
		{"CLIENT SETINFO x", "-ERR wrong number of arguments for 'client|setinfo' command\r\n"},
		{"CLIENT", "-ERR wrong number of arguments for 'client' command\r\n"},
		{"ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
		{"DBSIZE", ":0\r\n"},
		{"CONFIG GET maxmemory", "*0\r\n"},
		{"CONFIG SET a b", "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"},
		{"CLUSTER GETKEYSINSLOT 1 10", "*0\r\n"},
		{"CLUSTER LINKS", "*0\r\n"},
		{"CLUSTER REPLICAS x", "-ERR Unknown node x\r\n"},
		{"CLUSTER SLAVES " + nodeID("a:1"), "*0\r\n"},
		{"SELECT 0", "+OK\r\n"},
		{"SELECT 1", "-ERR SELECT is not allowed in cluster mode\r\n"},
		{"SELECT a", "-ERR value is not an integer or out of range\r\n"},
		{"AUTH secret", "+OK\r\n"},
		{"AUTH user secret", "+OK\r\n"},
		{"READONLY", "+OK\r\n"},
		{"READWRITE", "+OK\r\n"},
		{"INFO server", bulk(info)},
		{"INFO nothing", "$0\r\n\r\n"},
		{"CLUSTER KEYSLOT foo", ":12182\r\n"},
		{"CLUSTER COUNTKEYSINSLOT 7", ":0\r\n"},
		{"CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot\r\n"},
		{"CLUSTER MEET a 1", "-ERR unknown subcommand 'MEET'. Try CLUSTER HELP.\r\n"},
		{"COMMAND COUNT", fmt.Sprintf(":%d\r\n", len(commands))},
		{"COMMAND DOCS get", "*0\r\n"},
		{"COMMAND INFO hmget nope", "*2\r\n*6\r\n$5\r\nhmget\r\n:-3\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*-1\r\n"},
		{"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
		{"FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n"},
		{"foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"},
		{"HELLO 4", "-NOPROTO unsupported protocol version\r\n"},
		{"HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"},
		{"HELLO 3 NAME x", "-ERR Syntax error in HELLO option 'NAME'\r\n"},
		{"HELLO 3 SETNAME a\x01", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
		{"CLIENT GETNAME", "$3\r\napp\r\n"},
		{"RESET", "+RESET\r\n"},
		{"CLIENT GETNAME", "$-1\r\n"},
	} {
		p.expect(test.want, strings.Split(test.request, " ")...)
	}
	id := strings.TrimPrefix(p.ask("CLIENT", "ID"), ":")
	hello := bulk("server") + bulk("redis") + bulk("version") + bulk("7.0.15") + bulk("proto") + ":%d\r\n" + bulk("id") + ":" + id +
		bulk("mode") + bulk("cluster") + bulk("role") + bulk("master") + bulk("modules") + "*0\r\n"
	p.expect(fmt.Sprintf("*14\r\n"+hello, 2), "HELLO")
	p.expect(fmt.Sprintf("%%7\r\n"+hello, 3), "HELLO", "3", "AUTH", "u", "p", "SETNAME", "app")
	p.expect("*1\r\n_\r\n", "COMMAND", "INFO", "nope")
	p.expect("$3\r\napp\r\n", "CLIENT", "GETNAME")
	if got := p.ask("INFO"); !strings.HasPrefix(got, "=") || !strings.Contains(got, "loading:0\r\n") ||
		!strings.Contains(got, "role:master\r\n") || !strings.Contains(got, "cluster_enabled:1\r\n") {
		t.Errorf("INFO: %q", got)
	}
	if got := p.ask("CLUSTER", "INFO"); !strings.Contains(got, "cluster_state:ok\r\n") || !strings.Contains(got, "cluster_slots_ok:16384\r\n") {
		t.Errorf("CLUSTER INFO: %q", got)
	}
	p.expect("+OK\r\n", "QUIT")
	if _, err := p.r.ReadByte(); err != io.EOF {
		t.Errorf("after QUIT: %v", err)
	}
}

func TestDataIsToldWhereItIs(t *testing.T) {
	s, address := start(t, Config{})
	p := dial(t, address)
	p.expect("*0\r\n", "CLUSTER", "SLOTS")
	p.expect("-CLUSTERDOWN Hash slot not served\r\n", "GET", "foo")
	s.SetTopology(testTopology(t, assignment(0, 8191, "a:1"), assignment(8192, 16383, "b:2")))
	p.expect("-MOVED 12182 b:2\r\n", "GET", "foo")
	p.expect("-MOVED 5061 a:1\r\n", "HMGET", "bar", "f", "g")
	p.expect("-MOVED 5061 a:1\r\n", "mget", "bar", "x{bar}")
	p.expect("-CROSSSLOT Keys in request don't hash to the same slot\r\n", "MGET", "foo", "bar")
	p.expect("-MOVED 5061 a:1\r\n", "MSET", "bar", "foo", "{bar}", "foo")
	s.SetTopology(testTopology(t, assignment(0, 8191, "a:1")))
	p.expect("-CLUSTERDOWN Hash slot not served\r\n", "GET", "foo")
}

func TestPasswordIsAskedFor(t *testing.T) {
	_, address := start(t, Config{Password: "secret"})
	p := dial(t, address)
	p.expect("-NOAUTH Authentication required.\r\n", "CLUSTER", "SLOTS")
	p.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "guess")
	p.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "other", "secret")
	if got := p.ask("HELLO", "3"); !strings.HasPrefix(got, "-NOAUTH HELLO must be called") {
		t.Errorf("HELLO: %q", got)
	}
	p.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "HELLO", "3", "AUTH", "default", "guess")
	p.expect("-NOAUTH Authentication required.\r\n", "PING")
	if got := p.ask("HELLO", "3", "AUTH", "default", "secret"); !strings.HasPrefix(got, "%7") {
		t.Errorf("HELLO: %q", got)
	}
	p.expect("+PONG\r\n", "PING")
	p.expect("+RESET\r\n", "RESET")
	p.expect("-NOAUTH Authentication required.\r\n", "PING")
	p.expect("+OK\r\n", "AUTH", "secret")
	p.expect("*0\r\n", "CLUSTER", "SLOTS")
}

// Whoever has not said the password is given no memory, as in Redis.
func TestStrangersAreKeptShort(t *testing.T) {
	_, address := start(t, Config{Password: "secret"})
	many := append([]string{"MGET"}, strings.Split(strings.Repeat("k ", 10), " ")...)
	long := strings.Repeat("x", 16<<10+1)
	dial(t, address).expect("-ERR Protocol error: unauthenticated multibulk length\r\n", many...)
	dial(t, address).expect("-ERR Protocol error: unauthenticated bulk length\r\n", "ECHO", long)
	p := dial(t, address)
	p.expect("+OK\r\n", "AUTH", "secret")
	p.expect(fmt.Sprintf("$%d\r\n%s\r\n", len(long), long), "ECHO", long)
	p.expect("+RESET\r\n", "RESET")
	p.expect("-ERR Protocol error: unauthenticated bulk length\r\n", "ECHO", long)
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

func TestSetTopologyTellsOnlyWhatIsNew(t *testing.T) {
	s := New(Config{Topology: twoShards(t), Logger: slog.New(slog.DiscardHandler)})
	if s.SetTopology(twoShards(t)) {
		t.Error("the same topology is news")
	}
	if !s.SetTopology(nil) || s.SetTopology(nil) {
		t.Error("no topology at all")
	}
}

func TestMalformedRequestsAreAnsweredAndClosed(t *testing.T) {
	_, address := start(t, Config{})
	for request, want := range map[string]string{
		"*3000000000\r\n":                "-ERR Protocol error: invalid multibulk length\r\n",
		"*1\r\n$9223372036854775807\r\n": "-ERR Protocol error: invalid bulk length\r\n",
		"*1\r\n:1\r\n":                   "-ERR Protocol error: expected '$', got ':'\r\n",
		strings.Repeat("x", 70_000):      "-ERR Protocol error: too big inline request\r\n",
		"PING \"a\r\n":                   "-ERR Protocol error: unbalanced quotes in request\r\n",
	} {
		p := dial(t, address)
		// More follows than is read, which must not cost the error.
		if _, err := io.WriteString(p, "PING\r\n"+request+strings.Repeat("y", 1000)); err != nil {
			t.Fatal(err)
		}
		p.CloseWrite(t)
		got, err := io.ReadAll(p)
		if err != nil || string(got) != "+PONG\r\n"+want {
			t.Errorf("%.30q: %q, %v", request, got, err)
		}
	}
}

func (p *peer) CloseWrite(t *testing.T) {
	t.Helper()
	if err := p.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsMayArriveInAnyPieces(t *testing.T) {
	_, address := start(t, Config{Topology: twoShards(t)})
	p := dial(t, address)
	stream := append(resp.AppendCommand(nil, "ECHO", strings.Repeat("long", 5000)), "\r\nPING\r\n*0\r\n"...)
	stream = resp.AppendCommand(stream, "CLUSTER", "KEYSLOT", "foo")
	go func() {
		for i := 0; i < len(stream); i += 7 {
			if _, err := p.Write(stream[i:min(i+7, len(stream))]); err != nil {
				return
			}
		}
	}()
	for _, want := range []string{bulk(strings.Repeat("long", 5000)), "+PONG\r\n", ":12182\r\n"} {
		if got := p.reply(); got != want {
			t.Errorf("%.40q, want %.40q", got, want)
		}
	}
}

func TestPipelinedLargeRepliesKeepTheirOrder(t *testing.T) {
	var nodes []string
	for i := range 2000 {
		nodes = append(nodes, fmt.Sprintf("10.0.%d.%d:7000", i/250, i%250))
	}
	_, address := start(t, Config{Topology: testTopology(t, assignment(0, 16383, nodes...))})
	p := dial(t, address)
	var requests []byte
	for range 20 {
		requests = resp.AppendCommand(requests, "CLUSTER", "NODES")
		requests = resp.AppendCommand(requests, "CLUSTER", "SLOTS")
		requests = resp.AppendCommand(requests, "PING")
	}
	if _, err := p.Write(requests); err != nil {
		t.Fatal(err)
	}
	p.CloseWrite(t)
	got, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	framer := resp.NewFramer(1 << 24)
	var kinds []byte
	for len(got) > 0 {
		n, err := framer.Next(got)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		kinds = append(kinds, got[0])
		got = got[n:]
	}
	if want := strings.Repeat("$*+", 20); string(kinds) != want {
		t.Errorf("replies %s, want %s", kinds, want)
	}
}

func TestClientsPastTheLimitAreRefused(t *testing.T) {
	s, address := start(t, Config{MaxClients: 2})
	a, b := dial(t, address), dial(t, address)
	a.expect("+PONG\r\n", "PING")
	b.expect("+PONG\r\n", "PING")
	third := dial(t, address)
	if got := third.reply(); got != "-ERR max number of clients reached\r\n" {
		t.Errorf("%q", got)
	}
	a.expect("+PONG\r\n", "PING")
	b.Close()
	for s.clients.Load() > 1 {
		time.Sleep(time.Millisecond)
	}
	dial(t, address).expect("+PONG\r\n", "PING")
}

func TestStopClosesIdleAndStuckClients(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var nodes []string
	for i := range 2000 {
		nodes = append(nodes, fmt.Sprintf("10.0.%d.%d:7000", i/250, i%250))
	}
	s := New(Config{Topology: testTopology(t, assignment(0, 16383, nodes...)), Logger: slog.New(slog.DiscardHandler)})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	idle, half, stuck := dial(t, ln.Addr().String()), dial(t, ln.Addr().String()), dial(t, ln.Addr().String())
	idle.expect("+PONG\r\n", "PING")
	half.expect("+PONG\r\n", "PING")
	_, _ = half.Write([]byte("*2\r\n$4\r\nECHO"))
	// Asks for more than the sockets hold and reads none of it.
	_, _ = stuck.Write(bytes.Repeat(resp.AppendCommand(nil, "CLUSTER", "NODES"), 100))
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := idle.r.ReadByte(); err != io.EOF {
		t.Errorf("the idle client: %v", err)
	}
}

func TestServeSaysWhenItsListenerIsClosed(t *testing.T) {
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(t.Context(), ln); err == nil {
		t.Error("no error")
	}
}

// FuzzRequests feeds whatever bytes to a client's loop: it must not panic, and
// what it says must be whole replies.
func FuzzRequests(f *testing.F) {
	for name := range commands {
		f.Add([]byte(name + " a b c\r\n"))
	}
	f.Add([]byte("HELLO 3 AUTH a b SETNAME c\r\nCLUSTER SHARDS\r\nCOMMAND INFO get x\r\nMSET a b {a} c\r\n"))
	topology, err := cluster.NewTopology(cluster.RCM, "", []cluster.Assignment{assignment(0, 9999, "a:1", "b:1")})
	if err != nil {
		f.Fatal(err)
	}
	s := New(Config{Topology: topology, Logger: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		replies := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(theirs)
			replies <- b
		}()
		c := newClient(t.Context(), s, ours)
		c.answerAll(data)
		c.flush()
		ours.Close()
		framer := resp.NewFramer(1 << 24)
		for b := <-replies; len(b) > 0; {
			n, err := framer.Next(b)
			if err != nil || n == 0 {
				t.Fatalf("%q: %v", b, err)
			}
			b = b[n:]
		}
	})
}
