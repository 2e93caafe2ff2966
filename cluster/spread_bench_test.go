package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkSpread shows how fetches spread over six equals, and over six of
// which one is ten times as slow, with and without hedges. first/mean and
// slow/mean are shares; p99 of all fetches is to be read beside that of equals.
// Each fetcher answers with a delay of its own, of some spread, for each fetch
// alone:
//
//	go test -run '^$' -bench Spread -benchtime 20000x ./cluster
func BenchmarkSpread(b *testing.B) {
	for _, shape := range []struct {
		name   string
		slower int // the last one, by this factor
		hedge  int // percent
		// A long timeout keeps the slow one from being set aside.
		timeout time.Duration
	}{
		{"equals", 1, 0, 5 * time.Second},
		{"one 10x slower, chosen", 10, 0, 5 * time.Second},
		{"one 10x slower, hedged", 10, 5, 5 * time.Second},
		{"one 10x slower, set aside", 10, 5, 100 * time.Millisecond},
	} {
		b.Run(shape.name, func(b *testing.B) {
			var fakes []*fake
			for i := range 6 {
				f := startFake(b)
				times := 1
				if i == 5 {
					times = shape.slower
				}
				f.will(func(p *peer, args [][]byte) bool {
					return after(time.Duration(times)*(time.Millisecond+rand.N(500*time.Microsecond)), echo)(p, args)
				})
				fakes = append(fakes, f)
			}
			u := upstreamOf(b, func(c *Config) {
				c.Connections, c.HedgeBudget, c.FetchTimeout = 4, shape.hedge, shape.timeout
				c.SlowStart = 10 * time.Second // as by default
			}, fakes...)
			spread(b, u, 4000) // until the latencies are known
			reads, mean, hedges := make([]float64, len(fakes)), 0.0, u.Hedges.Load()
			for i, f := range fakes {
				reads[i] = -float64(f.reads.Load())
			}
			b.ResetTimer()
			took := spread(b, u, b.N)
			for i, f := range fakes {
				reads[i] += float64(f.reads.Load())
				mean += reads[i] / float64(len(fakes))
			}
			slices.Sort(took)
			b.ReportMetric(reads[0]/mean, "first/mean")
			b.ReportMetric(slices.Max(reads)/mean, "max/mean")
			b.ReportMetric(reads[5]/mean, "last/mean")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(100*float64(u.Hedges.Load()-hedges)/float64(b.N), "hedged-%")
		})
	}
}

// spread sends n fetches from some callers, one at a time each, and returns how
// long each took.
func spread(tb testing.TB, u *Upstream, n int) (took []time.Duration) {
	const callers = 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			own := make([]time.Duration, 0, n/callers+1)
			for i := c; i < n; i += callers {
				got := get(tb, u, fmt.Sprint("st_", i))
				if got.err != nil {
					tb.Error(got.err)
				}
				own = append(own, got.took)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	wg.Wait()
	return took
}
