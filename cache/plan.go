package cache

import "math/bits"

// plan says how a projection is read from rows of one layout. Immutable.
type plan struct {
	layout *layout
	// index[i] is where the projection's field i stands in the layout, -1 where
	// the layout lacks it.
	index []int32
	// runs cover the projection in its order: each names neighbours in the
	// layout whose values lie behind one another in the row.
	runs []run
	// mask has the bit of each layout position that the projection asks for.
	mask bitmap
	// covers: the layout has every field of the projection.
	covers bool
	// whole: the projection asks for exactly what the layout has, in its order.
	whole bool
	// repeats: a field stands in the projection twice, but once in the mask.
	repeats bool
	// view is that of a projection that wants decoded values, and fields are its;
	// nil: it wants them as stored.
	view   *View
	fields []*Feature
}

// run is the layout positions from, …, to-1.
type run struct{ from, to int32 }

func newPlan(l *layout, fields []*Feature, view View) *plan {
	p := &plan{layout: l, index: make([]int32, len(fields)), mask: newBitmap(len(l.features)), covers: true}
	if view.Decoded {
		p.view, p.fields = &view, fields
	}
	for i, f := range fields {
		at := int32(l.position(f))
		p.index[i] = at
		if at < 0 {
			p.covers = false
			continue
		}
		p.repeats = p.repeats || p.mask.has(int(at))
		p.mask.set(int(at))
		if n := len(p.runs); n > 0 && p.runs[n-1].to == at {
			p.runs[n-1].to++
		} else {
			p.runs = append(p.runs, run{at, at + 1})
		}
	}
	p.whole = p.covers && len(p.runs) == 1 && len(fields) == len(l.features)
	return p
}

// bitmap has a bit for each position of a layout.
type bitmap []uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// bitmapBytes is the size of a bitmap of n positions within a row.
func bitmapBytes(n int) int { return (n + 63) / 64 * 8 }

func onesCount(w uint64) int { return bits.OnesCount64(w) }
