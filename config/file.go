package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds a configuration file: a ConfigMap cannot be larger, and
// a path that leads to a device or a log must not be read to its end.
const maxFileBytes = 1 << 20

// readFile takes the options from a YAML file; the path "" is a file without
// any. The error is for a file that cannot be read or is no YAML; everything
// in it that is unknown or has the wrong shape is a problem.
func readFile(path string, options []Option) (layer, []error, error) {
	if path == "" {
		return newLayer(), nil, nil
	}
	text, err := readBounded(path, maxFileBytes)
	if err != nil {
		return layer{}, nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	root, err := parseYAML(text)
	if err != nil {
		return layer{}, nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	r := &fileReader{from: Origin{source: fromFile, name: path}, options: options, found: newLayer()}
	if root != nil {
		r.section("", root)
	}
	return r.found, r.problems, nil
}

// readBounded reads a whole file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s has more than %s", path, Bytes(most))
	}
	return text, nil
}

// parseYAML returns the root of the only document, or nil for an empty one.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document; accepted: one")
	}
	return document.Content[0], nil
}

// fileReader walks the nodes of a file, or of a list that a variable holds, along
// the option table.
type fileReader struct {
	from     Origin // without the line
	options  []Option
	found    layer
	problems []error
}

// section reads a mapping whose keys begin with prefix ("" or "cache.").
func (r *fileReader) section(prefix string, node *yaml.Node) {
	node = target(node)
	if isNull(node) {
		return // "cache:" with nothing below it
	}
	if node.Kind != yaml.MappingNode {
		r.wrongShape(strings.TrimSuffix(prefix, "."), node, "a section of options: "+strings.Join(r.below(prefix), ", "))
		return
	}
	r.pairs(prefix, node, func(key string, name, value *yaml.Node) {
		if o, found := r.option(key); found {
			r.value(o, name, value)
			return
		}
		if len(r.below(key+".")) > 0 {
			r.section(key+".", value)
			return
		}
		r.unknown(key, name, value, r.names())
	})
}

// pairs visits each key of a mapping once; a second time is a problem.
func (r *fileReader) pairs(prefix string, mapping *yaml.Node, visit func(key string, name, value *yaml.Node)) {
	lines := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := target(mapping.Content[i]), mapping.Content[i+1]
		key := prefix + name.Value
		if first, twice := lines[key]; twice {
			r.add(key, value, fmt.Sprintf("given twice, first on line %d; accepted: once", first), name.Line)
			continue
		}
		lines[key] = name.Line
		visit(key, name, value)
	}
}

func (r *fileReader) value(o Option, name, node *yaml.Node) {
	origin := r.origin(name.Line)
	node = target(node)
	switch {
	case len(o.Elements) > 0:
		r.sections(o, node)
	case o.Form.List:
		r.list(o, node)
	case node.Kind != yaml.ScalarNode || isNull(node):
		r.wrongShape(o.Key, node, o.Form.Accepted)
		return
	default:
		r.found.values[o.Key] = node.Value
	}
	r.found.origins[o.Key] = origin
}

func (r *fileReader) list(o Option, node *yaml.Node) {
	if elements, ok := r.scalars(o.Key, o, node); ok {
		r.found.values[o.Key] = elements
	}
}

// scalars reads a list of plain values, which key names in messages.
func (r *fileReader) scalars(key string, o Option, node *yaml.Node) (elements []string, ok bool) {
	if node.Kind != yaml.SequenceNode {
		r.wrongShape(key, node, "a list, each element "+o.Form.Accepted)
		return nil, false
	}
	elements = make([]string, 0, len(node.Content))
	for i, e := range node.Content {
		part := fmt.Sprintf("%s[%d]", key, i)
		if e = target(e); e.Kind != yaml.ScalarNode || isNull(e) {
			r.wrongShape(part, e, o.Form.Accepted)
			return nil, false
		}
		elements = append(elements, e.Value)
		r.found.origins[part] = r.origin(e.Line)
	}
	return elements, true
}

func (r *fileReader) sections(o Option, node *yaml.Node) {
	if node.Kind != yaml.SequenceNode {
		r.wrongShape(o.Key, node, "a list of "+o.Form.Accepted)
		return
	}
	list := make([]map[string]any, 0, len(node.Content))
	before := len(r.problems)
	for i, e := range node.Content {
		key := fmt.Sprintf("%s[%d]", o.Key, i)
		r.found.origins[key] = r.origin(e.Line)
		list = append(list, r.element(o, key, target(e)))
	}
	if len(r.problems) == before {
		r.found.values[o.Key] = list
	}
}

// element reads one section of a list. The first of its options must be given.
func (r *fileReader) element(o Option, key string, node *yaml.Node) map[string]any {
	if node.Kind != yaml.MappingNode {
		r.wrongShape(key, node, o.Form.Accepted)
		return nil
	}
	before := len(r.problems)
	section := map[string]any{}
	part := &fileReader{from: r.from, options: o.Elements, found: r.found, problems: r.problems}
	part.elementPairs(key, "", node, section)
	r.problems = part.problems
	if _, given := section[o.Elements[0].Key]; !given && len(r.problems) == before {
		r.wrongShape(key, node, o.Form.Accepted)
	}
	return section
}

// elementPairs reads into section the options of the element called element, of
// which r knows the options, or those of a section of it whose keys begin with
// prefix ("tls.").
func (r *fileReader) elementPairs(element, prefix string, node *yaml.Node, section map[string]any) {
	r.pairs(prefix, node, func(key string, name, value *yaml.Node) {
		full := element + "." + key
		value = target(value)
		o, found := r.option(key)
		inner := r.below(key + ".")
		switch {
		case found && o.Form.List:
			if list, ok := r.scalars(full, o, value); ok {
				section[key] = list
			}
		case found && (value.Kind != yaml.ScalarNode || isNull(value)):
			r.wrongShape(full, value, o.Form.Accepted)
		case found:
			section[key] = value.Value
			r.found.origins[full] = r.origin(value.Line)
		case len(inner) == 0:
			r.unknown(full, name, value, r.below(prefix))
		case value.Kind == yaml.MappingNode:
			r.elementPairs(element, key+".", value, section)
		case !isNull(value): // "tls:" with nothing below it
			r.wrongShape(full, value, "a section of options: "+strings.Join(inner, ", "))
		}
	})
}

// target follows an alias to the node it stands for. Aliases of aliases do not
// exist in YAML.
func target(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}
