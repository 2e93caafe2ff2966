package config

import "strings"

// readText takes the text of a variable or an annotation for the option. A list
// of sections may be written as in a file, in YAML or JSON, or in short: the
// first option of each element, with commas between them.
func (o Option) readText(text string, origin Origin) (layer, []error) {
	found := newLayer()
	found.origins[o.Key] = origin
	switch {
	case len(o.Elements) == 0:
	case isYAMLList(text):
		root, err := parseYAML([]byte(text))
		if err != nil {
			return layer{}, []error{newProblem(o.Key, text, "no list in YAML: "+err.Error()+"; accepted: a list, each element "+o.Form.Accepted, origin)}
		}
		r := &fileReader{from: origin, options: []Option{o}, found: found}
		r.sections(o, root)
		return found, r.problems
	case o.Whole && strings.TrimSpace(text) != "":
		return layer{}, []error{newProblem(o.Key, text, "no list in YAML; accepted: a list in YAML or JSON, each element "+o.Form.Accepted, origin)}
	}
	found.values[o.Key] = o.split(text)
	return found, nil
}

// isYAMLList tells a list of sections as a file has it from the short form, in
// which an address may begin with a bracket, too: [::1]:6379.
func isYAMLList(text string) bool {
	text = strings.TrimSpace(text)
	if inner, isFlow := strings.CutPrefix(text, "["); isFlow {
		inner = strings.TrimSpace(inner)
		return strings.HasPrefix(inner, "{") || strings.HasPrefix(inner, "]")
	}
	return strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "-\n")
}
