package rcm

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

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

func TestOddArgumentsAreAnsweredAsRedisWordsThem(t *testing.T) {
	_, address := start(t, Config{Topology: testTopology(t, assignment(0, 16383, "a:1", "b:1"))})
	p := dial(t, address)
	first, second := nodeID("a:1"), nodeID("b:1")
	if !strings.Contains(p.ask("CLUSTER", "NODES"), first+" a:1@10001 master") {
		first, second = second, first // this machine's turn
	}
	for _, test := range []struct{ request, want string }{
		{"SELECT +0", "-ERR value is not an integer or out of range\r\n"},
		{"SELECT 00", "-ERR value is not an integer or out of range\r\n"},
		{"SELECT -0", "-ERR value is not an integer or out of range\r\n"},
		{"SELECT 99999999999999999999", "-ERR value is not an integer or out of range\r\n"},
		{"SELECT -1", "-ERR SELECT is not allowed in cluster mode\r\n"},
		{"HELLO +3", "-ERR Protocol version is not an integer or out of range\r\n"},
		{"HELLO 1", "-NOPROTO unsupported protocol version\r\n"},
		{"HELLO 3 AUTH u", "-ERR Syntax error in HELLO option 'AUTH'\r\n"},
		{"HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"},
		{"HELLO 3 SETNAME a b", "-ERR Syntax error in HELLO option 'b'\r\n"},
		{"HELLO 2 x", "-ERR Syntax error in HELLO option 'x'\r\n"},
		{"CLIENT GETNAME", "$-1\r\n"},
		{"AUTH", "-ERR wrong number of arguments for 'auth' command\r\n"},
		{"AUTH a b c", "-ERR syntax error\r\n"},
		{"PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"},
		{"READONLY now", "-ERR wrong number of arguments for 'readonly' command\r\n"},
		{"RESET now", "-ERR wrong number of arguments for 'reset' command\r\n"},
		{"CLUSTER", "-ERR wrong number of arguments for 'cluster' command\r\n"},
		{"CLUSTER SLOTS 1", "-ERR wrong number of arguments for 'cluster|slots' command\r\n"},
		{"CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"},
		{"cluster nope", "-ERR unknown subcommand 'nope'. Try CLUSTER HELP.\r\n"},
		{"CLUSTER COUNTKEYSINSLOT x", "-ERR value is not an integer or out of range\r\n"},
		{"CLUSTER COUNTKEYSINSLOT -1", "-ERR Invalid slot\r\n"},
		{"CLUSTER GETKEYSINSLOT x 1", "-ERR value is not an integer or out of range\r\n"},
		{"CLUSTER GETKEYSINSLOT 1 x", "-ERR value is not an integer or out of range\r\n"},
		{"CLUSTER GETKEYSINSLOT 16384 1", "-ERR Invalid slot or number of keys\r\n"},
		{"CLUSTER GETKEYSINSLOT 1 -1", "-ERR Invalid slot or number of keys\r\n"},
		{"CLUSTER REPLICAS " + second, "-ERR The specified node is not a master\r\n"},
		{"CLUSTER REPLICAS " + nodeID(address), "*0\r\n"},
		{"CLIENT SETINFO lib-nam x", "-ERR Unrecognized option 'lib-nam'\r\n"},
		{"CLIENT SETINFO lib-ver 1\x01", "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"},
		{"CLIENT TRACKING perhaps", "-ERR syntax error\r\n"},
		{"CLIENT NO-EVICT perhaps", "-ERR syntax error\r\n"},
		{"CLIENT NO-TOUCH off", "+OK\r\n"},
		{"COMMAND COUNT 1", "-ERR wrong number of arguments for 'command|count' command\r\n"},
	} {
		p.expect(test.want, strings.Split(test.request, " ")...)
	}
	for _, name := range []string{"CLUSTER", "CLIENT", "CONFIG", "COMMAND"} {
		got := p.ask(name, "HELP")
		if !strings.Contains(got, "+"+name+" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n") || !strings.HasSuffix(got, "+HELP\r\n+    Print this help.\r\n") {
			t.Errorf("%s HELP: %q", name, got)
		}
	}
	p.expect("-ERR unknown command '', with args beginning with: \r\n", "")
	p.expect("-ERR unknown command 'a  b', with args beginning with: 'c  d' \r\n", "a\r\nb", "c\r\nd")
}

// What is no command, or has not its arguments, is said before a password is
// asked for, as in Redis; and a greeting holds as a whole or not at all.
func TestStrangersAreToldOfTheirMistakesFirst(t *testing.T) {
	_, address := start(t, Config{Password: "secret"})
	p := dial(t, address)
	const noAuth = "-NOAUTH Authentication required.\r\n"
	p.expect("-ERR unknown command 'FOO', with args beginning with: \r\n", "FOO")
	p.expect("-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n", "CLUSTER", "FOO")
	p.expect("-ERR wrong number of arguments for 'get' command\r\n", "GET")
	p.expect(noAuth, "CLUSTER", "SLOTS")
	p.expect("-ERR Syntax error in HELLO option 'FOO'\r\n", "HELLO", "3", "AUTH", "default", "secret", "FOO")
	p.expect(noAuth, "CLUSTER", "SLOTS")
	p.expect("-ERR Client names cannot contain spaces, newlines or special characters.\r\n", "HELLO", "3", "AUTH", "default", "secret", "SETNAME", "a b")
	p.expect(noAuth, "PING")
	p.expect("+OK\r\n", "AUTH", "secret")
	p.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "HELLO", "3", "AUTH", "default", "guess", "SETNAME", "other")
	p.expect("$-1\r\n", "CLIENT", "GETNAME")
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
