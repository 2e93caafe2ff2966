package codec

import (
	"errors"
	"fmt"
)

// ErrNull says that the store holds a null where it could have held nothing: an
// empty Feast Value. Whoever gets it answers as for a missing value.
var ErrNull = errors.New("the value is null")

// Decode appends to dst the decoded form of a stored value. Where it fails it
// returns dst as it was, and the value is to be served as stored.
func (f Form) Decode(dst, stored []byte) ([]byte, error) {
	decoded, err := f.decode(dst, stored)
	if err != nil {
		return dst, fmt.Errorf("decode %s: %w", f, err)
	}
	return decoded, nil
}

func (f Form) decode(dst, stored []byte) ([]byte, error) {
	switch f.Encoding {
	case Text:
		return f.fromText(dst, stored)
	case Raw:
		return f.fromRaw(dst, stored)
	case Protobuf:
		return f.fromMessage(dst, stored)
	case Feast:
		return f.fromFeast(dst, stored)
	case Snappy, SnappyProtobuf:
		block := blocks.Get().(*[]byte)
		defer blocks.Put(block)
		plain, err := uncompress(*block, stored)
		if err != nil {
			return dst, err
		}
		*block = plain
		if f.Encoding == Snappy {
			return f.fromRaw(dst, plain)
		}
		return f.fromMessage(dst, plain)
	default:
		return dst, fmt.Errorf("the encoding %q is unknown", f.Encoding)
	}
}

// Encode appends to dst the stored form of a decoded value: what Decode makes
// decoded again. Where it fails it returns dst as it was.
func (f Form) Encode(dst, decoded []byte) ([]byte, error) {
	stored, err := f.encode(dst, decoded)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", f, err)
	}
	return stored, nil
}

func (f Form) encode(dst, decoded []byte) ([]byte, error) {
	if err := f.checkDecoded(decoded); err != nil {
		return dst, err
	}
	switch f.Encoding {
	case Text:
		return f.toText(dst, decoded)
	case Raw:
		return f.toRaw(dst, decoded)
	case Protobuf:
		return f.toMessage(dst, decoded)
	case Feast:
		return f.toFeast(dst, decoded)
	case Snappy, SnappyProtobuf:
		block := blocks.Get().(*[]byte)
		defer blocks.Put(block)
		write := f.toMessage
		if f.Encoding == Snappy {
			write = f.toRaw
		}
		plain, err := write((*block)[:0], decoded)
		if err != nil {
			return dst, err
		}
		*block = plain
		return compress(dst, plain), nil
	default:
		return dst, fmt.Errorf("the encoding %q is unknown", f.Encoding)
	}
}

// checkDecoded wants a list's bytes to be whole elements, as many as its
// dimension says.
func (f Form) checkDecoded(decoded []byte) error {
	if f.Type == StringList {
		count, err := countStrings(decoded)
		if err != nil {
			return err
		}
		return f.checkCount(count)
	}
	width := f.ElementBytes()
	if width == 0 {
		return nil
	}
	if len(decoded)%width != 0 {
		return fmt.Errorf("%d bytes are no whole number of elements of %d bytes", len(decoded), width)
	}
	return f.checkCount(len(decoded) / width)
}

// checkCount compares the number of elements with the dimension.
func (f Form) checkCount(count int) error {
	if f.Dimension > 0 && count != f.Dimension {
		return fmt.Errorf("%d elements where the dimension is %d", count, f.Dimension)
	}
	return nil
}
