package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
)

// frame is what top shows at a time.
type frame struct {
	status   api.Status
	topology api.Topology
	sources  []api.Source
	features api.Features
	samples  []api.Sample
	away     string // why nothing comes
}

// keptSamples is as many as the widest chart has columns.
const keptSamples = 200

// take takes what an event says. It tells whether a second is over.
func (f *frame) take(e client.Event) (drawn bool) {
	switch e.Name {
	case "status":
		var s api.Status
		if json.Unmarshal(e.Data, &s) == nil {
			f.status = s
		}
	case "topology":
		var t api.Topology
		if json.Unmarshal(e.Data, &t) == nil {
			f.topology = t
		}
	case "sources":
		var list []api.Source
		if json.Unmarshal(e.Data, &list) == nil {
			f.sources = list
		}
	case "history":
		var past api.History
		if json.Unmarshal(e.Data, &past) == nil {
			f.samples = past.Samples
		}
		return true
	case "sample":
		var s api.Sample
		if json.Unmarshal(e.Data, &s) == nil {
			f.samples = append(f.samples, s)
			f.samples = f.samples[max(0, len(f.samples)-keptSamples):]
		}
		return true
	}
	return false
}

// lines are the frame's, each of at most width characters, and at most height of
// them; 0: as many as there are.
func (f *frame) lines(width, height int) []string {
	s := &f.status
	lines := wrapped(width, fmt.Sprintf("fsproxy %s on %s   %s   mode %s   up %s   %d clients   %.2f cores", s.Build.Version, s.Host, strings.ToUpper(string(s.Health)), s.Mode+rulesNote(*s),
		shortTime(&s.UptimeSeconds), s.Connections.Open, s.Now.CPU))
	if f.away != "" {
		lines = append(lines, wrapped(width, "! not updating: "+f.away)...)
	}
	for _, p := range s.Problems {
		mark := "! "
		if p.Health == api.HealthOK {
			mark = "* "
		}
		lines = append(lines, wrapped(width, mark+p.What+" -> "+p.Do)...)
	}
	lines = append(lines, "")
	lines = append(lines, f.charts(width)...)
	lines = append(lines, "")
	lines = append(lines, wrapped(width, fmt.Sprintf("%s avoided of %s reads since the start; cache %s of %s, %s entities; process %s",
		shortCount(float64(s.Totals.ReadsAvoided)), shortCount(total(s.Totals.Reads)), shortBytes(s.Memory.Cache), shortBytes(s.Memory.CacheMax), shortCount(float64(s.Memory.Rows)), shortBytes(s.Memory.Resident)))...)
	writeComparison(func(name, format string, args ...any) {
		lines = append(lines, wrapped(width, name+": "+fmt.Sprintf(format, args...))...)
	}, s.Comparison)
	lines = append(lines, "")
	lines = append(lines, f.fetcherLines()...)
	lines = append(lines, f.sourceLines()...)
	lines = append(lines, f.featureLines()...)
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return lines
}

func total(counts map[string]uint64) (sum float64) {
	for _, n := range counts {
		sum += float64(n)
	}
	return sum
}

// wrapped is a text in lines of at most width characters, where its words are not
// longer; all but the first are indented.
func wrapped(width int, text string) (lines []string) {
	const indent = "  "
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			line = indent + line
		}
		for utf8.RuneCountInString(line) > width {
			whole := []rune(line)[:width+1]
			end := len(string(whole[:max(lastSpace(whole), 0)]))
			if end <= len(indent) {
				break // one long word, which is cut
			}
			lines = append(lines, line[:end])
			line = indent + strings.TrimLeft(line[end:], " ")
		}
		lines = append(lines, line)
	}
	return lines
}

// lastSpace is where the last space is; -1: nowhere.
func lastSpace(text []rune) int {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == ' ' {
			return i
		}
	}
	return -1
}

// cut makes a line at most width characters long.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}

// charts are lines of bars, newest at the right, with the figure of now.
func (f *frame) charts(width int) []string {
	number := func(of func(*api.Sample) float64) func(*api.Sample) *float64 {
		return func(s *api.Sample) *float64 { n := of(s); return &n }
	}
	perSecond := func(n *float64) string { return shortCount(*n) + "/s" }
	size := func(n *float64) string { return shortBytes(int64(*n)) }
	rows := []struct {
		name  string
		value func(*api.Sample) *float64
		text  func(*float64) string
		most  float64 // of the scale; 0: the greatest there is

		sparse bool // not there each second
	}{
		{"from memory", func(s *api.Sample) *float64 { return s.HitRate }, share, 1, false},
		{"reads", number(func(s *api.Sample) float64 { return s.Reads }), perSecond, 0, false},
		{"avoided", number(func(s *api.Sample) float64 { return s.Hits }), perSecond, 0, false},
		{"fetches", number(func(s *api.Sample) float64 { return s.Fetches }), perSecond, 0, false},
		{"errors", number(func(s *api.Sample) float64 { return s.Errors }), perSecond, 0, false},
		{"hit p50", func(s *api.Sample) *float64 { return s.HitP50 }, shortTime, 0, true},
		{"miss p50", func(s *api.Sample) *float64 { return s.MissP50 }, shortTime, 0, true},
		{"miss p99", func(s *api.Sample) *float64 { return s.MissP99 }, shortTime, 0, true},
		{"cache", number(func(s *api.Sample) float64 { return float64(s.CacheBytes) }), size, 0, false},
		{"lag", func(s *api.Sample) *float64 { return s.Lag }, shortTime, 0, false},
	}
	const label, figure = 12, 10 // columns
	bars := max(10, min(keptSamples, width-label-figure-2))
	samples := f.samples[max(0, len(f.samples)-bars):]
	var lines []string
	for _, row := range rows {
		values, now := make([]*float64, len(samples)), unknown
		for i := range samples {
			values[i] = row.value(&samples[i])
		}
		if row.sparse {
			bridge(samples, values)
		}
		if n := len(values); n > 0 && values[n-1] != nil {
			now = row.text(values[n-1])
		}
		lines = append(lines, fmt.Sprintf("%-*s %*s %s", label, row.name, figure, now, bar(values, row.most)))
	}
	return lines
}

// sparse is for how long a latency that was taken is shown where none is taken after
// it: few hits are timed.
const sparse = 20 * time.Second

// bridge gives samples without a value that of shortly before.
func bridge(samples []api.Sample, values []*float64) {
	last := -1
	for i, v := range values {
		switch {
		case v != nil:
			last = i
		case last >= 0 && samples[i].Time-samples[last].Time <= sparse.Milliseconds():
			values[i] = values[last]
		}
	}
}

// bar draws a value a column, from nothing to most.
func bar(values []*float64, most float64) string {
	steps := []rune(" ▁▂▃▄▅▆▇█")
	if most == 0 {
		for _, v := range values {
			if v != nil {
				most = max(most, *v)
			}
		}
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case v == nil || most == 0 || *v <= 0:
			b.WriteRune(' ')
		default:
			b.WriteRune(steps[max(1, min(len(steps)-1, int(*v/most*float64(len(steps)-1)+0.5)))])
		}
	}
	return b.String()
}

func (f *frame) fetcherLines() []string {
	lines := []string{fmt.Sprintf("%-24s %-8s %9s %9s %10s %8s %8s", "FETCHER", "STATE", "LATENCY", "IN FLIGHT", "FETCHES", "ERRORS", "TIMEOUTS")}
	for _, fetcher := range f.topology.Fetchers {
		lines = append(lines, fmt.Sprintf("%-24s %-8s %9s %9d %10s %8d %8d  %s", fetcher.Address, fetcher.State, shortTime(fetcher.LatencySeconds), fetcher.Outstanding,
			shortCount(float64(fetcher.Fetches)), fetcher.Errors, fetcher.Timeouts, fetcher.Why))
	}
	return append(lines, "")
}

func (f *frame) sourceLines() []string {
	if len(f.sources) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("%-24s %-8s %-9s %9s %9s %6s", "SOURCE", "KIND", "STATE", "LAG", "RECORDS", "GAPS")}
	for _, source := range f.sources {
		lines = append(lines, fmt.Sprintf("%-24s %-8s %-9s %9s %9d %6d  %s", source.Name, source.Kind, source.State, shortTime(&source.LagSeconds), source.LagRecords, source.Gaps, source.Error))
	}
	return append(lines, "")
}

func (f *frame) featureLines() []string {
	const name = 40 // columns
	lines := []string{fmt.Sprintf("%-*s %9s %12s %14s  %s", name, "FEATURE", "ASKED", "FROM MEMORY", "INVALIDATED", "STATE")}
	for _, feature := range f.features.Features[:min(len(f.features.Features), topFeatures)] {
		shown := feature.Name
		if shown == "" {
			shown = feature.Field
		}
		lines = append(lines, fmt.Sprintf("%-*s %9s %12s %14s  %s", name, cut(shown, name), shortCount(float64(feature.Hits+feature.Misses)), share(feature.HitRate), ago(feature.InvalidatedSeconds), featureState(feature)))
	}
	return lines
}
