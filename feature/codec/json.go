package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// EncodeJSON appends the stored form of a typed JSON value, such as an update
// carries: a number (what is none as "nan", "inf" or "-inf"), true or false, a
// string (bytes in base64), or an array. ErrNull stands for null.
func (f Form) EncodeJSON(dst, raw []byte) ([]byte, error) {
	decoded, err := f.DecodeJSON(nil, raw)
	if err != nil {
		return dst, err
	}
	return f.Encode(dst, decoded)
}

// DecodeJSON appends the decoded form of a typed JSON value.
func (f Form) DecodeJSON(dst, raw []byte) ([]byte, error) {
	decoded, err := f.fromJSON(dst, raw)
	if err != nil {
		return dst, fmt.Errorf("read %s from JSON: %w", f.Type, err)
	}
	return decoded, nil
}

func (f Form) fromJSON(dst, raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case string(raw) == "null":
		return dst, ErrNull
	case f.Type == Embedding || f.Type == FloatList || f.Type == IntList:
		return f.numbersFromJSON(dst, raw)
	case f.Type == StringList:
		return f.stringsFromJSON(dst, raw)
	case f.Type == String || f.Type == Bytes:
		return f.textFromJSON(dst, raw)
	case f.Type == Bool:
		yes, err := parseBool(raw)
		if err != nil {
			return dst, err
		}
		return appendBool(dst, yes), nil
	}
	number, err := numberText(raw)
	if err != nil {
		return dst, err
	}
	if f.Type == Int {
		x, err := parseInt(number)
		if err != nil {
			return dst, err
		}
		return strconv.AppendInt(dst, x, 10), nil
	}
	bits := 64
	if f.Encoding != Text {
		bits = 8 * f.floatBytes()
	}
	x, err := parseFloat(number, bits)
	if err != nil {
		return dst, err
	}
	return appendFloat(dst, x, bits), nil
}

// numberText is the text of a number, or of a string that stands for one.
func numberText(raw []byte) ([]byte, error) {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		return []byte(text), withoutValue(err)
	}
	if !json.Valid(raw) {
		return nil, errNotFloat
	}
	return raw, nil
}

// withoutValue keeps what the value is out of an error of the JSON package.
func withoutValue(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("not JSON of the type")
}

func (f Form) textFromJSON(dst, raw []byte) ([]byte, error) {
	// Checked here: the JSON package would put replacement characters instead.
	if !utf8.Valid(raw) {
		return dst, errors.New("not UTF-8")
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return dst, errors.New("not a JSON string")
	}
	if f.Type == String {
		return append(dst, text...), nil
	}
	decoded, err := base64.StdEncoding.AppendDecode(dst, []byte(text))
	if err != nil {
		return dst, errors.New("not base64 with padding, which bytes are written in")
	}
	return decoded, nil
}

func (f Form) numbersFromJSON(dst, raw []byte) ([]byte, error) {
	var numbers []json.Number // json.Number takes null for "", which is no number
	if err := json.Unmarshal(raw, &numbers); err != nil {
		return dst, errors.New("not a JSON array of numbers")
	}
	if err := f.checkCount(len(numbers)); err != nil {
		return dst, err
	}
	width := f.ElementBytes()
	dst = slices.Grow(dst, len(numbers)*width)
	for _, number := range numbers {
		if f.Type == IntList {
			x, err := parseInt([]byte(number))
			if err != nil {
				return dst, err
			}
			dst = appendInt(dst, x)
			continue
		}
		x, err := parseFloat([]byte(number), 8*width)
		if err != nil {
			return dst, err
		}
		dst = f.appendPackedFloat(dst, x)
	}
	return dst, nil
}

func (f Form) stringsFromJSON(dst, raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return dst, errors.New("not UTF-8")
	}
	var list []*string // null is no string
	if err := json.Unmarshal(raw, &list); err != nil {
		return dst, errors.New("not a JSON array of strings")
	}
	if err := f.checkCount(len(list)); err != nil {
		return dst, err
	}
	for _, s := range list {
		if s == nil {
			return dst, errors.New("null in a list of strings")
		}
		dst = appendString(dst, []byte(*s))
	}
	return dst, nil
}
