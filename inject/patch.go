package inject

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Operation is a step of a JSON Patch (RFC 6902). Only "add", "replace" and
// "remove" are used.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// difference is the patch that makes after of before. Nothing that is the same
// in both is named in it, so that what others change meanwhile stays.
func difference(before, after any) []Operation {
	return differenceAt("", before, after)
}

func differenceAt(path string, before, after any) []Operation {
	switch was := before.(type) {
	case object:
		if is, same := after.(object); same {
			return objectDifference(path, was, is)
		}
	case []any:
		if is, same := after.([]any); same {
			return listDifference(path, was, is)
		}
	}
	if reflect.DeepEqual(before, after) {
		return nil
	}
	return []Operation{{Op: "replace", Path: path, Value: after}}
}

func objectDifference(path string, was, is object) (patch []Operation) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		value, kept := is[name]
		if !kept {
			patch = append(patch, Operation{Op: "remove", Path: path + "/" + escape(name)})
			continue
		}
		patch = append(patch, differenceAt(path+"/"+escape(name), was[name], value)...)
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, old := was[name]; !old {
			patch = append(patch, Operation{Op: "add", Path: path + "/" + escape(name), Value: is[name]})
		}
	}
	return patch
}

// listDifference keeps the old elements, which are known by their name, or else
// by being the same, in their order, and inserts the others where they stand.
// A list that is not like that is replaced.
func listDifference(path string, was, is []any) (patch []Operation) {
	next := 0 // of the old elements
	for i, value := range is {
		at := fmt.Sprintf("%s/%d", path, i)
		if next < len(was) && sameElement(was[next], value) {
			patch = append(patch, differenceAt(at, was[next], value)...)
			next++
			continue
		}
		patch = append(patch, Operation{Op: "add", Path: at, Value: value})
	}
	if next < len(was) {
		return []Operation{{Op: "replace", Path: path, Value: is}}
	}
	return patch
}

func sameElement(a, b any) bool {
	x, isObject := a.(object)
	y, alike := b.(object)
	if isObject && alike && text(x, "name") != "" {
		return text(x, "name") == text(y, "name")
	}
	return reflect.DeepEqual(a, b)
}

// escape and unescape are those of JSON pointers (RFC 6901).
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func unescape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
}
