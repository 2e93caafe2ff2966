package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// option finds the option of a full key.
func (r *fileReader) option(key string) (Option, bool) {
	for _, o := range r.options {
		if o.Key == key {
			return o, true
		}
	}
	return Option{}, false
}

// below lists the next parts of the keys that begin with prefix.
func (r *fileReader) below(prefix string) []string {
	var parts []string
	for _, o := range r.options {
		rest, found := strings.CutPrefix(o.Key, prefix)
		part, _, _ := strings.Cut(rest, ".")
		if found && indexOf(parts, part) < 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// names lists every key and every section, for suggestions.
func (r *fileReader) names() []string {
	var all []string
	for _, o := range r.options {
		all = append(all, o.Key)
		for i := range o.Key {
			if o.Key[i] == '.' && indexOf(all, o.Key[:i]) < 0 {
				all = append(all, o.Key[:i])
			}
		}
	}
	return all
}

func (r *fileReader) unknown(key string, name, value *yaml.Node, candidates []string) {
	full := key
	if strings.Contains(key, "[") {
		full = name.Value // the candidates are the keys of one element
	}
	reason := "unknown option" + suggest(full, ".", candidates) + "; accepted: " + r.siblings(key, candidates)
	r.add(key, value, reason, name.Line)
}

// siblings says which keys stand where the unknown one stood.
func (r *fileReader) siblings(key string, candidates []string) string {
	if strings.Contains(key, "[") {
		return strings.Join(candidates, ", ")
	}
	prefix := key[:strings.LastIndexByte(key, '.')+1]
	return strings.Join(r.below(prefix), ", ")
}

func (r *fileReader) wrongShape(key string, node *yaml.Node, accepted string) {
	what := "of the wrong shape"
	if isNull(node) {
		what = "without a value"
	}
	if key == "" {
		key = "the whole file"
	}
	r.add(key, node, what+"; accepted: "+accepted, node.Line)
}

func (r *fileReader) add(key string, value *yaml.Node, reason string, line int) {
	p := newProblem(key, "", reason, r.origin(line))
	if value = target(value); value.Kind == yaml.ScalarNode {
		p = newProblem(key, value.Value, reason, r.origin(line))
	} else {
		p.valueless = true
	}
	r.problems = append(r.problems, p)
}

func (r *fileReader) origin(line int) Origin {
	origin := r.from
	origin.line = line
	return origin
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}
