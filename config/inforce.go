package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is an option with the value that it has.
type Setting struct {
	Option Option
	Value  string // as YAML on one line; secrets are in files, whose names it is
	Origin Origin
}

// InForce lists all options with their values, in the order of the table.
func (c *Config) InForce() []Setting {
	var all []Setting
	for _, o := range Options() {
		all = append(all, Setting{Option: o, Value: c.line(o), Origin: c.origin(o.Key)})
	}
	return all
}

// line is the value of an option as YAML on one line.
func (c *Config) line(o Option) string {
	node := c.node(o)
	node.Style = yaml.FlowStyle
	if node.Kind == yaml.ScalarNode {
		return node.Value
	}
	var out bytes.Buffer
	// Encoding nodes of our own making into memory cannot fail.
	if err := yaml.NewEncoder(&out).Encode(node); err != nil {
		panic("config: printing " + o.Key + ": " + err.Error())
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// Changes compares two configurations: the options that a running process may
// take over from the later one, and those that need a restart. An option whose file
// holds something else has changed too.
func Changes(earlier, later *Config) (reloadable, restart []string) {
	for _, o := range Options() {
		if !o.hasReloadableElements() || !earlier.sameElements(later, o) {
			if earlier.differs(later, o, o.Key) {
				reloadable, restart = earlier.sort(later, o, o.Key, reloadable, restart)
			}
			continue
		}
		for i := range earlier.field(o.Key).Len() {
			for _, e := range o.Elements {
				if key := elementKey(o, i, e); earlier.differs(later, e, key) {
					reloadable, restart = earlier.sort(later, e, key, reloadable, restart)
				}
			}
		}
	}
	return reloadable, restart
}

// FileSaysNothing tells whether no option comes from a file.
func (c *Config) FileSaysNothing() bool {
	for _, o := range c.origins {
		if o.source == fromFile {
			return false
		}
	}
	return true
}

// sort adds an option that differs to those that may be taken over or to those that
// need a restart.
func (c *Config) sort(later *Config, o Option, key string, reloadable, restart []string) ([]string, []string) {
	if c.mayTake(later, o) {
		return append(reloadable, key), restart
	}
	return reloadable, append(restart, key)
}

// differs tells whether an option, or what is in the file that it names, does.
func (c *Config) differs(later *Config, o Option, key string) bool {
	if key == keyFeaturesFile && c.catalogueChanged(later) {
		return true
	}
	return !reflect.DeepEqual(c.field(key).Interface(), later.field(key).Interface()) || c.secretChanged(later, key) || c.files[key] != later.files[key]
}

// mayTake tells whether a running process may take over an option's new value.
func (c *Config) mayTake(later *Config, o Option) bool {
	if o.Key == keyFeaturesFile {
		return c.FeaturesFile == later.FeaturesFile && c.Catalogue().Scheme() == later.Catalogue().Scheme()
	}
	return o.Reloadable && (o.Beside == "" || c.text(o.Beside) == later.text(o.Beside))
}

// hasReloadableElements tells whether o is a list of sections of which options may
// change one by one.
func (o Option) hasReloadableElements() bool {
	return slices.ContainsFunc(o.Elements, func(e Option) bool { return e.Reloadable })
}

// sameElements tells whether a list of sections has the same ones in the same order,
// by the first option of each.
func (c *Config) sameElements(later *Config, o Option) bool {
	if c.field(o.Key).Len() != later.field(o.Key).Len() {
		return false
	}
	for i := range c.field(o.Key).Len() {
		if first := elementKey(o, i, o.Elements[0]); c.text(first) != later.text(first) {
			return false
		}
	}
	return true
}

func elementKey(o Option, i int, e Option) string { return fmt.Sprintf("%s[%d].%s", o.Key, i, e.Key) }

// secrets are what the files of secrets held, by the option that names the file.
var secrets = map[string]func(*Config) **string{
	"admin.token_file":       func(c *Config) **string { return &c.Admin.token },
	"auth.password_file":     func(c *Config) **string { return &c.Auth.password },
	"upstream.password_file": func(c *Config) **string { return &c.Upstream.password },

	"invalidation.kafka.sasl.password_file": func(c *Config) **string { return &c.Invalidation.Kafka.SASL.password },
	"rollout.shadow.password_file":          func(c *Config) **string { return &c.Rollout.Shadow.password },
}

// secretChanged tells whether the file that an option names holds another secret
// than it did.
func (c *Config) secretChanged(later *Config, key string) bool {
	secret := secrets[key]
	if secret == nil {
		return false
	}
	a, b := *secret(c), *secret(later)
	return (a == nil) != (b == nil) || a != nil && *a != *b
}

// TakeOver is c with the values of later for the options that a running process
// may take over.
func (c *Config) TakeOver(later *Config) *Config {
	merged := *c
	merged.origins, merged.files = maps.Clone(c.origins), maps.Clone(c.files)
	for _, o := range Options() {
		switch {
		case o.hasReloadableElements():
			if c.sameElements(later, o) {
				merged.takeElements(c, later, o)
			}
		case o.Key == keyFeaturesFile:
			if c.mayTake(later, o) {
				merged.catalogue = later.catalogue
			}
		case c.mayTake(later, o):
			merged.take(later, o.Key)
			if secret := secrets[o.Key]; secret != nil {
				*secret(&merged) = *secret(later)
			}
		}
	}
	return &merged
}

// takeElements takes over what may change in a list of sections. The list of c, of
// which merged is a copy, stays as it is.
func (merged *Config) takeElements(c, later *Config, o Option) {
	list := c.field(o.Key)
	merged.field(o.Key).Set(reflect.AppendSlice(reflect.MakeSlice(list.Type(), 0, list.Len()), list))
	for i := range list.Len() {
		for _, e := range o.Elements {
			if c.mayTake(later, e) {
				merged.take(later, elementKey(o, i, e))
			}
		}
	}
}

// take takes over one value and where it came from.
func (merged *Config) take(later *Config, key string) {
	merged.field(key).Set(later.field(key))
	delete(merged.origins, key)
	if origin, given := later.origins[key]; given {
		merged.origins[key] = origin
	}
	delete(merged.files, key)
	if file, named := later.files[key]; named {
		merged.files[key] = file
	}
}

// ReloadableList names the options that a running process may take over, for the
// documents.
func ReloadableList() string {
	var out strings.Builder
	for _, o := range Options() {
		if o.Reloadable {
			out.WriteString("- `" + o.Key + "`\n")
		}
		for _, e := range o.Elements {
			if e.Reloadable {
				out.WriteString("- `" + o.Key + "[]." + e.Key + "`\n")
			}
		}
	}
	return out.String()
}
