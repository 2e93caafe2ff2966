package cache

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// cell is what a test knows of one position of a row.
type cell struct {
	value  string // in wire form, a nil in version 2
	absent bool
	isNil  bool
	tick   Tick
}

func testLayout(width int) *layout {
	cfg := roomy
	l := &layout{id: 7}
	for i := range width {
		l.features = append(l.features, newFeature(fmt.Sprint("f", i), uint32(3*i), 0, &cfg, 0))
	}
	return l
}

// randomCells makes a row's worth of values: with and without nils, absents,
// differing ticks and values too long for short offsets.
func randomCells(rnd *rand.Rand, width int) []cell {
	cells := make([]cell, width)
	nils, absents := rnd.IntN(3)*30, rnd.IntN(3)*30
	base := Tick(1 + rnd.Int64N(1<<40))
	spread := []int64{1, 5, math.MaxUint32}[rnd.IntN(3)]
	long := []int{12, 40, 3000, 70_000}[rnd.IntN(4)]
	if width > 100 {
		long = min(long, 3000)
	}
	for i := range cells {
		c := &cells[i]
		c.tick = base + Tick(rnd.Int64N(spread))
		switch {
		case rnd.IntN(100) < absents:
			c.absent = true
		case rnd.IntN(100) < nils:
			c.isNil, c.value = true, resp.Nil2
		default:
			value := bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(long))
			c.value = string(appendBulk(nil, string(value)))
		}
	}
	return cells
}

func buildCells(b *builder, l *layout, cells []cell, v resp.Version, limit int) row {
	b.reset(len(cells))
	for i, c := range cells {
		switch {
		case c.absent:
			b.ticks[i] = 3 // what an earlier row left behind
		case c.isNil && i%2 == 0: // fetchers of both versions
			b.values[i], b.ticks[i] = []byte(resp.Nil3), c.tick
		default:
			b.values[i], b.ticks[i] = []byte(c.value), c.tick
		}
	}
	return b.build(l, v, limit)
}

// checkRow compares all that a row tells with the cells it was made of.
func checkRow(t *testing.T, rnd *rand.Rand, r row, l *layout, cells []cell, v resp.Version) {
	t.Helper()
	present, nils, oldest, expires := 0, 0, never, never
	for i, c := range cells {
		if r.isAbsent(i) != c.absent {
			t.Fatalf("position %d of %d: absent is %v", i, len(cells), r.isAbsent(i))
		}
		if c.absent {
			if r.fresh(i, l.features[i], 0) {
				t.Fatalf("position %d is absent and fresh", i)
			}
			continue
		}
		present++
		age := Ticks(roomy.MaxAge)
		want := c.value
		if c.isNil {
			nils++
			age, want = Ticks(roomy.NegativeMaxAge), string(nilOf(v))
		}
		oldest, expires = min(oldest, c.tick), min(expires, c.tick+age)
		if string(r.value(i)) != want || r.tick(i) != c.tick || r.isNil(i) != c.isNil {
			t.Fatalf("position %d of %d: value %.40q tick %d nil %v, want %.40q %d %v",
				i, len(cells), r.value(i), r.tick(i), r.isNil(i), want, c.tick, c.isNil)
		}
		if !r.fresh(i, l.features[i], c.tick+age-1) || r.fresh(i, l.features[i], c.tick+age) {
			t.Fatalf("position %d: not fresh for exactly %d ticks", i, age)
		}
	}
	if r.layoutID() != l.id || r.width() != len(cells) || r.present() != present || r.nils() != nils ||
		r.oldest() != oldest || r.expires() != expires {
		t.Fatalf("header %d %d %d %d %d %d, want %d %d %d %d %d %d",
			r.layoutID(), r.width(), r.present(), r.nils(), r.oldest(), r.expires(),
			l.id, len(cells), present, nils, oldest, expires)
	}
	checkRuns(t, rnd, r, cells)
	checkMasks(t, rnd, r, cells)
}

// checkRuns reads random runs as each version has them.
func checkRuns(t *testing.T, rnd *rand.Rand, r row, cells []cell) {
	t.Helper()
	for range 8 {
		from := rnd.IntN(len(cells))
		to := from + 1 + rnd.IntN(len(cells)-from)
		for _, v := range []resp.Version{resp.V2, resp.V3} {
			want := []byte("before")
			for _, c := range cells[from:to] {
				switch {
				case c.isNil:
					want = resp.AppendNil(want, v)
				case !c.absent:
					want = append(want, c.value...)
				}
			}
			if got := r.appendRun([]byte("before"), from, to, v); !bytes.Equal(got, want) {
				t.Fatalf("run %d to %d of version %d: %.80q, want %.80q", from, to, v, got, want)
			}
		}
	}
}

// checkMasks asks of random sets of positions.
func checkMasks(t *testing.T, rnd *rand.Rand, r row, cells []cell) {
	t.Helper()
	for range 8 {
		mask := newBitmap(len(cells))
		lacks, nils := false, 0
		few := rnd.IntN(20) + 1
		for i, c := range cells {
			if rnd.IntN(few) != 0 {
				continue
			}
			mask.set(i)
			lacks = lacks || c.absent
			if c.isNil && !c.absent {
				nils++
			}
		}
		if r.lacks(mask) != lacks || r.nilsIn(mask) != nils {
			t.Fatalf("mask %x: lacks %v, nils %d, want %v, %d", mask, r.lacks(mask), r.nilsIn(mask), lacks, nils)
		}
	}
}

// widths are around the steps of bitmaps, and the widest.
var widths = []int{1, 2, 10, 50, 63, 64, 65, 127, 128, 129, 300, maxLayoutFeatures}

func TestRandomRowsTellWhatTheyWereMadeOf(t *testing.T) {
	var b builder // one for all, as the pool has them
	end := time.Now().Add(*soak)
	rows := uint64(600)
	if raced {
		rows /= 4
	}
	for seed := uint64(1); seed <= rows || time.Now().Before(end); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 0))
		width := widths[rnd.IntN(len(widths))]
		if rnd.IntN(2) == 0 {
			width = 1 + rnd.IntN(200)
		}
		l, cells := testLayout(width), randomCells(rnd, width)
		v := resp.Version(2 + rnd.IntN(2))
		r := buildCells(&b, l, cells, v, longestRow)
		if r == "" {
			for _, c := range cells {
				if !c.absent {
					t.Fatalf("seed %d: no row of %d", seed, width)
				}
			}
			continue
		}
		checkRow(t, rnd, r, l, cells, v)
		if buildCells(&b, l, cells, v, len(r)) == "" || buildCells(&b, l, cells, v, len(r)-1) != "" {
			t.Fatalf("seed %d: the limit of %d bytes is not kept to", seed, len(r))
		}
	}
}

// FuzzRow drives the row test by bytes: each makes one position.
func FuzzRow(f *testing.F) {
	f.Add([]byte{0, 1, 2, 250, 251, 252, 253, 254, 255}, uint16(3), true)
	f.Add(bytes.Repeat([]byte{9}, 70), uint16(60_000), false)
	f.Fuzz(func(t *testing.T, shape []byte, step uint16, v3 bool) {
		if len(shape) == 0 || len(shape) > maxLayoutFeatures {
			return
		}
		cells := make([]cell, len(shape))
		for i, s := range shape {
			cells[i].tick = 1 + Tick(i%7)*Tick(step)
			switch {
			case s >= 253:
				cells[i].absent = true
			case s >= 248:
				cells[i].isNil, cells[i].value = true, resp.Nil2
			default:
				cells[i].value = string(appendBulk(nil, repeat(string(rune(s)), int(s)*int(step)/256)))
			}
		}
		v := resp.V2
		if v3 {
			v = resp.V3
		}
		l := testLayout(len(cells))
		if r := buildCells(new(builder), l, cells, v, longestRow); r != "" {
			checkRow(t, rand.New(rand.NewPCG(1, uint64(step))), r, l, cells, v)
		}
	})
}

func TestOffsetsAreAsWideAsTheyHaveToBe(t *testing.T) {
	l := testLayout(2)
	for bytes, wide := range map[int]bool{math.MaxUint16: false, math.MaxUint16 + 1: true, math.MaxUint16 + 2: true} {
		last := string(appendBulk(nil, "last"))
		first := string(appendBulk(nil, repeat("x", bytes-len(last)-len("$65000\r\n\r\n"))))
		cells := []cell{{value: first, tick: 1}, {value: last, tick: 2}}
		r := buildCells(new(builder), l, cells, resp.V2, longestRow)
		if len(first)+len(last) != bytes || (r.flags()&flagWide != 0) != wide {
			t.Errorf("%d bytes of values: wide %v", len(first)+len(last), r.flags()&flagWide != 0)
		}
		checkRow(t, rand.New(rand.NewPCG(1, 1)), r, l, cells, resp.V2)
	}
}

func TestTicksTooFarApartForOneRowMakeNone(t *testing.T) {
	cells := []cell{{value: "$1\r\na\r\n", tick: 1}, {value: "$1\r\nb\r\n", tick: math.MaxUint32 + 1}}
	l := testLayout(2)
	if r := buildCells(new(builder), l, cells, resp.V2, longestRow); r == "" {
		t.Fatal("no row although the ticks fit")
	}
	cells[1].tick++
	if r := buildCells(new(builder), l, cells, resp.V2, longestRow); r != "" {
		t.Fatalf("a row whose second tick is %d", r.tick(1))
	}
}

func TestABuilderForgetsWhatItAliased(t *testing.T) {
	var b builder
	buildCells(&b, testLayout(100), randomCells(rand.New(rand.NewPCG(1, 1)), 100), resp.V2, longestRow)
	b.reset(3)
	b.release()
	for i, v := range b.values[:cap(b.values)] {
		if v != nil {
			t.Fatalf("position %d still holds bytes of a frame", i)
		}
	}
}
