package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// rulesOption is the option that rules are given in.
const rulesOption = "rollout.rules"

// ReadRules reads rules that somebody gives to a running process: a list in YAML
// or JSON as below rollout.rules, what `fsproxy ctl rules -o json` prints, what the
// admin API takes, or a whole configuration, of which the rules are taken. Path stands in its error,
// which joins a [Problem] for everything that is wrong. [CheckRules] holds them
// against each other.
func ReadRules(path string, text []byte) ([]Rule, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("read the rules in %s: %w", path, err)
	}
	l := newRulesLoader()
	r := &fileReader{from: Origin{source: fromFile, name: path}, options: Options(), found: newLayer()}
	option, _ := r.option(rulesOption)
	if list := ofAPI(root); list != nil {
		root = list
	}
	switch {
	case root == nil:
		return nil, fmt.Errorf("read the rules in %s: it is empty; no rules at all are []", path)
	case root.Kind == yaml.SequenceNode:
		likeFile(root)
		r.sections(option, root)
	default:
		r.section("", root)
		if _, given := r.found.values[rulesOption]; !given && len(r.problems) == 0 {
			return nil, fmt.Errorf("read the rules in %s: it has no rollout.rules", path)
		}
	}
	if l.problems = r.problems; len(l.problems) == 0 {
		l.config.origins = r.found.origins
		l.rules(option, r.found.values[rulesOption])
	}
	return l.config.Rollout.Rules, errors.Join(l.problems...)
}

// ofAPI is the list in a body of the admin API, {"rules": […]}; nil: it is none.
func ofAPI(root *yaml.Node) *yaml.Node {
	const pair = 2
	if root == nil || root.Kind != yaml.MappingNode || len(root.Content) != pair || root.Content[0].Value != "rules" {
		return nil
	}
	if list := target(root.Content[1]); list.Kind == yaml.SequenceNode {
		return list
	}
	return nil
}

// likeFile makes of rules as the admin API shows them what a file would say.
func likeFile(list *yaml.Node) {
	const pair = 2 // a name and its value are neighbours
	for _, element := range list.Content {
		if element = target(element); element.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(element.Content); i += pair {
			switch element.Content[i].Value {
			case "verify_percent":
				element.Content[i].Value = "verify"
			case "compared": // what came of the rule is none of it
				element.Content = slices.Delete(element.Content, i, i+pair)
				i -= pair
			}
		}
	}
}

// CheckRules tells what is wrong with rules by themselves and with each other, as
// Load would: its error joins a [Problem] for everything that is. From is who gave
// them.
func CheckRules(rules []Rule, from string) error {
	l := newRulesLoader()
	l.config.origins[rulesOption] = Origin{source: fromCaller, name: from}
	option, _ := (&fileReader{options: Options()}).option(rulesOption)
	sections := make([]map[string]any, len(rules))
	for i, r := range rules {
		sections[i] = map[string]any{
			"name": r.Name, "features": append([]string{}, r.Features...), "entities": append([]string{}, r.Entities...), "mode": string(r.Mode),
			"percent": strconv.FormatFloat(r.Percent, 'g', -1, 64), "verify": strconv.FormatFloat(r.Verify, 'g', -1, 64),
		}
	}
	if l.rules(option, sections); len(l.problems) == 0 {
		l.checkRules()
	}
	return errors.Join(l.problems...)
}

func newRulesLoader() *loader {
	return &loader{config: &Config{origins: map[string]Origin{}}, faulty: map[string]bool{}}
}

// rules reads the rules of l's configuration from sections.
func (l *loader) rules(option Option, sections any) {
	list, _ := l.value(option, rulesOption, sections).([]map[string]any)
	if len(l.problems) > 0 {
		return
	}
	l.config.Rollout.Rules = make([]Rule, len(list))
	for i, section := range list {
		l.config.Rollout.Rules[i] = ruleOf(section)
	}
}

// ruleOf is the rule of the values that were read for it: by the forms of its
// options they are of these types.
func ruleOf(section map[string]any) Rule {
	var r Rule
	r.Name, _ = section["name"].(string)
	r.Features, _ = section["features"].([]string)
	r.Entities, _ = section["entities"].([]string)
	r.Mode, _ = section["mode"].(Mode)
	r.Percent, _ = section["percent"].(float64)
	r.Verify, _ = section["verify"].(float64)
	return r
}
