package cache

import (
	"encoding/binary"
	"slices"

	"github.com/fsproxy/fsproxy/resp"
)

// Most numbers are the same bytes as stored and decoded, so both forms share a
// place in the row. Where the store spells one otherwise ("0.10", "True"), its
// decoded form lies behind all values, as one spelled apart:
//
//	offset  size
//	0       2     how many
//	2       6     for each, ascending: position, 2 bytes; where its form ends, 4 bytes
//	              the forms in wire form, behind one another
const (
	apartHeader = 2 // bytes
	apartEntry  = 6 // bytes
)

// aparts are the values spelled apart of a row.
type aparts struct {
	table []byte // an entry for each
	wire  []byte // their forms
}

func (r row) aparts() (a aparts) {
	if r.flags()&flagApart == 0 {
		return a
	}
	at := r.offset(r.width())
	from := at + apartHeader
	to := from + apartEntry*r.u16(at)
	return aparts{r.bytes()[from:to], r.bytes()[to:]}
}

func (a aparts) len() int { return len(a.table) / apartEntry }

func (a aparts) position(k int) int { return int(binary.LittleEndian.Uint16(a.table[apartEntry*k:])) }

func (a aparts) end(k int) int {
	return int(binary.LittleEndian.Uint32(a.table[apartEntry*k+2:]))
}

// values are the n forms from number k on, which lie behind one another.
func (a aparts) values(k, n int) []byte {
	from := 0
	if k > 0 {
		from = a.end(k - 1)
	}
	return a.wire[from:a.end(k+n-1)]
}

// neighbours is how many from number k on are of positions that follow one
// another, below to.
func (a aparts) neighbours(k, to int) int {
	n, at := 1, a.position(k)
	for k+n < a.len() && at+n < to && a.position(k+n) == at+n {
		n++
	}
	return n
}

// from is the number of the first at position i or behind it.
func (a aparts) from(i int) int {
	low, high := 0, a.len()
	for low < high {
		middle := (low + high) / 2
		if a.position(middle) < i {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// at is the form of the value at position i; nil: it is not spelled apart.
func (a aparts) at(i int) []byte {
	if k := a.from(i); k < a.len() && a.position(k) == i {
		return a.values(k, 1)
	}
	return nil
}

// apartValue is the decoded form of the value at a position of the row under
// construction, in wire form.
type apartValue struct {
	at   int
	wire []byte
}

// setApart says how the value at a position is spelled decoded; nil: as it is
// stored.
func (b *builder) setApart(at int, wire []byte) {
	i, found := slices.BinarySearchFunc(b.apart, at, func(a apartValue, at int) int { return a.at - at })
	switch {
	case found && wire == nil:
		b.apart = slices.Delete(b.apart, i, i+1)
	case found:
		b.apart[i].wire = wire
	case wire != nil:
		b.apart = slices.Insert(b.apart, i, apartValue{at, wire})
	}
}

// sizeApart is how many bytes appendApart takes, once what has no value any more
// is dropped.
func (b *builder) sizeApart() int {
	b.apart = slices.DeleteFunc(b.apart, func(a apartValue) bool { return b.values[a.at] == nil })
	if len(b.apart) == 0 {
		return 0
	}
	size := apartHeader
	for _, a := range b.apart {
		size += apartEntry + len(a.wire)
	}
	return size
}

func (b *builder) appendApart(s []byte) []byte {
	s = binary.LittleEndian.AppendUint16(s, uint16(len(b.apart)))
	end := 0
	for _, a := range b.apart {
		end += len(a.wire)
		s = binary.LittleEndian.AppendUint16(s, uint16(a.at))
		s = binary.LittleEndian.AppendUint32(s, uint32(end))
	}
	for _, a := range b.apart {
		s = append(s, a.wire...)
	}
	return s
}

// spelledApart tells whether something of what f found is not to be sent as it
// lies in its place: a value spelled apart, or a default in the place of a nil.
// The plan is that of a decoded view.
func (f *Found) spelledApart() bool {
	flags := f.row.flags()
	return flags&flagApart != 0 || flags&flagHasNils != 0 && f.plan.view.Defaults
}

// appendApart is Append where something is spelled apart: what lies between is
// copied in pieces.
func (f *Found) appendApart(out []byte, v resp.Version) []byte {
	r, apart := f.row, f.row.aparts()
	nils := r.flags()&flagHasNils != 0
	i := 0 // where the run begins in the projection
	for _, run := range f.plan.runs {
		from, to := int(run.from), int(run.to)
		done := from // what lies before this position was appended
		for at, k := from, apart.from(from); at < to; {
			switch {
			case k < apart.len() && apart.position(k) == at:
				out = r.appendPlaces(out, done, at)
				n := apart.neighbours(k, to)
				out = append(out, apart.values(k, n)...)
				k, at = k+n, at+n
				done = at
			case nils && r.isNil(at):
				out = r.appendPlaces(out, done, at)
				out = f.plan.fields[i+at-from].appendMissing(out, *f.plan.view, v)
				at++
				done = at
			case !nils && k == apart.len():
				at = to
			default:
				at++
			}
		}
		out = r.appendPlaces(out, done, to)
		i += to - from
	}
	return out
}

// appendPlaces appends what lies at positions from, …, to-1.
func (r row) appendPlaces(out []byte, from, to int) []byte {
	if from == to {
		return out
	}
	return append(out, r.bytes()[r.offset(from):r.offset(to)]...)
}

// appendOne appends the value of field i of a projection in a decoded view.
func (f *Found) appendOne(out []byte, i int, v resp.Version) []byte {
	at := int(f.plan.index[i])
	if f.row.isNil(at) {
		return f.plan.fields[i].appendMissing(out, *f.plan.view, v)
	}
	if apart := f.row.aparts().at(at); apart != nil {
		return append(out, apart...)
	}
	return append(out, f.row.value(at)...)
}

// appendMissing appends what stands for a missing value.
func (f *Feature) appendMissing(out []byte, view View, v resp.Version) []byte {
	if missing := f.missing.Load(); view.Defaults && missing != nil {
		return append(out, *missing...)
	}
	return resp.AppendNil(out, v)
}
