package importer

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
)

// Draft is a catalogue in the making: what its file will say, unchecked.
type Draft struct {
	Scheme   feature.Scheme `yaml:"scheme"`
	Groups   []Group        `yaml:"-"` // written as a mapping, in this order
	Features []Feature      `yaml:"features"`

	// Notes are what people should know of what was left out or guessed.
	Notes []string `yaml:"-"`
}

// Group is a group of the catalogue.
type Group struct {
	Name   string         `yaml:"-"`
	Source feature.Source `yaml:"source,omitempty"`
}

// Feature is an element of the catalogue's features. Empty is not said.
type Feature struct {
	Name           string          `yaml:"name"`
	Type           codec.Type      `yaml:"type,omitempty"`
	Encoding       codec.Encoding  `yaml:"encoding,omitempty"`
	FeastType      codec.FeastType `yaml:"feast_type,omitempty"`
	Source         feature.Source  `yaml:"source,omitempty"`
	Group          string          `yaml:"group,omitempty"`
	MaxAge         string          `yaml:"max_age,omitempty"`
	NegativeMaxAge string          `yaml:"negative_max_age,omitempty"`
	StaleIfError   string          `yaml:"stale_if_error,omitempty"`

	// What is written as it is given, not as a string of YAML.
	Plain map[string]*yaml.Node `yaml:",inline"`
}

// plain sets a key whose value is a number, a truth or a list in YAML.
func (f *Feature) plain(key, text string) error {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil || len(node.Content) != 1 {
		return fmt.Errorf("%s %q cannot be read as YAML; put it in quotes", key, text)
	}
	if f.Plain == nil {
		f.Plain = map[string]*yaml.Node{}
	}
	f.Plain[key] = node.Content[0]
	return nil
}

// YAML is the file that the draft makes.
func (d *Draft) YAML() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	document := struct {
		Scheme   feature.Scheme `yaml:"scheme"`
		Groups   *yaml.Node     `yaml:"groups,omitempty"`
		Features []Feature      `yaml:"features"`
	}{d.Scheme, nil, d.Features}
	if len(d.Groups) > 0 {
		groups, err := d.groups()
		if err != nil {
			return nil, err
		}
		document.Groups = groups
	}
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write the catalogue: %w", err)
	}
	return out.Bytes(), nil
}

// groups is a mapping in the order of Groups: a Go map has none.
func (d *Draft) groups() (*yaml.Node, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, g := range d.Groups {
		var key, value yaml.Node
		key.SetString(g.Name)
		if err := value.Encode(g); err != nil {
			return nil, fmt.Errorf("write the group %s: %w", g.Name, err)
		}
		mapping.Content = append(mapping.Content, &key, &value)
	}
	return mapping, nil
}

func (d *Draft) addGroup(g Group) {
	if !slices.ContainsFunc(d.Groups, func(have Group) bool { return have.Name == g.Name }) {
		d.Groups = append(d.Groups, g)
	}
}

func (d *Draft) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}
