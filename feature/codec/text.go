package codec

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// fromText reads decimal text, and lists as JSON arrays.
func (f Form) fromText(dst, text []byte) ([]byte, error) {
	switch f.Type {
	case Float:
		x, err := parseFloat(text, 64)
		if err != nil {
			return dst, err
		}
		return appendFloat(dst, x, 64), nil
	case Int:
		x, err := parseInt(text)
		if err != nil {
			return dst, err
		}
		return strconv.AppendInt(dst, x, 10), nil
	case Bool:
		yes, err := parseBool(text)
		if err != nil {
			return dst, err
		}
		return appendBool(dst, yes), nil
	case String, Bytes:
		return append(dst, text...), nil
	default:
		return f.fromJSON(dst, text)
	}
}

// toText is the inverse. Decoded scalars are text already; reading them keeps
// what is not of the type out of the store.
func (f Form) toText(dst, decoded []byte) ([]byte, error) {
	if !f.Type.isList() {
		return f.fromText(dst, decoded)
	}
	dst = append(dst, '[')
	dst, err := f.appendElements(dst, decoded)
	if err != nil {
		return dst, err
	}
	return append(dst, ']'), nil
}

// appendElements appends a decoded list as JSON has it, without its brackets.
func (f Form) appendElements(dst, decoded []byte) ([]byte, error) {
	first := true
	for len(decoded) > 0 {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		switch {
		case f.Type == StringList:
			var s []byte
			s, decoded = nextString(decoded)
			if !utf8.Valid(s) {
				return dst, errors.New("a string that is not UTF-8 has no form in JSON")
			}
			quoted, err := json.Marshal(string(s))
			if err != nil {
				return dst, err
			}
			dst = append(dst, quoted...)
		case f.Type == IntList:
			dst = strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(decoded)), 10)
			decoded = decoded[intBytes:]
		default:
			x, bits := f.firstFloat(decoded)
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return dst, errors.New("JSON has no form for what is no finite number")
			}
			dst = appendFloat(dst, x, bits)
			decoded = decoded[f.floatBytes():]
		}
	}
	return dst, nil
}

// firstFloat is the first element of packed floats, and its width.
func (f Form) firstFloat(packed []byte) (x float64, bits int) {
	if f.floatBytes() == 8 {
		return math.Float64frombits(binary.LittleEndian.Uint64(packed)), 64
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(packed))), 32
}

// appendPackedFloat is the inverse; x is of the width already.
func (f Form) appendPackedFloat(dst []byte, x float64) []byte {
	if f.floatBytes() == 8 {
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
	}
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x)))
}

// packFloat packs a float in its decoded form.
func (f Form) packFloat(dst, decoded []byte) ([]byte, error) {
	x, err := parseFloat(decoded, 8*f.floatBytes())
	if err != nil {
		return dst, err
	}
	return f.appendPackedFloat(dst, x), nil
}
