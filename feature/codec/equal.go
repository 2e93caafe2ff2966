package codec

import (
	"bytes"
	"errors"
	"math"
)

// Equal tells whether two stored values mean the same, and if so, whether only
// their spelling differs: "0.10" and "0.1", a list packed and not, a block
// compressed by another program. NaN is the same as NaN, and 0 as -0. Values
// that do not decode are the same if their bytes are.
func (f Form) Equal(a, b []byte) (same, spelling bool) {
	if bytes.Equal(a, b) {
		return true, false
	}
	one, errA := f.decode(nil, a)
	other, errB := f.decode(nil, b)
	if errA != nil || errB != nil {
		null := errors.Is(errA, ErrNull) && errors.Is(errB, ErrNull)
		return null, null
	}
	same = f.sameDecoded(one, other)
	return same, same
}

func (f Form) sameDecoded(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	switch f.Type {
	case Float: // of the texts of one number only those of zero differ
		x, errX := parseFloat(a, 64)
		y, errY := parseFloat(b, 64)
		return errX == nil && errY == nil && x == y
	case Embedding, FloatList:
		return f.sameFloats(a, b)
	default:
		return false
	}
}

func (f Form) sameFloats(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for width := f.floatBytes(); len(a) > 0; a, b = a[width:], b[width:] {
		x, _ := f.firstFloat(a)
		y, _ := f.firstFloat(b)
		if x != y && (!math.IsNaN(x) || !math.IsNaN(y)) {
			return false
		}
	}
	return true
}
