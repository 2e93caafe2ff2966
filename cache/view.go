package cache

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

// View is the form in which a reader wants values. The zero View is as the store
// has them.
type View struct {
	Decoded  bool // the others mean something only then
	Arrays   bool // lists of ints and of strings as arrays
	Doubles  bool // floats as doubles of version 3
	Defaults bool // the catalogue's default for what the store lacks
	Typed    bool // each value as what it is: numbers, booleans, arrays of version 3
	// Aside: the projection is asked for once in a while, and nothing is decoded for
	// its sake when others are filled: of the entities that it asked for alone its
	// forms are held, until they are fetched anew.
	Aside bool
}

// key begins the name of a projection in its view: no projection's wire form
// begins with such a byte.
func (v View) key() []byte {
	if v == (View{}) {
		return nil
	}
	return []byte{v.Bits() | 0x80}
}

// Bits is the view as a number below 128, which stays what it is from one build to
// the next.
func (v View) Bits() byte {
	bits := byte(0)
	for i, set := range []bool{v.Decoded, v.Arrays, v.Doubles, v.Defaults, v.Typed, v.Aside} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

// ViewOf is the view of those bits.
func ViewOf(bits byte) View {
	set := func(i int) bool { return bits>>i&1 != 0 }
	return View{Decoded: set(0), Arrays: set(1), Doubles: set(2), Defaults: set(3), Typed: set(4), Aside: set(5)}
}

// form is how a value lies in a row.
type form uint8

const (
	formStored form = iota // as the store has it
	formPacked             // decoded, as a bulk string
	formArray              // a list decoded as an array
	formDouble             // a float decoded as a double of version 3
	formTyped              // any other number, truth or list of floats as version 3 has it
)

var formNames = [...]string{"stored", "decoded", "array", "double", "typed"}

// formIn is the form of a feature's values in a view. Stored is also that of
// values of which the two forms share a place.
func (r *rules) formIn(v View) form {
	d := r.definition
	switch {
	case !v.Decoded || d == nil:
		return formStored
	case (v.Doubles || v.Typed) && d.Type == codec.Float:
		return formDouble
	case (v.Arrays || v.Typed) && (d.Type == codec.IntList || d.Type == codec.StringList):
		return formArray
	case v.Typed && d.Type != codec.String && d.Type != codec.Bytes:
		return formTyped
	case sharesPlace(d.Form):
		return formStored
	}
	return formPacked
}

// appendForm appends in wire form what a stored value is in form f, other than
// stored. It fails where the value does not decode; a null is a nil.
func (f form) append(dst []byte, d *feature.Definition, value []byte) ([]byte, error) {
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	decoded, err := d.Decode((*scratch)[:0], value)
	if err != nil {
		return dst, err
	}
	*scratch = decoded
	return f.appendDecoded(dst, d, decoded), nil
}

// appendDecoded appends a decoded value in wire form. The type may be another by
// now than the one that the form was chosen for: a fetch that was in flight then
// is answered in that form, and what does not fit it comes as a bulk string.
func (f form) appendDecoded(dst []byte, d *feature.Definition, decoded []byte) []byte {
	switch {
	case f == formDouble && d.Type == codec.Float:
		return appendLine(dst, ',', decoded)
	case f == formArray && d.Type == codec.StringList:
		return appendStrings(dst, decoded)
	case f == formArray && d.Type == codec.IntList:
		return appendNumbers(dst, d.Form, decoded)
	case f == formTyped && d.Type == codec.Int:
		return appendLine(dst, ':', decoded)
	case f == formTyped && d.Type == codec.Bool:
		return append(append(append(dst, '#'), "ft"[decoded[0]-'0']), "\r\n"...)
	case f == formTyped && d.ElementBytes() > 0:
		return appendNumbers(dst, d.Form, decoded)
	}
	dst = appendHeader(dst, '$', len(decoded))
	return append(append(dst, decoded...), "\r\n"...)
}

func appendLine(dst []byte, kind byte, text []byte) []byte {
	return append(append(append(dst, kind), text...), "\r\n"...)
}

// appendNumbers appends a decoded list of numbers as an array of integers or of
// doubles.
func appendNumbers(dst []byte, of codec.Form, decoded []byte) []byte {
	width := of.ElementBytes()
	dst = appendHeader(dst, '*', len(decoded)/width)
	for ; len(decoded) >= width; decoded = decoded[width:] {
		switch {
		case of.Type == codec.IntList:
			dst = strconv.AppendInt(append(dst, ':'), int64(binary.LittleEndian.Uint64(decoded)), 10)
		case width == floatBytes:
			x := math.Float32frombits(binary.LittleEndian.Uint32(decoded))
			dst = codec.AppendFloat(append(dst, ','), float64(x), 8*floatBytes)
		default:
			x := math.Float64frombits(binary.LittleEndian.Uint64(decoded))
			dst = codec.AppendFloat(append(dst, ','), x, 8*width)
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

const floatBytes = 4 // of an element of a decoded list of floats, the narrow ones

func appendStrings(dst, decoded []byte) []byte {
	count := 0
	_ = codec.Strings(decoded, func([]byte) bool { count++; return true }) // it is made of whole strings
	dst = appendHeader(dst, '*', count)
	_ = codec.Strings(decoded, func(s []byte) bool {
		dst = appendHeader(dst, '$', len(s))
		dst = append(append(dst, s...), "\r\n"...)
		return true
	})
	return dst
}

func appendHeader(b []byte, kind byte, n int) []byte {
	b = append(b, kind)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, "\r\n"...)
}

// payload is what a bulk string holds; nil: a null.
func payload(element []byte) []byte {
	if resp.IsNil(element) {
		return nil
	}
	text, _ := resp.Text(element)
	return text
}

// setMissing takes over the default of the feature's definition.
func (f *Feature) setMissing() {
	d := f.rules.Load().definition
	if d == nil || d.Default == nil {
		f.missing.Store(nil)
		return
	}
	form := f.form
	if form == formStored {
		form = formPacked
	}
	wire := string(form.appendDecoded(nil, d, d.Default))
	f.missing.Store(&wire)
}

// twin returns the feature in another form. The caller holds Interner.mu.
func (in *Interner) twin(base *Feature, f form) *Feature {
	if f == formStored {
		return base
	}
	known := *base.twins.Load()
	for _, twin := range known {
		if twin.form == f {
			return twin
		}
	}
	twin := &Feature{field: base.field, index: firstTwin + in.twins, form: f}
	twin.setMissing()
	more := append(slices.Clone(known), twin)
	base.twins.Store(&more)
	in.twins++
	in.noteForms(base)
	return twin
}

// noteForms has fills look for forms from now on, if f has any.
func (in *Interner) noteForms(f *Feature) {
	if !f.simple() {
		in.formed.Store(true)
	}
}

// firstTwin is above the number of any feature in stored form, so that those come
// first in every layout, numbered without a gap.
const firstTwin = 1 << 31

// enrol has p be one of those that ask for each of its features. Others that ask
// for one of them in another form fill this form too from now on. The caller holds
// mu.
func (in *Interner) enrol(p *Projection) {
	others := make(map[*Projection]struct{})
	for _, f := range p.own.layout.features {
		f.asked = append(f.asked, p)
		if p.View.Aside {
			continue
		}
		if f.readers++; f.readers > 1 || len(*f.twins.Load()) == 0 {
			continue
		}
		// In this order: see Forms.wanted.
		f.wanted.Store(in.wanted.Load() + 1)
		in.wanted.Add(1)
		for _, other := range f.asked {
			others[other] = struct{}{}
		}
	}
	p.widen()
	for other := range others {
		other.widen()
	}
}

// leave has p not ask for the feature any more. The caller holds Interner.mu.
func (f *Feature) leave(p *Projection) {
	f.asked = slices.DeleteFunc(f.asked, func(other *Projection) bool { return other == p })
	if p.View.Aside {
		return
	}
	if f.readers--; f.readers == 0 {
		f.wanted.Store(0)
	}
}

// widen has fills of p make every form of its features that anybody asks for, but
// aside: what is fetched for one listener is not fetched again for another. The
// caller holds Interner.mu.
func (p *Projection) widen() {
	own := p.own.layout.features
	wide := slices.Clone(own)
	for _, f := range own {
		if len(*f.twins.Load()) == 0 {
			continue
		}
		for _, form := range f.forms() {
			if form != f && form.readers > 0 {
				wide = append(wide, form)
			}
		}
	}
	if len(wide) == len(own) {
		return
	}
	sortFeatures(wide)
	if l := p.intern.layout(wide); l != nil {
		p.fill.Store(l)
	}
}

func sortFeatures(list []*Feature) {
	slices.SortFunc(list, func(a, b *Feature) int { return cmp.Compare(a.index, b.index) })
}
