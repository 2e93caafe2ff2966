package config

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Effective prints a configuration as a YAML file that loads to the same, with
// a comment at each value that is not the default: where it came from. Secrets
// are masked.
func Effective(cfg *Config) []byte {
	return effective(cfg, MemoryLimit())
}

// String is Effective.
func (c *Config) String() string { return string(Effective(c)) }

// yamlIndent, in spaces, is how the examples in the documents are written.
const yamlIndent = 2

func effective(cfg *Config, memory Memory) []byte {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, o := range Options() {
		section, last := sectionOf(root, o.Key)
		value := cfg.node(o)
		attach(section, last, value, cfg.comment(o, memory))
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(yamlIndent)
	// Encoding nodes of our own making into memory cannot fail.
	if err := encoder.Encode(root); err != nil {
		panic("config: printing the effective configuration: " + err.Error())
	}
	return out.Bytes()
}

// sectionOf finds, or makes, the mapping that holds a key.
func sectionOf(root *yaml.Node, key string) (section *yaml.Node, last string) {
	parts := strings.Split(key, ".")
	for _, p := range parts[:len(parts)-1] {
		n := len(root.Content)
		// The table is in the order of the tree: an open section is the last.
		if n < 2 || root.Content[n-2].Value != p {
			attach(root, p, &yaml.Node{Kind: yaml.MappingNode}, "")
			n += 2
		}
		root = root.Content[n-1]
	}
	return root, parts[len(parts)-1]
}

// attach puts the comment where it stays on the line of the key.
func attach(section *yaml.Node, key string, value *yaml.Node, comment string) {
	name := &yaml.Node{Kind: yaml.ScalarNode, Value: key}
	if empty := value.Kind == yaml.SequenceNode && len(value.Content) == 0; empty || value.Kind == yaml.ScalarNode {
		value.LineComment = comment
	} else {
		name.LineComment = comment
	}
	section.Content = append(section.Content, name, value)
}

// node is the value of an option as YAML.
func (c *Config) node(o Option) *yaml.Node {
	if len(o.Elements) > 0 {
		return c.sequenceNode(o)
	}
	var node yaml.Node
	// Only numbers, booleans, text and lists of text get here.
	if err := node.Encode(plain(c.field(o.Key).Interface())); err != nil {
		panic("config: printing " + o.Key + ": " + err.Error())
	}
	return &node
}

func (c *Config) sequenceNode(o Option) *yaml.Node {
	sequence := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.field(o.Key).Len() {
		section := &yaml.Node{Kind: yaml.MappingNode}
		for j, e := range o.Elements {
			var value yaml.Node
			key := fmt.Sprintf("%s[%d].%s", o.Key, i, e.Key)
			if j > 0 && c.text(key) == e.Default {
				continue
			}
			if err := value.Encode(plain(c.field(key).Interface())); err != nil {
				panic("config: printing " + key + ": " + err.Error())
			}
			inner, last := sectionOf(section, e.Key)
			attach(inner, last, &value, "")
		}
		sequence.Content = append(sequence.Content, section)
	}
	return sequence
}

// plain makes of a value what YAML writes without quotes where it may.
func plain(value any) any {
	switch v := value.(type) {
	case bool, int, float64, []string:
		return v
	case Bytes:
		if v == 0 {
			return 0
		}
	}
	return formatValue(value)
}

// comment says where a value came from, and what it comes to where that does
// not show.
func (c *Config) comment(o Option, memory Memory) string {
	var notes []string
	if origin := c.origin(o.Key); origin != (Origin{}) {
		notes = append(notes, origin.String())
	}
	switch o.Key {
	case "cache.max_bytes":
		if c.Cache.MaxBytes == 0 {
			notes = append(notes, fmt.Sprintf("%d here, of the %s of %s", memory.rows(), memory.Bytes, memory.Source))
		}
	case "admin.token_file":
		if c.Admin.token != nil {
			notes = append(notes, "token "+mask)
		}
	case "auth.password_file":
		if c.Auth.password != nil {
			notes = append(notes, "password "+mask)
		}
	case "upstream.password_file":
		if c.Upstream.password != nil {
			notes = append(notes, "password "+mask)
		}
	case "rollout.shadow.password_file":
		if c.Rollout.Shadow.password != nil {
			notes = append(notes, "password "+mask)
		}
	}
	return strings.Join(notes, "; ")
}
