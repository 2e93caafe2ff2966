package proxy

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// nowhere is a connection whose writes cost a system call and go nowhere, so
// that what is measured is the proxy's own.
type nowhere struct {
	net.Conn
	null *os.File
}

func (n nowhere) SyscallConn() (syscall.RawConn, error) { return n.null.SyscallConn() }
func (n nowhere) RemoteAddr() net.Addr                  { return &net.TCPAddr{} }
func (n nowhere) LocalAddr() net.Addr                   { return &net.TCPAddr{} }
func (n nowhere) Write(b []byte) (int, error)           { return n.null.Write(b) }
func (n nowhere) Close() error                          { return nil }

// newBenchClient returns a client of a proxy in front of the store at addr,
// whose values live for maxAge.
func newBenchClient(tb testing.TB, addr string, maxAge time.Duration) *client {
	tb.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	const timeout = 10 * time.Second
	up := cluster.NewUpstream(cluster.Config{
		Discovery:      cluster.DiscoveryConfig{Kind: cluster.KindStandalone, Addresses: []string{addr}},
		ConnectTimeout: timeout, FetchTimeout: timeout, Connections: 1, RefreshInterval: time.Hour, Log: quiet,
	})
	tb.Cleanup(func() { up.Close(); _ = null.Close() })
	for t, _ := up.Topology(); t == nil && addr != noStore; t, _ = up.Topology() {
		time.Sleep(time.Millisecond)
	}
	s := New(Config{
		Limits: resp.DefaultLimits, MaxClients: 10, MaxOutputBytes: 64 << 20, MaxInFlight: 1024,
		FetchTimeout: timeout, Log: quiet,
	}, newTestCache(tb, maxAge), up, cache.NewClock())
	c := s.newClient(nowhere{null: null})
	tb.Cleanup(c.session.Close)
	return c
}

const noStore = "127.0.0.1:1" // nothing is asked of it

// features are names such as the decimal hashes of real ones.
func features(n int) []string {
	rng := rand.New(rand.NewPCG(3, 3))
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(1_000_000_000 + rng.Uint32N(3_000_000_000))
	}
	return names
}

// warm puts the fields of entities into c's cache and returns requests for them.
func warm(c *client, entities int, fields []string) []byte {
	values := strings.Split(strings.Repeat("0.1234 ", len(fields)-1)+"0.1234", " ")
	var requests []byte
	for i := range entities {
		entity := fmt.Sprint("st_", 1_000_000+i)
		fill(c, entity, fields, values)
		requests = append(requests, hmget(entity, fields...)...)
	}
	return requests
}

// fill puts the fields of an entity into c's cache, as if they had been fetched.
func fill(c *client, entity string, fields, values []string) {
	frame := resp.AppendCommand(nil, values...)
	ends, _ := resp.BulkArray(frame, len(fields), nil)
	var positions []int32
	for i := range fields {
		positions = append(positions, int32(i))
	}
	p := intern(c.server.cache, fields...)
	c.server.cache.Fill([]byte(entity), &cache.Fetched{Projection: p, Positions: positions, Frame: frame, Ends: ends, Began: 1}, resp.V2)
}

// feed hands requests to c as if they had been read.
func feed(tb testing.TB, c *client, requests []byte) {
	c.start, c.end = 0, copy(c.buf, requests)
	if c.end < len(requests) {
		tb.Fatalf("%d bytes of requests do not fit the buffer", len(requests))
	}
	if err := c.handle(); err != nil {
		tb.Fatal(err)
	}
}

// A read answered from memory allocates nothing.
func TestHitAllocatesNothing(t *testing.T) {
	for _, fields := range []int{1, 10, 50} {
		c := newBenchClient(t, noStore, time.Hour)
		requests := warm(c, 16, features(fields))
		feed(t, c, requests)
		before := c.counts.hits()
		const runs = 200
		if n := testing.AllocsPerRun(runs, func() { feed(t, c, requests) }); n != 0 {
			t.Errorf("16 hits of %d fields allocate %v times, want 0", fields, n)
		}
		if hits := c.counts.hits() - before; hits != 16*(runs+1) {
			t.Fatalf("%d hits of %d: nothing is tried", hits, 16*(runs+1))
		}
	}
}

// BenchmarkHitHMGET50Pipelined16 is 16 reads of 50 fields, all in memory, that
// came in one piece: parse, look up, copy, one write.
func BenchmarkHitHMGET50Pipelined16(b *testing.B) {
	c := newBenchClient(b, noStore, time.Hour)
	requests := warm(c, 16, features(50))
	feed(b, c, requests)
	b.SetBytes(int64(len(requests)))
	b.ReportAllocs()
	for b.Loop() {
		feed(b, c, requests)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/HMGET")
}

// BenchmarkRecognize is what it costs to know a request of 50 fields: the last
// projection, one of 20, and by the general parser.
func BenchmarkRecognize(b *testing.B) {
	c := newTestCache(b, time.Hour)
	var known recognizer
	var requests [][]byte
	names := features(1000)
	for i := range 20 {
		fields := names[50*i : 50*i+50]
		known.remember(intern(c, fields...))
		requests = append(requests, hmget("st_1426727", fields...))
	}
	find := func(b *testing.B, request []byte) {
		h, _ := readHead(request)
		if p, _ := known.find(request[h.rest:], h.fields); p == nil {
			b.Fatal("not known")
		}
	}
	b.Run("last", func(b *testing.B) {
		for b.Loop() {
			find(b, requests[19])
		}
	})
	b.Run("one of 20", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			find(b, requests[i%20])
		}
	})
	b.Run("parser", func(b *testing.B) {
		parser := resp.NewParser(resp.DefaultLimits)
		for b.Loop() {
			if n, err := parser.Next(requests[0]); n == 0 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
}
