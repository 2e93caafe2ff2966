package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/admin"
	"github.com/fsproxy/fsproxy/cluster/rcm"
)

var (
	metricName = regexp.MustCompile(`\b(fsproxy_[a-z_]+[a-z])\b(?:\{([^}]*)\})?`)
	metricRow  = regexp.MustCompile("(?m)^\\| `(fsproxy_[a-z_]+)` \\| [a-z]+ \\| ([^|]*) \\| (.*) \\|$")
	matcher    = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"([^"]*)"`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) ?\(([a-z_, ]*)\)`)
	plainValue = regexp.MustCompile(`^[a-z_|-]+$`) // not a variable of the dashboard, nor a pattern
	// byTarget are the labels that come of being scraped.
	byTarget = []string{"namespace", "pod", "instance", "job", "container"}
)

// metric is what is known of one: its labels, and its meaning, which names their
// values.
type metric struct {
	labels  []string
	meaning string
}

// metrics are all that there are.
func metrics() map[string]metric {
	all := map[string]metric{
		"fsproxy_inject_reviews_total":                        {labels: []string{"outcome"}, meaning: "injected, refused, skipped, malformed"},
		"fsproxy_inject_certificate_expiry_timestamp_seconds": {},
	}
	for _, row := range metricRow.FindAllStringSubmatch(admin.MarkdownTable()+rcm.MarkdownTable(), -1) {
		all[row[1]] = metric{strings.Split(strings.TrimSpace(row[2]), ", "), row[3]}
	}
	return all
}

// names tells whether a meaning has a value of a label in it, as a word.
func (m metric) names(value string) bool {
	return regexp.MustCompile(`(?:^|[^a-z_-])` + value + `(?:$|[^a-z_-])`).MatchString(m.meaning)
}

func TestDashboardAndAlertsAskOnlyForMetricsThatThereAre(t *testing.T) {
	known := metrics()
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(deployFolder, "chart", "files", file))
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.ReplaceAll(string(text), `\"`, `"`)
		names := metricName.FindAllStringSubmatch(plain, -1)
		if len(names) < 20 {
			t.Errorf("%s: only %d metrics", file, len(names))
		}
		for _, name := range names {
			metric, is := known[strings.TrimSuffix(name[1], "_bucket")]
			if !is {
				t.Errorf("%s: there is no metric %s", file, name[1])
			}
			for _, m := range matcher.FindAllStringSubmatch(name[2], -1) {
				if slices.Contains(byTarget, m[1]) {
					continue
				}
				if !slices.Contains(metric.labels, m[1]) {
					t.Errorf("%s: %s has no label %s", file, name[1], m[1])
				}
				for value := range strings.SplitSeq(m[2], "|") {
					if plainValue.MatchString(m[2]) && !metric.names(value) {
						t.Errorf("%s: no %s of %s is %s, by what it means: %s", file, m[1], name[1], value, metric.meaning)
					}
				}
			}
		}
		every := slices.Concat(byTarget, []string{"le"})
		for _, metric := range known {
			every = append(every, metric.labels...)
		}
		for _, group := range grouping.FindAllStringSubmatch(plain, -1) {
			for label := range strings.SplitSeq(group[1], ",") {
				if label = strings.TrimSpace(label); label != "" && !slices.Contains(every, label) {
					t.Errorf("%s: %s: no metric has the label %s", file, group[0], label)
				}
			}
		}
	}
}

// alert is one of the alerts' file.
type alert struct {
	Alert       string
	Labels      map[string]string
	Annotations map[string]string
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, filepath.Join(deployFolder, "chart", "files", "alerts.yaml"), &file)
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// Somebody is woken by an alert: a few lines say what to do.
const mostLines = 6

func TestEachAlertIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]string{}
	for _, part := range strings.Split(string(text), "\n### ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		if strings.HasPrefix(name, "Fsproxy") {
			explained[name] = strings.TrimSpace(body)
		}
	}
	for _, a := range alerts(t) {
		body, is := explained[a.Alert]
		if lines := strings.Count(body, "\n") + 1; !is || body == "" || lines > mostLines {
			t.Errorf("%s: %d lines explain it in OPERATIONS.md, want 1 to %d", a.Alert, lines, mostLines)
		}
		if want := "docs/OPERATIONS.md#" + strings.ToLower(a.Alert); !strings.HasSuffix(a.Annotations["runbook_url"], want) {
			t.Errorf("%s: runbook_url %q, want one that ends in %s", a.Alert, a.Annotations["runbook_url"], want)
		}
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
		delete(explained, a.Alert)
	}
	for name := range explained {
		t.Errorf("OPERATIONS.md explains %s, which there is not", name)
	}
}

func TestEachAlertIsSeenToFireAndNotTo(t *testing.T) {
	var file struct {
		Tests []struct {
			Checks []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, filepath.Join(deployFolder, "alerts_test.yaml"), &file)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, check := range test.Checks {
			if len(check.Expected) > 0 {
				fires[check.Alert] = true
			} else {
				rests[check.Alert] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !rests[a.Alert] {
			t.Errorf("alerts_test.yaml: %s: fires %v, does not %v", a.Alert, fires[a.Alert], rests[a.Alert])
		}
	}
}

// PROMTOOL is the command, as deploy/check.sh has it.
func TestPromtoolTakesWhatARunningSidecarTells(t *testing.T) {
	promtool := strings.Fields(os.Getenv("PROMTOOL"))
	if len(promtool) == 0 {
		t.Skip("PROMTOOL is not set: make lint-deploy sets it")
	}
	store := miniredis.RunT(t)
	store.HSet("e", "f", "v")
	s, client := startSidecar(t, store, "metrics: {features: all}\n")
	_ = reads(t, client)
	answer, err := http.Get("http://" + s.adminListener.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), promtool[0], append(promtool[1:], "check", "metrics")...)
	check.Stdin = bytes.NewReader(text)
	if said, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) > 0 {
		t.Errorf("%v: %s", err, said)
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The configuration that the README shows is one that can be run.
func TestTheReadmesConfigurationIsRight(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, block := range yamlBlock.FindAllSubmatch(text, -1) {
		if !bytes.HasPrefix(block[1], []byte("listeners:")) {
			continue
		}
		seen++
		file := filepath.Join(t.TempDir(), "fsproxy.yaml")
		if err := os.WriteFile(file, block[1], 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := command(t, "check", "--config", file)
		if code != exitDone || stderr != "" {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		var shown struct {
			Invalidation struct {
				Markers []any
				Kafka   struct{ Topics []any }
			}
			Rollout struct{ Rules []any }
		}
		if err := yaml.Unmarshal([]byte(stdout), &shown); err != nil {
			t.Fatal(err)
		}
		if len(shown.Invalidation.Markers) == 0 || len(shown.Invalidation.Kafka.Topics) == 0 || len(shown.Rollout.Rules) == 0 {
			t.Errorf("it shows no markers, no topics or no rules: %+v", shown)
		}
	}
	if seen != 1 {
		t.Errorf("%d configurations, want 1", seen)
	}
}
