package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

const (
	// maxBlock bounds what a Snappy block may become, in bytes. Values are
	// kilobytes; the format would allow 4 GiB.
	maxBlock = 64 << 20

	// A copy in a Snappy block takes at least copyBytes to stand for at most
	// copied bytes, so no block becomes longer than that ratio: a length that
	// claims more is wrong, and is refused before memory is taken for it.
	copyBytes, copied = 3, 64

	// maxLiteral is how long a literal in the wild gets, in bytes: encoders work
	// on pieces of 64 KiB. Plain keeps to it for the sake of decoders that
	// were never shown more.
	maxLiteral = 64 << 10
)

// blocks are buffers for what lies inside a Snappy block.
var blocks = sync.Pool{New: func() any { return new([]byte) }}

var errNotSnappy = errors.New("not a Snappy block: it begins with no length")

// blockLength is the length that a Snappy block claims to become, in bytes, and
// the length of that claim.
func blockLength(block []byte) (length, header int, err error) {
	claimed, header := binary.Uvarint(block)
	if header <= 0 {
		return 0, 0, errNotSnappy
	}
	if claimed > maxBlock || claimed*copyBytes > uint64(len(block))*copied {
		return 0, 0, fmt.Errorf("a Snappy block of %d bytes claims to become %d", len(block), claimed)
	}
	return int(claimed), header, nil
}

// uncompress returns what a Snappy block holds, in buf where that is long
// enough.
func uncompress(buf, block []byte) ([]byte, error) {
	length, _, err := blockLength(block)
	if err != nil {
		return nil, err
	}
	buf = slices.Grow(buf[:0], length)
	plain, err := s2.Decode(buf[:cap(buf)], block)
	if err != nil {
		return nil, fmt.Errorf("read a Snappy block: %w", err)
	}
	return plain, nil
}

// compress appends a Snappy block that holds plain.
func compress(dst, plain []byte) []byte {
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(plain)))
	block := s2.EncodeSnappy(dst[len(dst):cap(dst)], plain)
	return dst[:len(dst)+len(block)]
}

// Plain appends a stored value whose Snappy block is exchanged for one that is
// not compressed. It is legal Snappy, of the same meaning: a client that was
// never changed reads it at the price of a copy. A value in another encoding
// stays as it is.
func (f Form) Plain(dst, stored []byte) ([]byte, error) {
	if f.Encoding != Snappy && f.Encoding != SnappyProtobuf {
		return append(dst, stored...), nil
	}
	block := blocks.Get().(*[]byte)
	defer blocks.Put(block)
	plain, err := uncompress(*block, stored)
	if err != nil {
		return dst, fmt.Errorf("expand %s: %w", f, err)
	}
	*block = plain
	return appendLiterals(dst, plain), nil
}

// appendLiterals appends a Snappy block of literals: each is a tag, its length
// less one, and the bytes.
func appendLiterals(dst, plain []byte) []byte {
	const (
		shortest  = 60      // lengths up to this are in the tag
		oneByte   = 60 << 2 // tag of a literal whose length follows in one byte
		twoBytes  = 61 << 2
		tagAndLen = 3
	)
	pieces := len(plain)/maxLiteral + 1
	dst = slices.Grow(dst, binary.MaxVarintLen32+len(plain)+tagAndLen*pieces)
	dst = binary.AppendUvarint(dst, uint64(len(plain)))
	for piece := range slices.Chunk(plain, maxLiteral) {
		switch last := len(piece) - 1; {
		case last < shortest:
			dst = append(dst, byte(last<<2))
		case last < 1<<8:
			dst = append(dst, oneByte, byte(last))
		default:
			dst = append(dst, twoBytes, byte(last), byte(last>>8))
		}
		dst = append(dst, piece...)
	}
	return dst
}
