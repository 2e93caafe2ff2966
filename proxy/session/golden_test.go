package session

import (
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// To record testdata anew: the addresses of redis-server 7.0.15, each started
// with --save "", the second one with --cluster-enabled yes and all slots added,
// the third one with --requirepass secret.
var (
	record        = flag.String("record", "", "address of a redis-server to record golden.txt from")
	recordAuth    = flag.String("record-auth", "", "address of one with a password to record golden_auth.txt from")
	recordCluster = flag.String("record-cluster", "", "address of one in cluster mode to record golden_cluster.txt from")
)

// exchange is one request and the bytes that came back, by protocol version.
type exchange struct {
	text    string // as in the file
	args    []string
	replies map[resp.Version]string
}

// script is what goes over one connection.
type script struct {
	name      string
	exchanges []*exchange
}

func readGolden(t testing.TB, file string) (header string, scripts []*script) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var last *exchange
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			header += line + "\n"
		case line == "":
		case line[0] == '[':
			scripts = append(scripts, &script{name: strings.Trim(line, "[]")})
		case strings.HasPrefix(line, "\t"):
			reply, err := strconv.Unquote(line[3:])
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			last.replies[resp.Version(line[1]-'0')] = reply
		default:
			last = &exchange{text: line, args: split(t, line), replies: map[resp.Version]string{}}
			s := scripts[len(scripts)-1]
			s.exchanges = append(s.exchanges, last)
		}
	}
	return header, scripts
}

func split(t testing.TB, line string) []string {
	t.Helper()
	var args []string
	for line != "" {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			args, line = append(args, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		word, _ := strconv.Unquote(quoted)
		args, line = append(args, word), strings.TrimPrefix(line[len(quoted):], " ")
	}
	return args
}

// volatile is what differs between any two servers: a client's id.
var volatile = regexp.MustCompile(`(\$2\r\nid\r\n):\d+`)

func stable(reply string) string { return volatile.ReplaceAllString(reply, "${1}:0") }

func recordGolden(t *testing.T, address, file, header string, scripts []*script) {
	t.Helper()
	recordVersions(t, address, file, header, scripts, resp.V2, resp.V3)
}

func recordVersions(t *testing.T, address, file, header string, scripts []*script, versions ...resp.Version) {
	t.Helper()
	var b strings.Builder
	b.WriteString(header)
	for _, s := range scripts {
		fmt.Fprintf(&b, "\n[%s]\n", s.name)
		for _, v := range versions {
			recordScript(t, address, s, v)
		}
		for _, x := range s.exchanges {
			b.WriteString(x.text + "\n")
			for _, v := range versions {
				fmt.Fprintf(&b, "\t%d %q\n", v, x.replies[v])
			}
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// recordScript waits for the one reply to each request, or, where a Session
// gives none, long enough to see that the server gives none either.
func recordScript(t *testing.T, address string, s *script, v resp.Version) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	framer, buf := resp.NewFramer(64<<20), []byte(nil)
	ask := func(patience time.Duration, args ...string) string {
		if _, err := conn.Write(resp.AppendCommand(nil, args...)); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		for {
			if n, err := framer.Next(buf); err != nil {
				t.Fatal(err)
			} else if n > 0 {
				reply := string(buf[:n])
				buf = append([]byte(nil), buf[n:]...)
				return reply
			}
			part := make([]byte, 64<<10)
			n, err := conn.Read(part)
			if err != nil {
				return ""
			}
			buf = append(buf, part[:n]...)
		}
	}
	if v == resp.V3 {
		ask(5*time.Second, "hello", "3")
	}
	c := NewServer(Config{}).Open("", "", nil)
	for _, x := range s.exchanges {
		patience := 5 * time.Second
		if own, _ := c.Answer(nil, command.Lookup([]byte(x.args[0])), argv(x.args...)); len(own) == 0 {
			patience = 300 * time.Millisecond
		}
		x.replies[v] = stable(ask(patience, x.args...))
	}
}

func TestGoldenRepliesAreRedisOwn(t *testing.T) {
	testGolden(t, "testdata/golden.txt", *record)
}

func TestGoldenClusterRepliesAreRedisOwn(t *testing.T) {
	testGolden(t, "testdata/golden_cluster.txt", *recordCluster)
}

func testGolden(t *testing.T, file, address string) {
	header, scripts := readGolden(t, file)
	if address != "" {
		recordGolden(t, address, file, header, scripts)
	}
	for _, s := range scripts {
		for _, v := range []resp.Version{resp.V2, resp.V3} {
			t.Run(fmt.Sprintf("%s/RESP%d", s.name, v), func(t *testing.T) {
				c := NewServer(Config{KeySlot: keySlot}).Open("127.0.0.1:50000", "127.0.0.1:6379", nil)
				c.Proto = v
				for _, x := range s.exchanges {
					args := argv(x.args...)
					reply, effect := c.Answer(nil, command.Lookup(args[0]), args)
					if effect&Forward != 0 {
						t.Errorf("%s: forwarded", x.text)
					}
					if got, want := stable(string(reply)), x.replies[v]; got != want {
						t.Errorf("%s:\n got %q\nwant %q", x.text, got, want)
					}
				}
			})
		}
	}
}

// keySlot stands in for the proxy's own function.
func keySlot(key []byte) uint16 {
	return map[string]uint16{"foo": 12182, "{foo}bar": 12182}[string(key)]
}

func argv(words ...string) [][]byte {
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return args
}
