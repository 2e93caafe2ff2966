package snapshot

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/fsproxy/fsproxy/resp"
)

// Records follow one another in blocks of features and rows. Numbers are
// varints; features and rosters are numbered in the order of their records.
//
//	feature     its name
//	roster      how many features, the number of each
//	projection  how often it was asked for, how many features, the number of each
//	row         entity, number of the roster, a tick, then for each feature of the
//	            roster: 0: no value; 1: the store has none; n+2: n bytes of value;
//	            and, unless there is none, how many ticks later than that it was fetched
const (
	recordFeature = iota + 1
	recordRoster
	recordProjection
	recordRow
)

// What the code before a value means.
const (
	valueAbsent = iota
	valueNil
	valueBytes // and so many more
)

const (
	// maxName bounds features' names, and maxEntity entities, in bytes.
	maxName   = 64 << 10
	maxEntity = 1 << 20
	// maxKnown bounds features, rosters and projections each.
	maxKnown = 1 << 24
)

func appendBytes[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendNumbers(b []byte, numbers []uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(numbers)))
	for _, n := range numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// decoder takes records apart. Once something is wrong it is failed, and gives
// out nothing.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uvarint(most uint64) uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > most {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) bytes(most uint64) []byte { return d.take(int(d.uvarint(most))) }

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.failed, d.b = true, nil
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

// appendBulk appends a string in wire form.
func appendBulk(b, text []byte) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(len(text)), 10)
	return append(append(append(b, "\r\n"...), text...), "\r\n"...)
}

// numbers reads a list of numbers below limit.
func (d *decoder) numbers(limit int) []uint32 {
	n := d.uvarint(uint64(len(d.b))) // each takes a byte at least
	if limit == 0 && n > 0 {
		d.failed = true
	}
	if d.failed {
		return nil
	}
	list := make([]uint32, n)
	for i := range list {
		list[i] = uint32(d.uvarint(uint64(limit - 1)))
	}
	return list
}

// row is a row as it was read. It is used again for each.
type row struct {
	entity []byte
	roster int
	values [][]byte // in wire form; nil: none
	ticks  []int64  // of the process that wrote it
	wire   []byte
	ends   []int
}

// read reads what follows the kind of a row.
func (r *row) read(d *decoder, rosters [][]uint32) {
	r.entity = d.bytes(maxEntity)
	r.roster = int(d.uvarint(uint64(max(len(rosters), 1) - 1)))
	base := int64(d.uvarint(math.MaxInt64 / 2))
	if d.failed || len(rosters) == 0 {
		d.failed = true
		return
	}
	width := len(rosters[r.roster])
	r.values, r.ticks = r.values[:0], r.ticks[:0]
	r.wire, r.ends = r.wire[:0], r.ends[:0]
	for range width {
		tick := int64(0)
		switch code := d.uvarint(maxBlock); code {
		case valueAbsent:
		case valueNil:
			r.wire = append(r.wire, resp.Nil2...)
			tick = base + int64(d.uvarint(math.MaxUint32))
		default:
			value := d.take(int(code - valueBytes))
			r.wire = appendBulk(r.wire, value)
			tick = base + int64(d.uvarint(math.MaxUint32))
		}
		r.ends = append(r.ends, len(r.wire))
		r.ticks = append(r.ticks, tick)
	}
	if d.failed {
		return
	}
	from := 0
	for _, to := range r.ends {
		if to == from {
			r.values = append(r.values, nil)
		} else {
			r.values = append(r.values, r.wire[from:to:to])
		}
		from = to
	}
}
