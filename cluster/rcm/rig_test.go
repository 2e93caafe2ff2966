package rcm

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
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
	return startSecured(t, config, nil)
}

// startSecured is start under TLS; nil: without.
func startSecured(t *testing.T, config Config, secured *tls.Config) (s *Server, address string) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	config.Logger = slog.New(slog.DiscardHandler)
	s = New(config)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secured != nil {
		ln = tls.NewListener(ln, secured)
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
	return peerOn(t, conn)
}

func peerOn(t *testing.T, conn net.Conn) *peer {
	t.Helper()
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

func (p *peer) CloseWrite(t *testing.T) {
	t.Helper()
	if err := p.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}
