package proxy

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// echoFetcher answers every HMGET with as many values, and returns its address.
func echoFetcher(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answerAll(nc) })
		}
	})
	tb.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().String()
}

func answerAll(nc net.Conn) {
	defer nc.Close()
	parser := resp.NewParser(resp.DefaultLimits)
	var buf, out []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := nc.Read(chunk)
		if err != nil {
			return
		}
		buf, out = append(buf, chunk[:n]...), out[:0]
		for {
			n, err := parser.Next(buf)
			if n == 0 || err != nil {
				break
			}
			out = appendAnswer(out, parser.Args())
			buf = buf[n:]
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func appendAnswer(out []byte, args [][]byte) []byte {
	if string(args[0]) != "HMGET" {
		return append(out, "-ERR no\r\n"...)
	}
	values := make([]string, len(args)-2)
	for i := range values {
		values[i] = "0.1234"
	}
	return resp.AppendCommand(out, values...)
}

// BenchmarkMissHMGET50Pipelined16 is 16 reads of 50 fields of which none is in
// memory, with a fetcher on the same machine that answers at once.
func BenchmarkMissHMGET50Pipelined16(b *testing.B) {
	c := newBenchClient(b, echoFetcher(b), time.Nanosecond) // nothing is fresh, ever
	var requests []byte
	for _, entity := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"} {
		requests = append(requests, hmget(entity, features(50)...)...)
	}
	b.ReportAllocs()
	for b.Loop() {
		feed(b, c, requests)
		if err := c.replies.waitBelow(1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/HMGET")
	if errors := c.server.Stats().FetchErrors; errors > 0 {
		b.Fatalf("%d fetches failed", errors)
	}
}
