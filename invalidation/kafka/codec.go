package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

const (
	// maxBlockBytes bounds what a block of Snappy may claim to hold. Producers
	// compress a batch, or 32 KiB of it, to a block.
	maxBlockBytes = 64 << 20

	// maxWindowBytes bounds the memory of a Zstandard decoder; the largest that
	// the format's highest common level asks for is 8 MiB.
	maxWindowBytes = 32 << 20
)

var (
	errCodec = errors.New("a batch in an unknown compression")
	errBlock = errors.New("a compressed batch that is not well formed")
)

// decompress reads the records of a batch. What it takes is bounded whatever the
// batch claims to hold.
func decompress(codec int16, data []byte) (io.ReadCloser, error) {
	switch compress.Compression(codec) {
	case compress.None:
		return io.NopCloser(bytes.NewReader(data)), nil
	case compress.Gzip:
		return compress.GzipCodec.NewReader(bytes.NewReader(data)), nil
	case compress.Lz4: // has blocks of 4 MiB at most
		return compress.Lz4Codec.NewReader(bytes.NewReader(data)), nil
	case compress.Snappy:
		plain, err := unsnap(data)
		return io.NopCloser(bytes.NewReader(plain)), err
	case compress.Zstd:
		decoder, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindowBytes))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBlock, err)
		}
		return decoder.IOReadCloser(), nil
	}
	return nil, errCodec
}

// xerial begins what the Java client calls Snappy: blocks, each with its length
// before it. Two version numbers follow it.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

// unsnap decompresses Snappy, in blocks or as one. kafka-go's own believes what
// lengths a block claims, up to 4 GiB.
func unsnap(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, xerial) || len(data) < xerialHeader {
		return appendBlock(nil, data)
	}
	var plain []byte
	for data = data[xerialHeader:]; len(data) > 0; {
		if len(data) < 4 {
			return nil, errBlock
		}
		length := int64(binary.BigEndian.Uint32(data))
		data = data[4:]
		if length > int64(len(data)) {
			return nil, errBlock
		}
		var err error
		if plain, err = appendBlock(plain, data[:length]); err != nil {
			return nil, err
		}
		data = data[length:]
	}
	return plain, nil
}

func appendBlock(plain, block []byte) ([]byte, error) {
	length, err := s2.DecodedLen(block)
	if err != nil || length+len(plain) > maxBlockBytes {
		return nil, errBlock
	}
	decoded, err := s2.Decode(make([]byte, length), block)
	if err != nil {
		return nil, errBlock
	}
	if plain == nil {
		return decoded, nil
	}
	return append(plain, decoded...), nil
}
