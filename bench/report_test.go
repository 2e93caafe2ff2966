package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what is rendered into testdata")

// sampleReport is a report of measurements that were never made.
func sampleReport() *Report {
	r := &Report{
		Machine:    Machine{CPU: "Example CPU", Cores: 2, Kernel: "linux/amd64 6.1", Memory: "8.0 GiB", Versions: map[string]string{"fsproxy": "fsproxy 1.0", "redis-server": "Redis 7", "twemproxy": "not installed", "go": "go1.26"}},
		Parameters: Parameters{RoundTime: 1, Rounds: 3, Open: 2, Seed: 1, CPUSource: "a clock"},
		Values:     map[string]float64{allocationsPerHit: 0, tailRatio: 3.5},
	}
	shape := DefaultShape()
	r.Scenarios = []Described{
		{Name: "hmget50-p16", About: "fifty", Shape: shape},
		{Name: "hmget10-p1", About: "ten", Shape: shape, Changed: true},
		{Name: "tail", About: "tail", Shape: shape},
	}
	for _, m := range []struct {
		scenario, server string
		phase            Phase
		micros           []int
	}{
		{"hmget50-p16", redisListpack, Warm, []int{27, 29, 26}},
		{"hmget50-p16", canned, Warm, []int{1, 1, 1}},
		{"hmget50-p16", fsproxy, Cold, []int{40}},
		{"hmget50-p16", fsproxy, Warm, []int{2, 1, 2}},
		{"hmget10-p1", redisListpack, Warm, []int{9}},
		{"hmget10-p1", "a <store>", Warm, []int{0}},
		{"hmget10-p1", fsproxy, Warm, []int{8}},
		{"tail", fsproxy, OpenFills, []int{3}},
	} {
		var rounds []round
		for _, each := range m.micros {
			t := &tally{commands: 1000, elapsed: 50 * time.Millisecond, latency: newHistogram()}
			record(t.latency, 100*time.Microsecond)
			record(t.latency, 250*time.Microsecond)
			r := round{tally: t, serverCPU: time.Duration(each) * time.Millisecond, clientCPU: time.Millisecond}
			if m.scenario == "hmget10-p1" && m.server == fsproxy {
				r.storeCPU = 5 * time.Millisecond
			}
			rounds = append(rounds, r)
		}
		added := r.add(m.scenario, m.server, m.phase, rounds)
		if m.phase == OpenFills {
			added.Histogram = distribution(rounds[0].latency)
		}
	}
	r.note("%s", "a remark")
	r.judge()
	return r
}

// compareGolden compares with a file, or writes it if asked to.
func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed (go test -update writes it):\n%s", path, got)
	}
}

func TestTheTableIsRenderedAsItWas(t *testing.T) {
	var text bytes.Buffer
	if err := sampleReport().WriteText(&text); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "report.txt", text.Bytes())
}

func TestTheChartIsRenderedAsItWasAndIsXML(t *testing.T) {
	var svg bytes.Buffer
	if err := sampleReport().WriteChart(&svg); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "chart.svg", svg.Bytes())
	decoder := xml.NewDecoder(&svg)
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheReportIsJSONWhateverIsMissing(t *testing.T) {
	for _, r := range []*Report{sampleReport(), {}} {
		var text bytes.Buffer
		if err := r.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text.Bytes()) {
			t.Error("it is no JSON")
		}
	}
}

func TestGoalsAreJudgedByMediansOfWarmRounds(t *testing.T) {
	r := sampleReport()
	for text, want := range map[string]struct {
		value float64
		met   bool
	}{
		"HMGET 50, 16 pipelined: CPU of redis-server ÷ fsproxy":                    {27.0 / 2, false},
		"HMGET 50, 16 pipelined, 10,000 entities: CPU of fsproxy ÷ canned replies": {2, false},
		"heap allocations a hit":      {0, true},
		"p99.9 ÷ p50 of hits at half": {3.5, true},
	} {
		found := false
		for _, g := range r.Goals {
			if !strings.HasPrefix(g.Text, text) {
				continue
			}
			found = true
			if g.Measured == nil || math.Abs(*g.Measured-want.value) > 1e-9 || g.Met != want.met {
				t.Errorf("%s: %+v, not %+v", text, g, want)
			}
		}
		if !found {
			t.Errorf("there is no goal %q", text)
		}
	}
}

func TestAGoalIsNotJudgedByAnotherShapeOrWithoutItsMeasurement(t *testing.T) {
	for _, g := range sampleReport().Goals {
		if (g.scenario == "hmget10-p1" || g.scenario == "miss" || g.scenario == "window256") && (g.Measured != nil || g.Met) {
			t.Errorf("%s: %+v", g.Text, g)
		}
	}
}

func TestEveryGoalIsOfAScenarioThatThereIs(t *testing.T) {
	for _, g := range goals() {
		if _, err := chooseScenarios([]string{g.scenario}); err != nil {
			t.Errorf("%s: %v", g.Text, err)
		}
	}
}

func TestTheWindowIsMeasuredAgainstItsDelay(t *testing.T) {
	chosen, err := chooseScenarios([]string{"window256"})
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{
		Scenarios:    []Described{{Name: "window256", Shape: chosen[0].Shape}},
		Measurements: []*Measurement{{Scenario: "window256", Server: fsproxy, Phase: Warm, Throughput: 204_800}},
	}
	if got := windowShare(r); math.Abs(got-0.8) > 1e-9 {
		t.Errorf("204,800 commands a second are %g of 256 a millisecond", got)
	}
}

func TestCollectionsAreAddedUpFromTheTrace(t *testing.T) {
	trace := "level=INFO msg=started\n" +
		"gc 1 @0.019s 1%: 0.015+0.37+0.028 ms clock, 0.030+0.32/0.27/0.10+0.057 ms cpu, 4->4->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n" +
		"gc 2 @1.5s 2%: 0.1+3+0.1 ms clock, 0.2+1/2/3+0.8 ms cpu, 400->410->200 MB, 420 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)\n"
	got, err := sumCollections(strings.NewReader(trace))
	if want := 777*time.Microsecond + 7*time.Millisecond; err != nil || got.count != 2 || (got.cpu-want).Abs() > time.Microsecond {
		t.Errorf("%+v, %v; want %v", got, err, want)
	}
}

func TestAMetricIsFoundByItsWholeName(t *testing.T) {
	text := []byte("# TYPE go_memstats_mallocs_total counter\ngo_memstats_mallocs_total_x 1\ngo_memstats_mallocs_total 1.5e+06\nlast 2 1700000000\n")
	if got, err := findMetric(text, "go_memstats_mallocs_total"); got != 1.5e6 || err != nil {
		t.Errorf("%g, %v", got, err)
	}
	if got, err := findMetric(text, "last"); got != 2 || err != nil {
		t.Errorf("%g, %v", got, err)
	}
	if _, err := findMetric(text, "go"); err == nil {
		t.Error("a metric is found by part of its name")
	}
}
