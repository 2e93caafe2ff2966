package config

import (
	"strings"
	"testing"
)

// Whoever writes rules into an annotation means the same as in a file; a part of
// them taken for a name would put everything live.
func TestAListOfSectionsInAVariableIsReadAsInAFile(t *testing.T) {
	for _, text := range []string{
		"- {name: canary, features: [\"avg_*\", b], percent: 1}\n- name: rest\n  mode: dry-run\n",
		`[{"name": "canary", "features": ["avg_*", "b"], "percent": 1}, {"name": "rest", "mode": "dry-run"}]`,
		" [ {name: canary, features: [\"avg_*\", b], percent: 1}, {name: rest, mode: dry-run} ]",
	} {
		cfg := load(t, Sources{Environ: []string{"FSPROXY_ROLLOUT_RULES=" + text}})
		rules := cfg.Rollout.Rules
		if len(rules) != 2 || rules[0].Name != "canary" || len(rules[0].Features) != 2 || rules[0].Percent != 1 || rules[1].Mode != ModeDryRun {
			t.Errorf("%q gives %+v", text, rules)
		}
	}
	if rules := load(t, Sources{Environ: []string{"FSPROXY_ROLLOUT_RULES=[]"}}).Rollout.Rules; len(rules) != 0 {
		t.Errorf("an empty list gives %+v", rules)
	}
}

func TestAListOfSectionsInAVariableMayBeShortWhereThatSaysEnough(t *testing.T) {
	cfg := load(t, Sources{Environ: []string{
		"FSPROXY_LISTENERS=[::1]:6379, 127.0.0.1:7000",
		"FSPROXY_INVALIDATION_MARKERS=fs:markers,other",
	}})
	if l := cfg.Listeners; len(l) != 2 || l[0].Address != "[::1]:6379" {
		t.Errorf("%+v", l)
	}
	if m := cfg.Invalidation.Markers; len(m) != 2 || m[1].Key != "other" {
		t.Errorf("%+v", m)
	}
}

func TestFaultsInAListOfAVariableAreNamedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"canary,rest":                             "rollout.rules = \"canary,rest\": no list in YAML; accepted: a list in YAML or JSON",
		"[{name: a, percnt: 1}]":                  "rollout.rules[0].percnt",
		"- name: a\n- name: b\n  percent: much\n": "rollout.rules[1].percent",
		"[{name: a}":                              "no list in YAML: yaml:",
		"[{percent: 1}]":                          "rollout.rules[0]",
	} {
		_, err := Load(Sources{Environ: []string{"FSPROXY_ROLLOUT_RULES=" + text}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "environment variable FSPROXY_ROLLOUT_RULES") {
			t.Errorf("%q: %v, want it to say %q and the variable", text, err, want)
		}
		for _, o := range Options() {
			if o.Key == rulesOption && o.CheckText(text) == nil {
				t.Errorf("%q passes by itself", text)
			}
		}
	}
}
