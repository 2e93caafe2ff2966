package feature

import (
	"encoding/binary"
	"strings"

	"github.com/twmb/murmur3"
)

// Scheme is how the store's field for a feature follows from its name.
type Scheme string

// The schemes.
const (
	XXHash32 Scheme = "xxhash32" // the decimal xxHash32 of the name
	ByName   Scheme = "name"     // the name itself
	Feast    Scheme = "feast"    // four bytes, the hash of "view:feature"
)

// Schemes are all schemes. The first is the one of a catalogue that names none.
var Schemes = []Scheme{XXHash32, ByName, Feast}

// Field is the store's field for the feature called name. It may be any bytes.
func (s Scheme) Field(name string) string {
	switch s {
	case ByName:
		return name
	case Feast:
		return feastField(name)
	default:
		return ID(name)
	}
}

// feastTimestamps begins the fields in which Feast keeps when a view's features
// were last written, as "_ts:view". It decides by them whether to write.
const feastTimestamps = "_ts:"

// feastField is the field of a name of the form "view:feature": its murmur3
// hash, 32 bits, seed 0, little-endian. The fields of timestamps are themselves.
func feastField(name string) string {
	if strings.HasPrefix(name, feastTimestamps) {
		return name
	}
	var field [4]byte
	binary.LittleEndian.PutUint32(field[:], murmur3.StringSum32(name))
	return string(field[:])
}
