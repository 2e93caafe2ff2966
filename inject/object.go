package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON object as encoding/json reads it, with numbers as they were
// written ([json.Number]).
type object = map[string]any

// decodeObject reads one JSON object whole.
func decodeObject(text []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("not an object: %.20s", text)
	}
	return o, nil
}

// inner is the object at a path, or nil. A nil object can be read from.
func inner(o object, path ...string) object {
	for _, name := range path {
		o, _ = o[name].(object)
	}
	return o
}

// section is inner, made where it is not there.
func section(o object, path ...string) object {
	for _, name := range path {
		next, found := o[name].(object)
		if !found {
			next = object{}
			o[name] = next
		}
		o = next
	}
	return o
}

// elements are the objects of a list.
func elements(o object, name string) []object {
	list, _ := o[name].([]any)
	objects := make([]object, 0, len(list))
	for _, e := range list {
		if e, isObject := e.(object); isObject {
			objects = append(objects, e)
		}
	}
	return objects
}

// add puts values at the end of a list.
func add(o object, name string, values ...any) {
	list, _ := o[name].([]any)
	o[name] = append(list[:len(list):len(list)], values...)
}

// text is a string, or "".
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// number is a whole number, or 0.
func number(o object, name string) int64 {
	switch n := o[name].(type) {
	case json.Number:
		i, _ := n.Int64()
		return i
	case int64:
		return n
	case int:
		return int64(n)
	}
	return 0
}

// clone copies a value of JSON with all that is in it.
func clone(value any) any {
	switch v := value.(type) {
	case object:
		copied := make(object, len(v))
		for name, e := range v {
			copied[name] = clone(e)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, e := range v {
			copied[i] = clone(e)
		}
		return copied
	default:
		return v
	}
}
