package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// ifVersion asks for a change of rules of that version alone.
func ifVersion(version string) func(*http.Request) {
	return header(api.HeaderIfVersion, strconv.Quote(version))
}

// version is that of the rules in force.
func (r *rig) version(t *testing.T) string {
	t.Helper()
	version, err := strconv.Unquote(r.ask(http.MethodGet, api.PathRules, "", nil).Header().Get(api.HeaderVersion))
	if err != nil {
		t.Fatal(err)
	}
	var status api.Status
	if r.answer(t, http.MethodGet, api.PathStatus, "", &status); status.RulesVersion != version {
		t.Errorf("the status is of version %s, the rules are of %s", status.RulesVersion, version)
	}
	return version
}

// Of two who edit the same rules, the later one is told of the earlier.
func TestRulesThatWereChangedMeanwhileAreNotOverwritten(t *testing.T) {
	for path, body := range map[string]string{
		api.PathRules: `{"rules": [{"name": "mine", "mode": "off"}]}`,
		api.PathRule:  `{"name": "canary", "percent": 50}`,
	} {
		r := newRuleRig(t, someRules)
		seen := r.version(t)
		var rules []api.Rule
		r.answer(t, http.MethodPost, api.PathRule, `{"name": "canary", "percent": 2}`, &rules)
		theirs := r.version(t)
		if theirs == seen {
			t.Fatalf("other rules have the version %s too", seen)
		}
		got := r.ask(http.MethodPost, path, body, ifVersion(seen))
		if got.Code != http.StatusPreconditionFailed || !strings.Contains(got.Body.String(), "were changed meanwhile") || got.Header().Get(api.HeaderVersion) != strconv.Quote(theirs) {
			t.Errorf("%s of earlier rules gives %d %s, version %s", path, got.Code, got.Body, got.Header().Get(api.HeaderVersion))
		}
		if now := r.version(t); now != theirs || len(r.changes.list()) != 1 {
			t.Errorf("%s: a refused change changed something: %v", path, r.changes.list())
		}
		got = r.ask(http.MethodPost, path, body, ifVersion(theirs))
		if now := r.version(t); got.Code != http.StatusOK || now == theirs || got.Header().Get(api.HeaderVersion) != strconv.Quote(now) {
			t.Errorf("%s of the rules in force gives %d %s, version %s", path, got.Code, got.Body, got.Header().Get(api.HeaderVersion))
		}
	}
}

func TestTheVersionOfRulesGoesByWhatTheySay(t *testing.T) {
	r := newRuleRig(t, someRules)
	seen, versions := r.version(t), []string{}
	for _, body := range []string{
		`{"name": "canary", "percent": 2}`,
		`{"name": "canary", "verify_percent": 3}`,
		`{"name": "canary", "features": ["a", "b"]}`,
		`{"name": "canary", "features": ["a b"]}`,
		`{"name": "canary", "features": [], "entities": ["a", "b"]}`,
		`{"name": "default", "mode": "live"}`,
	} {
		var rules []api.Rule
		r.answer(t, http.MethodPost, api.PathRule, body, &rules)
		versions = append(versions, r.version(t))
	}
	if slices.Sort(versions); len(slices.Compact(versions)) != 6 || slices.Contains(versions, seen) {
		t.Errorf("other rules have the same versions: %v, at first %s", versions, seen)
	}
	if another := newRuleRig(t, someRules).version(t); another != seen {
		t.Errorf("the same rules are of version %s in another process, here of %s", another, seen)
	}
}

// Whoever gives rules is told where each mistake is.
func TestMistakesInRulesNameTheirFields(t *testing.T) {
	r := newRuleRig(t, someRules)
	got := r.ask(http.MethodPost, api.PathRules, `{"rules": [{"name": "a"}, {"name": "", "percent": 101, "verify_percent": -1, "mode": "fast", "features": ["x", "["], "entities": ["["]}, {"name": "c"}]}`, nil)
	var said api.Error
	if err := json.Unmarshal(got.Body.Bytes(), &said); err != nil || got.Code != http.StatusBadRequest {
		t.Fatalf("%v: %d %s", err, got.Code, got.Body)
	}
	fields := map[string]string{}
	for _, mistake := range said.Mistakes {
		if mistake.Rule != 1 || mistake.What == "" {
			t.Errorf("%+v", mistake)
		}
		fields[mistake.Field] = mistake.What
	}
	for _, field := range []string{"name", "features", "entities", "mode", "percent", "verify_percent"} {
		if fields[field] == "" {
			t.Errorf("nothing is said of %s: %+v", field, said)
		}
	}
	if !strings.HasPrefix(fields["percent"], `"101": too large`) {
		t.Errorf("of percent it is said: %s", fields["percent"])
	}
	got = r.ask(http.MethodPost, api.PathRules, `{"rules": [{"name": "a"}, {"name": "a"}]}`, nil)
	said = api.Error{}
	if err := json.Unmarshal(got.Body.Bytes(), &said); err != nil || len(said.Mistakes) != 1 || said.Mistakes[0].Rule != 1 || said.Mistakes[0].Field != "name" {
		t.Errorf("%v: a name that is there twice: %+v", err, said)
	}
}

func TestRulesAreShownWithTheDefaultRuleAtTheEnd(t *testing.T) {
	view := ViewOf(newRuleRig(t, "mode: \"off\"\nrollout: {rules: [{name: canary, features: [a], percent: 0.5, verify: 2}]}\n").rules)
	rules := view.Rules()
	if len(rules) != 2 || rules[0].Name != "canary" || rules[0].Mode != "live" || rules[0].Percent != 0.5 || rules[0].VerifyRate != 2 ||
		rules[1].Name != config.RuleDefault || rules[1].Mode != "off" || rules[1].Percent != 100 || rules[1].Features == nil {
		t.Errorf("%+v", rules)
	}
	if got := view.RuleOf("a"); got != "canary, default" {
		t.Errorf("a is under %q", got)
	}
	if view.Differences(10) == nil {
		t.Error("no differences are null in JSON, want an empty list")
	}
}
