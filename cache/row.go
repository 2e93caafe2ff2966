package cache

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/fsproxy/fsproxy/resp"
)

// row is what the cache holds of one entity, as one immutable slab without
// pointers, so that a cache of millions of values is a few objects an entity to
// the garbage collector. Rows are replaced, never changed. The zero row is
// none. Little-endian, width being the number of positions of its layout:
//
//	offset  size
//	0       4     layout id
//	4       1     flags
//	5       1     number of the fetcher of the last fill; 0: not known
//	6       2     nils: values that are the store's "there is none"
//	8       8     oldest: the earliest tick of any value held
//	16      8     expires: the first tick at which a value is past its age
//	24      4     where the values begin
//	28      2     width
//	30      2     present: values held
//	32            bitmap of nils, where flagHasNils
//	              bitmap of absent positions, where flagHasAbsent
//	              width+1 offsets of values, 2 bytes each (4 where flagWide)
//	              width ticks, 4 bytes each, counted from oldest, where flagTicks
//	              the values in wire form: "$6\r\n0.1234\r\n"
//	              what is spelled apart, where flagApart: see apart.go
type row string

const rowHeader = 32 // bytes

// longestRow bounds a row in bytes, so that offsets and weights, sums of a few
// rows included, stay within 32 bits.
const longestRow = 1 << 30

const (
	flagHasNils   = 1 << iota // some values are nil
	flagHasAbsent             // some positions hold nothing: not known, not nil
	flagWide                  // offsets take four bytes
	flagTicks                 // values differ in tick
	flagNil3                  // nils are written as version 3 has them
	flagApart                 // the decoded form of some values is not the one that lies in their place
)

// bytes gives the slab for reading. It must not be written to.
func (r row) bytes() []byte { return unsafe.Slice(unsafe.StringData(string(r)), len(r)) }

func (r row) u16(at int) int    { return int(binary.LittleEndian.Uint16(r.bytes()[at:])) }
func (r row) u32(at int) uint32 { return binary.LittleEndian.Uint32(r.bytes()[at:]) }
func (r row) u64(at int) uint64 { return binary.LittleEndian.Uint64(r.bytes()[at:]) }

func (r row) layoutID() uint32 { return r.u32(0) }
func (r row) flags() byte      { return r[4] }
func (r row) origin() byte     { return r[5] }
func (r row) nils() int        { return r.u16(6) }
func (r row) oldest() Tick     { return Tick(r.u64(8)) }
func (r row) expires() Tick    { return Tick(r.u64(16)) }
func (r row) valuesAt() int    { return int(r.u32(24)) }
func (r row) width() int       { return r.u16(28) }
func (r row) present() int     { return r.u16(30) }

func (r row) nilsAt() int { return rowHeader }

func (r row) absentAt() int {
	if r.flags()&flagHasNils != 0 {
		return rowHeader + bitmapBytes(r.width())
	}
	return rowHeader
}

func (r row) offsetsAt() int {
	at := r.absentAt()
	if r.flags()&flagHasAbsent != 0 {
		at += bitmapBytes(r.width())
	}
	return at
}

// offset is where the value at position i begins and that at i-1 ends.
func (r row) offset(i int) int {
	if r.flags()&flagWide != 0 {
		return r.valuesAt() + int(r.u32(r.offsetsAt()+4*i))
	}
	return r.valuesAt() + r.u16(r.offsetsAt()+2*i)
}

// tick is when the fetch of the value at position i began.
func (r row) tick(i int) Tick {
	if r.flags()&flagTicks == 0 {
		return r.oldest()
	}
	at := r.offsetsAt()
	if r.flags()&flagWide != 0 {
		at += 4 * (r.width() + 1)
	} else {
		at += 2 * (r.width() + 1)
	}
	return r.oldest() + Tick(r.u32(at+4*i))
}

func (r row) isNil(i int) bool {
	return r.flags()&flagHasNils != 0 && r.u64(r.nilsAt()+i/64*8)>>(i%64)&1 != 0
}

func (r row) isAbsent(i int) bool {
	return r.flags()&flagHasAbsent != 0 && r.u64(r.absentAt()+i/64*8)>>(i%64)&1 != 0
}

// value is the value at position i in wire form; empty where it is absent.
func (r row) value(i int) []byte { return r.bytes()[r.offset(i):r.offset(i+1)] }

// lacks tells whether a position in mask is absent.
func (r row) lacks(mask bitmap) bool {
	if r.flags()&flagHasAbsent == 0 {
		return false
	}
	at := r.absentAt()
	for i, w := range mask {
		if r.u64(at+8*i)&w != 0 {
			return true
		}
	}
	return false
}

// nilsIn counts the positions in mask that hold nils.
func (r row) nilsIn(mask bitmap) int {
	if r.flags()&flagHasNils == 0 {
		return 0
	}
	n := 0
	for i, w := range mask {
		n += onesCount(r.u64(rowHeader+8*i) & w)
	}
	return n
}

// version is the one that nils are written for.
func (r row) version() resp.Version {
	if r.flags()&flagNil3 != 0 {
		return resp.V3
	}
	return resp.V2
}

// oldestOf is the earliest tick of the values that pl reads, which are all there.
func (r row) oldestOf(pl *plan) Tick {
	oldest := never
	for _, at := range pl.index {
		oldest = min(oldest, r.tick(int(at)))
	}
	return oldest
}

// writesNilsAs tells whether the row's bytes are right for version v.
func (r row) writesNilsAs(v resp.Version) bool {
	return r.flags()&flagHasNils == 0 || (r.flags()&flagNil3 != 0) == (v == resp.V3)
}

// appendRun appends the values of positions from, …, to-1 as version v has them.
func (r row) appendRun(out []byte, from, to int, v resp.Version) []byte {
	if r.writesNilsAs(v) {
		return append(out, r.bytes()[r.offset(from):r.offset(to)]...)
	}
	for i := from; i < to; i++ {
		if r.isNil(i) {
			if i > from {
				out = append(out, r.bytes()[r.offset(from):r.offset(i)]...)
			}
			out = resp.AppendNil(out, v)
			from = i + 1
		}
	}
	return append(out, r.bytes()[r.offset(from):r.offset(to)]...)
}

// builder makes one row. Reused; not for concurrent use.
type builder struct {
	values [][]byte // wire form by position; nil: absent. May alias other rows and buffers.
	ticks  []Tick
	nils   bitmap
	absent bitmap
	apart  []apartValue // what is spelled apart
	from   byte         // number of the fetcher of the last fill
	forms  Forms        // of what is filled, if nobody made them before
}

// reset makes room for width positions, all absent.
func (b *builder) reset(width int) {
	if cap(b.values) < width {
		b.values, b.ticks = make([][]byte, width), make([]Tick, width)
		b.nils, b.absent = newBitmap(width), newBitmap(width)
	}
	words := (width + 63) / 64
	b.values, b.ticks = b.values[:width], b.ticks[:width]
	b.nils, b.absent = b.nils[:words], b.absent[:words]
	clear(b.values)
	clear(b.nils)
	clear(b.absent)
	b.apart, b.from = b.apart[:0], 0
}

// keepForms is how many bytes a builder's buffer may have to be used again.
const keepForms = 64 << 10

// release drops what values alias.
func (b *builder) release() {
	clear(b.values[:cap(b.values)])
	clear(b.apart[:cap(b.apart)])
	if cap(b.forms.wire) > keepForms {
		b.forms = Forms{}
	}
}

// measured is what build has to know before it can size the slab.
type measured struct {
	bytes, nils, present int
	oldest, newest       Tick
	expires              Tick
}

func (b *builder) measure(l *layout, v resp.Version) measured {
	m := measured{oldest: never, expires: never}
	for i, value := range b.values {
		if value == nil {
			b.absent.set(i)
			continue
		}
		negative := resp.IsNil(value)
		if negative {
			b.nils.set(i)
			b.values[i] = nilOf(v)
			m.nils++
		}
		m.present++
		m.bytes += len(b.values[i])
		m.oldest, m.newest = min(m.oldest, b.ticks[i]), max(m.newest, b.ticks[i])
		m.expires = min(m.expires, b.ticks[i]+l.features[i].age(negative))
	}
	return m
}

var nil2, nil3 = []byte(resp.Nil2), []byte(resp.Nil3)

func nilOf(v resp.Version) []byte {
	if v == resp.V3 {
		return nil3
	}
	return nil2
}

// build returns the row of layout l, its nils written for version v; none when
// nothing is present or it would be longer than limit bytes.
func (b *builder) build(l *layout, v resp.Version, limit int) row {
	width := len(b.values)
	m := b.measure(l, v)
	if m.present == 0 || m.newest-m.oldest > math.MaxUint32 {
		return ""
	}
	var flags byte
	size := rowHeader
	if m.nils > 0 {
		flags |= flagHasNils
		size += bitmapBytes(width)
		if v == resp.V3 {
			flags |= flagNil3
		}
	}
	if m.present < width {
		flags |= flagHasAbsent
		size += bitmapBytes(width)
	}
	offsetSize := 2
	if m.bytes > math.MaxUint16 {
		flags |= flagWide
		offsetSize = 4
	}
	size += offsetSize * (width + 1)
	if m.oldest != m.newest {
		flags |= flagTicks
		size += 4 * width
	}
	apart := b.sizeApart()
	if apart > 0 {
		flags |= flagApart
	}
	if size+m.bytes+apart > limit {
		return ""
	}
	s := make([]byte, rowHeader, size+m.bytes+apart)
	le := binary.LittleEndian
	le.PutUint32(s[0:], l.id)
	s[4], s[5] = flags, b.from
	le.PutUint16(s[6:], uint16(m.nils))
	le.PutUint64(s[8:], uint64(m.oldest))
	le.PutUint64(s[16:], uint64(m.expires))
	le.PutUint32(s[24:], uint32(size))
	le.PutUint16(s[28:], uint16(width))
	le.PutUint16(s[30:], uint16(m.present))
	s = b.appendTables(s, flags, m.oldest)
	for _, value := range b.values {
		s = append(s, value...)
	}
	if apart > 0 {
		s = b.appendApart(s)
	}
	return row(unsafe.String(unsafe.SliceData(s), len(s)))
}

// appendTables appends what stands between the header and the values.
func (b *builder) appendTables(s []byte, flags byte, oldest Tick) []byte {
	le := binary.LittleEndian
	if flags&flagHasNils != 0 {
		for _, w := range b.nils {
			s = le.AppendUint64(s, w)
		}
	}
	if flags&flagHasAbsent != 0 {
		for _, w := range b.absent {
			s = le.AppendUint64(s, w)
		}
	}
	at := 0
	for i := 0; i <= len(b.values); i++ {
		if flags&flagWide != 0 {
			s = le.AppendUint32(s, uint32(at))
		} else {
			s = le.AppendUint16(s, uint16(at))
		}
		if i < len(b.values) {
			at += len(b.values[i])
		}
	}
	if flags&flagTicks == 0 {
		return s
	}
	for i, t := range b.ticks {
		if b.values[i] == nil {
			t = oldest
		}
		s = le.AppendUint32(s, uint32(t-oldest))
	}
	return s
}
