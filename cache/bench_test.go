package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// benchRows are entities that each hold 50 values of 6 bytes: as many as make
// the hit path meet memory that no processor cache holds.
const benchRows = 100_000

type benchCase struct {
	rig
	entities [][]byte
	own      *Projection // all 50 fields, as filled
	permuted *Projection // the same in another order
	subset   *Projection // 20 of them in runs of 4
}

func newBenchCase(b *testing.B, rows int, fill func(c *benchCase, entity string)) *benchCase {
	b.Helper()
	cfg := roomy
	cfg.MaxBytes, cfg.Shards = 8<<30, 8
	cfg.MaxAge, cfg.NegativeMaxAge = 24*time.Hour, 24*time.Hour
	c := &benchCase{rig: newRig(b, cfg)}
	list := names(50)
	c.own = c.mustProject(list...)
	var some []string
	for i := 0; i < 50; i += 10 {
		some = append(some, list[i:i+4]...)
	}
	c.subset = c.mustProject(some...)
	slices.Reverse(list)
	c.permuted = c.mustProject(list...)
	for i := range rows {
		entity := fmt.Sprintf("st_%07d", i)
		fill(c, entity)
		c.entities = append(c.entities, []byte(entity))
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(c.entities), func(i, j int) {
		c.entities[i], c.entities[j] = c.entities[j], c.entities[i]
	})
	return c
}

// benchFetched is a fetcher's reply to a projection of n fields; every eighth value
// is nil if nils.
func benchFetched(p *Projection, nils bool) *Fetched {
	values := sixBytes(p.Len())
	for i := 0; nils && i < len(values); i += 8 {
		values[i] = ""
	}
	return fetched(p, 1, positions(p.Len()), values...)
}

func fillOwn(nils bool) func(c *benchCase, entity string) {
	var all *Fetched
	return func(c *benchCase, entity string) {
		if all == nil {
			all = benchFetched(c.own, nils)
		}
		c.Fill([]byte(entity), all, resp.V2)
	}
}

// BenchmarkHit looks up and copies a reply: what a hit costs beside the
// connection. The hot one asks for one entity, the others for all in turn.
func BenchmarkHit(b *testing.B) {
	plain := newBenchCase(b, benchRows, fillOwn(false))
	nils := newBenchCase(b, benchRows, fillOwn(true))
	for _, tt := range []struct {
		name string
		c    *benchCase
		p    *Projection
		hot  bool
		v    resp.Version
	}{
		{"own/hot", plain, plain.own, true, resp.V2},
		{"own", plain, plain.own, false, resp.V2},
		{"permuted", plain, plain.permuted, false, resp.V2},
		{"subset", plain, plain.subset, false, resp.V2},
		{"nils", nils, nils.own, false, resp.V2},
		{"nils-of-the-other-version", nils, nils.own, false, resp.V3},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var out []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				entity := tt.c.entities[i%len(tt.c.entities)]
				if tt.hot {
					entity = tt.c.entities[0]
				}
				f := tt.c.Lookup(entity, tt.p, 1)
				if !f.Complete {
					b.Fatal("a miss")
				}
				out = f.Append(out[:0], tt.v)
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

// BenchmarkHitLayouts has rows of two layouts in turn, so that a projection's
// last plan is never the next one.
func BenchmarkHitLayouts(b *testing.B) {
	c := newBenchCase(b, 1000, fillOwn(false))
	other := benchFetched(c.mustProject("other"), false)
	for i, entity := range c.entities {
		if i%2 == 0 {
			c.Fill(entity, other, resp.V2)
		}
	}
	run := func(b *testing.B, next func() bool) {
		var out []byte
		for i := 0; next(); i++ {
			f := c.Lookup(c.entities[i%len(c.entities)], c.own, 1)
			if !f.Complete {
				b.Error("a miss")
			}
			out = f.Append(out[:0], resp.V2)
		}
	}
	b.Run("serial", func(b *testing.B) { run(b, b.Loop) })
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) { run(b, pb.Next) })
	})
}

// BenchmarkHitParallel has all processors ask for the same few entities.
func BenchmarkHitParallel(b *testing.B) {
	c := newBenchCase(b, 8, fillOwn(false))
	b.RunParallel(func(pb *testing.PB) {
		var out []byte
		for i := 0; pb.Next(); i++ {
			f := c.Lookup(c.entities[i%len(c.entities)], c.own, 1)
			out = f.Append(out[:0], resp.V2)
		}
	})
}

// BenchmarkHitJudgedOneByOne has the latest invalidation be later than the
// row's oldest value, so that each value is judged by itself.
func BenchmarkHitJudgedOneByOne(b *testing.B) {
	c := newBenchCase(b, 1000, fillOwn(false))
	c.Mark(cover(c.own.Fields[0].Name))
	again := benchFetched(c.own, false)
	again.Positions, again.Ends, again.Began = again.Positions[:1], again.Ends[:2], 5
	for _, entity := range c.entities {
		c.Fill(entity, again, resp.V2)
	}
	var out []byte
	for i := 0; b.Loop(); i++ {
		f := c.Lookup(c.entities[i%len(c.entities)], c.own, 5)
		if !f.Complete {
			b.Fatal("a miss")
		}
		out = f.Append(out[:0], resp.V2)
	}
}

// BenchmarkMissing finds out what one field's invalidation made stale.
func BenchmarkMissing(b *testing.B) {
	c := newBenchCase(b, 1000, fillOwn(false))
	c.Mark(cover(c.own.Fields[7].Name))
	var missing []int32
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := c.Lookup(c.entities[i%len(c.entities)], c.own, 1)
		missing, _ = f.Missing(missing[:0], c.own, 1)
	}
	if len(missing) != 1 {
		b.Fatal(missing)
	}
}

// BenchmarkFill puts 50 values into a row: a new one, one that has them all,
// one that has 49 of them, and a new one for which another must go.
func BenchmarkFill(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		c := newBenchCase(b, 0, nil)
		f := benchFetched(c.own, false)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%benchRows == 0 {
				b.StopTimer()
				c.InvalidateAll(0)
				c.at(c.clock.Now() + 1)
				f.Began = c.clock.Now()
				b.StartTimer()
			}
			c.Fill(fmt.Appendf(nil, "st_%07d", i%benchRows), f, resp.V2)
		}
	})
	b.Run("refresh", func(b *testing.B) {
		c := newBenchCase(b, 1000, fillOwn(false))
		f := benchFetched(c.own, false)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Fill(c.entities[i%len(c.entities)], f, resp.V2)
		}
	})
	b.Run("merge", func(b *testing.B) {
		c := newBenchCase(b, 1000, fillOwn(false))
		f := benchFetched(c.mustProject("other"), false)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Fill(c.entities[i%len(c.entities)], f, resp.V2)
		}
	})
	b.Run("evict", func(b *testing.B) {
		cfg := roomy
		cfg.MaxBytes = 8 << 20
		r := newRig(b, cfg)
		f := benchFetched(r.mustProject(names(50)...), false)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.Fill(fmt.Appendf(nil, "st_%07d", i), f, resp.V2)
		}
		b.ReportMetric(float64(r.Stats().Evictions)/float64(b.N), "evictions/op")
	})
}

// BenchmarkMark is a marker in a cache of many entities.
func BenchmarkMark(b *testing.B) {
	c := newBenchCase(b, benchRows, fillOwn(false))
	for b.Loop() {
		c.Mark(cover(c.own.Fields[0].Name))
	}
}

// BenchmarkMemory reports what a cached value of 6 bytes costs of the heap, 50 to
// an entity, all overhead included.
func BenchmarkMemory(b *testing.B) {
	const rows = 200_000
	for b.Loop() {
		before := heap()
		c := newBenchCase(b, rows, fillOwn(false))
		c.entities = nil
		s := c.Stats()
		b.ReportMetric(float64(heap()-before)/float64(s.Fields), "B/feature")
		b.ReportMetric(float64(s.Bytes)/float64(s.Fields), "counted-B/feature")
		c.Close()
	}
}
