package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/rollout"
)

func loadText(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A feature's bound is the largest of the sources that cover it, each as it is
// now; docs/CONSISTENCY.md has the table.
func TestThePromiseOfAFeatureFollowsFromWhatCoversIt(t *testing.T) {
	cfg := loadText(t, `
upstream: {fetch_timeout: 50ms}
invalidation:
  markers: [{key: uploads, interval: 5s, settle: 10s, max_silence: 1m, covers: ["b*"]}]
  kafka: {brokers: ["k:1"], settle: 2s, check_interval: 1s, topics: [{name: updates, max_lag: 30s, covers: ["r*", "both"]}]}
`)
	const reach = 70 * time.Millisecond
	markers, topic := 16*time.Second+reach, 4*time.Second+reach
	var now []invalidation.Status
	p, err := newPromises(cfg, cfg.Catalogue(), func() []invalidation.Status { return now })
	if err != nil {
		t.Fatal(err)
	}
	check := func(field, source string, within time.Duration, covered bool) {
		t.Helper()
		want := rollout.Promise{Source: source, Within: within, Covered: covered}
		if got := p.of(field); got != want {
			t.Errorf("%s: %+v, want %+v", field, got, want)
		}
	}
	status := func(kind, name string, state invalidation.State, lag time.Duration) invalidation.Status {
		return invalidation.Status{Kind: kind, Name: name, State: state, Lag: lag}
	}
	now = []invalidation.Status{
		status(invalidation.KindMarkers, "uploads", invalidation.StateTrusted, 4*time.Second),
		status(invalidation.KindKafka, "updates", invalidation.StateTrusted, 0),
	}
	check("b1", "uploads", markers, true)
	check("r1", "updates", topic, true)
	check("both", "uploads, updates", markers, true)
	check("x", "max_age", 0, false)
	// Not heard for longer than is usual, and not to be trusted.
	now[0].Lag = 20 * time.Second
	now[1].State = invalidation.StateLagging
	check("b1", "uploads", 70*time.Second+reach, true)
	check("r1", "updates", 32*time.Second+reach, true)
}

// A file that changes the rules does not undo what was set otherwise, and the
// other way round.
func TestWhatTheFileDoesNotChangeStaysAsItWasSet(t *testing.T) {
	before := loadText(t, "mode: \"off\"\n")
	after := loadText(t, "mode: \"off\"\nrollout: {rules: [{name: canary, percent: 1}]}\n")
	decides, err := rollout.New(rollout.Config{Mode: before.Mode, Options: before.Rollout})
	if err != nil {
		t.Fatal(err)
	}
	if err := decides.SetMode(config.ModeDryRun); err != nil {
		t.Fatal(err)
	}
	decides.TakeOver(before.Mode, before.Rollout, after.Mode, after.Rollout)
	if rules := decides.Rules().List(); len(rules) != 2 || rules[0].Name != "canary" || decides.Mode() != config.ModeDryRun {
		t.Errorf("mode %s, rules %+v", decides.Mode(), rules)
	}
	decides.TakeOver(after.Mode, after.Rollout, config.ModeLive, after.Rollout)
	if rules := decides.Rules().List(); len(rules) != 2 || decides.Mode() != config.ModeLive {
		t.Errorf("mode %s, rules %+v", decides.Mode(), rules)
	}
	// Rules set by hand stay through a reading that changes others of the file, and
	// give way to one that changes them.
	if err := decides.Edit(func(list []config.Rule) ([]config.Rule, error) {
		list[0].Percent = 10
		return list, nil
	}); err != nil {
		t.Fatal(err)
	}
	shadow := after.Rollout
	shadow.Shadow.Percent = 5
	decides.TakeOver(config.ModeLive, after.Rollout, config.ModeOff, shadow)
	if rules := decides.Rules().List(); rules[0].Percent != 10 || decides.Mode() != config.ModeOff {
		t.Errorf("mode %s, rules %+v", decides.Mode(), rules)
	}
	decides.TakeOver(config.ModeOff, shadow, config.ModeOff, before.Rollout)
	if rules := decides.Rules().List(); len(rules) != 1 {
		t.Errorf("rules that the file has taken away: %+v", rules)
	}
}
