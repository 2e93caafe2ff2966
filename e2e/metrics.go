//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// samplePattern takes a line of the text format apart: name, labels, value.
var samplePattern = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)`)

// labelPattern finds one label. None of the values read here has an escape.
var labelPattern = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="([^"]*)"`)

// sample is one line of /metrics.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// get returns the body of a page of the admin address; any status but 200 is
// an error.
func (p *proxy) get(path string) (string, error) {
	resp, err := adminClient.Get("http://" + p.admin + path)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s says %s: %s", path, resp.Status, body)
	}
	return string(body), nil
}

// samples reads all samples of /metrics.
func (p *proxy) samples(t testing.TB) []sample {
	t.Helper()
	text, err := p.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for line := range strings.Lines(text) {
		m := samplePattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("metric line %q: %v", line, err)
		}
		s := sample{name: m[1], labels: map[string]string{}, value: value}
		for _, l := range labelPattern.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		all = append(all, s)
	}
	return all
}

// fieldCounts holds fsproxy_fields_total by its result label.
type fieldCounts map[string]int

// fields reads how many fields were answered, by result.
func (p *proxy) fields(t testing.TB) fieldCounts {
	t.Helper()
	counts := fieldCounts{}
	for _, s := range p.samples(t) {
		if s.name == "fsproxy_fields_total" {
			counts[s.labels["result"]] += int(s.value)
		}
	}
	return counts
}

// since returns what was counted after before.
func (c fieldCounts) since(before fieldCounts) fieldCounts {
	diff := maps.Clone(c)
	for result, n := range before {
		diff[result] -= n
	}
	return diff
}

// fromMemory is the number of fields answered from memory, nils included.
func (c fieldCounts) fromMemory() int { return c["hit"] + c["negative_hit"] }

// total is the number of fields asked for.
func (c fieldCounts) total() int {
	sum := 0
	for _, n := range c {
		sum += n
	}
	return sum
}

// commands reads fsproxy_commands_total of one outcome, all commands together.
func (p *proxy) commands(t testing.TB, outcome string) int {
	t.Helper()
	sum := 0
	for _, s := range p.samples(t) {
		if s.name == "fsproxy_commands_total" && s.labels["outcome"] == outcome {
			sum += int(s.value)
		}
	}
	return sum
}
