package config

import (
	"bytes"
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
// take over from the later one, and those that need a restart.
func Changes(earlier, later *Config) (reloadable, restart []string) {
	for _, o := range Options() {
		same := earlier.line(o) == later.line(o)
		switch {
		case o.Key == keyFeaturesFile && same && earlier.catalogueChanged(later):
			if earlier.Catalogue().Scheme() == later.Catalogue().Scheme() {
				reloadable = append(reloadable, o.Key)
			} else {
				restart = append(restart, o.Key)
			}
		case same && !earlier.secretChanged(later, o.Key):
		case o.Reloadable:
			reloadable = append(reloadable, o.Key)
		default:
			restart = append(restart, o.Key)
		}
	}
	return reloadable, restart
}

// secretChanged tells whether the file that an option names holds another secret
// than it did.
func (c *Config) secretChanged(later *Config, key string) bool {
	secret := map[string]func(*Config) *string{
		"admin.token_file":       func(c *Config) *string { return c.Admin.token },
		"auth.password_file":     func(c *Config) *string { return c.Auth.password },
		"upstream.password_file": func(c *Config) *string { return c.Upstream.password },

		"rollout.shadow.password_file": func(c *Config) *string { return c.Rollout.Shadow.password },
	}[key]
	if secret == nil {
		return false
	}
	a, b := secret(c), secret(later)
	return (a == nil) != (b == nil) || a != nil && *a != *b
}

// TakeOver is c with the values of later for the options that a running process
// may take over.
func (c *Config) TakeOver(later *Config) *Config {
	merged := *c
	merged.origins = make(map[string]Origin, len(c.origins))
	for key, origin := range c.origins {
		merged.origins[key] = origin
	}
	for _, o := range Options() {
		if !o.Reloadable {
			continue
		}
		merged.field(o.Key).Set(later.field(o.Key))
		delete(merged.origins, o.Key)
		if origin, given := later.origins[o.Key]; given {
			merged.origins[o.Key] = origin
		}
	}
	merged.Admin.token = later.Admin.token
	if merged.FeaturesFile == later.FeaturesFile && merged.Catalogue().Scheme() == later.Catalogue().Scheme() {
		merged.catalogue = later.catalogue
	}
	return &merged
}

// ReloadableList names the options that a running process may take over, for the
// documents.
func ReloadableList() string {
	var out strings.Builder
	for _, o := range Options() {
		if o.Reloadable {
			out.WriteString("- `" + o.Key + "`\n")
		}
	}
	return out.String()
}
