package kafka

import (
	"errors"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fsproxy/fsproxy/invalidation"
)

// Numbers of the fields of update.proto.
const (
	updateEntity   protowire.Number = 1
	updateFeatures protowire.Number = 2
	updateVersion  protowire.Number = 3

	featureName  protowire.Number = 1
	featureID    protowire.Number = 2
	featureValue protowire.Number = 3
	featureNil   protowire.Number = 4
)

// Reasons for which an Update cannot be read.
var (
	errProtobuf        = errors.New("not a protobuf message of update.proto")
	errProtobufFeature = errors.New("a feature with neither name nor id")
)

// protobufParser reads the Update of update.proto. It walks the message where it
// lies; fields that it does not know are stepped over.
type protobufParser struct{}

func (protobufParser) parse(value []byte) (change, error) {
	var u update
	known := func() change { return change{updates: []update{{entity: u.entity, whole: true}}} }
	for len(value) > 0 {
		number, kind, n := protowire.ConsumeTag(value)
		if n < 0 {
			return known(), errProtobuf
		}
		value = value[n:]
		var err error
		switch number {
		case updateEntity:
			var entity []byte
			if entity, n = consumeBytes(kind, value); n > 0 && len(entity) > 0 {
				u.entity = entity
			}
		case updateFeatures:
			var message []byte
			if message, n = consumeBytes(kind, value); n > 0 {
				err = u.feature(message)
			}
		case updateVersion:
			var version uint64
			version, n = consumeVarint(kind, value)
			u.version, u.versioned = int64(version), true
		default:
			n = protowire.ConsumeFieldValue(number, kind, value)
		}
		if n < 0 {
			err = errProtobuf
		}
		if err != nil {
			return known(), err
		}
		value = value[n:]
	}
	return change{updates: []update{u}}, nil
}

// feature adds a Feature.
func (u *update) feature(message []byte) error {
	var v invalidation.Value
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errProtobuf
		}
		message = message[n:]
		switch number {
		case featureName:
			v.Feature, n = consumeBytes(kind, message)
		case featureID:
			var id uint64
			if id, n = consumeVarint(kind, message); n > 0 {
				v.Feature = strconv.AppendUint(nil, uint64(uint32(id)), 10)
			}
		case featureValue:
			v.Bytes, n = consumeBytes(kind, message)
		case featureNil:
			var truth uint64
			truth, n = consumeVarint(kind, message)
			v.Nil = truth != 0
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errProtobuf
		}
		message = message[n:]
	}
	if v.Feature == nil {
		return errProtobufFeature
	}
	if len(u.values) >= maxChanges {
		return errTooMany
	}
	u.put(v)
	return nil
}

// consumeBytes reads a value that must be bytes; n negative: it is not.
func consumeBytes(kind protowire.Type, from []byte) (b []byte, n int) {
	if kind != protowire.BytesType {
		return nil, -1
	}
	return protowire.ConsumeBytes(from)
}

// consumeVarint reads a value that must be a number; n negative: it is not.
func consumeVarint(kind protowire.Type, from []byte) (v uint64, n int) {
	if kind != protowire.VarintType {
		return 0, -1
	}
	return protowire.ConsumeVarint(from)
}
