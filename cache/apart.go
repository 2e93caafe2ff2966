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

// apart is the decoded form of the value at position i, if it is spelled apart.
func (r row) apart(i int) []byte {
	if r.flags()&flagApart == 0 {
		return nil
	}
	at := r.offset(r.width())
	n := r.u16(at)
	table := at + apartHeader
	low, high := 0, n
	for low < high {
		middle := (low + high) / 2
		if r.u16(table+apartEntry*middle) < i {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == n || r.u16(table+apartEntry*low) != i {
		return nil
	}
	from, to := 0, int(r.u32(table+apartEntry*low+2))
	if low > 0 {
		from = int(r.u32(table + apartEntry*(low-1) + 2))
	}
	return r.bytes()[table+apartEntry*n:][from:to]
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

// appendApart is Append, value by value.
func (f *Found) appendApart(out []byte, v resp.Version) []byte {
	for i := range f.plan.index {
		out = f.appendOne(out, i, v)
	}
	return out
}

// appendOne appends the value of field i of a projection in a decoded view.
func (f *Found) appendOne(out []byte, i int, v resp.Version) []byte {
	at := int(f.plan.index[i])
	if f.row.isNil(at) {
		return f.plan.fields[i].appendMissing(out, *f.plan.view, v)
	}
	if apart := f.row.apart(at); apart != nil && f.plan.fields[i].form == formStored {
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
