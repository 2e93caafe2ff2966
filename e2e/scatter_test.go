//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// spanned is a store of several nodes.
type spanned struct {
	name      string
	discovery string
	upstream  string
	nodes     []*store // that writes through fsproxy may go to
}

func severalNodes(t *testing.T) []spanned {
	c := startRedisCluster(t)
	f := startFleet(t)
	return []spanned{
		{"cluster", "cluster", c.nodes[0].addr, c.nodes},
		{"fleet", "rcm", startRCM(t, f.topology()).addr, f.nodes()},
	}
}

// Requests whose keys lie in many slots are answered by a real cluster, and by a
// fleet, as by one Redis.
func TestRequestsThatSpanNodesAreAnsweredAsByOneRedis(t *testing.T) {
	for _, s := range severalNodes(t) {
		t.Run(s.name, func(t *testing.T) {
			proxied := dialWire(t, startProxy(t, s.discovery, s.upstream).addr)
			direct := dialWire(t, startStore(t).addr)
			for _, hello := range []string{"2", "3"} {
				proxied.do(t, "HELLO", hello)
				direct.do(t, "HELLO", hello)
				var requests [][]string
				for _, line := range []string{
					"MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7", "MGET a x b c d e f g a", "EXISTS a b c x a", "TOUCH a g x", "DBSIZE",
					"DEL a b x", "GET c", "UNLINK c d", "MGET a b c d e", "SCRIPT LOAD return{KEYS[1]}", "SET h no", "DEL h",
					"HSET h1 f v", "HSET h2 f v", "HMGET h1 f", "DEL h1 h2 h1", "HMGET h1 f", "HMGET h2 f",
					"SCRIPT EXISTS 7c55a1ef73c33b6bbb4bb5ee8ed75e6bdab8e7d1 0", "DBSIZE", "INFO keyspace", "MSET a 1 b", "MGET", "DBSIZE x",
					"RPUSH list 1", "MGET e list", "EXISTS list e", "SCRIPT FLUSH", "FLUSHDB", "DBSIZE", "KEYS *", "RANDOMKEY", "INFO keyspace",
				} {
					requests = append(requests, strings.Fields(line))
				}
				want, got := direct.mustPipeline(t, requests...), proxied.mustPipeline(t, requests...)
				for i, r := range requests {
					if got[i] != want[i] {
						t.Errorf("RESP%s, %v: %q, and one Redis says %q", hello, r, got[i], want[i])
					}
				}
			}
		})
	}
}

// What goes to all nodes finds all keys, wherever they lie.
func TestKeysOfAllNodesAreFound(t *testing.T) {
	for _, s := range severalNodes(t) {
		t.Run(s.name, func(t *testing.T) {
			w := dialWire(t, startProxy(t, s.discovery, s.upstream).addr)
			const keys = 300
			var want []string
			for i := range keys {
				key := fmt.Sprintf("key:%d", i)
				want = append(want, key)
				if got := w.do(t, "SET", key, "v"); got != "+OK\r\n" {
					t.Fatalf("SET %s: %q", key, got)
				}
			}
			slices.Sort(want)
			holding := 0
			for _, n := range s.nodes {
				if n.client.DBSize(t.Context()).Val() > 0 {
					holding++
				}
			}
			if holding < 2 {
				t.Fatalf("%d nodes hold keys: nothing is tried", holding)
			}

			if got := keysIn(w.do(t, "KEYS", "key:*")); !slices.Equal(got, want) {
				t.Errorf("KEYS found %d keys, want %d", len(got), keys)
			}
			var scanned []string
			for cursor, pages := "0", 0; pages == 0 || cursor != "0"; pages++ {
				page := w.do(t, "SCAN", cursor, "COUNT", "20")
				cursor = strings.Split(page, "\r\n")[2]
				scanned = append(scanned, keysIn(page)...)
			}
			slices.Sort(scanned)
			if got := slices.Compact(scanned); !slices.Equal(got, want) {
				t.Errorf("SCAN found %d keys, want %d", len(got), keys)
			}
			if got := keysIn(w.do(t, "RANDOMKEY")); len(got) != 1 || !slices.Contains(want, got[0]) {
				t.Errorf("RANDOMKEY: %v", got)
			}
			if got := w.do(t, "INFO", "keyspace"); !strings.Contains(got, fmt.Sprintf("db0:keys=%d,", keys)) {
				t.Errorf("INFO keyspace: %q", got)
			}
			if got := w.do(t, "WAIT", "0", "10"); got != ":0\r\n" {
				t.Errorf("WAIT: %q", got)
			}
			w.do(t, "FLUSHALL")
			for _, n := range s.nodes {
				if size := n.client.DBSize(t.Context()).Val(); size != 0 {
					t.Errorf("%s holds %d keys after FLUSHALL", n.addr, size)
				}
			}
		})
	}
}

// keysIn finds the keys in a reply and sorts them.
func keysIn(reply string) []string {
	var keys []string
	for line := range strings.SplitSeq(reply, "\r\n") {
		if strings.HasPrefix(line, "key:") {
			keys = append(keys, line)
		}
	}
	slices.Sort(keys)
	return keys
}

// What has no well-defined result is refused in the words of a real cluster, in
// a transaction too.
func TestRequestsThatSpanNodesAreRefusedAsByACluster(t *testing.T) {
	c := startRedisCluster(t)
	w := dialWire(t, startProxy(t, "cluster", c.nodes[0].addr).addr)
	const refused = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
	for _, line := range []string{"MSETNX a 1 b 2", "RENAME a b", "SINTER a b", "WATCH a b", "PFCOUNT a b c"} {
		if got := w.do(t, strings.Fields(line)...); got != refused {
			t.Errorf("%s: %q", line, got)
		}
		direct := c.nodes[0].client.Do(t.Context(), anys(strings.Fields(line))...).Err()
		if direct == nil || "-"+direct.Error()+"\r\n" != refused {
			t.Errorf("%s: the cluster itself says %v", line, direct)
		}
	}
	got := w.mustPipeline(t, []string{"MULTI"}, []string{"SET", "a", "1"}, []string{"MGET", "a", "b"}, []string{"EXEC"}, []string{"GET", "a"})
	want := []string{"+OK\r\n", "+QUEUED\r\n", refused, "-EXECABORT Transaction discarded because of previous errors.\r\n", "$-1\r\n"}
	if !slices.Equal(got, want) {
		t.Errorf("within MULTI: %q, want %q", got, want)
	}
}

func anys(words []string) []any {
	all := make([]any, len(words))
	for i, w := range words {
		all[i] = w
	}
	return all
}

// pipelineProgram is what users write: transaction=True is redis-py's default.
// It prints what two runs read.
const pipelineProgram = `
import sys, redis
client = redis.Redis(port=int(sys.argv[1]), decode_responses=True)
for _ in range(2):
    with client.pipeline() as pipe:
        for i in range(20):
            pipe.hmget("{u}:%d" % i, ["a", "b", "none"])
            pipe.hget("{u}:%d" % i, "b")
        print(pipe.execute())
`

// redis-py wraps a pipeline in MULTI and EXEC. The second run of one that only
// reads asks no store.
func TestPipelinesOfRedisPyAreAnsweredFromMemory(t *testing.T) {
	for name, python := range map[string]driverFor{"Debian's redis-py": debianPythonDriver, "the current redis-py": currentPythonDriver} {
		t.Run(name, func(t *testing.T) {
			c := startRedisCluster(t)
			hashes := map[string]hash{}
			var want []string
			for i := range 20 {
				hashes[fmt.Sprintf("{u}:%d", i)] = hash{"a": fmt.Sprint("a", i), "b": fmt.Sprint("b", i)}
				want = append(want, fmt.Sprintf("['a%d', 'b%d', None], 'b%d'", i, i, i))
			}
			c.load(t, hashes)
			p := startProxy(t, "cluster", c.nodes[0].addr)
			_, port, err := net.SplitHostPort(p.addr)
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(t.TempDir(), "pipeline.py")
			if err := os.WriteFile(program, []byte(pipelineProgram), 0o600); err != nil {
				t.Fatal(err)
			}
			d := python(t)
			args := slices.Clone(d.command)
			args[len(args)-1] = program
			cmd := exec.CommandContext(t.Context(), args[0], append(args[1:], port)...)
			cmd.Env = append(os.Environ(), d.environment...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			line := "[" + strings.Join(want, ", ") + "]\n"
			if string(out) != line+line {
				t.Errorf("read %s, want twice %s", out, line)
			}
			reads := 0
			for _, n := range c.nodes {
				reads += n.reads(t)
			}
			if reads != 40 {
				t.Errorf("the store was asked for %d reads, want the 40 of the first run", reads)
			}
			if got := p.commands(t, "hit"); got != 40 {
				t.Errorf("%d hits, want the 40 of the second run", got)
			}
			past := 0
			for _, s := range p.samples(t) {
				if s.name == "fsproxy_bypass_total" && s.labels["reason"] == "transaction_miss" {
					past += int(s.value)
				}
			}
			if past != 40 {
				t.Errorf("%d reads are counted as of a transaction that was not all in memory, want 40", past)
			}
		})
	}
}

// transactionTalks are about MULTI and what surrounds it. A blank line would end
// none of them: each is sent in one write, and then one request after the other.
var transactionTalks = []string{
	"MULTI,MULTI,GET s,EXEC", "MULTI,WATCH h,HMGET h f,EXEC", "EXEC,DISCARD", "MULTI,HMGET h f,DISCARD,EXEC",
	"MULTI,HMGET h f,RESET,EXEC,HMGET h f", "MULTI x,EXEC", "MULTI,MULTI x,HMGET h f,EXEC", "MULTI,EXEC x,EXEC",
	"MULTI,DISCARD x,EXEC", "MULTI,WATCH,EXEC", "MULTI,UNWATCH,HMGET h f,EXEC", "MULTI,HMGET h,HMGET h f,EXEC",
	"MULTI,NOPE a,HMGET h f,EXEC", "MULTI,HMGET h f,HGET h g,HMGET none f,EXEC,HMGET h f g", "MULTI,HMGET s f,HGET s f,HMGET h f,EXEC",
	"MULTI,EXEC", "MULTI,HMGET h f,PING,ECHO x,EXEC", "MULTI,PTTL h,HMGET h f,EXEC", "WATCH h,MULTI,HMGET h f,EXEC", "WATCH h,HMGET h f,UNWATCH,MULTI,HMGET h f,EXEC",
	"MULTI,HSET h f w,HMGET h f,EXEC,HMGET h f", "HSET h f x,MULTI,HMGET h f,EXEC", "MULTI,SELECT 1,HMGET h f,EXEC,HMGET h f,SELECT 0,HMGET h f",
	"SELECT 1,MULTI,HMGET h f,EXEC", "CLIENT REPLY SKIP,MULTI,HMGET h f,EXEC", "CLIENT REPLY OFF,MULTI,HMGET h f,EXEC,CLIENT REPLY ON,HMGET h f",
	"UNSUBSCRIBE", "UNSUBSCRIBE a b,HMGET h f", "PUNSUBSCRIBE,PUNSUBSCRIBE a b", "SUNSUBSCRIBE,SUNSUBSCRIBE a b",
	"CLIENT REPLY OFF,UNSUBSCRIBE,UNSUBSCRIBE a,PUNSUBSCRIBE b,CLIENT REPLY ON", "CLIENT REPLY SKIP,UNSUBSCRIBE a,PING,PING",
	"MULTI,UNSUBSCRIBE,HMGET h f,EXEC,HMGET h f", "MULTI,HMGET h f,UNSUBSCRIBE a b,EXEC,PING", "MULTI,PUNSUBSCRIBE a b,SUNSUBSCRIBE c d,EXEC,PING",
	"MULTI,HMGET h f,SUBSCRIBE a,EXEC,HMGET h f,PING,UNSUBSCRIBE,HMGET h f", "MULTI,MONITOR,EXEC",
	"SUBSCRIBE a,UNSUBSCRIBE,MULTI,HMGET h f,EXEC", "SUBSCRIBE a,MULTI,RESET,HMGET h f", "UNSUBSCRIBE,SUBSCRIBE a,PUNSUBSCRIBE,UNSUBSCRIBE a",
	"MULTI,HMGET h f,QUIT", "MULTI,QUIT", "SUBSCRIBE a,QUIT", "MULTI,HMGET h f,CLIENT GETNAME,EXEC",
}

// Whatever is said of transactions and subscriptions, the bytes that come back
// are Redis' own.
func TestTransactionsAreAnsweredAsByRedis(t *testing.T) {
	behind, alone := startStore(t), startStore(t)
	// Without settle, or nothing would be kept between the talks.
	p := startConfiguredProxy(t, fmt.Sprintf(
		"mode: live\nupstream: {discovery: standalone, addresses: [%q], fetch_timeout: 5s}\ncache: {write_settle: 0s}\n", behind.addr))
	const ticks = 25 * time.Millisecond // after which a fetch counts as later than the last write
	for _, hello := range []string{"2", "3"} {
		for _, talk := range transactionTalks {
			for _, whole := range []bool{true, false} {
				for _, s := range []*store{behind, alone} {
					s.client.FlushAll(t.Context())
					s.client.HSet(t.Context(), "h", "f", "v", "g", "w")
					s.client.Set(t.Context(), "s", "string", 0)
				}
				for range 3 { // the later times from memory, if it may be
					want, got := said(t, alone.addr, hello, talk, whole), said(t, p.addr, hello, talk, whole)
					if got != want {
						t.Errorf("RESP%s, %s (in one write: %v):\n%q, and Redis says\n%q", hello, talk, whole, got, want)
					}
				}
				// The proxy has to hear that the next talk begins anew.
				dialWire(t, p.addr).do(t, "FLUSHALL")
				time.Sleep(ticks)
			}
		}
	}
	if hits := p.commands(t, "hit"); hits < 40 {
		t.Errorf("%d reads were answered from memory: too few to say anything of them", hits)
	} else {
		t.Logf("%d reads were answered from memory", hits)
	}
}

// said is all that a server answers to a talk, to the end of the connection.
func said(t *testing.T, addr, hello, talk string, whole bool) string {
	t.Helper()
	w := dialWire(t, addr)
	w.do(t, "HELLO", hello)
	var requests [][]byte
	for request := range strings.SplitSeq(talk, ",") {
		requests = append(requests, appendCommand(nil, strings.Fields(request)...))
	}
	if whole {
		requests = [][]byte{slices.Concat(requests...)}
	}
	var b strings.Builder
	for _, r := range requests {
		if _, err := w.Write(r); err != nil {
			break // it said QUIT
		}
		if !whole {
			b.WriteString(heard(t, w, 5*time.Millisecond))
		}
	}
	const end = "the end"
	if _, err := w.Write(appendCommand(nil, "CLIENT", "REPLY", "ON")); err == nil {
		_, _ = w.Write(appendCommand(nil, "PING", end))
	}
	for !strings.Contains(b.String(), end) {
		more := heard(t, w, wireTimeout)
		if more == "" {
			return b.String() + "<closed>"
		}
		b.WriteString(more)
	}
	return b.String()
}

// heard reads what comes first within a time; "" if nothing does or the
// connection has ended.
func heard(t *testing.T, w *wire, within time.Duration) string {
	t.Helper()
	if err := w.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, wireBuffer)
	n, _ := w.r.Read(buf)
	return string(buf[:n])
}
