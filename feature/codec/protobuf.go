package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// valueField is the number of the field that holds the value, in the messages
// of ../proto and in Feast's lists alike. Other fields are passed over.
const valueField = 1

// wireType is how one element of the type lies in a message.
func (f Form) wireType() protowire.Type {
	switch {
	case f.Type.ofFloats() && f.floatBytes() == 8:
		return protowire.Fixed64Type
	case f.Type.ofFloats():
		return protowire.Fixed32Type
	case f.Type.ofInts(), f.Type == Bool:
		return protowire.VarintType
	default:
		return protowire.BytesType
	}
}

// fromMessage reads a message of ../proto. A scalar that the message does not
// have is zero or empty, and of several the last one counts, as in proto3.
func (f Form) fromMessage(dst, message []byte) ([]byte, error) {
	if f.Type.isList() {
		return f.fromListMessage(dst, message)
	}
	var last []byte
	for len(message) > 0 {
		number, wire, value, rest, err := nextField(message)
		if err != nil {
			return dst, err
		}
		message = rest
		if number != valueField {
			continue
		}
		if wire != f.wireType() {
			return dst, f.wireError(wire)
		}
		last = value
	}
	return f.appendScalar(dst, last)
}

// nextField splits a message behind its first field. The value has its length
// still before it, if it is of the wire type bytes.
func nextField(message []byte) (number protowire.Number, wire protowire.Type, value, rest []byte, err error) {
	number, wire, n := protowire.ConsumeTag(message)
	if n < 0 {
		return 0, 0, nil, nil, fmt.Errorf("read a message: %w", protowire.ParseError(n))
	}
	message = message[n:]
	n = protowire.ConsumeFieldValue(number, wire, message)
	if n < 0 {
		return 0, 0, nil, nil, fmt.Errorf("read field %d of a message: %w", number, protowire.ParseError(n))
	}
	return number, wire, message[:n], message[n:], nil
}

func (f Form) wireError(wire protowire.Type) error {
	const shapes = "varint, 64-bit, bytes, group, end of group, 32-bit"
	return fmt.Errorf("the value is of the wire type %d where a %s has %d (0 to 5 are %s)", wire, f.Type, f.wireType(), shapes)
}

// appendScalar appends the decoded form of one value as it lies in a message,
// or of what proto3 means by none.
func (f Form) appendScalar(dst, value []byte) ([]byte, error) {
	switch f.Type {
	case Float:
		if value == nil {
			return append(dst, '0'), nil
		}
		x, bits := f.firstFloat(value)
		return appendFloat(dst, x, bits), nil
	case Int:
		x, _ := protowire.ConsumeVarint(value)
		return strconv.AppendInt(dst, int64(x), 10), nil
	case Bool:
		x, _ := protowire.ConsumeVarint(value)
		return appendBool(dst, x != 0), nil
	default:
		content, _ := protowire.ConsumeBytes(value)
		return append(dst, content...), nil
	}
}

// fromListMessage reads elements packed and one by one alike, even both in one
// message, as every reader of protobuf has to.
func (f Form) fromListMessage(dst, message []byte) ([]byte, error) {
	count := 0
	for len(message) > 0 {
		number, wire, value, rest, err := nextField(message)
		if err != nil {
			return dst, err
		}
		message = rest
		if number != valueField {
			continue
		}
		var n int
		switch {
		case wire == protowire.BytesType && f.Type != StringList:
			packed, _ := protowire.ConsumeBytes(value)
			n, err = f.countPacked(packed)
			if err == nil && f.fits(count+n) {
				dst, err = f.appendPacked(dst, packed, n)
			}
		case wire == f.wireType():
			n = 1
			if f.fits(count + n) {
				dst = f.appendElement(dst, value)
			}
		default:
			err = f.wireError(wire)
		}
		if err != nil {
			return dst, err
		}
		if count += n; !f.fits(count) {
			break
		}
	}
	return dst, f.checkCount(count)
}

// fits tells whether so many elements are at most the dimension: no memory is
// taken for more.
func (f Form) fits(count int) bool { return f.Dimension == 0 || count <= f.Dimension }

func (f Form) countPacked(packed []byte) (int, error) {
	if f.Type != IntList {
		width := f.floatBytes()
		if len(packed)%width != 0 {
			return 0, fmt.Errorf("%d packed bytes are no whole number of floats of %d bytes", len(packed), width)
		}
		return len(packed) / width, nil
	}
	count := 0
	for _, b := range packed {
		if b < 0x80 { // the last byte of a varint
			count++
		}
	}
	return count, nil
}

// appendPacked appends n packed elements. Floats lie in a message as they do in
// the decoded form.
func (f Form) appendPacked(dst, packed []byte, n int) ([]byte, error) {
	if f.Type != IntList {
		return append(dst, packed...), nil
	}
	dst = slices.Grow(dst, n*intBytes)
	for len(packed) > 0 {
		x, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return dst, fmt.Errorf("read packed ints: %w", protowire.ParseError(n))
		}
		dst = binary.LittleEndian.AppendUint64(dst, x)
		packed = packed[n:]
	}
	return dst, nil
}

func (f Form) appendElement(dst, value []byte) []byte {
	switch f.Type {
	case StringList:
		content, _ := protowire.ConsumeBytes(value)
		return appendString(dst, content)
	case IntList:
		x, _ := protowire.ConsumeVarint(value)
		return binary.LittleEndian.AppendUint64(dst, x)
	default:
		return append(dst, value...)
	}
}

// toMessage is the inverse of fromMessage: numbers packed, and a scalar that is
// zero or empty left out, as proto3 is written.
func (f Form) toMessage(dst, decoded []byte) ([]byte, error) {
	if f.Type.isList() {
		return f.toListMessage(dst, decoded)
	}
	start := len(dst)
	dst = protowire.AppendTag(dst, valueField, f.wireType())
	content := len(dst)
	dst, err := f.appendScalarValue(dst, decoded)
	if err != nil {
		return dst, err
	}
	if allZero(dst[content:]) {
		return dst[:start], nil
	}
	return dst, nil
}

// allZero tells whether a value is proto3's zero. Text of zero bytes is none:
// its length comes first.
func allZero(value []byte) bool {
	for _, b := range value {
		if b != 0 {
			return false
		}
	}
	return true
}

// appendScalarValue appends a decoded scalar as it lies in a message, behind
// its tag.
func (f Form) appendScalarValue(dst, decoded []byte) ([]byte, error) {
	switch f.Type {
	case Float:
		return f.packFloat(dst, decoded)
	case Int:
		x, err := parseInt(decoded)
		if err != nil {
			return dst, err
		}
		if f.FeastType == feastInt32 && (x < math.MinInt32 || x > math.MaxInt32) {
			return dst, errNotInt32
		}
		return protowire.AppendVarint(dst, uint64(x)), nil
	case Bool:
		yes, err := parseBool(decoded)
		if err != nil {
			return dst, err
		}
		return protowire.AppendVarint(dst, protowire.EncodeBool(yes)), nil
	default:
		return protowire.AppendBytes(dst, decoded), nil
	}
}

func (f Form) toListMessage(dst, decoded []byte) ([]byte, error) {
	if len(decoded) == 0 {
		return dst, nil
	}
	switch f.Type {
	case StringList:
		for len(decoded) > 0 {
			var s []byte
			s, decoded = nextString(decoded)
			dst = protowire.AppendTag(dst, valueField, protowire.BytesType)
			dst = protowire.AppendBytes(dst, s)
		}
		return dst, nil
	case IntList:
		return f.appendPackedInts(dst, decoded)
	default:
		dst = protowire.AppendTag(dst, valueField, protowire.BytesType)
		return protowire.AppendBytes(dst, decoded), nil
	}
}

func (f Form) appendPackedInts(dst, decoded []byte) ([]byte, error) {
	size := 0
	for rest := decoded; len(rest) > 0; rest = rest[intBytes:] {
		x := binary.LittleEndian.Uint64(rest)
		if f.FeastType == feastInt32List && int64(x) != int64(int32(x)) {
			return dst, errNotInt32
		}
		if f.FeastType == feastBoolList && x > 1 {
			return dst, errNotBool
		}
		size += protowire.SizeVarint(x)
	}
	dst = protowire.AppendTag(dst, valueField, protowire.BytesType)
	dst = slices.Grow(dst, protowire.SizeBytes(size))
	dst = protowire.AppendVarint(dst, uint64(size))
	for ; len(decoded) > 0; decoded = decoded[intBytes:] {
		dst = protowire.AppendVarint(dst, binary.LittleEndian.Uint64(decoded))
	}
	return dst, nil
}
