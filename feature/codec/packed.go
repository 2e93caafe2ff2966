package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// fromRaw reads the bytes themselves: numbers little-endian, a bool as one
// byte. Lists of floats are in their decoded form already.
func (f Form) fromRaw(dst, raw []byte) ([]byte, error) {
	switch f.Type {
	case String, Bytes:
		return append(dst, raw...), nil
	case Float:
		if len(raw) != f.floatBytes() {
			return dst, lengthError(raw, f.floatBytes())
		}
		x, bits := f.firstFloat(raw)
		return appendFloat(dst, x, bits), nil
	case Int:
		if len(raw) != f.rawIntBytes() {
			return dst, lengthError(raw, f.rawIntBytes())
		}
		return strconv.AppendInt(dst, f.firstRawInt(raw), 10), nil
	case Bool:
		if len(raw) != 1 || raw[0] > 1 {
			return dst, errors.New("not one byte that is 0 or 1")
		}
		return appendBool(dst, raw[0] == 1), nil
	case Embedding, FloatList:
		if err := f.checkDecoded(raw); err != nil {
			return dst, err
		}
		return append(dst, raw...), nil
	case IntList:
		return f.widenInts(dst, raw)
	default:
		return dst, fmt.Errorf("a %s has no raw form", f.Type)
	}
}

func lengthError(raw []byte, want int) error {
	return fmt.Errorf("%d bytes where %d are the number", len(raw), want)
}

func (f Form) firstRawInt(raw []byte) int64 {
	if f.rawIntBytes() == intBytes {
		return int64(binary.LittleEndian.Uint64(raw))
	}
	return int64(int32(binary.LittleEndian.Uint32(raw)))
}

func (f Form) widenInts(dst, raw []byte) ([]byte, error) {
	width := f.rawIntBytes()
	if len(raw)%width != 0 {
		return dst, fmt.Errorf("%d bytes are no whole number of ints of %d bytes", len(raw), width)
	}
	if err := f.checkCount(len(raw) / width); err != nil {
		return dst, err
	}
	if width == intBytes {
		return append(dst, raw...), nil
	}
	dst = slices.Grow(dst, len(raw)/width*intBytes)
	for ; len(raw) > 0; raw = raw[width:] {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(f.firstRawInt(raw)))
	}
	return dst, nil
}

// toRaw is the inverse of fromRaw.
func (f Form) toRaw(dst, decoded []byte) ([]byte, error) {
	switch f.Type {
	case Float:
		return f.packFloat(dst, decoded)
	case Int:
		x, err := parseInt(decoded)
		if err != nil {
			return dst, err
		}
		return f.appendRawInt(dst, x)
	case Bool:
		yes, err := parseBool(decoded)
		if err != nil {
			return dst, err
		}
		return append(dst, appendBool(nil, yes)[0]-'0'), nil
	case IntList:
		return f.narrowInts(dst, decoded)
	case StringList:
		return dst, fmt.Errorf("a %s has no raw form", f.Type)
	default:
		return append(dst, decoded...), nil
	}
}

func (f Form) appendRawInt(dst []byte, x int64) ([]byte, error) {
	if f.rawIntBytes() == intBytes {
		return binary.LittleEndian.AppendUint64(dst, uint64(x)), nil
	}
	if x < math.MinInt32 || x > math.MaxInt32 {
		return dst, errNotInt32
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(x)), nil
}

func (f Form) narrowInts(dst, decoded []byte) ([]byte, error) {
	if f.rawIntBytes() == intBytes {
		return append(dst, decoded...), nil
	}
	var err error
	for ; len(decoded) > 0 && err == nil; decoded = decoded[intBytes:] {
		dst, err = f.appendRawInt(dst, int64(binary.LittleEndian.Uint64(decoded)))
	}
	return dst, err
}

// lengthBytes is the width of the length before each string of a list.
const lengthBytes = 4

func appendString(dst, s []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// nextString splits a decoded list of strings, which countStrings has accepted.
func nextString(decoded []byte) (s, rest []byte) {
	length := binary.LittleEndian.Uint32(decoded)
	return decoded[lengthBytes : lengthBytes+length], decoded[lengthBytes+length:]
}

// Strings calls yield with each string of a decoded list, until it says no.
func Strings(decoded []byte, yield func(s []byte) bool) error {
	if _, err := countStrings(decoded); err != nil {
		return err
	}
	for len(decoded) > 0 {
		var s []byte
		if s, decoded = nextString(decoded); !yield(s) {
			break
		}
	}
	return nil
}

func countStrings(decoded []byte) (count int, err error) {
	for ; len(decoded) > 0; count++ {
		if len(decoded) < lengthBytes {
			return 0, errors.New("a list of strings ends within a length")
		}
		length := uint64(binary.LittleEndian.Uint32(decoded))
		if length > uint64(len(decoded)-lengthBytes) {
			return 0, errors.New("a list of strings ends within a string")
		}
		decoded = decoded[lengthBytes+length:]
	}
	return count, nil
}

func appendInt(dst []byte, x int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(x)) }
