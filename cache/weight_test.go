package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

// heap is how many bytes live objects take.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sixBytes are n values as the goals have them.
func sixBytes(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("0.%04d", i)
	}
	return all
}

// H28
func TestWeightsMatchTheHeap(t *testing.T) {
	rows := 100_000
	if testing.Short() || raced {
		rows /= 5
	}
	for name, tt := range map[string]struct {
		entity string
		fields int
		value  string
		merged bool // filled by two fetches
	}{
		"1 field":            {"st_%d", 1, "0.1234", false},
		"10 fields":          {"st_%d", 10, "0.1234", false},
		"10 fields, merged":  {"st_%d", 10, "0.1234", true},
		"50 fields":          {"st_%d", 50, "0.1234", false},
		"long key":           {"a-rather-longer-name-of-an-entity:%d", 5, "0.1234", false},
		"20 fields of 100":   {"st_%d", 20, repeat("x", 100), false},
		"5 fields, all nils": {"st_%d", 5, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := roomy
			cfg.MaxBytes = 4 << 30
			r := newRig(t, cfg)
			p := r.mustProject(names(tt.fields)...)
			values := make([]string, tt.fields)
			for i := range values {
				values[i] = tt.value
			}
			all := fetched(p, 1, positions(tt.fields), values...)
			one := fetched(p, 1, positions(1), values[0])
			before := heap()
			for i := range rows {
				entity := fmt.Appendf(nil, tt.entity, i)
				if tt.merged {
					r.Fill(entity, one, resp.V2)
				}
				r.Fill(entity, all, resp.V2)
			}
			counted := r.settled().Bytes
			grown := heap() - before
			ratio := float64(counted) / float64(grown)
			t.Logf("counted %d, heap %d: %.3f, %d of heap a row", counted, grown, ratio, grown/int64(rows))
			if ratio < 0.87 || ratio > 1.15 {
				t.Errorf("%d bytes counted, the heap grew by %d", counted, grown)
			}
			if s := r.Stats(); s.Rows != int64(rows) || s.Fields != int64(rows*tt.fields) || s.Evictions != 0 {
				t.Errorf("%+v", s)
			}
			r.InvalidateAll(0)
			if s := r.settled(); s.Rows != 0 || s.Fields != 0 || s.Bytes != 0 {
				t.Errorf("left after all was dropped: %+v", s)
			}
		})
	}
}

// TestAFullCacheKeepsToItsBytes has eviction at work, for which otter keeps a
// sketch of how often each entity was asked for.
func TestAFullCacheKeepsToItsBytes(t *testing.T) {
	cfg := roomy
	cfg.MaxBytes = 16 << 20
	r := newRig(t, cfg)
	p := r.mustProject(names(20)...)
	all := fetched(p, 1, positions(20), sixBytes(20)...)
	before := heap()
	for i := range 100_000 {
		r.Fill(fmt.Append(nil, "st_", i), all, resp.V2)
	}
	s := r.settled()
	grown := heap() - before
	t.Logf("counted %d of %d, heap %d", s.Bytes, s.MaxBytes, grown)
	if s.Evictions == 0 || s.Bytes > s.MaxBytes || float64(grown) > 1.15*float64(s.MaxBytes) {
		t.Errorf("the heap grew by %d: %+v", grown, s)
	}
}

func TestAllocatedIsWhatTheAllocatorGives(t *testing.T) {
	for _, n := range []int{0, 1, 8, 9, 16, 17, 100, 734, 1023, 1024, 1025, 1152, 1153, 4000, 9000, 32_000, 32_768, 32_769, 70_000, 1 << 20} {
		want := uint32(cap(append([]byte(nil), make([]byte, n)...)))
		if got := allocated(n); got < want || float64(got) > 1.01*float64(want) {
			t.Errorf("%d bytes: %d, the allocator gives %d", n, got, want)
		}
	}
	if got := allocated(longestRow); got != longestRow {
		t.Errorf("the longest row: %d", got)
	}
}

func TestEvictionKeepsWithinTheBound(t *testing.T) {
	cfg := roomy
	cfg.MaxBytes = 1 << 20
	r := newRig(t, cfg)
	p := r.mustProject(names(20)...)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		p2 := r.mustProject(names(20)[:1+rnd.IntN(20)]...)
		r.fillAll(fmt.Sprint("e", rnd.IntN(8000)), p2, 1, sixBytes(p2.Len())...)
		if i%100 == 0 {
			if s := r.Stats(); s.Bytes > s.MaxBytes {
				t.Fatalf("%d bytes of at most %d", s.Bytes, s.MaxBytes)
			}
		}
	}
	s := r.settled()
	if s.Evictions == 0 || s.Bytes > s.MaxBytes || s.Bytes < s.MaxBytes/2 {
		t.Fatalf("%+v", s)
	}
	found := int64(0)
	for i := range 8000 {
		if f := r.Lookup(fmt.Append(nil, "e", i), p, 1); f.Any() {
			found++
		}
	}
	if found != s.Rows {
		t.Fatalf("%d rows counted, %d found", s.Rows, found)
	}
}

func TestOversizedRowsAreNotKept(t *testing.T) {
	cfg := roomy
	cfg.MaxRowBytes = 1000
	r := newRig(t, cfg)
	a, b := r.mustProject("a"), r.mustProject("b")
	r.fillAll("e", a, 1, repeat("x", 1000))
	r.want("e", a, 1)
	if s := r.Stats(); s.Oversized != 1 || s.Rows != 0 {
		t.Fatalf("%+v", s)
	}
	// What fits alone but not together: the last one asked for stays.
	long := repeat("x", 600)
	r.fillAll("e", a, 1, long)
	r.fillAll("e", b, 1, long)
	r.want("e", b, 1, long)
	r.want("e", a, 1)
	if s := r.Stats(); s.Oversized != 2 || s.Rows != 1 || s.Fields != 1 {
		t.Fatalf("%+v", s)
	}
	// What does not fit even alone leaves the row as it was.
	r.fillAll("e", a, 1, repeat("x", 1000))
	r.want("e", b, 1, long)
	if s := r.Stats(); s.Oversized != 3 || s.Rows != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestARowTooHeavyForItsShardIsDroppedAndCounted(t *testing.T) {
	cfg := roomy
	cfg.MaxBytes, cfg.Shards = 4000, 2
	r := newRig(t, cfg)
	p := r.mustProject("a")
	r.fillAll("e", p, 1, repeat("x", 3000))
	if s := r.settled(); s.Bytes != 0 || s.Rows != 0 || s.Fields != 0 || s.Evictions != 1 {
		t.Fatalf("%+v", s)
	}
	r.want("e", p, 1)
}
