package codec

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// FeastType is a type of Feast's, as its registry names it.
type FeastType string

// The types that differ from others only in what they are written as.
const (
	feastDouble     FeastType = "DOUBLE"
	feastDoubleList FeastType = "DOUBLE_LIST"
	feastInt32      FeastType = "INT32"
	feastInt32List  FeastType = "INT32_LIST"
	feastBoolList   FeastType = "BOOL_LIST"
)

// feastMembers are the members of Feast's message Value that have a type here.
// The first of a type is the one that a form has which names none. Bools of a
// list are ints, 0 and 1; times are seconds.
var feastMembers = []struct {
	name  FeastType
	field protowire.Number // of the message Value
	types []Type
}{
	{"BYTES", 1, []Type{Bytes}},
	{"STRING", 2, []Type{String}},
	{"INT64", 4, []Type{Int}},
	{feastInt32, 3, []Type{Int}},
	{"UNIX_TIMESTAMP", 8, []Type{Int}},
	{"FLOAT", 6, []Type{Float}},
	{feastDouble, 5, []Type{Float}},
	{"BOOL", 7, []Type{Bool}},
	{"STRING_LIST", 12, []Type{StringList}},
	{"INT64_LIST", 14, []Type{IntList}},
	{feastInt32List, 13, []Type{IntList}},
	{feastBoolList, 17, []Type{IntList}},
	{"UNIX_TIMESTAMP_LIST", 18, []Type{IntList}},
	{"FLOAT_LIST", 16, []Type{FloatList, Embedding}},
	{feastDoubleList, 15, []Type{FloatList, Embedding}},
}

// feastNull is the member that says null in so many words.
const feastNull protowire.Number = 19

// feastTypesOf are the types of Feast's that a type may be written as.
func feastTypesOf(t Type) (names []FeastType) {
	for _, m := range feastMembers {
		if slices.Contains(m.types, t) {
			names = append(names, m.name)
		}
	}
	return names
}

// TypeOfFeast is the type here of a type of Feast's: of a list of floats,
// FloatList.
func TypeOfFeast(name FeastType) (t Type, known bool) {
	for _, m := range feastMembers {
		if m.name == name {
			return m.types[0], true
		}
	}
	return "", false
}

// FeastTypeOf is the type of Feast's that a type has by itself, or "".
func FeastTypeOf(t Type) FeastType {
	if names := feastTypesOf(t); len(names) > 0 {
		return names[0]
	}
	return ""
}

// feastField is the member of Value that the form's values are in.
func (f Form) feastField() protowire.Number {
	for _, m := range feastMembers {
		if m.name == f.FeastType || (f.FeastType == "" && slices.Contains(m.types, f.Type)) {
			return m.field
		}
	}
	return 0
}

func feastName(field protowire.Number) FeastType {
	for _, m := range feastMembers {
		if m.field == field {
			return m.name
		}
	}
	return FeastType(fmt.Sprintf("of field %d", field))
}

// fromFeast reads Feast's message Value, which has one of its members or is
// null.
func (f Form) fromFeast(dst, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return dst, ErrNull
	}
	field, wire, value, rest, err := nextField(message)
	switch {
	case err != nil:
		return dst, err
	case len(rest) > 0:
		return dst, errors.New("a Feast Value with more than one member")
	case field == feastNull:
		return dst, ErrNull
	case field != f.feastField():
		return dst, fmt.Errorf("a Feast Value of the type %s where the catalogue says %s", feastName(field), feastName(f.feastField()))
	}
	if f.Type.isList() {
		if wire != protowire.BytesType {
			return dst, f.wireError(wire)
		}
		list, _ := protowire.ConsumeBytes(value)
		return f.fromListMessage(dst, list)
	}
	if wire != f.wireType() {
		return dst, f.wireError(wire)
	}
	return f.appendScalar(dst, value)
}

// toFeast is the inverse. A member is written even when it is zero: it says
// which one is meant.
func (f Form) toFeast(dst, decoded []byte) ([]byte, error) {
	if !f.Type.isList() {
		dst = protowire.AppendTag(dst, f.feastField(), f.wireType())
		return f.appendScalarValue(dst, decoded)
	}
	block := blocks.Get().(*[]byte)
	defer blocks.Put(block)
	list, err := f.toListMessage((*block)[:0], decoded)
	if err != nil {
		return dst, err
	}
	*block = list
	dst = protowire.AppendTag(dst, f.feastField(), protowire.BytesType)
	return protowire.AppendBytes(dst, list), nil
}
