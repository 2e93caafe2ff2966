package cache

import (
	"bytes"
	"flag"
	"fmt"
	"hash/maphash"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/resp"
)

// soak is for long searches: go test ./cache -run Random -soak 5m
var soak = flag.Duration("soak", 0, "how long each randomized test goes on; 0: a fixed number of rounds")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// roomy has bounds that a test does not meet unless it sets them.
var roomy = Config{
	MaxBytes: 256 << 20, MaxAge: time.Hour, NegativeMaxAge: 5 * time.Minute, Shards: 2,
	MaxRowBytes: 8 << 20, MaxFeatures: 1 << 16, MaxProjections: 4096, MaxLayouts: 4096,
}

// rig is a cache whose clock the test sets.
type rig struct {
	*Cache
	t testing.TB
}

func newRig(t testing.TB, cfg Config) rig {
	t.Helper()
	c, err := New(cfg, NewClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return rig{c, t}
}

// at sets the clock.
func (r rig) at(now Tick) { r.clock.now.Store(int64(now)) }

// project interns a projection and returns nil where the cache refuses it.
func (r rig) project(names ...string) *Projection {
	var wire []byte
	fields := make([][]byte, len(names))
	for i, name := range names {
		fields[i] = []byte(name)
		wire = appendBulk(wire, name)
	}
	return r.Projection(wire, fields)
}

func (r rig) mustProject(names ...string) *Projection {
	r.t.Helper()
	p := r.project(names...)
	if p == nil {
		r.t.Fatalf("projection of %d fields refused", len(names))
	}
	return p
}

// fill has the values of positions fetched since tick began; an empty value
// stands for nil.
func (r rig) fill(entity string, p *Projection, began Tick, positions []int32, values ...string) {
	r.Fill([]byte(entity), fetched(p, began, positions, values...), resp.V2)
}

func fetched(p *Projection, began Tick, positions []int32, values ...string) *Fetched {
	frame, ends := frameOf(values, resp.V2)
	return &Fetched{Projection: p, Positions: positions, Frame: frame, Ends: ends, Began: began}
}

// fillAll is fill for all positions of p.
func (r rig) fillAll(entity string, p *Projection, began Tick, values ...string) {
	r.fill(entity, p, began, positions(p.Len()), values...)
}

// get is the reply to p, without header, or "-" if it needs a fetch.
func (r rig) get(entity string, p *Projection, now Tick) string {
	f := r.Lookup([]byte(entity), p, now)
	if !f.Complete {
		return "-"
	}
	return string(f.Append(nil, resp.V2))
}

// want fails unless the reply to p is these values; none: it needs a fetch.
func (r rig) want(entity string, p *Projection, now Tick, values ...string) {
	r.t.Helper()
	want := "-"
	if len(values) > 0 {
		want = wireOf(resp.V2, values...)
	}
	if got := r.get(entity, p, now); got != want {
		r.t.Fatalf("%q at tick %d: got %q, want %q", entity, now, got, want)
	}
}

// cover is one of names and patterns.
func cover(items ...string) *feature.Cover {
	c, err := feature.NewCover(items, nil)
	if err != nil {
		panic(err)
	}
	return c
}

// settled is Stats when all that goes on behind the scenes is done.
func (r rig) settled() Stats {
	for _, shard := range r.shards {
		shard.CleanUp()
	}
	return r.Stats()
}

func positions(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

func appendBulk(b []byte, s string) []byte {
	b = append(b, '$')
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, "\r\n"...)
	b = append(b, s...)
	return append(b, "\r\n"...)
}

// wireOf is values in wire form, nil for empty ones.
func wireOf(v resp.Version, values ...string) string {
	var b []byte
	for _, value := range values {
		if value == "" {
			b = resp.AppendNil(b, v)
		} else {
			b = appendBulk(b, value)
		}
	}
	return string(b)
}

// frameOf is a fetcher's reply of values, and where each ends.
func frameOf(values []string, v resp.Version) (frame []byte, ends []int) {
	frame = fmt.Appendf(nil, "*%d\r\n", len(values))
	ends = []int{len(frame)}
	for _, value := range values {
		frame = append(frame, wireOf(v, value)...)
		ends = append(ends, len(frame))
	}
	return frame, ends
}

// names are n names of features as the stores have them: ten digits.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%010d", uint32(i+1)*2654435761)
	}
	return all
}

func repeat(s string, n int) string { return string(bytes.Repeat([]byte(s), n)) }

func (r rig) hash(entity string) uint64 { return maphash.String(r.seed, entity) }
