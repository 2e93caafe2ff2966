package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
	"github.com/fsproxy/fsproxy/config"
)

// runSidecar runs a sidecar in front of an empty store and returns its admin
// address.
func runSidecar(t *testing.T, yaml string) string {
	t.Helper()
	store := miniredis.RunT(t)
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	text := "listeners: [{address: \"127.0.0.1:0\"}]\nupstream: {addresses: [\"" + store.Addr() + "\"]}\n" + yaml
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(config.Sources{File: file}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.reload.from(file, load)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.adminListener.Addr().String()
}

func TestCtlHasAnActionForEachPathOfTheAPI(t *testing.T) {
	rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rulesFile, []byte("- {name: never, features: [x], mode: off}\n- {name: canary, percent: 0.5}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := runSidecar(t, "admin: {address: \"127.0.0.1:0\"}\nrollout: {shadow: {addresses: [\""+miniredis.RunT(t).Addr()+"\"]}}\n")
	for _, c := range []struct{ args, says string }{
		{"status", "mode         live"},
		{"config", "cache.max_age"},
		{"topology", "FETCHER"},
		{"features --match x --limit 3", "FIELD"},
		{"entity st_1", "nothing is held of it"},
		{"entity --base64 c3RfMQ==", "nothing is held of it"},
		{"hottest --limit 2", "ENTITY"},
		{"sources", "fs:markers"},
		{"differences", "CLASS"},
		{"rules", "default"},
		{"rules set -f " + rulesFile, "canary   live  0.5"},
		{"rules percent canary 12.5", "canary   live  12.5"},
		{"rules verify canary 3", "canary   live  12.5     3"},
		{"rules mode canary dry-run", "canary   dry-run"},
		{"status", "live, after 2 rules; set by hand"},
		{"rules mode default live", "default  live"},
		{"shadow", "1 % of the fetches"},
		{"shadow percent 12.5", "12.5 % of the fetches"},
		{"status", "12.5 % of the fetches are repeated there"},
		{"changes", "second store: percent from 1 % to 12.5 %"},
		{"changes", "rules: canary mode from live to dry-run"},
		{"mode off", "the mode is off"},
		{"mode live", "the mode is live"},
		{"invalidate --feature f*", `invalidated feature "f*", which nobody has asked for so far: see that the name is right`},
		{"invalidate --entity e", `invalidated entity "e"`},
		{"invalidate --all", "invalidated everything"},
		{"flush", "dropped 0 rows"},
		{"reload", "nothing has changed"},
		{"changes", "mode from live to off"},
	} {
		code, out, stderr := command(t, append(strings.Fields("ctl --admin "+admin), strings.Fields(c.args)...)...)
		if code != exitDone || !strings.Contains(out, c.says) {
			t.Errorf("ctl %s ends with %d and says\n%s%s", c.args, code, out, stderr)
		}
		if c.args == "mode off" || strings.HasPrefix(c.args, "shadow percent") || c.args == "flush" || strings.HasPrefix(c.args, "rules ") {
			continue
		}
		code, out, stderr = command(t, append(strings.Fields("ctl -o json --admin "+admin), strings.Fields(c.args)...)...)
		if code != exitDone || !json.Valid([]byte(out)) {
			t.Errorf("ctl -o json %s ends with %d and says\n%s%s", c.args, code, out, stderr)
		}
	}
}

func TestCtlTellsMistakesFromRefusals(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := runSidecar(t, "admin: {address: \"127.0.0.1:0\", token_file: "+token+"}\n")
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"", "say what to ask", exitUsage},
		{"stattus", "did you mean status?", exitUsage},
		{"status -o xml", "use table or json", exitUsage},
		{"invalidate", "say what to invalidate", exitUsage},
		{"invalidate --all --feature f", "say what to invalidate", exitUsage},
		{"entity", "entity", exitUsage},
		{"entity --base64 ?", "base64", exitUsage},
		{"status --admin nowhere", "neither host:port nor", exitUsage},
		{"status --admin 127.0.0.1:1", "is fsproxy running", exitFailed},
		{"flush", "admin.token_file", exitFailed},
		{"mode fast --token-file " + token, "mode", exitFailed},
		{"flush --token-file " + token + ".not", "no such file", exitFailed},
		{"rules set --token-file " + token, "-f FILE", exitUsage},
		{"rules set -f " + token + ".not --token-file " + token, "no such file", exitFailed},
		{"rules set -f " + token + " --token-file " + token, "a section of options", exitFailed},
		{"rules percent a", "say which rule", exitUsage},
		{"rules percent a many --token-file " + token, "no percentage", exitUsage},
		{"rules percent a 1 --token-file " + token, "there is no rule \"a\"; there are: default", exitFailed},
		{"rules percent default 1", "admin.token_file", exitFailed},
		{"shadow", "name it in rollout.shadow.addresses", exitFailed},
		{"shadow percent", "one percentage is expected", exitUsage},
		{"shadow percent many --token-file " + token, "no percentage", exitUsage},
		{"shadow percent 1 --token-file " + token, "name it in rollout.shadow.addresses", exitFailed},
		{"flush --token-file " + token, "", exitDone},
	} {
		code, out, stderr := command(t, append(strings.Fields("ctl --admin "+admin), strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("ctl %s ends with %d and says\n%s%s", c.args, code, out, stderr)
		}
	}
}

func TestTopOncePrintsAFrame(t *testing.T) {
	admin := runSidecar(t, "admin: {address: \"127.0.0.1:0\"}\n")
	code, out, stderr := command(t, "top", "--once", "--admin", admin)
	for _, want := range []string{"mode live", "from memory", "FETCHER", "SOURCE", "FEATURE"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("top --once ends with %d, and %s is not in\n%s%s", code, want, out, stderr)
		}
	}
}

func TestAFrameFitsItsWindow(t *testing.T) {
	half := 0.5
	f := frame{status: api.Status{Comparison: &api.Comparison{Compared: map[string]uint64{"wrong": 3}, Projected: &api.Projected{HitRate: 0.5}}, Problems: []api.Problem{{What: strings.Repeat("long ", 100)}}}}
	for range 300 {
		f.take(client.Event{Name: "sample", Data: []byte(`{"hit_rate": 0.5, "reads": 10}`)})
	}
	f.features.Features = make([]api.Feature, 100)
	for i := range f.features.Features {
		f.features.Features[i] = api.Feature{Name: strings.Repeat("名", 60), HitRate: &half}
	}
	for _, size := range [][2]int{{80, 24}, {20, 5}, {200, 60}} {
		lines := f.lines(size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%d lines in %d rows", len(lines), size[1])
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > size[0] {
				t.Errorf("a line of %d characters in %d columns: %s", n, size[0], line)
			}
		}
	}
	if whole := strings.Join(f.lines(400, 0), "\n"); !strings.Contains(whole, "3 wrong") || !strings.Contains(whole, "live would: answer 50") {
		t.Errorf("what was compared is not in\n%s", whole)
	}
	if whole := strings.Join(f.lines(60, 0), " "); strings.Count(whole, "long") != 100 {
		t.Errorf("a long problem is not all there:\n%s", whole)
	}
	if len(f.samples) != keptSamples {
		t.Errorf("%d samples are kept", len(f.samples))
	}
}

// A latency is not there in each second: the last one stands for those after it.
func TestAFrameBridgesSecondsWithoutALatency(t *testing.T) {
	latency, now := 0.001, time.Now().UnixMilli()
	for silence, want := range map[int]string{0: "1ms", 20: "1ms", 21: unknown} {
		f := frame{samples: []api.Sample{{Time: now, HitP50: &latency}}}
		for i := range silence {
			f.samples = append(f.samples, api.Sample{Time: now + int64(i+1)*1000})
		}
		for _, line := range f.charts(80) {
			if fields := strings.Fields(line); strings.HasPrefix(line, "hit p50") && fields[2] != want {
				t.Errorf("%d s after it: %s", silence, line)
			}
		}
	}
}

// A feature without a name is not given that of the one that had its place before.
func TestTopShowsFeaturesAsTheyAreNow(t *testing.T) {
	answers := []string{`{"features": [{"field": "1", "name": "a"}, {"field": "2"}]}`, `{"features": [{"field": "2"}, {"field": "1", "name": "a"}]}`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(answers[0]))
		answers = answers[1:]
	}))
	defer server.Close()
	asker, err := client.New(server.Listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	var f frame
	for range 2 {
		f.askFeatures(t.Context(), asker)
	}
	if got := f.features.Features; len(got) != 2 || got[0].Field != "2" || got[0].Name != "" || got[1].Name != "a" {
		t.Errorf("%+v", got)
	}
}

// All mistakes of a file are below each other, and what waits for a restart is told.
func TestAStatusTellsOfTheConfigurationFile(t *testing.T) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	writeStatus(table, api.Status{Problems: []api.Problem{
		{Health: api.HealthDegraded, What: "first\nsecond", Do: "mend it"}, {Health: api.HealthOK, What: "wait", Do: "restart"},
	}})
	_ = table.Flush()
	for _, want := range []string{"\n  degraded   first\n             second\n             -> mend it\n", "\n  note       wait\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// What is printed can be edited and given back, and so can a configuration.
func TestRulesThatArePrintedCanBeSet(t *testing.T) {
	admin := runSidecar(t, "admin: {address: \"127.0.0.1:0\"}\nmode: dry-run\nrollout: {rules: [{name: canary, features: [a], percent: 5, verify: 1}]}\n")
	ctl := func(args ...string) string {
		t.Helper()
		code, out, stderr := command(t, append([]string{"ctl", "--admin", admin}, args...)...)
		if code != exitDone {
			t.Fatalf("ctl %v ends with %d: %s", args, code, stderr)
		}
		return out
	}
	file := filepath.Join(t.TempDir(), "rules")
	set := func(text string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ctl("rules", "set", "-f", file)
	}
	before := ctl("rules")
	printed := ctl("rules", "-o", "json")
	set("[{name: stop, mode: \"off\"}, {name: default, mode: live}]")
	if after := ctl("rules"); after == before || !strings.Contains(after, "stop") || strings.Contains(after, "dry-run") {
		t.Errorf("after stopping:\n%s", after)
	}
	if after := set(printed); after != before {
		t.Errorf("given back:\n%s\nbefore:\n%s", after, before)
	}
	version := func() string {
		t.Helper()
		var status api.Status
		if err := json.Unmarshal([]byte(ctl("status", "-o", "json")), &status); err != nil {
			t.Fatal(err)
		}
		return status.RulesVersion
	}
	old := version()
	set("[]")
	if code, _, stderr := command(t, "ctl", "--admin", admin, "rules", "set", "-f", file, "--version", old); code != exitFailed || !strings.Contains(stderr, "were changed meanwhile") {
		t.Errorf("rules of another version are set: %d %s", code, stderr)
	}
	ctl("rules", "set", "-f", file, "--version", version())
	if after := set("cache: {max_age: 1h}\nrollout: {rules: [{name: canary, features: [a], percent: 5, verify: 1}]}\n"); after != before {
		t.Errorf("from a configuration:\n%s\nbefore:\n%s", after, before)
	}
}

func TestCtlTellsOfSlotsThatNobodyServes(t *testing.T) {
	for covered, says := range map[int]bool{16384: false, 16000: true} {
		var text strings.Builder
		out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		writeTopology(out, api.Topology{Kind: "rcm", Covered: covered, Slots: 16384})
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "no fetcher serves 384 of 16384 slots") != says {
			t.Errorf("of %d slots:\n%s", covered, text.String())
		}
	}
}
