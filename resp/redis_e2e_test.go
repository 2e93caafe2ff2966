//go:build e2e

package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// These tests send the same bytes to a real redis-server and to a Parser and
// want the same of both: the same commands, the same words for malformed
// input, the same end of the connection.
//
// By design they part in these:
//   - The Parser refuses what Redis would go on collecting: limits of
//     DefaultLimits (TestOurLimitsAreTheLowerOnes), and an inline command with a
//     NUL byte (TestRedisNeverAnswersInlineWithNUL).
//   - The Parser refuses an argument without '$' at its first byte; Redis waits
//     for the line's end first.
//   - A line longer than PROTO_INLINE_MAX_SIZE passes in Redis when a single read
//     brings its end too, so the same bytes may pass or not; the Parser always
//     refuses it.

// redisLimits are Redis' own: INT_MAX arguments, proto-max-bulk-len,
// PROTO_INLINE_MAX_SIZE, client-query-buffer-limit.
var redisLimits = Limits{Arguments: math.MaxInt32, BulkBytes: 512 << 20, InlineBytes: 64 << 10, RequestBytes: 1 << 30}

// patience bounds a wait for redis-server. It passes only when a test fails.
const patience = 10 * time.Second

// sentinel is a command that Redis answers to the end of what was well-formed.
const sentinel = "*2\r\n$4\r\nECHO\r\n$3\r\nEND\r\n"

// lastLine ends whatever line a stream left open, so that both sides judge it.
const lastLine = "\r\n" + sentinel

func TestRedisSaysTheSameOfMalformedRequests(t *testing.T) {
	address := startRedis(t)
	streams := append([]string{
		"*3\r\n$4\r\nECHO\r\n$1\r\na\r\n*1\r\n", "*2\r\n$4\r\nECHO\r\n$536870913\r\n", "*2147483648\r\n",
		"ECHO \"a", "ECHO 'a", "ECHO \"a\"b",
	}, requestStreams...)
	for _, s := range streams {
		// See above for what NUL bytes and long lines make of it.
		if strings.IndexByte(s, 0) < 0 && len(s) < redisLimits.InlineBytes {
			compare(t, address, []byte(s+lastLine))
		}
	}
	long := strings.Repeat("1", 2*redisLimits.InlineBytes)
	for _, s := range []string{"*" + long, "*1\r\n$" + long, long} {
		compare(t, address, []byte(s))
	}
}

func TestRedisReadsTheSameInlineCommands(t *testing.T) {
	address := startRedis(t)
	for _, s := range []string{
		`ECHO a`, `  ECHO   a  `, "\tECHO\ta\t", "ECHO a\vb\fc", "ECHO \v\fa", "ECHO a\r", `ECHO "a b"`, `ECHO 'a b'`, `ECHO a"b c"`, `ECHO ""`,
		`ECHO "\x41\xff\n\r\t\b\a\\\"\q"`, `ECHO '\n\'\x41'`, `ECHO "\x4"`, `ECHO "\xg1"`, `ECHO "\"`, `ECHO '\'`, `ECHO 'a\\'`, `ECHO a\b`, "ECHO \"a\"\v", "ECHO \xff\xfe",
	} {
		compare(t, address, []byte(s+lastLine))
		compare(t, address, []byte(s+"\n"+sentinel))
	}
}

func TestRedisReadsTheSameOfRandomStreams(t *testing.T) {
	address := startRedis(t)
	pieces := []string{
		"*", "$", "*1", "*2", "*3", "*0", "*-1", "$4", "$1", "$0", "$-1", "$3", "$12", "\r\n", "\r\n", "\r\n", "\r", "\n", "\r\n$1\r\na\r\n",
		"*2\r\n$4\r\nECHO\r\n", "*1\r\n$4\r\nECHO\r\n", "$1\r\nb\r\n", "ECHO", " ", "a", "1", "0", "9223372036854775807", "+", ":", "-", "_", "'", "\"", "\\", "\\x41", "\v", "\f", "\t", "\xff",
	}
	random := rand.New(rand.NewPCG(7, 0))
	for range 3000 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		compare(t, address, []byte(b.String()+lastLine))
	}
}

// The server closes after its error by itself, with the client's side open.
func TestRedisClosesWhereTheParserGivesUp(t *testing.T) {
	address := startRedis(t)
	for _, s := range []string{"*3000000000\r\n", "*1\r\n$-2\r\n", "*1\r\n$9223372036854775807\r\nabc\r\n", "*1\r\n:1\r\n", "ECHO \"a\r\n", strings.Repeat("x", 128<<10)} {
		want := readRequests(t, redisLimits, []byte(s), len(s)).err
		if want == nil {
			t.Fatalf("%.60q: the Parser accepts it", s)
		}
		conn := dial(t, address)
		_, _ = conn.Write([]byte(s)) // fails where Redis closes before its end
		got := readAll(t, conn)
		if string(got) != string(AppendError(nil, "ERR "+want.Error())) {
			t.Errorf("%.60q: Redis says %q, the Parser %q", s, got, want)
		}
	}
}

func TestOurLimitsAreTheLowerOnes(t *testing.T) {
	address := startRedis(t)
	for _, s := range []string{"*1048577\r\n", "*1\r\n$67108865\r\n"} {
		if got := askRedis(t, address, []byte(s)); len(got) != 0 {
			t.Errorf("%q: Redis says %q", s, got)
		}
		if got := readRequests(t, DefaultLimits, []byte(s), len(s)); got.err == nil {
			t.Errorf("%q: the Parser accepts it", s)
		}
	}
}

func TestRedisNeverAnswersInlineWithNUL(t *testing.T) {
	address := startRedis(t)
	const stream = "ECHO a\x00b\r\nPING\r\nPING\r\n"
	if got := askRedis(t, address, []byte(stream)); len(got) != 0 {
		t.Errorf("Redis says %q", got)
	}
	if got := readRequests(t, DefaultLimits, []byte(stream), len(stream)); got.err != errInlineNUL || len(got.args) != 0 {
		t.Errorf("the Parser: %q, %v", got.args, got.err)
	}
}

// compare sends stream to both. Redis' replies tell how many requests it found
// there, what ECHO was given, and what it thinks of the rest.
func compare(t *testing.T, address string, stream []byte) {
	t.Helper()
	want := readRequests(t, redisLimits, stream, len(stream))
	answer := askRedis(t, address, stream)
	framed := readReplies(t, math.MaxInt, answer, max(1, len(answer)))
	if framed.err != nil {
		t.Errorf("%.80q: a reply of Redis is refused: %q, %v", stream, answer, framed.err)
		return
	}
	var expected [][]byte
	for _, args := range want.args {
		switch {
		case len(args) == 0: // owed no reply
		case len(args) == 2 && strings.EqualFold(args[0], "ECHO"):
			expected = append(expected, fmt.Appendf(nil, "$%d\r\n%s\r\n", len(args[1]), args[1]))
		case strings.EqualFold(args[0], "ECHO"):
			expected = append(expected, []byte("-ERR wrong number of arguments for 'echo'"))
		default:
			expected = append(expected, nil) // some reply
		}
	}
	if want.err != nil {
		expected = append(expected, AppendError(nil, "ERR "+want.err.Error()))
	}
	if len(framed.sizes) != len(expected) {
		t.Errorf("%.80q: Redis sends %d replies: %.200q; the Parser found %.200q, %v", stream, len(framed.sizes), answer, want.args, want.err)
		return
	}
	for i, size := range framed.sizes {
		reply := answer[:size]
		answer = answer[size:]
		if !bytes.HasPrefix(reply, expected[i]) {
			t.Errorf("%.80q: reply %d is %.200q, want %.200q", stream, i, reply, expected[i])
		}
	}
}

// askRedis sends stream and its end, and returns all that comes back.
func askRedis(t *testing.T, address string, stream []byte) []byte {
	t.Helper()
	conn := dial(t, address)
	_, _ = conn.Write(stream) // fails where Redis closes before its end
	_ = conn.CloseWrite()
	return readAll(t, conn)
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatalf("connecting to redis-server: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// readAll reads until the server closes, and closes too. A reset counts as the
// end: Redis closes without reading what a refused client still sends.
func readAll(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Fatalf("redis-server neither closes nor says more than %.200q", got)
	}
	_ = conn.Close()
	return got
}

// startRedis starts a redis-server for one test and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	_ = free.Close()
	server := exec.Command(program, "--port", fmt.Sprint(address.Port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatalf("starting redis-server: %v", err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", address.String())
		if err == nil {
			_ = conn.Close()
			return address.String()
		}
	}
	t.Fatalf("redis-server does not answer at %s", address)
	return ""
}
