package feature

import (
	"fmt"
	"path"
	"strings"
)

// Cover says which features something is about: a marker, a topic, a rule. It
// is made of names, of the store's fields, and of patterns of either. The zero
// Cover has none. Immutable.
type Cover struct {
	items    []string
	exact    map[string]struct{} // fields, and the identifiers of names
	patterns []string            // with "/" escaped: see slashless
	names    Names
}

// Names tells the name of the feature that the store keeps in a field, where a
// catalogue knows it.
type Names interface {
	Name(field string) (name string, ok bool)
}

// NewCover makes a Cover of items: each the name of a feature, the field in
// which the store keeps it, or a pattern of these, in which * is any text, ? any
// byte and [a-z] a range; "*" alone is every feature. Patterns of names need
// names, which may be nil. Names that are a [Catalogue] also tell the fields of
// the names among the items; without, they are taken to be hashed.
func NewCover(items []string, names Names) (*Cover, error) {
	c := &Cover{items: items, exact: make(map[string]struct{}), names: names}
	for _, item := range items {
		if !strings.ContainsAny(item, `*?[\`) {
			c.exact[item] = struct{}{}
			c.exact[fieldOf(item, names)] = struct{}{}
			continue
		}
		if _, err := path.Match(item, ""); err != nil {
			return nil, fmt.Errorf("read the pattern %q of features: %w; close its [ and end it with no \\", item, err)
		}
		c.patterns = append(c.patterns, slashless(item))
	}
	return c, nil
}

// fieldOf is the field of a name, by the scheme of names where they have one.
func fieldOf(name string, names Names) string {
	if scheme, ok := names.(interface{ Field(name string) string }); ok {
		return scheme.Field(name)
	}
	return ID(name)
}

// slashless makes of "/" a byte like any other, which it is not to path.Match:
// the name of a feature is no path.
func slashless(text string) string { return strings.ReplaceAll(text, "/", "\x00") }

// Items are what the Cover was made of.
func (c *Cover) Items() []string { return c.items }

// Exact are the fields that are covered by name, if no pattern covers more.
func (c *Cover) Exact() (fields []string, all bool) {
	for field := range c.exact {
		fields = append(fields, field)
	}
	return fields, len(c.patterns) == 0
}

// Has tells whether the feature that the store keeps in field is covered.
func (c *Cover) Has(field string) bool {
	if _, ok := c.exact[field]; ok {
		return true
	}
	if c.matches(field) {
		return true
	}
	if len(c.patterns) == 0 || c.names == nil {
		return false
	}
	name, ok := c.names.Name(field)
	return ok && c.matches(name)
}

func (c *Cover) matches(text string) bool {
	text = slashless(text)
	for _, pattern := range c.patterns {
		if pattern == "*" {
			return true
		}
		if ok, _ := path.Match(pattern, text); ok { // a bad pattern does not get here
			return true
		}
	}
	return false
}
