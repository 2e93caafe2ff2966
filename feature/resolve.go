package feature

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/feature/codec"
)

// maxName bounds a name, in bytes. It is a bound on mistakes: a name that long
// is a file pasted into a line.
const maxName = 1024

// resolve makes the catalogue. Features that have problems are left out.
func (d *document) resolve(r *reader) *listing {
	c := &listing{
		scheme:   d.scheme,
		byName:   make(map[string]*Definition, len(d.features)),
		byField:  make(map[string]*Definition, len(d.features)),
		groups:   make(map[string][]*Definition, len(d.groups)),
		unlisted: d.defaults.policy(),
	}
	lines := make(map[string]int, len(d.features))
	for group := range d.groups {
		c.groups[group] = nil
	}
	for _, e := range d.features {
		before := len(r.problems)
		definition := d.define(r, e)
		if first, twice := lines[e.name]; twice && e.name != "" {
			r.add(e.line, e.name, "is listed twice, first in line %d; leave one out", first)
			continue
		}
		lines[e.name] = e.line
		if len(r.problems) == before {
			c.insert(definition)
		}
	}
	c.warnCollisions(r.file, lines)
	return c
}

func (c *listing) insert(d *Definition) {
	c.features = append(c.features, d)
	c.byName[d.Name] = d
	if d.Group != "" {
		c.groups[d.Group] = append(c.groups[d.Group], d)
	}
	first := c.byField[d.Field]
	if first == nil {
		c.byField[d.Field] = d
		return
	}
	for _, name := range append([]string{first.Name}, first.Collides...) {
		other := c.byName[name]
		other.Collides = append(other.Collides, d.Name)
		other.Cacheable = false
		d.Collides = append(d.Collides, name)
	}
	d.Cacheable = false
}

func (c *listing) warnCollisions(file string, lines map[string]int) {
	for _, d := range c.features {
		if len(d.Collides) == 0 || c.byField[d.Field] != d {
			continue
		}
		others := make([]string, len(d.Collides))
		for i, name := range d.Collides {
			others[i] = fmt.Sprintf("%s (line %d)", name, lines[name])
		}
		c.warnings = append(c.warnings, Problem{
			File: file, Line: lines[d.Name], Feature: d.Name, Warning: true,
			Text: fmt.Sprintf("has the same field in the store as %s: %s; they overwrite each other there, so none is cached: rename all but one where they are written",
				strings.Join(others, " and "), printable(d.Field)),
		})
	}
}

// printable is a field as people can read it: as it is, or quoted with escapes
// as redis-cli takes it.
func printable(field string) string {
	for i := range len(field) {
		if field[i] < ' ' || field[i] >= 0x7f {
			return Quoted(field)
		}
	}
	return field
}

// define makes the definition of one feature, and adds what is wrong with it.
func (d *document) define(r *reader, e entry) *Definition {
	r.feature = e.name
	defer func() { r.feature = "" }()
	if problem := d.scheme.checkName(e.name); problem != "" {
		r.add(e.line, e.name, "%s", problem)
	}
	group, ok := d.groups[e.group]
	if !ok && e.group != "" {
		r.add(e.line, e.name, "group %q is unknown; %s", e.group, d.acceptedGroups(e.group))
	}
	s := e.settings.or(group).or(d.defaults)
	definition := &Definition{
		Name: e.name, Field: d.scheme.Field(e.name), Group: e.group, Policy: s.policy(),
		Form: codec.Form{
			Type: s.kind, Encoding: cmp.Or(s.encoding, d.scheme.usual(s.kind)),
			Dimension: e.dimension, Bits: e.bits, FeastType: codec.FeastType(e.feastType),
		},
	}
	if s.kind == "" {
		r.add(e.line, e.name, "has no type; %s", accepted("", texts(codec.Types)))
		return definition
	}
	if err := definition.Form.Check(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			r.add(e.line, e.name, "%s", line)
		}
		return definition
	}
	if encoding := definition.Encoding; e.hold == HoldUncompressed && encoding != codec.Snappy && encoding != codec.SnappyProtobuf {
		r.add(e.line, e.name, "hold: uncompressed has no meaning with the encoding %s; leave it out", encoding)
	}
	if e.fallback != nil {
		definition.Default = r.fallback(e.fallback, definition.Form)
	}
	return definition
}

func (d *document) acceptedGroups(given string) string {
	if len(d.groups) == 0 {
		return "the catalogue has no groups: add it to groups, or leave it out"
	}
	return accepted(given, slices.Sorted(maps.Keys(d.groups)))
}

func texts[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

// usual is the encoding of a type where the catalogue names none.
func (s Scheme) usual(t codec.Type) codec.Encoding {
	if s == Feast {
		return codec.Feast
	}
	return t.Usual()
}

// checkName returns what is wrong with a name, or "".
func (s Scheme) checkName(name string) string {
	view, feature, both := strings.Cut(name, ":")
	switch {
	case name == "":
		return "a feature has no name; add `name: …`"
	case len(name) > maxName:
		return fmt.Sprintf("a name of %d bytes; accepted: at most %d", len(name), maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return "a name with control characters; write it as the program that stores it has it"
	case s != Feast:
		return ""
	case strings.HasPrefix(name, feastTimestamps):
		return "Feast's timestamps are no feature, and never cached; leave it out"
	case !both || view == "" || feature == "":
		return "no name of the form view:feature, which the scheme feast hashes; write the feature view before it"
	}
	return ""
}

// policy of settings that inherited all they can.
func (s settings) policy() Policy {
	p := Policy{Source: s.source, Cacheable: s.cacheable == nil || *s.cacheable, Hold: cmp.Or(s.hold, HoldAsStored)}
	p.MaxAge = valueOf(s.maxAge)
	p.NegativeMaxAge = valueOf(s.negativeMaxAge)
	if p.MaxAge > 0 && p.NegativeMaxAge > p.MaxAge {
		p.NegativeMaxAge = p.MaxAge // the two are of different levels
	}
	p.StaleIfError = valueOf(s.staleIfError)
	if s.staleIfError != nil && *s.staleIfError == 0 {
		p.StaleIfError = -1
	}
	return p
}

func valueOf(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// fallback reads a feature's default by its type. For an embedding one number
// stands for all of its elements.
func (r *reader) fallback(n *yaml.Node, form codec.Form) []byte {
	var value any
	if err := n.Decode(&value); err != nil {
		r.wrong(n, "default: %v", err)
		return nil
	}
	if value == nil {
		return nil // said outright: none
	}
	switch x := value.(type) {
	case float64:
		switch { // YAML has these, JSON has not
		case math.IsNaN(x):
			value = "nan"
		case math.IsInf(x, 0):
			value = strings.ReplaceAll(n.Value, ".", "")
		}
	case time.Time: // YAML reads dates, which are strings to features
		value = n.Value
	}
	if form.Type == codec.String && n.Kind == yaml.ScalarNode {
		value = n.Value
	}
	if form.Type == codec.Embedding && n.Kind == yaml.ScalarNode {
		value = slices.Repeat([]any{value}, form.Dimension)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		r.wrong(n, "default: %v; write a value of the type %s", err, form.Type)
		return nil
	}
	decoded, err := form.DecodeJSON([]byte{}, raw)
	if err != nil {
		r.wrong(n, "default: %v; write a value of the type %s", err, form.Type)
		return nil
	}
	return decoded
}
