package codec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Type is what a value means.
type Type string

// The types.
const (
	Float      Type = "float"
	Int        Type = "int" // 64 bits, signed
	Bool       Type = "bool"
	String     Type = "string"
	Bytes      Type = "bytes"
	Embedding  Type = "embedding" // floats, always as many as its dimension
	FloatList  Type = "float_list"
	IntList    Type = "int_list"
	StringList Type = "string_list"
)

// Types are all types.
var Types = []Type{Float, Int, Bool, String, Bytes, Embedding, FloatList, IntList, StringList}

// Encoding is how the store holds a value.
type Encoding string

// The encodings.
const (
	Text           Encoding = "text"            // decimal text; lists as JSON arrays
	Raw            Encoding = "raw"             // the bytes themselves; numbers packed little-endian
	Protobuf       Encoding = "protobuf"        // a message whose field 1 is the value
	Snappy         Encoding = "snappy"          // raw in a Snappy block
	SnappyProtobuf Encoding = "snappy+protobuf" // protobuf in a Snappy block
	Feast          Encoding = "feast"           // Feast's message Value
)

// Encodings are all encodings.
var Encodings = []Encoding{Text, Raw, Protobuf, Snappy, SnappyProtobuf, Feast}

// encodingsOf tells which encodings make sense for a type. The first is what a
// feature has that names none, as the published store has it.
var encodingsOf = map[Type][]Encoding{
	Float:      {Text, Raw, Protobuf, SnappyProtobuf, Feast},
	Int:        {Text, Raw, Protobuf, SnappyProtobuf, Feast},
	Bool:       {Text, Raw, Protobuf, SnappyProtobuf, Feast},
	String:     {Text, Raw, Protobuf, Snappy, SnappyProtobuf, Feast},
	Bytes:      {Raw, Protobuf, Snappy, SnappyProtobuf, Feast},
	Embedding:  {Protobuf, Text, Raw, Snappy, SnappyProtobuf, Feast},
	FloatList:  {Protobuf, Text, Raw, Snappy, SnappyProtobuf, Feast},
	IntList:    {SnappyProtobuf, Text, Raw, Protobuf, Snappy, Feast},
	StringList: {Protobuf, Text, SnappyProtobuf, Feast},
}

// Usual is the encoding that the published store has for a type, or "".
func (t Type) Usual() Encoding {
	if fit := encodingsOf[t]; len(fit) > 0 {
		return fit[0]
	}
	return ""
}

// MaxDimension bounds the elements of an embedding. Those of language models
// have some thousands; past a million a unit is wrong.
const MaxDimension = 1 << 20

// Form is how the store holds the values of a feature.
type Form struct {
	Type     Type
	Encoding Encoding

	// Dimension is the number of elements of an embedding, or of a list whose
	// length is fixed; 0: any length.
	Dimension int

	// Bits is the width of a float, 32 or 64, and in raw also of an int; 0 is
	// 32 for floats and 64 for ints. Text has no width.
	Bits int

	// FeastType names the member of Feast's Value that is set, as Feast names
	// it: "DOUBLE"; "": the one that the type has by itself.
	FeastType FeastType
}

// Check tells everything that is wrong with a form, each with what is accepted.
// A form must pass before it is used.
func (f Form) Check() error {
	if !slices.Contains(Types, f.Type) {
		return fmt.Errorf("type %q is unknown; accepted: %s", f.Type, listed(Types))
	}
	if fit := encodingsOf[f.Type]; !slices.Contains(fit, f.Encoding) {
		if slices.Contains(Encodings, f.Encoding) {
			return fmt.Errorf("encoding %s does not fit the type %s; accepted: %s", f.Encoding, f.Type, listed(fit))
		}
		return fmt.Errorf("encoding %q is unknown; accepted for the type %s: %s", f.Encoding, f.Type, listed(fit))
	}
	return errors.Join(f.checkDimension(), f.checkBits(), f.checkFeastType())
}

func (f Form) checkDimension() error {
	switch {
	case f.Type == Embedding && f.Dimension == 0:
		return errors.New("an embedding needs its dimension; add dimension: N, the number of its floats")
	case f.Dimension < 0 || f.Dimension > MaxDimension:
		return fmt.Errorf("dimension %d is out of range; accepted: 1 to %d", f.Dimension, MaxDimension)
	case f.Dimension > 0 && !f.Type.isList():
		return fmt.Errorf("a %s has no dimension; leave it out, or use the type embedding", f.Type)
	}
	return nil
}

func (f Form) checkBits() error {
	switch {
	case f.Bits == 0:
		return nil
	case f.Bits != 32 && f.Bits != 64:
		return fmt.Errorf("bits %d is neither width of a number; accepted: 32 or 64", f.Bits)
	case f.Encoding == Feast:
		return errors.New("bits has no meaning with the encoding feast; name Feast's type instead, such as feast_type: DOUBLE")
	case f.Type.ofFloats() && (f.Type != Float || f.Encoding != Text):
		return nil
	case f.Type.ofInts() && (f.Encoding == Raw || f.Encoding == Snappy):
		return nil
	}
	return fmt.Errorf("bits has no meaning for the type %s with the encoding %s; leave it out", f.Type, f.Encoding)
}

func (f Form) checkFeastType() error {
	if f.FeastType == "" {
		return nil
	}
	if f.Encoding != Feast {
		return fmt.Errorf("feast_type has no meaning with the encoding %s; leave it out, or use the encoding feast", f.Encoding)
	}
	for _, m := range feastMembers {
		if m.name == f.FeastType && slices.Contains(m.types, f.Type) {
			return nil
		}
	}
	return fmt.Errorf("feast_type %q does not fit the type %s; accepted: %s", f.FeastType, f.Type, listed(feastTypesOf(f.Type)))
}

// String is for errors.
func (f Form) String() string { return string(f.Type) + " in " + string(f.Encoding) }

func (t Type) ofFloats() bool { return t == Float || t == Embedding || t == FloatList }

func (t Type) ofInts() bool { return t == Int || t == IntList }

func (t Type) isList() bool {
	return t == Embedding || t == FloatList || t == IntList || t == StringList
}

// floatBytes is the width of a float in the decoded form of a list, and in the
// store where that is binary.
func (f Form) floatBytes() int {
	if f.Bits == 64 || f.FeastType == feastDouble || f.FeastType == feastDoubleList {
		return 8
	}
	return 4
}

// rawIntBytes is the width of an int in raw.
func (f Form) rawIntBytes() int {
	if f.Bits == 32 {
		return 4
	}
	return intBytes
}

// intBytes is the width of an int in the decoded form of a list.
const intBytes = 8

// ElementBytes is the width of an element in the decoded form of a list of
// numbers, in bytes; 0 for every other type.
func (f Form) ElementBytes() int {
	switch f.Type {
	case Embedding, FloatList:
		return f.floatBytes()
	case IntList:
		return intBytes
	default:
		return 0
	}
}

func listed[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}
