package feature

import (
	"slices"
	"strings"
)

// Catalogue is what is known of the store's features. Features that it does not
// list work too, by its default rules. Immutable: a new file is a new Catalogue.
//
// It is the Names of a [Cover].
type Catalogue struct {
	scheme   Scheme
	features []*Definition // in the order of the file
	byName   map[string]*Definition
	byField  map[string]*Definition // of names that collide, the first
	groups   map[string][]*Definition
	unlisted Policy
	warnings []Problem
}

// Empty is the catalogue of those who have none: names are hashed as in the
// published store, and everything may be cached.
func Empty() *Catalogue {
	return &Catalogue{scheme: XXHash32, unlisted: Policy{Cacheable: true}}
}

// Scheme is how fields follow from names.
func (c *Catalogue) Scheme() Scheme { return c.scheme }

// Len is the number of features that are listed.
func (c *Catalogue) Len() int { return len(c.features) }

// Features are the features that are listed, in the order of the file. The
// slice is the caller's.
func (c *Catalogue) Features() []*Definition { return slices.Clone(c.features) }

// Warnings are what is wrong and yet no reason not to start: names that
// collide.
func (c *Catalogue) Warnings() []Problem { return c.warnings }

// Field is the store's field for a name, whether it is listed or not.
func (c *Catalogue) Field(name string) string { return c.scheme.Field(name) }

// Name is the name of the feature that the store keeps in a field, if it is
// listed. Names that collide are all named, joined by " or ".
func (c *Catalogue) Name(field string) (name string, ok bool) {
	d := c.byField[field]
	if d == nil {
		return "", false
	}
	if len(d.Collides) == 0 {
		return d.Name, true
	}
	return d.Name + " or " + strings.Join(d.Collides, " or "), true
}

// Lookup is the definition of the feature that the store keeps in a field. It
// is nil where none is listed, and where several are: nobody can tell what such
// a value means.
func (c *Catalogue) Lookup(field string) *Definition {
	d := c.byField[field]
	if d == nil || len(d.Collides) > 0 {
		return nil
	}
	return d
}

// Feature is the definition of the feature called name, or nil.
func (c *Catalogue) Feature(name string) *Definition { return c.byName[name] }

// Groups are the names of all groups, sorted.
func (c *Catalogue) Groups() []string {
	names := make([]string, 0, len(c.groups))
	for name := range c.groups {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Group are the features of a group, in the order of the file.
func (c *Catalogue) Group(name string) []*Definition { return slices.Clone(c.groups[name]) }

// Policy is how the values in a field may be kept, listed or not. Of names that
// collide none is cached.
func (c *Catalogue) Policy(field string) Policy {
	if d := c.byField[field]; d != nil {
		return d.Policy
	}
	policy := c.unlisted
	if c.scheme == Feast && strings.HasPrefix(field, feastTimestamps) {
		policy.Cacheable = false // a writer decides by them
	}
	return policy
}

// Nearest is a listed name that differs from name in one letter, or only in the
// case of letters; "": none does.
func (c *Catalogue) Nearest(name string) string {
	for _, d := range c.features {
		if strings.EqualFold(d.Name, name) || oneOff(d.Name, name) {
			return d.Name
		}
	}
	return ""
}
