package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options are what Run is asked to do. The zero value of a field means its
// default where one is stated.
type Options struct {
	Scenarios    []string      // names; default: all
	Servers      []string      // those to compare, of each scenario's; default: the scenario's own
	Change       func(*Shape)  // what the options change about each scenario's shape; may be nil
	Commands     int           // commands a round; default: as many as each server answers in RoundTime
	RoundTime    time.Duration // of a round, about; default 1 s
	Rounds       int           // rounds, of which the median counts; default 5
	Rate         float64       // operations a second of the open loop; default: half of the saturating rate
	OpenDuration time.Duration // of the open loop on each server; 0: none
	Targets      []string      // addresses of servers that are there already: HOST:PORT or NAME=HOST:PORT
	Load         bool          // write the entities through the first target before, delete them after
	Quick        bool          // a tenth of the commands and large data sets, 3 rounds, short open loops
	Seed         uint64        // of the data and the load
	Executable   string        // fsproxy itself, started as a server; default: the running program
	Version      string        // of fsproxy, for the report
	Progress     io.Writer     // what is being done; default: none
}

// Defaults of Options.
const (
	defaultRoundTime = time.Second // CPU clocks of running threads may be some ms behind: 1 % of it
	quickRoundTime   = 200 * time.Millisecond
	defaultRounds    = 5
	quickRounds      = 3
	quickOpenTime    = time.Second
	warmUpCommands   = 20_000 // before the first round; they tell how many a round takes
	quickWarmUp      = 5_000
	missCommands     = 100_000 // a round with misses: what is asked for once must be loaded before
	sleepers         = 4       // threads that sleep in the kernel at once: two senders, or a relay's connections
)

// loadPrefix is put before the keys that are written into a target and deleted
// from it, so that they are never keys of somebody else's.
const loadPrefix = "fsproxy-bench:"

// complete fills in defaults and finds what cannot be.
func (o *Options) complete() error {
	if len(o.Scenarios) == 0 {
		o.Scenarios = []string{"all"}
	}
	if o.RoundTime == 0 {
		o.RoundTime = defaultRoundTime
		if o.Quick {
			o.RoundTime = quickRoundTime
		}
	}
	if o.Rounds == 0 {
		o.Rounds = defaultRounds
		if o.Quick {
			o.Rounds = quickRounds
		}
	}
	if o.Quick {
		o.OpenDuration = min(o.OpenDuration, quickOpenTime)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	switch {
	case o.Commands < 0:
		return fmt.Errorf("commands: %d is below 1", o.Commands)
	case o.RoundTime < 0:
		return fmt.Errorf("round-time: %v is below 0", o.RoundTime)
	case o.Rounds < 0:
		return fmt.Errorf("rounds: %d is below 1", o.Rounds)
	case o.Rate < 0:
		return fmt.Errorf("rate: %g is below 0", o.Rate)
	case o.Load && len(o.Targets) == 0:
		return errors.New("load: there is no target to load")
	}
	for _, name := range o.Servers {
		if !slices.Contains(serverNames, name) {
			return fmt.Errorf("servers: %q is none of %s", name, strings.Join(serverNames, ", "))
		}
	}
	if o.Executable == "" {
		var err error
		if o.Executable, err = os.Executable(); err != nil {
			return fmt.Errorf("finding this program, in order to start it as a server: %w", err)
		}
	}
	return nil
}

// run is one run of the program.
type run struct {
	Options
	report *Report
}

// Run measures the chosen scenarios. A scenario that fails does not keep the
// others from running: the report says what was measured, the error what was not.
func Run(ctx context.Context, options Options) (*Report, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	scenarios, err := chooseScenarios(options.Scenarios)
	if err != nil {
		return nil, err
	}
	for i := range scenarios {
		s := &scenarios[i]
		if options.Quick {
			*s = s.quick()
		}
		if options.Change != nil {
			before := s.Shape
			options.Change(&s.Shape)
			s.changed = !reflect.DeepEqual(before, s.Shape)
		}
		if options.Load {
			s.Shape.Prefix = loadPrefix + s.Shape.Prefix
		}
		if err := s.Shape.Validate(); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
	}
	// Senders and relays sleep in the kernel, and the runtime would leave them their
	// share of its processors for a while: receivers must not wait for one.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + sleepers))
	b := &run{Options: options, report: newReport(ctx, options)}
	var failed []error
	for _, s := range scenarios {
		fmt.Fprintf(b.Progress, "%s: %s\n", s.Name, s.About)
		work := compare
		if s.probe != nil {
			work = s.probe
		}
		err := work(ctx, b, s)
		if ctx.Err() != nil {
			return b.report, ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("scenario %s: %w", s.Name, err)
			fmt.Fprintln(b.Progress, err)
			failed = append(failed, err)
		}
		b.report.Scenarios = append(b.report.Scenarios, Described{s.Name, s.About, s.Shape, s.changed})
	}
	b.report.judge()
	return b.report, errors.Join(failed...)
}

// fixedCommands is how many commands a round of a scenario makes; 0 if each
// server's speed decides.
func (b *run) fixedCommands(s Scenario) int {
	switch {
	case b.Commands > 0:
		return b.Commands
	case s.Commands == 0 && s.Shape.Misses > 0:
		return missCommands
	default:
		return s.Commands
	}
}

// warmUp is how many commands a scenario makes before its first round.
func (b *run) warmUp(s Scenario) int {
	commands := warmUpCommands
	if b.Quick {
		commands = quickWarmUp
	}
	if fixed := b.fixedCommands(s); fixed > 0 {
		commands = min(commands, fixed)
	}
	return commands
}

// servers are those of a scenario that are to be compared.
func (b *run) servers(s Scenario) []string {
	if len(b.Servers) == 0 {
		if len(b.Targets) > 0 {
			return nil
		}
		return s.Servers
	}
	var chosen []string
	for _, name := range serverNames {
		if slices.Contains(b.Servers, name) && (slices.Contains(s.Servers, name) || s.Name == Custom) {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

// once is how many entities that many commands of a shape ask for only once: as
// many as chance makes, and a margin.
func (s Shape) once(commands int) int {
	if s.Misses == 0 {
		return 0
	}
	const margin = 1000 // entities: far more than chance adds
	return int(float64(commands)*s.Misses*1.01) + margin
}

// compare runs one scenario's load on all of its servers.
func compare(ctx context.Context, b *run, s Scenario) error {
	once := s.Shape.once(b.warmUp(s) + b.fixedCommands(s)*b.Rounds)
	data := newDataset(s.Shape, once, b.Seed)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fleet, err := newFleet(b.Executable)
	if err != nil {
		return err
	}
	defer fleet.close()
	sessions, unload, err := b.open(ctx, fleet, s, data)
	defer unload()
	defer func() {
		for _, session := range sessions {
			session.close()
		}
	}()
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if err := b.warm(s, session); err != nil {
			return err
		}
	}
	if err := b.rounds(s, sessions); err != nil {
		return err
	}
	if b.OpenDuration == 0 || s.closedOnly {
		return nil
	}
	for _, session := range sessions {
		if err := b.openLoop(ctx, s, session); err != nil {
			return err
		}
	}
	return nil
}

// warm asks a server for everything twice, comparing every reply with what was
// loaded: the first pass finds a cache cold and is reported, the second finds it
// warm. Then it runs the load itself for a while.
func (b *run) warm(s Scenario, session *session) error {
	cold, err := session.measure(func() (*tally, error) {
		return session.pass(0, s.Shape.Entities).closed(s.Shape.Pipeline)
	})
	if err != nil {
		return fmt.Errorf("cold: %w", err)
	}
	if session.caches {
		b.report.add(s.Name, session.name, Cold, []round{cold})
	}
	if _, err = session.measure(func() (*tally, error) {
		return session.pass(0, s.Shape.Entities).closed(s.Shape.Pipeline)
	}); err != nil {
		return fmt.Errorf("warm: %w", err)
	}
	warm, err := session.measure(func() (*tally, error) {
		return session.random(b.warmUp(s), checkLengths).run(s.Shape)
	})
	if err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	if session.commands = b.fixedCommands(s); session.commands == 0 {
		session.commands = max(int(warm.perSecond()*b.RoundTime.Seconds()), 1)
	}
	return nil
}

// rounds measures the closed loop: server after server, again and again, so that
// whatever else the machine does falls on all of them. The median counts. Each
// round of a server makes the same number of commands.
func (b *run) rounds(s Scenario, sessions []*session) error {
	measured := make([][]round, len(sessions))
	for n := range b.Rounds {
		for i, session := range sessions {
			r, err := session.measure(func() (*tally, error) {
				return session.random(session.commands, checkLengths).run(s.Shape)
			})
			if err != nil {
				return fmt.Errorf("round %d: %w", n+1, err)
			}
			if s.Shape.Misses > 0 && session.exhausted() {
				return errors.New("more entities were asked for once than were loaded: what were to be misses were hits")
			}
			measured[i] = append(measured[i], r)
		}
	}
	for i, session := range sessions {
		m := b.report.add(s.Name, session.name, Warm, measured[i])
		session.fastest = m.Throughput
		fmt.Fprintf(b.Progress, "  %s\n", m.line())
	}
	return nil
}

// openLoop measures latency at a rate that the server can bear.
func (b *run) openLoop(ctx context.Context, s Scenario, session *session) error {
	plan := arrivals{rate: b.Rate, duration: b.OpenDuration, pipeline: s.Shape.Pipeline, seed: b.Seed}
	if plan.rate == 0 {
		plan.rate = session.fastest / 2 / float64(s.Shape.Pipeline)
	}
	r, err := session.measure(func() (*tally, error) { return session.endless(checkLengths).open(ctx, plan) })
	if err != nil {
		return fmt.Errorf("open loop: %w", err)
	}
	b.report.keptUp(b.report.add(s.Name, session.name, Open, []round{r}), b.report.find(s.Name, session.name, Warm))
	return nil
}
