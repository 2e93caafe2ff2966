package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// proxied is a store with a proxy in front of it, whose admin port is on.
type proxied struct {
	*session
	fleet *fleet
	stop  context.CancelFunc
}

// close ends both.
func (p *proxied) close() {
	p.session.close()
	p.fleet.close()
	p.stop()
}

// openProxy starts a store with the data and a proxy in front of it, with options
// set by environment.
func (b *run) openProxy(ctx context.Context, data *dataset, env ...string) (_ *proxied, err error) {
	if len(b.Targets) > 0 {
		return nil, fmt.Errorf("it looks into a proxy that this program starts; leave out the targets")
	}
	ctx, stop := context.WithCancel(ctx)
	p := &proxied{session: &session{name: fsproxy, data: data, seed: b.Seed, strictest: checkValues, caches: true}, stop: stop}
	if p.fleet, err = newFleet(b.Executable); err != nil {
		stop()
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.store, err = b.startStore(ctx, p.fleet, redisListpack, data); err != nil {
		return nil, err
	}
	upstream, err := p.fleet.startRelay(ctx, p.store.address, data.shape)
	if err != nil {
		return nil, err
	}
	if p.process, err = p.fleet.startProxy(ctx, upstream, true, env...); err != nil {
		return nil, err
	}
	p.address = p.process.address
	return p, p.connect(ctx, data.shape.Connections)
}

// run runs a closed loop of a load and adds it to the report under a phase.
func (p *proxied) run(b *run, s Scenario, phase Phase, l *load) (*Measurement, error) {
	r, err := p.measure(func() (*tally, error) { return l.closed(s.Shape.Pipeline) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", phase, err)
	}
	m := b.report.add(s.Name, fsproxy, phase, []round{r})
	fmt.Fprintf(b.Progress, "  %s\n", m.line())
	return m, nil
}

// fullCache is the cache size that holds a shape's entities by the goal of bytes a
// feature: what is asked for once then presses on what is asked for again.
func fullCache(shape Shape, times int) string {
	return fmt.Sprintf("FSPROXY_CACHE_MAX_BYTES=%d", shape.Entities*shape.EntityFields*bytesPerFeature*times)
}

// probeAllocations counts the heap allocations of hits.
func probeAllocations(ctx context.Context, b *run, s Scenario) error {
	p, err := b.openProxy(ctx, newDataset(s.Shape, 0, b.Seed))
	if err != nil {
		return err
	}
	defer p.close()
	if err := b.warm(s, p.session); err != nil {
		return err
	}
	// The first two tell what asking costs itself.
	var counts [3]float64
	for i := range counts {
		if i == len(counts)-1 {
			if _, err := p.run(b, s, Warm, p.random(p.commands, checkLengths)); err != nil {
				return err
			}
		}
		if counts[i], err = metric(ctx, p.process.admin, "go_memstats_mallocs_total"); err != nil {
			return err
		}
	}
	allocations := max(counts[2]-counts[1]-(counts[1]-counts[0]), 0)
	b.report.Values[allocationsPerHit] = allocations / float64(p.commands)
	return nil
}

// probeMemory tells by how much the proxy's live heap grows for each feature that
// it keeps.
func probeMemory(ctx context.Context, b *run, s Scenario) error {
	p, err := b.openProxy(ctx, newDataset(s.Shape, 0, b.Seed))
	if err != nil {
		return err
	}
	defer p.close()
	before, err := liveHeap(ctx, p.process.admin)
	if err != nil {
		return err
	}
	if _, err := p.run(b, s, Cold, p.pass(0, s.Shape.Entities)); err != nil {
		return err
	}
	after, err := liveHeap(ctx, p.process.admin)
	if err != nil {
		return err
	}
	kept, err := p.hits(func() error {
		_, err := p.run(b, s, Warm, p.pass(0, s.Shape.Entities))
		return err
	}, s.Shape.Entities)
	if err != nil {
		return err
	}
	if kept < 1 {
		b.report.note("memory: %.2f %% of the entities were kept", kept*100)
	}
	b.report.Values[bytesAFeature] = (after - before) / (float64(s.Shape.Entities*s.Shape.Fields) * kept)
	return nil
}

// hits tells which share of commands that work made was answered without the
// store.
func (p *proxied) hits(work func() error, commands int) (float64, error) {
	before, err := storeCommands(p.store.address)
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	after, err := storeCommands(p.store.address)
	if err != nil {
		return 0, err
	}
	misses := float64(after-before-1) / float64(commands) // the second INFO counts itself only afterwards
	return min(max(1-misses, 0), 1), nil
}

// probeGC tells which share of the proxy's CPU its garbage collector takes while
// a full cache is read and part of what is asked for is new to it.
func probeGC(ctx context.Context, b *run, s Scenario) error {
	commands := b.fixedCommands(s)
	p, err := b.openProxy(ctx, newDataset(s.Shape, s.Shape.once(commands), b.Seed), "GODEBUG=gctrace=1", fullCache(s.Shape, 1))
	if err != nil {
		return err
	}
	defer p.close()
	if _, err := p.run(b, s, Cold, p.pass(0, s.Shape.Entities)); err != nil {
		return err
	}
	if err := collectGarbage(ctx, p.process.admin); err != nil {
		return err
	}
	before, err := collections(p.process.log)
	if err != nil {
		return err
	}
	cpu := p.process.cpu()
	hits, err := p.hits(func() error {
		_, err := p.run(b, s, Warm, p.random(commands, checkLengths))
		return err
	}, commands)
	if err != nil {
		return err
	}
	// One more, so that what the load left is paid for too: at most one too many.
	if err := collectGarbage(ctx, p.process.admin); err != nil {
		return err
	}
	cpu = p.process.cpu() - cpu
	after, err := collections(p.process.log)
	if err != nil {
		return err
	}
	if cpu == 0 {
		return fmt.Errorf("the CPU of the proxy cannot be read on this system")
	}
	b.report.Values[gcShare] = float64(after.cpu-before.cpu) / float64(cpu)
	b.report.note("gc: %d collections, %v of %v CPU, %.1f %% of the commands filled a row",
		after.count-before.count, (after.cpu - before.cpu).Round(time.Millisecond), cpu.Round(time.Millisecond), (1-hits)*100)
	return nil
}

// The tail's load.
const (
	tailSeconds    = 10     // of each of its two open loops
	tailFillShare  = 0.1    // fills ÷ hits
	tailOnce       = 50_000 // entities that fills turn over
	tailQuickShare = 5      // a quick run's loops are so much shorter
)

// probeTail measures the latency of hits in an open loop at half of the rate that
// saturates the proxy, first alone, then while another connection asks for
// entities that are not cached, whose rows push others out.
func probeTail(ctx context.Context, b *run, s Scenario) error {
	p, err := b.openProxy(ctx, newDataset(s.Shape, tailOnce, b.Seed), fullCache(s.Shape, 4))
	if err != nil {
		return err
	}
	defer p.close()
	// Fill the cache with what will be pushed out, then with what is to stay.
	if _, err := p.measure(func() (*tally, error) { return p.pass(s.Shape.Entities, tailOnce).closed(s.Shape.Pipeline) }); err != nil {
		return err
	}
	if err := b.warm(s, p.session); err != nil {
		return err
	}
	fastest, err := p.run(b, s, Warm, p.random(p.commands, checkLengths))
	if err != nil {
		return err
	}
	plan := arrivals{rate: b.Rate, duration: tailSeconds * time.Second, pipeline: s.Shape.Pipeline, seed: b.Seed}
	if plan.rate == 0 {
		plan.rate = fastest.Throughput / 2 / float64(s.Shape.Pipeline)
	}
	if b.Quick {
		plan.duration /= tailQuickShare
	}
	r, err := p.measure(func() (*tally, error) { return p.endless(checkLengths).open(ctx, plan) })
	if err != nil {
		return fmt.Errorf("quiet: %w", err)
	}
	b.report.add(s.Name, fsproxy, Open, []round{r})
	if r, err = p.disturbed(ctx, plan); err != nil {
		return fmt.Errorf("during fills: %w", err)
	}
	m := b.report.add(s.Name, fsproxy, OpenFills, []round{r})
	m.Histogram = distribution(r.latency)
	if b.report.keptUp(m, fastest) {
		b.report.Values[tailRatio] = m.Latency.P999 / m.Latency.P50
	}
	return nil
}

// disturbed runs an open loop of hits while another connection makes misses.
func (p *proxied) disturbed(ctx context.Context, plan arrivals) (round, error) {
	c, err := dial(ctx, p.address)
	if err != nil {
		return round{}, err
	}
	defer c.close()
	random := rand.New(rand.NewPCG(p.seed, 3))
	fills := &load{clients: []*client{c}, data: p.data, strictness: checkLengths, next: []func() (ask, bool){func() (ask, bool) {
		entity := p.nextFresh()
		return ask{entity, p.data.projectionOf(entity, random)}, true
	}}}
	fillPlan := arrivals{rate: plan.rate * float64(plan.pipeline) * tailFillShare, duration: plan.duration, pipeline: 1, seed: plan.seed + 1}
	var filling sync.WaitGroup
	var fillErr error
	filling.Go(func() { _, fillErr = fills.open(ctx, fillPlan) })
	r, err := p.measure(func() (*tally, error) { return p.endless(checkLengths).open(ctx, plan) })
	filling.Wait()
	if err == nil {
		err = fillErr
	}
	return r, err
}
