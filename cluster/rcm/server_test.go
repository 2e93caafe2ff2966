package rcm

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/resp"
)

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
	stopClients(t, func(ln net.Listener) net.Listener { return ln }, dial)
}

func TestStopClosesIdleAndStuckClientsUnderTLS(t *testing.T) {
	pair := newPair(t)
	secured := pair.client(t, pemPair{})
	secured.ServerName = "127.0.0.1"
	encrypt := func(ln net.Listener) net.Listener { return tls.NewListener(ln, pair.listener(t, "")) }
	stopClients(t, encrypt, func(t *testing.T, address string) *peer {
		t.Helper()
		conn, err := tls.Dial("tcp", address, secured)
		if err != nil {
			t.Fatal(err)
		}
		return peerOn(t, conn)
	})
}

func stopClients(t *testing.T, encrypt func(net.Listener) net.Listener, dial func(*testing.T, string) *peer) {
	t.Helper()
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
	go func() { ended <- s.Serve(ctx, encrypt(ln)) }()
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
