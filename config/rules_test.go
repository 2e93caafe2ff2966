package config

import (
	"strings"
	"testing"
)

func TestRulesAreReadFromAListOrAConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"a list":                "- {name: a, features: [x, \"y*\"], percent: 0.5}\n- {name: b, mode: off}\n",
		"what is below rollout": "rollout:\n  rules:\n    - {name: a, features: [x, \"y*\"], percent: 0.5}\n    - {name: b, mode: off}\nmode: live\n",
		"as the API takes them": `{"rules": [{"name": "a", "features": ["x", "y*"], "percent": 0.5}, {"name": "b", "mode": "off"}]}`,
		"as the API shows them": `[{"name": "a", "features": ["x", "y*"], "entities": [], "mode": "live", "percent": 0.5, "verify_percent": 0, "compared": {"match": 1}},
			{"name": "b", "features": [], "entities": [], "mode": "off", "percent": 100, "verify_percent": 0}]`,
	} {
		rules, err := ReadRules("f", []byte(text))
		if err != nil || len(rules) != 2 || rules[0].Name != "a" || strings.Join(rules[0].Features, " ") != "x y*" || rules[0].Mode != ModeLive ||
			rules[0].Percent != 0.5 || rules[1].Mode != ModeOff || rules[1].Percent != 100 || len(rules[1].Features) != 0 {
			t.Errorf("%s: %v, %+v", name, err, rules)
		}
	}
	if rules, err := ReadRules("f", []byte("[]")); err != nil || len(rules) != 0 {
		t.Errorf("none: %v, %+v", err, rules)
	}
}

func TestRulesThatCannotBeReadAreNamedWithTheirLine(t *testing.T) {
	for text, says := range map[string]string{
		"":                                       "it is empty",
		"mode: live\n":                           "has no rollout.rules",
		"a\n":                                    "a section of options",
		"[a]\n":                                  "rollout.rules[0]",
		"- {name: a}\n- {name: b, percent: x}\n": `rollout.rules[1].percent = "x": not a number`,
		"- {name: a}\n- {nam: b}\n":              "file f, line 2",
		"- {mode: live}\n":                       "rollout.rules[0]",
		"a: [\n":                                 "f",
	} {
		if rules, err := ReadRules("f", []byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q gives %+v and %v, want %q", text, rules, err, says)
		}
	}
}

func TestRulesAreCheckedAsInAFile(t *testing.T) {
	good := Rule{Name: "a", Mode: ModeLive, Percent: 50, Features: []string{"x*"}, Entities: []string{"st_*"}}
	if err := CheckRules([]Rule{good, {Name: "b", Mode: ModeOff}}, "somebody"); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*Rule){
		`rollout.rules[1].name = ""`:          func(r *Rule) { r.Name = "" },
		"the same name as rollout.rules[0]":   func(r *Rule) { r.Name = "a" },
		"the rule that ends the list":         func(r *Rule) { r.Name = RuleDefault },
		`rollout.rules[1].mode = ""`:          func(r *Rule) { r.Mode = "" },
		`rollout.rules[1].percent = "100.5"`:  func(r *Rule) { r.Percent = 100.5 },
		`rollout.rules[1].verify = "-1"`:      func(r *Rule) { r.Verify = -1 },
		`rollout.rules[1].features[0] = "["`:  func(r *Rule) { r.Features = []string{"["} },
		`rollout.rules[1].entities[1] = "a["`: func(r *Rule) { r.Entities = []string{"b", "a["} },
	} {
		bad := Rule{Name: "b", Mode: ModeLive, Percent: 1}
		change(&bad)
		if err := CheckRules([]Rule{good, bad}, "somebody"); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "(somebody)") {
			t.Errorf("%v, want %s", err, says)
		}
	}
}
