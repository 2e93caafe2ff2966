//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// quiet is how long a connection says nothing before a test holds it to be
// open and done. It only costs time where a connection stays open.
const quiet = time.Second

// inlineLimit is the longest inline request that Redis takes, in bytes, and
// fsproxy's default.
const inlineLimit = 64 << 10

// malformed are requests that Redis refuses, and requests near them that it
// takes. Each is sent as it is; each is answered with Redis' own bytes.
var malformed = []struct{ name, request string }{
	{"bulk length of 2^63-1", "*1\r\n$9223372036854775807\r\n"},
	{"bulk length of 2^64+1", "*1\r\n$18446744073709551617\r\n"},
	{"bulk length of -2", "*1\r\n$-2\r\n"},
	{"bulk length of -1", "*1\r\n$-1\r\n"},
	{"bulk length of no number", "*1\r\n$abc\r\n"},
	{"empty bulk length", "*1\r\n$\r\n"},
	{"bulk length of 1 GiB", "*1\r\n$1073741824\r\n"},
	{"three thousand million arguments", "*3000000000\r\n"},
	{"2^64+1 arguments", "*18446744073709551617\r\n"},
	{"no number of arguments", "*abc\r\n"},
	{"minus one arguments, then PING", "*-1\r\nPING\r\n"},
	{"zero arguments, then PING", "*0\r\nPING\r\n"},
	{"no bulk where one has to be", "*1\r\n:5\r\n"},
	{"no bulk where the second has to be", "*2\r\n$4\r\nPING\r\n+\r\n"},
	{"inline request too long", strings.Repeat("a", inlineLimit+1)},
	{"inline request with an open quote", "PING \"a\r\n"},
	{"inline request with a closing quote inside", "PING \"a\"b\r\n"},
	{"inline PING", "PING\r\n"},
	{"inline PING with LF alone", "PING\n"},
	{"inline with quotes", "ECHO \"a\\x41 b\"\r\n"},
	{"empty line, then PING", "\r\nPING\r\n"},
	{"number of arguments too long", "*" + strings.Repeat("1", inlineLimit+1)},
	{"bulk length too long", "*1\r\n$" + strings.Repeat("1", inlineLimit+1)},
	{"after good requests", "PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$-5\r\n"},
	{"before good requests", "*1\r\n$-5\r\nPING\r\nPING\r\n"},
	{"HTTP request, as a web page may send", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	{"start of a TLS handshake", "\x16\x03\x01\x02\x01\r\n"},
	{"bytes that are no text", "\xff\xfe\x80\r\n"},
}

// Bad input gets the bytes and the end of connection that Redis gives it, and
// another connection does not notice.
func TestMalformedRequestsAreAnsweredAsRedisDoes(t *testing.T) {
	s := startStore(t)
	p := startProxy(t, "standalone", s.addr)
	healthy := keepHealthy(t, p)
	for _, m := range malformed {
		t.Run(m.name, func(t *testing.T) {
			want, wantClosed := converse(t, s.addr, m.request)
			got, gotClosed := converse(t, p.addr, m.request)
			if got != want {
				t.Errorf("answered %q, Redis says %q", got, want)
			}
			if gotClosed != wantClosed {
				t.Errorf("connection closed: %v, by Redis: %v", gotClosed, wantClosed)
			}
		})
	}
	healthy()
}

// Limits that fsproxy sets lower than Redis does are refused in the same words.
func TestConfiguredLimitsAreRefusedInRedisWords(t *testing.T) {
	s := startStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf(`
upstream: {discovery: standalone, addresses: [%q]}
limits: {max_arguments: 100, max_bulk_bytes: 1KiB, max_inline_bytes: 512, max_request_bytes: 8KiB}
`, s.addr))
	healthy := keepHealthy(t, p)
	for _, c := range []struct{ name, request, want string }{
		{"arguments", "*101\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"bulk", "*2\r\n$4\r\nECHO\r\n$1025\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"inline", strings.Repeat("a", 513), "-ERR Protocol error: too big inline request\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, closed := converse(t, p.addr, c.request)
			if got != c.want || !closed {
				t.Errorf("answered %q (closed: %v), want %q and the end", got, closed, c.want)
			}
		})
	}
	t.Run("request", func(t *testing.T) {
		request := appendCommand(nil, append([]string{"HMGET", "k"}, blocks(16, 1024)...)...)
		got, closed := converse(t, p.addr, string(request))
		if !strings.HasPrefix(got, "-ERR ") || !closed {
			t.Errorf("answered %q (closed: %v), want an error and the end", got, closed)
		}
	})
	t.Run("within all limits", func(t *testing.T) {
		w := dialWire(t, p.addr)
		value := strings.Repeat("v", 1024)
		if got, want := w.do(t, "ECHO", value), bulks(value)[len("*1\r\n"):]; got != want {
			t.Errorf("ECHO of 1 KiB answered %.80q", got)
		}
	})
	healthy()
}

// One client more than max_clients gets Redis' error, and those before it do
// not notice.
func TestClientsAboveTheLimitAreRefusedAsRedisDoes(t *testing.T) {
	const clients = 4
	s := startStore(t, "--maxclients", strconv.Itoa(clients+1)) // one is the test's own
	upstream := startStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf(`
upstream: {discovery: standalone, addresses: [%q]}
limits: {max_clients: %d}
`, upstream.addr, clients))

	refusal := func(addr string) (answer string, closed bool) {
		eventually(t, "a client above the limit", func() error {
			w := dialWire(t, addr)
			if reply, err := w.pipeline([]string{"PING"}); err == nil && reply[0] == "+PONG\r\n" {
				return fmt.Errorf("%s still takes clients", addr) // w stays open
			}
			return nil
		})
		return converse(t, addr, "")
	}
	first := dialWire(t, p.addr)
	first.do(t, "PING")
	want, wantClosed := refusal(s.addr)
	got, gotClosed := refusal(p.addr)
	if got != want || gotClosed != wantClosed {
		t.Errorf("answered %q (closed: %v), Redis says %q (closed: %v)", got, gotClosed, want, wantClosed)
	}
	if got := first.do(t, "PING"); got != "+PONG\r\n" {
		t.Errorf("a client from before the limit: %q", got)
	}
}

// Clients that send a byte at a time hold nobody up and are answered in the
// end.
func TestSlowSendersAreAnsweredAndHarmNobody(t *testing.T) {
	const (
		clients = 20
		pause   = 100 * time.Millisecond // between bytes
	)
	s := startStore(t)
	s.load(t, map[string]hash{"st_1": {"a": "1"}})
	p := startProxy(t, "standalone", s.addr)
	healthy := keepHealthy(t, p)

	request := appendCommand(nil, "HMGET", "st_1", "a")
	slow := make([]*wire, clients)
	for i := range slow {
		slow[i] = dialWire(t, p.addr)
	}
	for i := range request {
		for _, w := range slow {
			if _, err := w.Write(request[i : i+1]); err != nil {
				t.Fatalf("sending byte %d: %v", i, err)
			}
		}
		if i < len(request)-1 {
			time.Sleep(pause)
		}
	}
	for _, w := range slow {
		if got, err := w.exchange(nil, 1); err != nil || got[0] != bulks("1") {
			t.Errorf("a slow client was answered %q, %v", got, err)
		}
	}
	healthy()
}

// A client that pipelines and never reads costs no more memory than about the
// output limit and harms nobody. Where fsproxy itself makes the replies it
// closes the connection at the limit; where a tunnel passes them on it may
// rather leave them with the store.
func TestClientThatNeverReadsHarmsNobody(t *testing.T) {
	const (
		fields     = 64
		fieldBytes = 16 << 10 // so that one reply is 1 MiB
		// memoryLimit is far above the limits below together and far below
		// what the replies would take.
		memoryLimit = 192 << 20
	)
	s := startStore(t)
	names, never := make([]string, fields), make([]string, fields)
	big, unkept := hash{}, hash{}
	for i := range names {
		names[i], never[i] = feature.ID("big_"+strconv.Itoa(i)), "never_"+strconv.Itoa(i)
		big[names[i]] = strings.Repeat("x", fieldBytes)
		unkept[never[i]] = big[names[i]]
	}
	s.load(t, map[string]hash{"st_big": big, "st_unkept": unkept})
	p := startConfiguredProxy(t, fmt.Sprintf(`
upstream: {discovery: standalone, addresses: [%q], fetch_timeout: 2s}
cache: {max_bytes: 64MiB, max_row_bytes: 4MiB, never_cache: ["never_*"]}
limits: {max_output_bytes: 4MiB}
`, s.addr))

	for _, c := range []struct {
		name     string
		request  []string
		requests int  // each with a reply of 1 MiB
		closes   bool // the connection has to end
	}{
		{"answered from memory", append([]string{"HMGET", "st_big"}, names...), 4000, true},
		// One fetch answers many: their replies come all at once.
		{"fetched each time", append([]string{"HMGET", "st_unkept"}, never...), 4000, true},
		// Fewer, because the store may have to keep the replies in our stead.
		{"answered by the tunnel", []string{"HGETALL", "st_big"}, 400, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			healthy := keepHealthy(t, p)
			w := dialWire(t, p.addr)
			w.do(t, c.request...)
			request := appendCommand(nil, c.request...)
			err := flood(w, request, c.requests)
			// Nothing tells when replies have stopped coming in from the store.
			time.Sleep(quiet)
			if peak := p.peakMemory(t); peak > memoryLimit {
				t.Errorf("fsproxy used %d MiB, limit %d MiB", peak>>20, memoryLimit>>20)
			}
			healthy()
			if err != nil {
				t.Fatal(err)
			}
			if !c.closes {
				return
			}
			if err := awaitEnd(w); err != nil {
				t.Errorf("the connection of a client that does not read stays open: %v", err)
			}
		})
	}
}

// flood writes request up to n times and reads nothing. It returns nil when
// the connection ended meanwhile, or when everything was sent or the other end
// no longer takes more.
func flood(w *wire, request []byte, n int) error {
	for range n {
		if err := w.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return fmt.Errorf("setting the deadline: %w", err)
		}
		_, err := w.Write(request)
		if errors.Is(err, os.ErrDeadlineExceeded) || ended(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	return nil
}

// awaitEnd reads what is left and returns nil when the connection ends.
func awaitEnd(w *wire) error {
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("setting the deadline: %w", err)
	}
	_, err := io.Copy(io.Discard, w.r)
	if err == nil || ended(err) {
		return nil
	}
	return fmt.Errorf("reading to the end: %w", err)
}

// ended tells whether err says that the other end has closed the connection.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// converse sends request on a new connection and returns all that comes back
// until the other end closes or is quiet, and whether it closed. An open
// connection must still answer PING.
func converse(t *testing.T, addr, request string) (answer string, closed bool) {
	t.Helper()
	w := dialWire(t, addr)
	defer w.Close()
	if _, err := io.WriteString(w, request); err != nil && !ended(err) {
		t.Fatalf("sending to %s: %v", addr, err)
	}
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for {
		if err := w.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			t.Fatalf("setting the deadline: %v", err)
		}
		n, err := w.Read(buf)
		got.Write(buf[:n])
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			return got.String(), false
		case ended(err):
			return got.String(), true
		default:
			t.Fatalf("reading from %s: %v", addr, err)
		}
	}
}

// keepHealthy uses a connection of its own until the returned function is
// called, which fails the test when a request on it was not answered.
func keepHealthy(t *testing.T, p *proxy) func() {
	t.Helper()
	w := dialWire(t, p.addr)
	stop := make(chan struct{})
	var group sync.WaitGroup
	var failed error
	rounds := 0
	group.Go(func() {
		for {
			got, err := w.pipeline([]string{"PING"}, []string{"HMGET", "healthy", "a"})
			if err != nil {
				failed = fmt.Errorf("round %d: %w", rounds, err)
				return
			}
			if got[0] != "+PONG\r\n" || got[1] != bulks("") {
				failed = fmt.Errorf("round %d answered %q", rounds, got)
				return
			}
			rounds++
			select {
			case <-stop:
				return
			case <-time.After(pollInterval):
			}
		}
	})
	return sync.OnceFunc(func() {
		t.Helper()
		close(stop)
		group.Wait()
		if failed != nil {
			t.Errorf("the healthy connection: %v", failed)
		}
	})
}

// blocks returns n strings of the given size.
func blocks(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat(strconv.Itoa(i%10), size)
	}
	return all
}

// peakMemory returns the most resident memory that the process has had, in
// bytes.
func (p *process) peakMemory(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatalf("reading the memory of %s: %v", p.name, err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatalf("VmHWM of %s: %v", p.name, err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no VmHWM for %s", p.name)
	return 0
}
