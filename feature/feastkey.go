package feature

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// EntityKey is one join key of a Feast entity with its value.
type EntityKey struct {
	Name  string // such as "driver_id"
	Value any    // int32, int64, string or []byte; FeastTime for a timestamp
}

// FeastTime is a UNIX timestamp in seconds.
type FeastTime int64

// Numbers of the types in Feast's ValueType.
const (
	feastBytes  = 1
	feastString = 2
	feastInt32  = 3
	feastInt64  = 4
	feastTime   = 8
)

// FeastKey is the key of the hash in which Feast keeps an entity of a project:
// the join keys sorted by name, then their values, each behind its type and
// length, then the project. It is version 3 of Feast's key serialization, the
// only one that Feast still writes.
func FeastKey(project string, keys ...EntityKey) ([]byte, error) {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b EntityKey) int { return cmp.Compare(a.Name, b.Name) })
	little := binary.LittleEndian
	key := little.AppendUint32(nil, uint32(len(keys)))
	for _, k := range keys {
		key = little.AppendUint32(key, feastString)
		key = little.AppendUint32(key, uint32(len(k.Name)))
		key = append(key, k.Name...)
	}
	for _, k := range keys {
		kind, value, err := feastKeyValue(k.Value)
		if err != nil {
			return nil, fmt.Errorf("join key %s: %w", k.Name, err)
		}
		key = little.AppendUint32(key, kind)
		key = little.AppendUint32(key, uint32(len(value)))
		key = append(key, value...)
	}
	return append(key, project...), nil
}

func feastKeyValue(value any) (kind uint32, encoded []byte, err error) {
	little := binary.LittleEndian
	switch v := value.(type) {
	case int32:
		return feastInt32, little.AppendUint32(nil, uint32(v)), nil
	case int64:
		return feastInt64, little.AppendUint64(nil, uint64(v)), nil
	case FeastTime:
		return feastTime, little.AppendUint64(nil, uint64(v)), nil
	case string:
		return feastString, []byte(v), nil
	case []byte:
		return feastBytes, v, nil
	default:
		return 0, nil, fmt.Errorf("a %T is no value of a join key; use int32, int64, string, bytes or a timestamp", value)
	}
}
