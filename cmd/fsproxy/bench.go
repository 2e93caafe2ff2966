package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fsproxy/fsproxy/bench"
	"github.com/fsproxy/fsproxy/proxy"
)

const benchHelp = `Measures what an HMGET costs, in CPU and in latency, side by side on this machine.

It starts redis-server (as it is, and with hash tables), twemproxy where it is
installed, a server of canned replies, and fsproxy, loads the same features into
the stores, and asks each server for them in alternating rounds. All of it is
ended and removed afterwards. Leave the machine alone meanwhile: the column
"others" says how much of it other programs took.

Each scenario has a shape of its own. Shape options change that of whatever is
run; without --scenario they make the scenario "custom".

To measure servers that run already, name them with --target; their CPU is not
available then. Their data is left alone unless --load is given, which writes the
entities through the first target, under keys that begin with "fsproxy-bench:",
and deletes them afterwards.

Scenarios:
`

const benchExamples = `  fsproxy bench --quick
  fsproxy bench --scenario hmget50-p16,miss --chart cpu.svg
  fsproxy bench --fields 30 --value-histogram 6:80,40:15,512:5 --zipf 0.9
  fsproxy bench --target store=10.0.0.7:6379 --target proxy=127.0.0.1:6379 --load`

// newBenchCommand makes the bench subcommand.
func newBenchCommand() *cobra.Command {
	bench.Canned = proxy.ServeCanned
	var options bench.Options
	var asJSON bool
	var chart string
	shape := bench.DefaultShape()
	var help strings.Builder
	help.WriteString(benchHelp)
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(&help, "  %-22s %s\n", s.Name, s.About)
	}
	command := &cobra.Command{
		Use: "bench", Short: "Measure fsproxy beside redis-server, twemproxy and your own store",
		Long: help.String(), Example: benchExamples, Args: noArguments, SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			options.Change = shapeChange(command.Flags())
			if options.Change != nil || len(options.Targets) > 0 {
				if !command.Flags().Changed("scenario") {
					options.Scenarios = []string{bench.Custom}
				}
			}
			return runBench(command, options, asJSON, chart)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&options.Scenarios, "scenario", []string{"all"}, "scenarios to run")
	flags.StringSliceVar(&options.Servers, "servers", nil, "servers to compare: redis, redis-hashtable, twemproxy, canned, fsproxy (default the scenario's)")
	flags.BoolVar(&options.Quick, "quick", false, "a tenth of the work: enough for a look")
	flags.IntVar(&options.Commands, "commands", 0, "commands a round (default as many as take --round-time, where the scenario has no number of its own)")
	flags.DurationVar(&options.RoundTime, "round-time", 0, "length of a round, about (default 1s, with --quick 200ms)")
	flags.IntVar(&options.Rounds, "rounds", 0, "alternating rounds, whose median counts (default 5, with --quick 3)")
	flags.Float64Var(&options.Rate, "rate", 0, "operations a second of the open loop (default half of the saturating rate)")
	flags.DurationVar(&options.OpenDuration, "open-duration", 2*time.Second, "length of the open loop on each server; 0 leaves it out")
	flags.Uint64Var(&options.Seed, "seed", 1, "of the data and the load")
	flags.StringArrayVar(&options.Targets, "target", nil, "HOST:PORT, NAME=HOST:PORT or NAME=unix://PATH of a server to measure; may be repeated")
	flags.BoolVar(&options.Load, "load", false, "write the entities through the first target before, delete them after")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	flags.StringVar(&chart, "chart", "", "draw the CPU a command into this SVG file")
	flags.AddFlagSet(shapeFlags(&shape))
	command.AddCommand(newCannedCommand())
	return command
}

// shapeFlags makes the options of a shape, whose values are their defaults.
func shapeFlags(s *bench.Shape) *pflag.FlagSet {
	flags := pflag.NewFlagSet("shape", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.IntVar(&s.Fields, "fields", s.Fields, "fields of one HMGET")
	flags.IntVar(&s.EntityFields, "entity-fields", s.EntityFields, "features that each entity holds, if not as many as --fields")
	flags.Var(&s.Values, "value-bytes", "bytes of each value")
	flags.Var(&s.Values, "value-histogram", "sizes of values and how often they occur, such as 6:80,40:15,512:5")
	flags.IntVar(&s.Entities, "entities", s.Entities, "entities that are asked for again and again")
	flags.Float64Var(&s.Zipf, "zipf", s.Zipf, "exponent of the entities' popularity; 0: all alike")
	flags.IntVar(&s.Pipeline, "pipeline", s.Pipeline, "commands sent together")
	flags.IntVar(&s.Connections, "connections", s.Connections, "client connections")
	flags.IntVar(&s.Projections, "projections", s.Projections, "distinct projections in random turn on each connection, each for entities of its own")
	flags.BoolVar(&s.Overlap, "overlap", s.Overlap, "two models ask for overlapping fields in other order")
	flags.Float64Var(&s.Misses, "misses", s.Misses, "share of commands that ask for an entity for the first time")
	flags.IntVar(&s.Window, "window", s.Window, "commands kept in flight on each connection, instead of pipelines")
	flags.DurationVar(&s.Delay, "delay", s.Delay, "added to each reply of the store before the proxy sees it")
	flags.StringVar(&s.Prefix, "key-prefix", s.Prefix, "what every entity's key begins with")
	return flags
}

// shapeChange is what the shape options that were given do to a scenario's shape;
// nil if none was.
func shapeChange(given *pflag.FlagSet) func(*bench.Shape) {
	probe := shapeFlags(&bench.Shape{})
	any := false
	given.Visit(func(f *pflag.Flag) { any = any || probe.Lookup(f.Name) != nil })
	if !any {
		return nil
	}
	return func(s *bench.Shape) {
		flags := shapeFlags(s)
		given.Visit(func(f *pflag.Flag) {
			if flags.Lookup(f.Name) != nil {
				_ = flags.Set(f.Name, f.Value.String()) // it was parsed once already
			}
		})
		if flags.Changed("fields") && !flags.Changed("entity-fields") {
			s.EntityFields = s.Fields
			if s.Overlap {
				s.EntityFields += s.Fields / 2
			}
		}
	}
}

// runBench measures, and writes what was measured even if not all was.
func runBench(command *cobra.Command, options bench.Options, asJSON bool, chart string) error {
	ctx := command.Context()
	built := readBuild()
	options.Version = fmt.Sprintf("%s (commit %s)", built.Version, built.Commit)
	options.Progress = command.ErrOrStderr()
	report, err := bench.Run(ctx, options)
	if ctx.Err() != nil {
		return errors.New("interrupted: the servers were ended and their files removed, there is no report")
	}
	if report == nil || len(report.Measurements) == 0 {
		return err
	}
	write := report.WriteText
	if asJSON {
		write = report.WriteJSON
	}
	if writeErr := write(command.OutOrStdout()); writeErr != nil {
		return errors.Join(err, fmt.Errorf("writing the report: %w", writeErr))
	}
	if chart != "" {
		err = errors.Join(err, writeChart(report, chart))
	}
	return err
}

// writeChart draws a report into a file.
func writeChart(report *bench.Report, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("making the chart: %w", err)
	}
	if err := errors.Join(report.WriteChart(file), file.Close()); err != nil {
		return fmt.Errorf("writing the chart %s: %w", path, err)
	}
	return nil
}

// newCannedCommand makes the server that bench compares with: whatever it is
// asked, it gives one reply.
func newCannedCommand() *cobra.Command {
	var address string
	var fields, valueBytes int
	command := &cobra.Command{
		Use: "canned", Short: "Answer every request with one canned reply", Hidden: true,
		Args: noArguments, SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return bench.RunCanned(command.Context(), address, fields, valueBytes)
		},
	}
	flags := command.Flags()
	flags.StringVar(&address, "listen", "127.0.0.1:6390", "address to listen on")
	flags.IntVar(&fields, "fields", 50, "values of the reply")
	flags.IntVar(&valueBytes, "value-bytes", 6, "bytes of each value")
	return command
}
