package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

const someRules = "mode: \"off\"\nrollout: {rules: [{name: never, features: [f3], mode: \"off\"}, {name: canary, percent: 1, verify: 2}]}\n"

// newRuleRig has a rollout of its own, whose rules are those of yaml.
func newRuleRig(t *testing.T, yaml string) *rig {
	t.Helper()
	r := newRig(t, yaml, func(s *Sources) { s.Rollout = nil })
	r.sources.Rollout = ViewOf(r.rules)
	r.sources.Mode = r.rules.Mode
	return r
}

// inShort writes rules as "name mode percent verify features".
func inShort(rules []api.Rule) string {
	var all []string
	for _, r := range rules {
		all = append(all, words(configured(r)))
	}
	for i, r := range rules {
		all[i] = r.Name + ": " + all[i]
	}
	return strings.Join(all, "\n")
}

const (
	neverRule   = "never: off, 100 %, verify 0 %, features f3, entities all"
	canaryRule  = "canary: live, 1 %, verify 2 %, features all, entities all"
	defaultRule = "default: off, 100 %, verify 0 %, features all, entities all"
)

func TestRulesAreChangedWholeOrOneAtATime(t *testing.T) {
	for _, c := range []struct{ name, path, body, want, log string }{
		{
			"a percentage", api.PathRule, `{"name": "canary", "percent": 10}`,
			neverRule + "\ncanary: live, 10 %, verify 2 %, features all, entities all\n" + defaultRule, "rules: canary percent from 1 % to 10 %",
		},
		{
			"a mode and what is verified", api.PathRule, `{"name": "canary", "mode": "dry-run", "verify_percent": 0}`,
			neverRule + "\ncanary: dry-run, 1 %, verify 0 %, features all, entities all\n" + defaultRule, "rules: canary mode from live to dry-run, verify from 2 % to 0 %",
		},
		{
			"features", api.PathRule, `{"name": "never", "features": ["a", "b*"], "entities": ["st_*"]}`,
			"never: off, 100 %, verify 0 %, features a b*, entities st_*\n" + canaryRule + "\n" + defaultRule, "never features from f3 to a b*, entities from all to st_*",
		},
		{
			"the mode of the rest", api.PathRule, `{"name": "default", "mode": "dry-run"}`,
			neverRule + "\n" + canaryRule + "\ndefault: dry-run, 100 %, verify 0 %, features all, entities all", "rules: default mode from off to dry-run",
		},
		{
			"all, with what a file would mean by what is left out", api.PathRules, `{"rules": [{"name": "x"}, {"name": "never", "mode": "off", "features": ["f3"]}]}`,
			"x: live, 100 %, verify 0 %, features all, entities all\n" + neverRule + "\n" + defaultRule,
			"rules: canary taken away; x added (live, 100 %, verify 0 %, features all, entities all)",
		},
		{
			"all, with the default one", api.PathRules, `{"rules": [{"name": "default", "mode": "live", "features": [], "entities": [], "percent": 100, "verify_percent": 0, "compared": {"match": 3}}]}`,
			"default: live, 100 %, verify 0 %, features all, entities all", "default mode from off to live",
		},
		{"none", api.PathRules, `{"rules": []}`, defaultRule, "rules: never taken away; canary taken away"},
		{
			"the order", api.PathRules, `{"rules": [{"name": "canary", "percent": 1, "verify_percent": 2}, {"name": "never", "features": ["f3"], "mode": "off"}]}`,
			canaryRule + "\n" + neverRule + "\n" + defaultRule, "rules: the order is canary, never, default",
		},
	} {
		r := newRuleRig(t, someRules)
		var answer, later []api.Rule
		r.answer(t, http.MethodPost, c.path, c.body, &answer)
		r.answer(t, http.MethodGet, api.PathRules, "", &later)
		if got := inShort(answer); got != c.want || inShort(later) != got {
			t.Errorf("%s gives\n%s\nand later\n%s\nwant\n%s", c.name, got, inShort(later), c.want)
		}
		if log := r.log.String(); !strings.Contains(log, c.log) || !strings.Contains(log, "from=127.0.0.1:54321") {
			t.Errorf("%s: the log does not say %q:\n%s", c.name, c.log, log)
		}
		if changes := r.changes.list(); len(changes) != 1 || !strings.Contains(changes[0].What, c.log) {
			t.Errorf("%s: remembered %+v", c.name, changes)
		}
	}
}

func TestRulesThatCannotBeAreRefusedWholeAndNamed(t *testing.T) {
	r := newRuleRig(t, someRules)
	for _, c := range []struct {
		path, body, says string
		code             int
	}{
		{api.PathRule, `{"name": "canary", "percent": 101}`, `rollout.rules[1].percent = "101": too large; accepted: a number from 0 to 100`, http.StatusBadRequest},
		{api.PathRule, `{"name": "canary", "mode": "fast"}`, `rollout.rules[1].mode = "fast": not one of the choices`, http.StatusBadRequest},
		{api.PathRule, `{"name": "canary", "features": ["["]}`, "rollout.rules[1].features[0]", http.StatusBadRequest},
		{api.PathRule, `{"name": "canary", "percnt": 1}`, "percnt", http.StatusBadRequest},
		{api.PathRule, `{"name": "canry", "percent": 1}`, `there is no rule "canry"; there are: never, canary, default`, http.StatusNotFound},
		{api.PathRule, `{}`, "there is no rule", http.StatusNotFound},
		{api.PathRule, `{"name": "default", "percent": 50}`, "only its mode can be changed", http.StatusBadRequest},
		{api.PathRule, `{"name": "default", "mode": "fast"}`, "use off, dry-run or live", http.StatusBadRequest},
		{api.PathRules, `{}`, `say {"rules": […]}`, http.StatusBadRequest},
		{api.PathRules, ``, `say {"rules": […]}`, http.StatusBadRequest},
		{api.PathRules, `{"rules": [{"name": "a"}, {"name": "a"}]}`, "the same name as rollout.rules[0]", http.StatusBadRequest},
		{api.PathRules, `{"rules": [{"name": "default", "mode": "off"}, {"name": "a"}]}`, "the name of the rule that ends the list", http.StatusBadRequest},
		{api.PathRules, `{"rules": [{"name": ""}]}`, "rollout.rules[0].name", http.StatusBadRequest},
		{api.PathRules, `{"rules": [{"name": "a"}, {"name": "b", "percent": -1}]}`, "rollout.rules[1].percent", http.StatusBadRequest},
	} {
		got := r.ask(http.MethodPost, c.path, c.body, nil)
		if said := strings.ReplaceAll(got.Body.String(), `\"`, `"`); got.Code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s %s gives %d %s, want %d and %q", c.path, c.body, got.Code, said, c.code, c.says)
		}
	}
	var rules []api.Rule
	r.answer(t, http.MethodGet, api.PathRules, "", &rules)
	if got := inShort(rules); got != neverRule+"\n"+canaryRule+"\n"+defaultRule || len(r.changes.list()) != 0 {
		t.Errorf("after refusals the rules are\n%s", got)
	}
}

func TestRulesThatWereChangedShowInStatusAndConfiguration(t *testing.T) {
	r := newRuleRig(t, someRules)
	state := func() (status api.Status, origin string, yaml string) {
		t.Helper()
		r.answer(t, http.MethodGet, api.PathStatus, "", &status)
		var cfg api.Config
		r.answer(t, http.MethodGet, api.PathConfig, "", &cfg)
		for _, o := range cfg.Options {
			if o.Key == "rollout.rules" {
				origin = o.Origin
			}
		}
		return status, origin, cfg.YAML
	}
	if status, origin, _ := state(); status.Rules != 2 || status.SetByHand || origin == theAPI {
		t.Errorf("at first: %d rules, by hand %t, from %s", status.Rules, status.SetByHand, origin)
	}
	var rules []api.Rule
	r.answer(t, http.MethodPost, api.PathRule, `{"name": "canary", "percent": 12.5}`, &rules)
	if status, origin, yaml := state(); status.Rules != 2 || !status.SetByHand || origin != theAPI || !strings.Contains(yaml, "12.5") {
		t.Errorf("after a change: %d rules, by hand %t, from %s, %s", status.Rules, status.SetByHand, origin, yaml)
	}
	r.answer(t, http.MethodPost, api.PathRule, `{"name": "canary", "percent": 1}`, &rules)
	if status, _, _ := state(); status.SetByHand {
		t.Error("changed back, the rules are those of the configuration")
	}
}

func TestAnEntitysLookUpHeedsRules(t *testing.T) {
	r := newRuleRig(t, "mode: live\nrollout: {rules: [{name: never, features: [f2], mode: \"off\"}, {name: some, entities: [\"*_1\"], mode: dry-run}]}\n")
	for key, want := range map[string]string{"st_1 f1": "rule some: mode is dry-run", "st_1 f2": "rule never: mode is off", "st_2 f1": "", "st_2 f2": "rule never: mode is off"} {
		entity, field, _ := strings.Cut(key, " ")
		if v := r.values(t, "key="+entity)[field]; v.Served != (want == "") || want != "" && v.Why != want {
			t.Errorf("%s: served %t, %s", key, v.Served, v.Why)
		}
	}
	if err := r.rules.SetMode(config.ModeOff); err != nil {
		t.Fatal(err)
	}
	if v := r.values(t, "key=st_2")["f1"]; v.Served || v.Why != "mode is off" {
		t.Errorf("in mode off: %+v", v)
	}
}

func TestAMethodThatIsNotOfferedIsToldWhichAre(t *testing.T) {
	r := newRig(t, "", nil)
	if got := r.ask(http.MethodDelete, api.PathRules, "", nil); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, POST" {
		t.Errorf("%d %s, allowed %s", got.Code, got.Body, got.Header().Get("Allow"))
	}
}
