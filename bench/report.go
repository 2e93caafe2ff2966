package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Phase is the part of a scenario that a measurement is of.
type Phase string

// The phases of a scenario.
const (
	Cold      Phase = "cold"         // the first request for each entity
	Warm      Phase = "warm"         // closed loop, everything asked for before
	Open      Phase = "open"         // open loop at a given rate
	OpenFills Phase = "open + fills" // the same while rows are filled and evicted
)

// noisyShare is the share of the machine's CPU that other programs may take
// without a remark. The ticks in which it is counted make a few percent of it.
const noisyShare = 0.08

// shortestCounted is how long rounds must be together for ticks of 10 ms to say
// anything about them.
const shortestCounted = 100 * time.Millisecond

// Report is what a run found.
type Report struct {
	Machine      Machine            `json:"machine"`
	Parameters   Parameters         `json:"parameters"`
	Scenarios    []Described        `json:"scenarios"`
	Measurements []*Measurement     `json:"measurements"`
	Values       map[string]float64 `json:"values"` // what was found by looking into the proxy
	Goals        []Goal             `json:"goals"`
	Notes        []string           `json:"notes"`
}

// Parameters are the options that hold for all scenarios.
type Parameters struct {
	Commands  int     `json:"commands"` // a round; 0: as many as take RoundTime, unless the scenario has a number of its own
	RoundTime float64 `json:"round_seconds"`
	Rounds    int     `json:"rounds"`
	Open      float64 `json:"open_loop_seconds"`
	Rate      float64 `json:"open_loop_operations_per_second"` // 0: half of the saturating rate
	Seed      uint64  `json:"seed"`
	Quick     bool    `json:"quick"`
	CPUSource string  `json:"cpu_source"`
}

// Described is a scenario that was run.
type Described struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Shape   Shape  `json:"shape"`
	Changed bool   `json:"changed"` // by options, so that goals do not apply
}

// Measurement is one server in one phase of a scenario. CPU and throughput are
// medians of the rounds.
type Measurement struct {
	Scenario   string   `json:"scenario"`
	Server     string   `json:"server"`
	Phase      Phase    `json:"phase"`
	Rounds     int      `json:"rounds"`
	Commands   int64    `json:"commands"` // in all rounds
	Errors     int64    `json:"errors"`   // error replies among them
	Throughput float64  `json:"commands_per_second"`
	ServerCPU  *float64 `json:"server_cpu_us"` // µs a command; nil where it cannot be read
	StoreCPU   *float64 `json:"store_cpu_us"`  // of the store behind it
	ClientCPU  *float64 `json:"client_cpu_us"` // of the load generator
	Others     float64  `json:"others_share"`  // of the machine's CPU that other programs took
	// ServerCPURounds is the raw value of each round, in µs a command.
	ServerCPURounds []float64 `json:"server_cpu_us_rounds,omitempty"`
	Latency         Latency   `json:"latency_us"` // of an operation: all the commands of a pipeline
	Histogram       []Bar     `json:"histogram,omitempty"`
}

// Latency is a distribution's percentiles, in µs.
type Latency struct {
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	P9999 float64 `json:"p99.99"`
	Max   float64 `json:"max"`
}

// Bar is a step of a distribution.
type Bar struct {
	Percentile float64 `json:"percentile"`
	Latency    float64 `json:"latency_us"` // not exceeded by that percentage
	Count      int64   `json:"count"`      // of operations up to it
}

// newReport begins a report.
func newReport(ctx context.Context, o Options) *Report {
	return &Report{
		Machine: describeMachine(ctx, o.Version),
		Parameters: Parameters{
			Commands: o.Commands, RoundTime: o.RoundTime.Seconds(), Rounds: o.Rounds, Open: o.OpenDuration.Seconds(), Rate: o.Rate,
			Seed: o.Seed, Quick: o.Quick, CPUSource: cpuSource,
		},
		Values: map[string]float64{},
	}
}

// note adds a remark, once.
func (r *Report) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// add works out a measurement from its rounds.
func (r *Report) add(scenario, server string, phase Phase, rounds []round) *Measurement {
	m := &Measurement{Scenario: scenario, Server: server, Phase: phase, Rounds: len(rounds)}
	latency := newHistogram()
	var throughput []float64
	var other, elapsed time.Duration
	for _, one := range rounds {
		m.Commands += one.commands
		m.Errors += one.errors
		if one.errors > 0 {
			r.note("%s, %s, %s: %d error replies, the first: %s", scenario, server, phase, one.errors, one.firstError)
		}
		throughput = append(throughput, one.perSecond())
		latency.Merge(one.latency)
		other, elapsed = other+one.otherCPU, elapsed+one.elapsed
	}
	if elapsed >= shortestCounted {
		m.Others = other.Seconds() / elapsed.Seconds() / float64(r.Machine.Cores)
	}
	m.Throughput = median(throughput)
	m.ServerCPU, m.ServerCPURounds = perCommand(rounds, func(one round) time.Duration { return one.serverCPU })
	m.StoreCPU, _ = perCommand(rounds, func(one round) time.Duration { return one.storeCPU })
	m.ClientCPU, _ = perCommand(rounds, func(one round) time.Duration { return one.clientCPU })
	m.Latency = percentiles(latency)
	r.Measurements = append(r.Measurements, m)
	return m
}

// perCommand is the median of a CPU time a command, in µs, and the rounds' own;
// nil where it was not read.
func perCommand(rounds []round, cpu func(round) time.Duration) (*float64, []float64) {
	var each []float64
	for _, one := range rounds {
		if used := cpu(one); used > 0 && one.commands > 0 {
			each = append(each, float64(used.Nanoseconds())/1e3/float64(one.commands))
		}
	}
	if len(each) == 0 {
		return nil, nil
	}
	middle := median(each)
	return &middle, each
}

// median is the middle value, or the mean of the two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentiles reads a histogram of nanoseconds.
func percentiles(h *hdrhistogram.Histogram) Latency {
	at := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) / 1e3 }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99), Max: float64(h.Max()) / 1e3}
}

// distribution is a histogram's steps towards 100 %.
func distribution(h *hdrhistogram.Histogram) []Bar {
	var bars []Bar
	for _, step := range h.CumulativeDistribution() {
		bars = append(bars, Bar{step.Quantile, float64(step.ValueAt) / 1e3, step.Count})
	}
	return bars
}

// find is a measurement; nil if it was not made.
func (r *Report) find(scenario, server string, phase Phase) *Measurement {
	for _, m := range r.Measurements {
		if m.Scenario == scenario && m.Server == server && m.Phase == phase {
			return m
		}
	}
	return nil
}

// cpu is the server CPU of a warm command in µs; NaN if it was not measured.
func (r *Report) cpu(scenario, server string) float64 {
	m := r.find(scenario, server, Warm)
	if m == nil || m.ServerCPU == nil {
		return math.NaN()
	}
	return *m.ServerCPU
}

// changed tells if options changed a scenario's shape.
func (r *Report) changed(scenario string) bool {
	return slices.ContainsFunc(r.Scenarios, func(s Described) bool { return s.Name == scenario && s.Changed })
}

// noisy is how many measurements others may have disturbed.
func (r *Report) noisy() (n int) {
	for _, m := range r.Measurements {
		if m.Others > noisyShare {
			n++
		}
	}
	return n
}

// backlogged is how many times longer than in a closed loop the median operation
// of an open loop at half of the rate takes only if operations queue up.
const backlogged = 20

// keptUp tells if an open loop's operations did not queue up, and notes it if they
// did: its latencies are then those of the queue, and no server's.
func (r *Report) keptUp(open, closed *Measurement) bool {
	if closed == nil || open.Latency.P50 <= backlogged*closed.Latency.P50 {
		return true
	}
	r.note("%s, %s, %s: operations queued up, so its latencies say nothing of the server; lower the rate or free the machine", open.Scenario, open.Server, open.Phase)
	return false
}

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var text strings.Builder
	r.writeHead(&text)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "scenario\tserver\tphase\tcommands/s\tserver µs\tstore µs\tclient µs\tothers\tp50\tp90\tp99\tp99.9\tp99.99\tmax\terrors\t")
	for _, m := range r.Measurements {
		l := m.Latency
		fmt.Fprintf(table, "%s\t%s\t%s\t%.0f\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t\n", m.Scenario, m.Server, m.Phase,
			m.Throughput, micros(m.ServerCPU), micros(m.StoreCPU), micros(m.ClientCPU), m.others(), l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max, m.Errors)
	}
	_ = table.Flush()
	text.WriteString("\nµs: CPU of one command, kernel included; p50 … max: latency of an operation (its whole pipeline) in µs,\nin an open loop counted from when it was due; others: CPU of the machine that other programs took\n")
	r.writeGoals(&text)
	r.writeHistograms(&text)
	if n := r.noisy(); n > 0 {
		fmt.Fprintf(&text, "note: other programs took more than %g %% of the machine during %d of %d measurements: run it again on a quiet one\n", noisyShare*100, n, len(r.Measurements))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "note: %s\n", note)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// writeHead writes what the numbers depend on.
func (r *Report) writeHead(w io.Writer) {
	machine, p := r.Machine, r.Parameters
	fmt.Fprintf(w, "%s, %d cores, %s, %s\n", machine.CPU, machine.Cores, machine.Memory, machine.Kernel)
	for _, program := range []string{"fsproxy", "redis-server", "twemproxy", "go"} {
		fmt.Fprintf(w, "%s: %s\n", program, machine.Versions[program])
	}
	rate := "half of the saturating rate"
	if p.Rate > 0 {
		rate = fmt.Sprintf("%g operations/s", p.Rate)
	}
	commands := fmt.Sprintf("as many commands as take about %g s", p.RoundTime)
	if p.Commands > 0 {
		commands = fmt.Sprintf("%d commands", p.Commands)
	}
	fmt.Fprintf(w, "%s a round, median of %d alternating rounds; open loop (Poisson) %g s at %s; seed %d\n", commands, p.Rounds, p.Open, rate, p.Seed)
	fmt.Fprintf(w, "CPU: %s\n\n", p.CPUSource)
	for _, s := range r.Scenarios {
		fmt.Fprintf(w, "%s: %s\n", s.Name, s.Shape)
	}
	fmt.Fprintln(w)
}

// writeGoals writes the goals that were measured, with what was found.
func (r *Report) writeGoals(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\ngoal\tbound\tmeasured\t\n")
	unmeasured := 0
	for _, g := range r.Goals {
		if g.Measured == nil {
			unmeasured++
			continue
		}
		bound, verdict := "≤", "missed"
		if g.Least {
			bound = "≥"
		}
		if g.Met {
			verdict = "met"
		}
		fmt.Fprintf(table, "%s\t%s %g %s\t%.*f %s\t%s\n", g.Text, bound, g.Bound, g.Unit, g.digits, *g.Measured, g.Unit, verdict)
	}
	if unmeasured < len(r.Goals) {
		_ = table.Flush()
	}
	fmt.Fprintf(w, "\n%d of %d goals were not measured\n", unmeasured, len(r.Goals))
}

// writeHistograms writes the distributions that measurements keep.
func (r *Report) writeHistograms(w io.Writer) {
	for _, m := range r.Measurements {
		if len(m.Histogram) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s, %s, %s: latency\n", m.Scenario, m.Server, m.Phase)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(table, "%\tµs\toperations\t")
		for _, bar := range m.Histogram {
			fmt.Fprintf(table, "%.4f\t%.1f\t%d\t\n", bar.Percentile, bar.Latency, bar.Count)
		}
		_ = table.Flush()
	}
}

// line says a measurement in one line of progress.
func (m *Measurement) line() string {
	return fmt.Sprintf("%-15s %s: %9.0f commands/s, %s µs server CPU, p50 %.0f µs, p99 %.0f µs",
		m.Server, m.Phase, m.Throughput, micros(m.ServerCPU), m.Latency.P50, m.Latency.P99)
}

// others writes what other programs took, "-" where it cannot be told.
func (m *Measurement) others() string {
	if m.ServerCPU == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", m.Others*100)
}

// micros writes a CPU time, "-" for none.
func micros(value *float64) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *value)
}
