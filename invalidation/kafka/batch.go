package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// Where things are in a batch of records, and how long it is before them.
const (
	batchPrefix    = 12 // base offset and length, which older formats have too
	batchMagicAt   = 16
	batchCRCAt     = 17
	batchBodyAt    = 21 // what the checksum is of begins here
	batchRecordsAt = 61
	batchMagic     = 2
)

// Bits of a batch's attributes.
const (
	attributeCodec         = 0x07
	attributeTransactional = 0x10
	attributeControl       = 0x20
)

// Reasons for which a batch, or the rest of a reply, cannot be read.
var (
	errBatchFormat = errors.New("a batch in the format of before Kafka 0.11")
	errBatchSum    = errors.New("a batch whose checksum is wrong")
	errBatchLength = errors.New("a batch of an impossible length")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is a batch of records, as producers write and brokers keep it.
type batch struct {
	base, last int64 // first and last offset; compaction removes records, not these
	attributes int16
	producer   int64
	count      int32
	payload    []byte // records, compressed or not
}

func (b *batch) transactional() bool { return b.attributes&attributeTransactional != 0 }

// control tells whether the batch ends a transaction instead of holding records.
func (b *batch) control() bool { return b.attributes&attributeControl != 0 }

// nextBatch takes the first batch off data. A batch that was cut off, as the last
// one of a reply may be, is none: rest is nil. Where err is not nil the batch
// cannot be read, and where rest is not nil beside it, can be stepped over: its
// offsets are known.
func nextBatch(data []byte) (b batch, rest []byte, err error) {
	if len(data) <= batchMagicAt {
		return b, nil, nil
	}
	length := int32(binary.BigEndian.Uint32(data[8:]))
	if length < batchMagicAt+1-batchPrefix {
		return b, nil, errBatchLength
	}
	end := batchPrefix + int(length)
	if end > len(data) {
		return b, nil, nil
	}
	data, rest = data[:end], data[end:]
	if rest == nil {
		rest = []byte{}
	}
	b.base = int64(binary.BigEndian.Uint64(data))
	b.last = b.base
	if data[batchMagicAt] != batchMagic {
		return b, rest, errBatchFormat
	}
	if end < batchRecordsAt {
		return b, nil, errBatchLength
	}
	b.attributes = int16(binary.BigEndian.Uint16(data[21:]))
	b.last = b.base + int64(max(int32(binary.BigEndian.Uint32(data[23:])), 0))
	b.producer = int64(binary.BigEndian.Uint64(data[43:]))
	b.count = int32(binary.BigEndian.Uint32(data[57:]))
	b.payload = data[batchRecordsAt:]
	if crc32.Checksum(data[batchBodyAt:], castagnoli) != binary.BigEndian.Uint32(data[batchCRCAt:]) {
		return b, rest, errBatchSum
	}
	return b, rest, nil
}

// abortMarker tells whether a control batch ends its transaction by aborting it.
func (b *batch) abortMarker() (aborts bool, err error) {
	err = b.each(func(r record) {
		// The key is a version and a type: 0 aborts, 1 commits.
		aborts = len(r.key) >= 4 && binary.BigEndian.Uint16(r.key[2:]) == 0
	})
	if err != nil {
		return false, fmt.Errorf("read a transaction's end: %w", err)
	}
	return aborts, nil
}

// aborts knows which batches of a reply belong to transactions that were aborted.
type aborts struct {
	waiting []abortedTransaction // by first offset
	open    map[int64]struct{}   // producers
}

func newAborts(list []abortedTransaction) *aborts {
	slices.SortFunc(list, func(a, b abortedTransaction) int {
		return int(min(max(a.first-b.first, -1), 1))
	})
	return &aborts{waiting: list, open: make(map[int64]struct{})}
}

// hide tells whether the records of the next batch are not to be acted on.
func (a *aborts) hide(b *batch) (bool, error) {
	for len(a.waiting) > 0 && a.waiting[0].first <= b.last {
		a.open[a.waiting[0].producer] = struct{}{}
		a.waiting = a.waiting[1:]
	}
	if !b.control() {
		_, aborted := a.open[b.producer]
		return aborted && b.transactional(), nil
	}
	if len(a.open) == 0 {
		return true, nil
	}
	aborting, err := b.abortMarker()
	if aborting {
		delete(a.open, b.producer)
	}
	return true, err
}
