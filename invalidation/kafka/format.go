package kafka

import (
	"errors"

	"github.com/fsproxy/fsproxy/invalidation"
)

// Format is how a topic's records are written. docs/UPDATES.md describes each.
type Format string

// The formats.
const (
	FormatJSON     Format = "json"
	FormatRESP     Format = "resp"     // the command that the store was sent
	FormatProtobuf Format = "protobuf" // update.proto
	FormatMarkers  Format = "markers"  // of uploads
)

// Encoder makes of a value in a JSON record, its literal text, what the store
// holds of the feature, which is given by its name or by its field. ErrUnlisted
// says that it knows nothing of the feature: then plain values are taken as they
// are written. After any other error the feature is evicted where it would have
// been replaced.
type Encoder func(feature, literal []byte) (stored []byte, err error)

// ErrUnlisted is what an Encoder says of a feature of which it knows nothing.
var ErrUnlisted = errors.New("the feature is not listed")

// maxChanges bounds what a record may change, in features and in entities.
const maxChanges = 1 << 16

// change is what a record says.
type change struct {
	updates []update
	markers []string // names, fields or patterns of features that were uploaded
	all     bool     // everything may have changed
}

// update is what a record says of an entity.
type update struct {
	entity []byte // nil: the record's key
	whole  bool   // whatever the entity has; else values
	values []invalidation.Value
	// unsure tells for which of values only that they changed is known; nil: none.
	unsure  []bool
	version int64
	// versioned: values may be compared with others by version.
	versioned bool
}

// put adds a value.
func (u *update) put(value invalidation.Value) { u.values = append(u.values, value) }

// doubt adds a feature that changed to something that the record does not tell.
func (u *update) doubt(feature []byte) {
	for len(u.unsure) < len(u.values) {
		u.unsure = append(u.unsure, false)
	}
	u.values = append(u.values, invalidation.Value{Feature: feature})
	u.unsure = append(u.unsure, true)
}

// sure tells whether value i is known.
func (u *update) sure(i int) bool { return i >= len(u.unsure) || !u.unsure[i] }

// parser reads the value of a record. What it returns may keep parts of value.
// Beside an error, change holds the entities that were read, for which the safe
// side is to forget them. Its errors hold nothing of the value.
type parser interface {
	parse(value []byte) (change, error)
}

// Reasons for which a record cannot be read.
var (
	errTooLong   = errors.New("longer than is read")
	errTooMany   = errors.New("too many changes in one record")
	errNoEntity  = errors.New("no entity, and no key")
	errNoFeature = errors.New("no feature, and no key")
)

func newParser(format Format, encode Encoder) (parser, error) {
	switch format {
	case FormatJSON:
		return jsonParser{encode: encode}, nil
	case FormatRESP:
		return newCommandParser(), nil
	case FormatProtobuf:
		return protobufParser{}, nil
	case FormatMarkers:
		return markerParser{}, nil
	}
	return nil, errors.New("format " + string(format) + " is none of json, resp, protobuf, markers")
}
