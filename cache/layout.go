package cache

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// maxLayoutFeatures bounds the features of one row. A row's offsets for
// features that it lacks cost two bytes each, so a layout much wider than the
// 10 to 100 features of an entity wastes memory.
const maxLayoutFeatures = 2048

// layout is the ordered list of features that rows hold: by feature number, so
// that it does not depend on the order in which projections met. The first
// projection to name features numbers them, so its rows lie in its own order.
type layout struct {
	id       uint32
	features []*Feature // ascending by index, each once
	stored   int        // how many of them, the first ones, are in stored form
	// grown is the layout, a strict superset, that this one last grew to; nil:
	// none. Rows that have to grow look along this line first, so that the number
	// of layouts follows the number of projections, not of their subsets.
	// Written under Interner.mu.
	grown atomic.Pointer[layout]
	// merges is how many layouts the line had that led here. Protected by
	// Interner.mu.
	merges int
}

// position returns where in the layout f stands, or -1.
func (l *layout) position(f *Feature) int {
	i, ok := slices.BinarySearchFunc(l.features, f.index, func(e *Feature, index uint32) int {
		return int(e.index) - int(index)
	})
	if !ok {
		return -1
	}
	return i
}

// contains tells whether l has all the features of other.
func (l *layout) contains(other *layout) bool {
	if len(l.features) < len(other.features) {
		return false
	}
	i := 0
	for _, f := range other.features {
		for i < len(l.features) && l.features[i].index < f.index {
			i++
		}
		if i == len(l.features) || l.features[i] != f {
			return false
		}
		i++
	}
	return true
}

// widest follows grown to its end.
func (l *layout) widest() *layout {
	for next := l.grown.Load(); next != nil; next = l.grown.Load() {
		l = next
	}
	return l
}

// along returns the first layout of l's line that has all the features of
// other, or nil.
func (l *layout) along(other *layout) *layout {
	for ; l != nil; l = l.grown.Load() {
		if l.contains(other) {
			return l
		}
	}
	return nil
}

// joint returns the narrowest layout at hand that has what both have, or nil.
func joint(a, b *layout) *layout {
	inA, inB := a.along(b), b.along(a)
	if inA == nil || inB != nil && len(inB.features) < len(inA.features) {
		return inB
	}
	return inA
}

// union returns the features of both, each once, ascending.
func union(a, b []*Feature) []*Feature {
	out := make([]*Feature, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		case a[0].index < b[0].index:
			out, a = append(out, a[0]), a[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// layoutKey names a list of features for a map.
func layoutKey(features []*Feature) string {
	key := make([]byte, 0, 4*len(features))
	for _, f := range features {
		key = binary.LittleEndian.AppendUint32(key, f.index)
	}
	return string(key)
}
