package cache

import (
	"bytes"
	"errors"
	"sync"

	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

// Forms are the other forms of values on their way into a row: what is decoded
// is decoded here, once, before the row is locked. The zero Forms has none.
type Forms struct {
	all  []formed // ascending by value
	wire []byte   // of all
	// wanted is how many twins had become so when it was begun: of those that did
	// later nothing was made.
	wanted uint32
}

// formed is a form of a value that is other bytes than the store's.
type formed struct {
	value int
	of    *Feature
	// apart: it is the decoded form of a value that shares its place. Else, if it is
	// of the feature in stored form, it is held in the place of what was fetched.
	apart    bool
	from, to int // in wire
}

// begin drops what was made before.
func (f *Forms) begin(in *Interner) {
	f.all, f.wire, f.wanted = f.all[:0], f.wire[:0], in.wanted.Load()
}

// made tells whether values were made in the form of a feature, if it is other
// bytes than the store's, whoever asked.
func (f *Forms) made(of *Feature) bool {
	wanted := of.wanted.Load()
	return of.form == formStored || wanted != 0 && wanted <= f.wanted
}

var scratches = sync.Pool{New: func() any { return new([]byte) }}

// isNull tells whether a value did not decode because the store holds a null.
func isNull(err error) bool { return errors.Is(err, codec.ErrNull) }

// forms are all forms of the feature, the stored one first.
func (f *field) forms() []*Feature {
	return append([]*Feature{f.base}, *f.twins.Load()...)
}

// simple tells whether the feature is held as fetched and in no other form.
func (f *field) simple() bool {
	rules := f.rules.Load()
	return !rules.spelled && !rules.plain && len(*f.twins.Load()) == 0
}

// add makes the form that is asked for, and the others that are wanted, of a value,
// the element of that number. Forms that are the same bytes are not made, so
// nothing is made of a nil, or of what does not decode, which is counted.
func (f *Forms) add(value int, of *Feature, element []byte) {
	if of.simple() || resp.IsNil(element) {
		return
	}
	rules := of.rules.Load()
	d := rules.definition
	if d == nil {
		return
	}
	stored := payload(element)
	wrong := false
	from := len(f.wire)
	note := func(of *Feature, apart bool, err error) {
		switch {
		case isNull(err):
			f.wire = append(f.wire[:from], resp.Nil2...)
		case err != nil:
			wrong = true
			f.wire = f.wire[:from]
			return
		case bytes.Equal(f.wire[from:], element):
			f.wire = f.wire[:from]
			return
		}
		f.all = append(f.all, formed{value, of, apart, from, len(f.wire)})
		from = len(f.wire)
	}
	var err error
	if rules.plain {
		f.wire, err = appendPlain(f.wire, d, stored)
		note(of.base, false, err)
	}
	if rules.spelled {
		f.wire, err = formPacked.append(f.wire, d, stored)
		note(of.base, true, err)
	}
	for _, twin := range *of.twins.Load() {
		if twin != of && !f.made(twin) {
			continue
		}
		f.wire, err = twin.form.append(f.wire, d, stored)
		note(twin, false, err)
	}
	if wrong {
		of.undecoded.Add(1)
	}
}

// appendPlain appends in wire form a value whose Snappy block is not compressed.
func appendPlain(dst []byte, d interface {
	Plain(dst, stored []byte) ([]byte, error)
}, stored []byte,
) ([]byte, error) {
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	plain, err := d.Plain((*scratch)[:0], stored)
	if err != nil {
		return dst, err
	}
	*scratch = plain
	dst = appendHeader(dst, '$', len(plain))
	return append(append(dst, plain...), "\r\n"...), nil
}

// of is the value of that number in the form of a feature, where it is other
// bytes than the store's.
func (f *Forms) of(value int, of *Feature, apart bool) []byte {
	if f == nil {
		return nil
	}
	// All of one value lie together, and most fetches have few that are other bytes.
	low, high := 0, len(f.all)
	for low < high {
		middle := (low + high) / 2
		if f.all[middle].value < value {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for _, made := range f.all[low:] {
		if made.value != value {
			break
		}
		if made.of == of && made.apart == apart {
			return f.wire[made.from:made.to:made.to]
		}
	}
	return nil
}

// put puts a value, element as it was fetched, in its form at a position of the
// row.
func (b *builder) put(at int, of *Feature, forms *Forms, value int, element []byte, t Tick) {
	b.values[at], b.ticks[at] = element, t
	if forms == nil || len(forms.all) == 0 && len(b.apart) == 0 {
		return
	}
	if other := forms.of(value, of, false); other != nil {
		b.values[at] = other
	}
	b.setApart(at, forms.of(value, of, true))
}

// putImported puts a value, in the form of a feature, at a position of the row that
// is empty. What lies in the place of the stored form is made of it; the others are
// taken as they are.
func (b *builder) putImported(at int, of *Feature, element []byte, t Tick) {
	var forms Forms
	if of.form == formStored {
		forms.add(0, of, element)
	}
	b.put(at, of, &forms, 0, element, t)
}

// Derive makes the other forms of what was fetched, into forms, which Fill would
// make otherwise. AppendValue needs it where the projection's view is decoded.
func (f *Fetched) Derive(forms *Forms) {
	forms.begin(f.Projection.intern)
	f.forms = forms
	if !f.Projection.intern.formed.Load() {
		return
	}
	for j, i := range f.Positions {
		forms.add(j, f.Projection.Fields[i], f.element(j))
	}
}

// element is fetched value j as it came.
func (f *Fetched) element(j int) []byte { return f.Frame[f.Ends[j]:f.Ends[j+1]] }

// AppendValue appends fetched value j in the view of the projection.
func (f *Fetched) AppendValue(out []byte, j int, v resp.Version) []byte {
	element := f.element(j)
	view := f.Projection.View
	if !view.Decoded {
		return appendElement(out, element, v)
	}
	of := f.Projection.Fields[f.Positions[j]]
	if other := f.forms.of(j, of, of.form == formStored); other != nil {
		element = other
	}
	if resp.IsNil(element) {
		return of.appendMissing(out, view, v)
	}
	return append(out, element...)
}

func appendElement(out, element []byte, v resp.Version) []byte {
	if resp.IsNil(element) {
		return resp.AppendNil(out, v)
	}
	return append(out, element...)
}
