package command

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

// The vectors in testdata hold what a redis-server 7.0.15 said, so that the
// tests need none. To record them anew: go test ./proxy/command -record ADDRESS
var record = flag.String("record", "", "address of a redis-server 7.0.15 to record testdata from")

// redisGetKeys asks the server for the keys of each request.
func redisGetKeys(t *testing.T, requests [][]string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", *record)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var answers []string
	framer, in, buf := resp.NewFramer(1<<20), bufio.NewReader(conn), []byte(nil)
	for _, r := range requests {
		args := append([]string{"command", "getkeys"}, r...)
		if _, err := conn.Write(resp.AppendCommand(nil, args...)); err != nil {
			t.Fatal(err)
		}
		n := 0
		for n == 0 {
			line, err := in.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			buf = append(buf, line...)
			if n, err = framer.Next(buf); err != nil {
				t.Fatal(err)
			}
		}
		lines := strings.Split(strings.TrimSuffix(string(buf[:n]), "\r\n"), "\r\n")
		buf = buf[n:]
		if lines[0][0] == '-' {
			answers = append(answers, lines[0])
			continue
		}
		var keys []string
		for i := 2; i < len(lines); i += 2 {
			keys = append(keys, lines[i])
		}
		answers = append(answers, strings.Join(keys, " "))
	}
	return answers
}

// readVectors reads lines of "request => answer"; an argument is what stands
// between two blanks, and may be empty.
func readVectors(t testing.TB) (requests [][]string, answers []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/getkeys.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		request, answer, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " =>")
		requests = append(requests, strings.Split(request, " "))
		answers = append(answers, strings.TrimPrefix(answer, " "))
	}
	return requests, answers
}

func TestKeysAreThoseOfCommandGetkeys(t *testing.T) {
	requests, answers := readVectors(t)
	if *record != "" {
		answers = redisGetKeys(t, requests)
		var b strings.Builder
		for i, r := range requests {
			fmt.Fprintf(&b, "%s => %s\n", strings.Join(r, " "), answers[i])
		}
		if err := os.WriteFile("testdata/getkeys.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range requests {
		t.Run(strings.Join(r, " "), func(t *testing.T) {
			args := argv(r...)
			c := Resolve(args)
			got := ""
			if c != nil {
				got = string(bytes.Join(c.Keys(args, nil), []byte(" ")))
			}
			want := answers[i]
			if strings.HasPrefix(want, "-ERR Invalid number") {
				return // wrong arity: never forwarded with the intent to succeed
			}
			if strings.HasPrefix(want, "-") {
				want = ""
			}
			if got != want {
				t.Errorf("keys %q, redis-server says %q", got, answers[i])
			}
			if noKeys := answers[i] == "-ERR The command has no key arguments"; c != nil && noKeys == c.HasKeys() {
				t.Errorf("HasKeys is %v, redis-server says %q", c.HasKeys(), answers[i])
			}
		})
	}
}

func TestWrittenKeysLeaveOutWhatIsOnlyRead(t *testing.T) {
	for _, tc := range []struct{ request, want string }{
		{"hset k f v", "k"},
		{"hmget k f", ""},
		{"hgetall k", ""},
		{"copy a b", "b"},
		{"rename a b", "a b"},
		{"sinterstore d a b", "d"},
		{"zunionstore d 2 a b", "d"},
		{"eval s 2 a b c", "a b"},
		{"eval_ro s 2 a b c", ""},
		{"msetex 2 a 1 b 2 ex 10", "a b"},
		{"hexpire k 10 fields 1 f", "k"},
		{"hpexpireat k 10 fields 1 f", "k"},
		{"hpersist k fields 1 f", "k"},
		{"hsetex k ex 10 fields 1 f v", "k"},
		{"hgetex k ex 10 fields 1 f", "k"},
		{"hgetdel k fields 1 f", "k"},
		{"httl k fields 1 f", ""},
		{"hsetexpire k 10 f v", "k"},
		{"xgroup create k g $", "k"},
		{"xinfo stream k", ""},
		{"flushall", ""},
		{"subscribe a", ""},
		{"migrate h 1  0 5 keys a b", "a b"},
	} {
		args := argv(strings.Split(tc.request, " ")...)
		if got := string(bytes.Join(Resolve(args).Written(args, nil), []byte(" "))); got != tc.want {
			t.Errorf("%s: written %q, want %q", tc.request, got, tc.want)
		}
		// A container's entry finds its subcommand's keys by itself.
		if got := string(bytes.Join(Lookup(args[0]).Written(args, nil), []byte(" "))); got != tc.want {
			t.Errorf("%s through Lookup: written %q, want %q", tc.request, got, tc.want)
		}
	}
}

func TestShardChannelsRouteButAreNoKeys(t *testing.T) {
	args := argv("spublish", "channel", "message")
	c := Resolve(args)
	if got := c.Keys(args, nil); len(got) != 0 {
		t.Errorf("Keys: %q, want none", got)
	}
	if got := c.RouteKeys(args, nil); len(got) != 1 || string(got[0]) != "channel" {
		t.Errorf("RouteKeys: %q, want the channel", got)
	}
}

func TestKeysAppendAndAllocateNothing(t *testing.T) {
	args := argv("zunionstore", "d", "2", "a", "b")
	dst := make([][]byte, 1, 8)
	c := Resolve(args)
	if n := testing.AllocsPerRun(100, func() { c.Keys(args, dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := c.Keys(args, dst); len(got) != 4 {
		t.Errorf("appended %d keys to one, want three", len(got)-1)
	}
}

// Whatever the arguments, keys are arguments, and nothing panics.
func FuzzKeys(f *testing.F) {
	requests, _ := readVectors(f)
	for _, r := range requests {
		f.Add(strings.Join(r, "\x00"))
	}
	f.Fuzz(func(t *testing.T, request string) {
		args := argv(strings.Split(request, "\x00")...)
		c := Resolve(args)
		if c == nil {
			return
		}
		keys := c.RouteKeys(args, nil)
		if len(keys) > 2*len(args) {
			t.Fatalf("%d keys in %d arguments", len(keys), len(args))
		}
		for _, k := range append(keys, c.Written(args, nil)...) {
			if !isArgument(args, k) {
				t.Fatalf("key %q is no argument", k)
			}
		}
	})
}

func isArgument(args [][]byte, key []byte) bool {
	for _, a := range args[1:] {
		if bytes.Equal(a, key) {
			return true
		}
	}
	return false
}

func argv(words ...string) [][]byte {
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return args
}
