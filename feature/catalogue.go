package feature

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
)

// Catalogue is what is known of the store's features. Features that it does not
// list work too, by its default rules. What it says may be replaced as a whole
// while others use it: see TakeOver.
//
// It is the Names of a [Cover].
type Catalogue struct {
	now atomic.Pointer[listing]
}

// listing is what a catalogue says. Immutable.
type listing struct {
	scheme   Scheme
	features []*Definition // in the order of the file
	byName   map[string]*Definition
	byField  map[string]*Definition // of names that collide, the first
	groups   map[string][]*Definition
	unlisted Policy
	warnings []Problem
	sum      [sha256.Size]byte // of the file
}

func (l *listing) catalogue() *Catalogue {
	c := new(Catalogue)
	c.now.Store(l)
	return c
}

// Empty is the catalogue of those who have none: names are hashed as in the
// published store, and everything may be cached.
func Empty() *Catalogue {
	l := &listing{scheme: XXHash32, unlisted: Policy{Cacheable: true, Hold: HoldAsStored}}
	return l.catalogue()
}

// TakeOver has c say from now on what later says.
func (c *Catalogue) TakeOver(later *Catalogue) { c.now.Store(later.now.Load()) }

// Same tells whether two catalogues were read from the same text.
func (c *Catalogue) Same(other *Catalogue) bool { return c.now.Load().sum == other.now.Load().sum }

// Scheme is how fields follow from names.
func (c *Catalogue) Scheme() Scheme { return c.now.Load().scheme }

// Len is the number of features that are listed.
func (c *Catalogue) Len() int { return len(c.now.Load().features) }

// Features are the features that are listed, in the order of the file. The
// slice is the caller's.
func (c *Catalogue) Features() []*Definition { return slices.Clone(c.now.Load().features) }

// Warnings are what is wrong and yet no reason not to start: names that
// collide.
func (c *Catalogue) Warnings() []Problem { return c.now.Load().warnings }

// Field is the store's field for a name, whether it is listed or not.
func (c *Catalogue) Field(name string) string { return c.now.Load().scheme.Field(name) }

// Name is the name of the feature that the store keeps in a field, if it is
// listed. Names that collide are all named, joined by " or ".
func (c *Catalogue) Name(field string) (name string, ok bool) {
	d := c.now.Load().byField[field]
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
	d := c.now.Load().byField[field]
	if d == nil || len(d.Collides) > 0 {
		return nil
	}
	return d
}

// Feature is the definition of the feature called name, or nil.
func (c *Catalogue) Feature(name string) *Definition { return c.now.Load().byName[name] }

// Groups are the names of all groups, sorted.
func (c *Catalogue) Groups() []string {
	groups := c.now.Load().groups
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Group are the features of a group, in the order of the file.
func (c *Catalogue) Group(name string) []*Definition { return slices.Clone(c.now.Load().groups[name]) }

// Policy is how the values in a field may be kept, listed or not. Of names that
// collide none is cached.
func (c *Catalogue) Policy(field string) Policy {
	l := c.now.Load()
	if d := l.byField[field]; d != nil {
		return d.Policy
	}
	policy := l.unlisted
	if l.scheme == Feast && strings.HasPrefix(field, feastTimestamps) {
		policy.Cacheable = false // a writer decides by them
	}
	return policy
}

// Nearest is a listed name that differs from name in one letter, or only in the
// case of letters; "": none does.
func (c *Catalogue) Nearest(name string) string {
	for _, d := range c.now.Load().features {
		if strings.EqualFold(d.Name, name) || oneOff(d.Name, name) {
			return d.Name
		}
	}
	return ""
}
