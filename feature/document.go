package feature

import (
	"cmp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/feature/codec"
)

const (
	// minAge and maxAge bound ages as the configuration's are bounded: a cache
	// that lives with its Pod has no use for more than a month.
	minAge = time.Millisecond
	maxAge = 30 * 24 * time.Hour
)

// document is a catalogue file as it is written.
type document struct {
	scheme   Scheme
	defaults settings
	groups   map[string]settings
	features []entry
}

// settings are what a feature has of its own, or else of its group, or else of
// the defaults. Zero and nil are what is not said.
type settings struct {
	line           int
	kind           codec.Type
	encoding       codec.Encoding
	source         Source
	cacheable      *bool
	maxAge         *time.Duration
	negativeMaxAge *time.Duration
	staleIfError   *time.Duration
	hold           Hold
}

// or fills what is not said.
func (s settings) or(base settings) settings {
	return settings{
		line:           s.line,
		kind:           cmp.Or(s.kind, base.kind),
		encoding:       cmp.Or(s.encoding, base.encoding),
		source:         cmp.Or(s.source, base.source),
		cacheable:      cmp.Or(s.cacheable, base.cacheable),
		maxAge:         cmp.Or(s.maxAge, base.maxAge),
		negativeMaxAge: cmp.Or(s.negativeMaxAge, base.negativeMaxAge),
		staleIfError:   cmp.Or(s.staleIfError, base.staleIfError),
		hold:           cmp.Or(s.hold, base.hold),
	}
}

// entry is an element of features.
type entry struct {
	settings
	name      string
	group     string
	dimension int
	bits      int
	feastType string
	fallback  *yaml.Node // default
}

func (r *reader) document(n *yaml.Node) *document {
	d := &document{scheme: Schemes[0], groups: map[string]settings{}}
	r.mapping(n, "the catalogue", fields{
		"scheme":   choose(r, "scheme", Schemes, &d.scheme),
		"defaults": func(n *yaml.Node) { d.defaults = r.settings(n, "defaults") },
		"groups": func(n *yaml.Node) {
			for key, value := range r.pairs(n, "groups") {
				d.groups[key.Value] = r.settings(value, "the group "+key.Value)
			}
		},
		"features": func(n *yaml.Node) { d.features = r.entries(n) },
	})
	return d
}

func (r *reader) settings(n *yaml.Node, what string) settings {
	s := settings{line: n.Line}
	r.mapping(n, what, s.fields(r))
	r.checkAges(s)
	return s
}

func (s *settings) fields(r *reader) fields {
	return fields{
		"type":             choose(r, "type", codec.Types, &s.kind),
		"encoding":         choose(r, "encoding", codec.Encodings, &s.encoding),
		"source":           choose(r, "source", Sources, &s.source),
		"cacheable":        r.boolean("cacheable", &s.cacheable),
		"max_age":          r.duration("max_age", minAge, maxAge, &s.maxAge),
		"negative_max_age": r.duration("negative_max_age", minAge, maxAge, &s.negativeMaxAge),
		"stale_if_error":   r.duration("stale_if_error", 0, maxAge, &s.staleIfError),
		"hold":             choose(r, "hold", Holds, &s.hold),
	}
}

func (r *reader) checkAges(s settings) {
	if s.maxAge != nil && s.negativeMaxAge != nil && *s.negativeMaxAge > *s.maxAge {
		r.add(s.line, r.feature, "negative_max_age %s is more than max_age %s; lower it", *s.negativeMaxAge, *s.maxAge)
	}
}

func (r *reader) entries(n *yaml.Node) []entry {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, "features is no list; begin each feature with a dash: `- name: …`")
		return nil
	}
	entries := make([]entry, 0, len(n.Content))
	for _, element := range n.Content {
		n, e := followed(element), r.entry(followed(element))
		if n.Kind == yaml.MappingNode { // else that is all that is to be said of it
			entries = append(entries, e)
		}
		r.feature = ""
	}
	return entries
}

func (r *reader) entry(n *yaml.Node) entry {
	e := entry{settings: settings{line: n.Line}}
	r.feature = nameOf(n)
	known := e.settings.fields(r)
	known["name"] = r.text("name", &e.name)
	known["group"] = r.text("group", &e.group)
	known["dimension"] = r.integer("dimension", &e.dimension)
	known["bits"] = r.integer("bits", &e.bits)
	known["feast_type"] = r.text("feast_type", &e.feastType)
	known["default"] = func(n *yaml.Node) { e.fallback = n }
	r.mapping(n, "a feature", known)
	r.checkAges(e.settings)
	return e
}

// nameOf is the name in a feature's mapping, looked up first so that problems
// of keys before it name the feature too.
func nameOf(n *yaml.Node) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "name" {
			return n.Content[i+1].Value
		}
	}
	return ""
}
