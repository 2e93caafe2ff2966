package snapshot

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fsproxy/fsproxy/resp"
)

// Records follow one another in blocks of features and rows. Numbers are
// varints; features and rosters are numbered in the order of their records.
//
//	feature     its name
//	roster      how many places, of each the number of the feature and of the form
//	projection  how often it was asked for, the bits of its view, how many features,
//	            the number of each
//	row         entity, number of the roster, a tick, then for each place of the
//	            roster: 0: no value; 1: the store has none; 2n+2: n bytes of value,
//	            a bulk string; 2n+3: n bytes of value in wire form; and, unless there
//	            is none, how many ticks later than that it was fetched
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
	valueBulk // and twice so many more
	valueWire // likewise
)

const (
	// maxName bounds features' names, and maxEntity entities, in bytes.
	maxName   = 64 << 10
	maxEntity = 1 << 20
	// maxPlaces bounds those of a roster, and the features of a projection: more
	// than a row may have.
	maxPlaces = 1 << 12
	// maxKept bounds what a reader keeps of a file beside its rows, in bytes as kept
	// counts them: more than caches intern, and little beside what they hold.
	maxKept = 64 << 20
	// maxView is the most that the bits of a view may be.
	maxView = 1<<7 - 1
)

// kept is what a record of n bytes or numbers takes in memory, about, and not less
// than the record.
func kept(n int) int { return 64 + 8*n }

// roster says where the values of a row belong.
type roster struct {
	places   []place
	features []uint32 // of them, each once, ascending
}

// place is a feature in one of its forms, by their numbers.
type place struct{ feature, form uint32 }

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

// appendValue appends a value in wire form, without the time of its fetch.
func appendValue(b, wire []byte) []byte {
	if resp.IsNil(wire) {
		return append(b, valueNil)
	}
	if text, ok := resp.Text(wire); ok {
		b = binary.AppendUvarint(b, uint64(valueBulk+2*len(text)))
		return append(b, text...)
	}
	b = binary.AppendUvarint(b, uint64(valueWire+2*len(wire)))
	return append(b, wire...)
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

// roster reads a list of places of features and forms below limits.
func (d *decoder) roster(features, forms int) (ro roster) {
	n := d.uvarint(maxPlaces)
	if features == 0 || forms == 0 {
		d.failed = true
	}
	for ; n > 0 && !d.failed; n-- {
		p := place{feature: uint32(d.uvarint(uint64(features - 1)))}
		p.form = uint32(d.uvarint(uint64(forms - 1)))
		ro.places = append(ro.places, p)
		ro.features = append(ro.features, p.feature)
	}
	slices.Sort(ro.features)
	ro.features = slices.Compact(ro.features)
	return ro
}

// numbers reads a list of numbers below limit.
func (d *decoder) numbers(limit int) []uint32 {
	n := d.uvarint(min(maxPlaces, uint64(len(d.b)))) // each takes a byte at least
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
	framer *resp.Framer
}

// read reads what follows the kind of a row.
func (r *row) read(d *decoder, rosters []roster) {
	r.entity = d.bytes(maxEntity)
	r.roster = int(d.uvarint(uint64(max(len(rosters), 1) - 1)))
	base := int64(d.uvarint(math.MaxInt64 / 2))
	if d.failed || len(rosters) == 0 {
		d.failed = true
		return
	}
	width := len(rosters[r.roster].places)
	r.values, r.ticks = r.values[:0], r.ticks[:0]
	r.wire, r.ends = r.wire[:0], r.ends[:0]
	for range width {
		tick := int64(0)
		code := d.uvarint(2 * maxBlock)
		switch {
		case code == valueAbsent:
		case code == valueNil:
			r.wire = append(r.wire, resp.Nil2...)
		case code%2 == valueWire%2:
			value := d.take(int(code-valueWire) / 2)
			d.failed = d.failed || !r.whole(value)
			r.wire = append(r.wire, value...)
		default:
			r.wire = appendBulk(r.wire, d.take(int(code-valueBulk)/2))
		}
		if code != valueAbsent {
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

// whole tells whether a value in wire form is one reply, neither more nor less, of
// a type that decoded values have.
func (r *row) whole(wire []byte) bool {
	if len(wire) == 0 || !strings.ContainsRune("*,:#", rune(wire[0])) {
		return false
	}
	if r.framer == nil {
		r.framer = resp.NewFramer(maxBlock)
	}
	n, err := r.framer.Next(wire)
	if err != nil || n != len(wire) {
		r.framer = nil // it is in the middle of something
		return false
	}
	return true
}
