package kafka

import (
	"encoding/binary"
	"errors"
	"math"
)

// topicID is the identity of a topic: another one after it was deleted and made
// again. Zero: the broker is too old to tell (before Kafka 3.1).
type topicID [16]byte

// errShort says that a reply ends before it should.
var errShort = errors.New("the broker's reply ends early")

// encoder writes a request as the Kafka protocol has it. compact is the form of
// newer ("flexible") versions of requests.
type encoder struct {
	b       []byte
	compact bool
}

func (e *encoder) int8(v int8)   { e.b = append(e.b, byte(v)) }
func (e *encoder) int16(v int16) { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32) { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64) { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }
func (e *encoder) id(v topicID)  { e.b = append(e.b, v[:]...) }

// array begins an array of n elements.
func (e *encoder) array(n int) {
	if e.compact {
		e.b = binary.AppendUvarint(e.b, uint64(n)+1)
		return
	}
	e.int32(int32(n))
}

func (e *encoder) text(s string) {
	if e.compact {
		e.b = binary.AppendUvarint(e.b, uint64(len(s))+1)
	} else {
		e.int16(int16(len(s)))
	}
	e.b = append(e.b, s...)
}

// tags ends a structure: none of its optional fields is used.
func (e *encoder) tags() {
	if e.compact {
		e.b = append(e.b, 0)
	}
}

// decoder reads a reply. After the first value that is not there all values are
// zero, and failed is set.
type decoder struct {
	b       []byte
	compact bool
	failed  bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n < 0 || n > len(d.b) {
		d.failed, d.b = true, nil
		return nil
	}
	taken := d.b[:n:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) int8() int8 {
	if b := d.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) id() (id topicID) {
	copy(id[:], d.take(len(id)))
	return id
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.take(-1)
		return 0
	}
	d.take(n)
	return v
}

// compactLength reads the length of something in its compact form; -1: null.
func (d *decoder) compactLength() int {
	v := d.uvarint()
	if v > math.MaxInt32 {
		d.take(-1)
		return 0
	}
	return int(v) - 1
}

// array reads how many elements follow, each of which takes at least one byte.
func (d *decoder) array() int {
	n := 0
	if d.compact {
		n = d.compactLength()
	} else {
		n = int(d.int32())
	}
	if n > len(d.b) {
		d.take(-1)
		return 0
	}
	return max(n, 0)
}

func (d *decoder) text() string {
	if d.compact {
		return string(d.take(max(d.compactLength(), 0)))
	}
	return string(d.take(max(int(d.int16()), 0)))
}

func (d *decoder) bytes() []byte {
	if d.compact {
		return d.take(max(d.compactLength(), 0))
	}
	return d.take(max(int(d.int32()), 0))
}

// int32s skips an array of them.
func (d *decoder) int32s() {
	n := d.array()
	d.take(4 * n)
}

// tags skips the optional fields that end a structure.
func (d *decoder) tags() {
	if !d.compact {
		return
	}
	for n := d.uvarint(); n > 0 && !d.failed; n-- {
		d.uvarint()
		d.take(int(min(d.uvarint(), math.MaxInt32)))
	}
}

func (d *decoder) err() error {
	if d.failed {
		return errShort
	}
	return nil
}
