package kafka

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/invalidation"
)

// Reasons for which a JSON record cannot be read.
var (
	errJSON         = errors.New("not the JSON of an update")
	errJSONText     = errors.New("not UTF-8")
	errJSONFeatures = errors.New("no features")
	errJSONVersion  = errors.New("the version is not a whole number of 64 bits")
)

// jsonParser reads {"entity": "…", "features": {"name or field": value}, "version": n}.
type jsonParser struct {
	encode Encoder // nil: plain values only
}

type jsonUpdate struct {
	Entity   json.RawMessage            `json:"entity"`
	Features map[string]json.RawMessage `json:"features"`
	Version  json.RawMessage            `json:"version"`
}

func (p jsonParser) parse(value []byte) (change, error) {
	if !utf8.Valid(value) {
		return change{}, errJSONText // encoding/json would replace bytes
	}
	var read jsonUpdate
	if err := json.Unmarshal(value, &read); err != nil {
		return change{}, errJSON
	}
	var u update
	if given(read.Entity) {
		entity, ok := unquote(read.Entity)
		if !ok {
			return change{}, errJSON
		}
		u.entity = entity
	}
	known := change{updates: []update{{entity: u.entity, whole: true}}}
	if read.Features == nil {
		return known, errJSONFeatures
	}
	if len(read.Features) > maxChanges {
		return known, errTooMany
	}
	if given(read.Version) {
		if err := json.Unmarshal(read.Version, &u.version); err != nil {
			return known, errJSONVersion
		}
		u.versioned = true
	}
	for name, literal := range read.Features {
		if strings.ContainsRune(name, utf8.RuneError) {
			return known, errJSONText // perhaps half a surrogate pair
		}
		p.add(&u, []byte(name), literal)
	}
	return change{updates: []update{u}}, nil
}

// add puts a feature's value as the store has it: text as it is, numbers as they
// are written, true and false as 1 and 0, null as no value.
func (p jsonParser) add(u *update, name, literal []byte) {
	literal = bytes.TrimSpace(literal)
	switch {
	case len(literal) == 0 || literal[0] == 'n':
		u.put(invalidation.Value{Feature: name, Nil: true})
		return
	}
	stored, ok := p.stored(name, literal)
	if !ok {
		u.doubt(name)
		return
	}
	u.put(invalidation.Value{Feature: name, Bytes: stored})
}

// stored is what the store holds of a value, if that can be told.
func (p jsonParser) stored(name, literal []byte) (stored []byte, ok bool) {
	if p.encode != nil {
		stored, err := p.encode(name, literal)
		if !errors.Is(err, ErrUnlisted) {
			return stored, err == nil
		}
	}
	return plainValue(literal)
}

// plainValue is a text, number or truth as the store has it.
func plainValue(literal []byte) (stored []byte, ok bool) {
	switch literal[0] {
	case '"':
		return unquote(literal)
	case 't':
		return []byte("1"), true
	case 'f':
		return []byte("0"), true
	case '[', '{':
		return nil, false
	}
	return literal, true
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] != 'n' }

// unquote reads a JSON string. One that holds half a surrogate pair is refused:
// encoding/json would make another text of it.
func unquote(raw []byte) ([]byte, bool) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil, false
	}
	if strings.ContainsRune(text, utf8.RuneError) && bytes.Contains(bytes.ToLower(raw), []byte(`\ud`)) {
		return nil, false
	}
	return []byte(text), true
}
