package config

import (
	"strings"
	"testing"
)

func TestRulesAreReadWithTheirDefaults(t *testing.T) {
	cfg := loadText(t, `
rollout:
  rules:
    - {name: none, entities: ["secret:*"], mode: "off"}
    - {name: canary, features: [a, "b*"], percent: 0.5, verify: 1}
    - {name: rest}
`)
	rules := cfg.Rollout.Rules
	if len(rules) != 3 || rules[0].Mode != ModeOff || rules[0].Percent != 100 || rules[1].Percent != 0.5 || rules[1].Verify != 1 || rules[1].Mode != ModeLive ||
		len(rules[1].Features) != 2 || len(rules[2].Features) != 0 || len(rules[2].Entities) != 0 {
		t.Errorf("%+v", rules)
	}
	if again := loadText(t, string(Effective(cfg))); len(again.Rollout.Rules) != 3 || again.Rollout.Rules[1].Percent != 0.5 {
		t.Errorf("printed and read again: %+v", again.Rollout.Rules)
	}
}

func TestRulesThatCannotBeMeantAreProblems(t *testing.T) {
	for text, want := range map[string]string{
		"rules: [{name: a}, {name: a}]":               "the same name as rollout.rules[0]",
		"rules: [{name: default}]":                    "the rule that ends the list",
		"rules: [{mode: live}]":                       "of the wrong shape",
		"rules: [{name: a, percent: 101}]":            "too large",
		"rules: [{name: a, percent: -1}]":             "too small",
		"rules: [{name: a, percent: NaN}]":            "not a number",
		"rules: [{name: a, verify: x}]":               "not a number",
		"rules: [{name: a, mode: fast}]":              "accepted: off, dry-run or live",
		"rules: [{name: a, entities: ['[']}]":         "not a pattern",
		"rules: [{name: a, features: ['[']}]":         "not a pattern",
		"shadow: {addresses: ['s:1', 's:1']}":         "the same address",
		"shadow: {addresses: ['127.0.0.1:6379']}":     "fsproxy itself listens there",
		"shadow: {username: u}":                       "a user without a password",
		"shadow: {tls: {ca_file: /x}}":                "has no effect",
		"shadow: {password_file: /no/such/file}":      "password_file",
		"shadow: {addresses: ['s:1'], percent: 1000}": "too large",
	} {
		_, err := Load(Sources{File: writeFile(t, "fsproxy.yaml", "rollout: {"+text+"}\n")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestALastRuleThatChangesNothingIsWarnedOf(t *testing.T) {
	for text, want := range map[string]int{
		"mode: live\nrollout: {rules: [{name: a, percent: 1}]}\n":            1,
		"mode: \"off\"\nrollout: {rules: [{name: a, percent: 1}]}\n":         0,
		"mode: live\nrollout: {rules: [{name: a, percent: 1, verify: 1}]}\n": 0,
		"mode: live\nrollout: {rules: [{name: a}]}\n":                        0,
	} {
		if got := loadText(t, text).rolloutWarnings(); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestRulesCanBeTakenOverAtRunTime(t *testing.T) {
	before, after := loadText(t, ""), loadText(t, "rollout: {rules: [{name: a}], shadow: {percent: 2}, workers: 3}\n")
	reloadable, restart := Changes(before, after)
	if strings.Join(reloadable, " ") != "rollout.rules rollout.shadow.percent" || strings.Join(restart, " ") != "rollout.workers" {
		t.Errorf("reloadable %v, restart %v", reloadable, restart)
	}
	if now := before.TakeOver(after); len(now.Rollout.Rules) != 1 || now.Rollout.Workers != 2 {
		t.Errorf("%+v", now.Rollout)
	}
}
