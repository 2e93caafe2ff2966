package bench

import (
	"math/rand/v2"
	"strconv"
)

// ask is one HMGET: which entity, by which projection.
type ask struct {
	entity     int32
	projection int32
}

// projection is an ordered list of fields, and the end of each request for it.
type projection struct {
	fields []int32 // indexes of dataset.names
	tail   []byte  // the fields in wire form
}

// dataset is what the stores hold. Values are functions of entity, field and
// seed, so that none has to be kept in order to compare replies with it.
type dataset struct {
	shape       Shape
	seed        uint64
	entities    int          // all of them: those asked for again and again, then those asked for once
	names       [][]byte     // fields: entity fields of the first group of entities, of the second …
	projections []projection // perGroup of the first group of entities, of the second …
	perGroup    int          // projections that ask for one entity
	header      []byte       // what every request begins with
	keyHeader   []byte       // what every key begins with
	fixedReply  int          // bytes of every reply; 0 if they differ
}

// firstKey is the number of the first entity: keys are all of one length.
const firstKey = 1_000_000

// newDataset lays out a shape's features, with once more entities that are to be
// asked for only once.
func newDataset(shape Shape, once int, seed uint64) *dataset {
	d := &dataset{shape: shape, seed: seed, entities: shape.Entities + once, perGroup: 1}
	random := rand.New(rand.NewPCG(seed, 1))
	d.names = fieldNames(shape.Projections*shape.EntityFields, random)
	for group := range shape.Projections {
		first := group * shape.EntityFields
		fields := make([]int32, shape.EntityFields)
		for i := range fields {
			fields[i] = int32(first + i)
		}
		d.addProjection(fields[:shape.Fields])
		if shape.Overlap {
			// The second model knows the last of the fields, in an order of its own.
			other := fields[shape.EntityFields-shape.Fields:]
			random.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
			d.addProjection(other)
			d.perGroup = 2
		}
	}
	d.header = append([]byte("*"+strconv.Itoa(shape.Fields+2)+"\r\n"), "$5\r\nHMGET\r\n"...)
	d.keyHeader = append([]byte("$"+strconv.Itoa(len(shape.Prefix)+len("1000000"))+"\r\n"), shape.Prefix...)
	if len(shape.Values) == 1 {
		d.fixedReply = len(d.appendReply(nil, ask{}))
	}
	return d
}

// addProjection renders and keeps a projection of a copy of fields.
func (d *dataset) addProjection(fields []int32) {
	p := projection{fields: append([]int32(nil), fields...)}
	for _, field := range fields {
		p.tail = appendBulk(p.tail, d.names[field])
	}
	d.projections = append(d.projections, p)
}

// fieldNames makes n distinct field names of ten digits, such as the decimal
// xxHash32 of a feature's name.
func fieldNames(n int, random *rand.Rand) [][]byte {
	const lowest, highest = 1_000_000_000, 1<<32 - 1
	names, seen := make([][]byte, 0, n), make(map[uint64]bool, n)
	for len(names) < n {
		id := lowest + random.Uint64N(highest-lowest+1)
		if !seen[id] {
			seen[id] = true
			names = append(names, strconv.AppendUint(nil, id, 10))
		}
	}
	return names
}

// projectionOf chooses one of the projections that ask for an entity.
func (d *dataset) projectionOf(entity int32, random *rand.Rand) int32 {
	group := int(entity) % d.shape.Projections
	if d.perGroup == 1 {
		return int32(group)
	}
	return int32(group*d.perGroup + random.IntN(d.perGroup))
}

// groupFields are the fields that an entity holds.
func (d *dataset) groupFields(entity int32) (first, end int32) {
	group := entity % int32(d.shape.Projections)
	fields := int32(d.shape.EntityFields)
	return group * fields, (group + 1) * fields
}

// appendKey writes an entity's key in wire form.
func (d *dataset) appendKey(buf []byte, entity int32) []byte {
	buf = append(buf, d.keyHeader...)
	buf = strconv.AppendInt(buf, firstKey+int64(entity), 10)
	return append(buf, '\r', '\n')
}

// appendRequest writes an HMGET.
func (d *dataset) appendRequest(buf []byte, a ask) []byte {
	buf = append(buf, d.header...)
	buf = d.appendKey(buf, a.entity)
	return append(buf, d.projections[a.projection].tail...)
}

// appendStore writes the HSET that loads an entity.
func (d *dataset) appendStore(buf []byte, entity int32) []byte {
	first, end := d.groupFields(entity)
	buf = appendHeader(buf, '*', 2+2*int(end-first))
	buf = append(buf, "$4\r\nHSET\r\n"...)
	buf = d.appendKey(buf, entity)
	for field := first; field < end; field++ {
		buf = appendBulk(buf, d.names[field])
		buf = d.appendValue(buf, entity, field)
	}
	return buf
}

// appendDelete writes the UNLINK that removes an entity.
func (d *dataset) appendDelete(buf []byte, entity int32) []byte {
	return d.appendKey(append(buf, "*2\r\n$6\r\nUNLINK\r\n"...), entity)
}

// appendReply writes the reply that a request must have.
func (d *dataset) appendReply(buf []byte, a ask) []byte {
	fields := d.projections[a.projection].fields
	buf = appendHeader(buf, '*', len(fields))
	for _, field := range fields {
		buf = d.appendValue(buf, a.entity, field)
	}
	return buf
}

// replyLength is the length of that reply, without writing it.
func (d *dataset) replyLength(a ask) int {
	if d.fixedReply > 0 {
		return d.fixedReply
	}
	fields := d.projections[a.projection].fields
	length := headerLength(len(fields))
	for _, field := range fields {
		size := d.shape.Values.pick(d.random(a.entity, field))
		length += headerLength(size) + size + len("\r\n")
	}
	return length
}

// appendValue writes a value in wire form: digits that look like a fraction.
func (d *dataset) appendValue(buf []byte, entity, field int32) []byte {
	random := d.random(entity, field)
	size := d.shape.Values.pick(random)
	buf = appendHeader(buf, '$', size)
	for i := range size {
		switch {
		case i == 1 && size > 2:
			buf = append(buf, '.')
		case i%16 == 15:
			random = mix(random)
			fallthrough
		default:
			buf = append(buf, "0123456789012345"[random>>(4*(i%16))&15])
		}
	}
	return append(buf, '\r', '\n')
}

// random is the number from which an entity's value of a field is made.
func (d *dataset) random(entity, field int32) uint64 {
	return mix(d.seed ^ uint64(uint32(entity))<<32 ^ uint64(uint32(field)))
}

// mix is the finalizer of SplitMix64: each bit of the input changes half of the
// output's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// appendBulk writes a bulk string in wire form.
func appendBulk(buf, value []byte) []byte {
	buf = appendHeader(buf, '$', len(value))
	buf = append(buf, value...)
	return append(buf, '\r', '\n')
}

// appendHeader writes a frame's kind and length.
func appendHeader(buf []byte, kind byte, n int) []byte {
	buf = strconv.AppendInt(append(buf, kind), int64(n), 10)
	return append(buf, '\r', '\n')
}

// headerLength is the length of what appendHeader writes.
func headerLength(n int) int {
	length := len("$0\r\n")
	for ; n > 9; n /= 10 {
		length++
	}
	return length
}

// picker makes the endless sequence of asks of one connection.
type picker struct {
	data   *dataset
	random *rand.Rand
	zipf   *zipf
	fresh  func() int32 // the next entity never asked for before; nil without misses
}

// next is the next ask.
func (p *picker) next() ask {
	var entity int32
	switch {
	case p.fresh != nil && p.random.Float64() < p.data.shape.Misses:
		entity = p.fresh()
	case p.zipf != nil:
		entity = int32(p.zipf.draw(p.random))
	default:
		entity = int32(p.random.IntN(p.data.shape.Entities))
	}
	return ask{entity, p.data.projectionOf(entity, p.random)}
}
