package feature

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader walks a YAML document and keeps every problem with its line. It walks
// nodes itself because the yaml package stops at a list's first wrong type, and
// says of an unknown key only that it is one.
type reader struct {
	file     string
	problems []Problem
	feature  string // that is being read, for problems
}

// add takes what is wrong and, behind a semicolon, what to do.
func (r *reader) add(line int, feature, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Feature: feature, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.add(n.Line, r.feature, format, args...)
}

// fields are what a mapping may hold: how each key's value is read.
type fields map[string]func(*yaml.Node)

// mapping reads a mapping that may hold nothing else than the fields.
func (r *reader) mapping(n *yaml.Node, what string, known fields) {
	for key, value := range r.pairs(n, what) {
		read, ok := known[key.Value]
		if !ok {
			r.wrong(key, "%q is unknown in %s; %s", key.Value, what, accepted(key.Value, slices.Sorted(maps.Keys(known))))
			continue
		}
		read(value)
	}
}

// pairs are the keys and values of a mapping, aliases followed.
func (r *reader) pairs(n *yaml.Node, what string) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		n = followed(n)
		if n.Kind != yaml.MappingNode {
			r.wrong(n, "%s is no mapping; write it as lines of `key: value`", what)
			return
		}
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], followed(n.Content[i+1])
			if first, twice := seen[key.Value]; twice {
				r.wrong(key, "%q stands twice in %s, first in line %d; leave one out", key.Value, what, first)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

func followed(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// accepted lists what may stand in a place, the likeliest first.
func accepted(given string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(k, given) || strings.ReplaceAll(given, "-", "_") == k || oneOff(given, k) {
			return "did you mean " + k + "?"
		}
	}
	return "accepted: " + strings.Join(known, ", ")
}

// oneOff tells whether two words differ in one letter: another, one more, one
// less, or two neighbours exchanged.
func oneOff(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	exchanged := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return exchanged || len(a) <= 1 && len(b) <= 1
}

// scalar is the text of a plain value. Null is none.
func (r *reader) scalar(n *yaml.Node, what string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, "%s is no single value; write it behind its key", what)
	case n.Tag == "!!null":
		r.wrong(n, "%s has no value; give one, or leave the key out", what)
	default:
		return n.Value, true
	}
	return "", false
}

func (r *reader) text(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) { *into, _ = r.scalar(n, what) }
}

func (r *reader) integer(what string, into *int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		text, ok := r.scalar(n, what)
		if !ok {
			return
		}
		x, err := strconv.Atoi(text)
		if err != nil || x <= 0 {
			r.wrong(n, "%s %q is no whole number above 0; write it in digits", what, text)
			return
		}
		*into = x
	}
}

func (r *reader) boolean(what string, into **bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		text, ok := r.scalar(n, what)
		if !ok {
			return
		}
		if text != "true" && text != "false" {
			r.wrong(n, "%s %q is neither true nor false; write one of them", what, text)
			return
		}
		yes := text == "true"
		*into = &yes
	}
}

func (r *reader) duration(what string, least, most time.Duration, into **time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		text, ok := r.scalar(n, what)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < least || d > most {
			r.wrong(n, "%s %q is no duration from %s to %s; write it with its unit: 90s, 15m, 26h", what, text, least, most)
			return
		}
		*into = &d
	}
}

// choose reads one of some names.
func choose[T ~string](r *reader, what string, names []T, into *T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		text, ok := r.scalar(n, what)
		if !ok {
			return
		}
		if !slices.Contains(names, T(text)) {
			known := make([]string, len(names))
			for i, name := range names {
				known[i] = string(name)
			}
			r.wrong(n, "%s %q is unknown; %s", what, text, accepted(text, known))
			return
		}
		*into = T(text)
	}
}
