package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scenario is a named measurement.
type Scenario struct {
	Name    string
	About   string
	Shape   Shape
	Servers []string // that it compares
	// Commands, if not 0, is how many commands a round makes instead of the usual.
	Commands int
	// closedOnly leaves out the open loop: it would say nothing here.
	closedOnly bool
	// changed tells that options changed its shape.
	changed bool
	// probe, if set, takes the place of the comparison: it looks into the proxy.
	probe func(ctx context.Context, b *run, s Scenario) error
}

// Custom is the name of the scenario whose shape is the options'.
const Custom = "custom"

// Scenarios lists all that there are, in the order in which they run.
func Scenarios() []Scenario {
	all := []Scenario{
		scenario("hmget50-p16", "one model, all 50 features of an entity", serverNames, nil),
		scenario("hmget50-p1", "the same, one at a time", []string{redisListpack, redisHashtable, twemproxy, canned, fsproxy},
			func(s *Shape) { s.Pipeline = 1 }),
		scenario("hmget10-p16", "all 10 features of an entity", []string{redisListpack, twemproxy, canned, fsproxy},
			func(s *Shape) { s.Fields, s.EntityFields = 10, 10 }),
		scenario("hmget10-p1", "the same, one at a time", []string{redisListpack, twemproxy, canned, fsproxy},
			func(s *Shape) { s.Fields, s.EntityFields, s.Pipeline = 10, 10, 1 }),
		scenario("hmget50-p16-hashtable", "the store's hashes in hash-table encoding", []string{redisHashtable, fsproxy}, nil),
		scenario("hmget100-p16", "all 100 features of an entity", []string{redisListpack, canned, fsproxy},
			func(s *Shape) { s.Fields, s.EntityFields = 100, 100 }),
		scenario("projections40", "40 projections in random turn on each connection", []string{canned, fsproxy},
			func(s *Shape) { s.Projections = 40 }),
		scenario("overlap2", "two models with overlapping fields in other order: rows are not laid out as asked for", []string{canned, fsproxy},
			func(s *Shape) { s.EntityFields, s.Overlap = 75, true }),
		scenario("hmget50-p16-hot", "hmget50-p16 with rows that stay in the CPU's caches", []string{canned, fsproxy},
			func(s *Shape) { s.Entities = hotEntities }),
		scenario("projections40-hot", "projections40, likewise", []string{canned, fsproxy},
			func(s *Shape) { s.Projections, s.Entities = 40, hotEntities }),
		scenario("overlap2-hot", "overlap2, likewise", []string{canned, fsproxy},
			func(s *Shape) { s.EntityFields, s.Overlap, s.Entities = 75, true, hotEntities }),
		scenario("prediction", "1,000 look-ups an operation: 100 entities × 10 features in one pipeline", []string{redisListpack, twemproxy, canned, fsproxy},
			func(s *Shape) { s.Fields, s.EntityFields, s.Pipeline = 10, 10, 100 }),
		scenario("miss", "each entity asked for once: what a miss adds to asking the store", []string{redisListpack, fsproxy},
			func(s *Shape) { s.Pipeline, s.Connections, s.Misses, s.Entities = 1, 1, 1, 100 }),
		scenario("window256", "one connection, 256 in flight, 30 % misses, a store 1 ms away", []string{fsproxy},
			func(s *Shape) {
				s.Fields, s.EntityFields, s.Connections = 10, 10, 1
				s.Window, s.Misses, s.Delay = 256, 0.3, time.Millisecond
			}),
		scenario("allocs", "heap allocations of a hit", []string{fsproxy}, nil),
		scenario("memory", "heap bytes of a cached feature", []string{fsproxy},
			func(s *Shape) { s.Entities = 200_000 }),
		scenario("gc", "garbage collector's share of CPU with a full cache and 20 % fills", []string{fsproxy},
			func(s *Shape) { s.Entities, s.Fields, s.EntityFields, s.Misses = 1_000_000, 20, 20, 0.2 }),
		scenario("tail", "slowest hits at half the saturating rate, during fills and evictions", []string{fsproxy},
			func(s *Shape) { s.Fields, s.EntityFields, s.Pipeline = 10, 10, 1 }),
		scenario("marker", "a marker of all 50 features, with and without old values served meanwhile, a store 1 ms away", []string{fsproxy},
			func(s *Shape) { s.Zipf, s.Delay, s.Pipeline, s.Entities = 0.9, time.Millisecond, 1, 3000 }),
		scenario(Custom, "the shape that the options give", serverNames, nil),
	}
	for i := range all {
		s := &all[i]
		s.closedOnly = s.Shape.Misses > 0
		switch s.Name {
		case "miss":
			s.Commands = 10_000 // each of another entity
		case "window256":
			s.Commands = 200_000 // about a second
		case "gc":
			s.Commands = 2_500_000 // with 500,000 fills: many collections
			s.probe = probeGC
		case "allocs":
			s.probe = probeAllocations
		case "memory":
			s.probe = probeMemory
		case "tail":
			s.probe = probeTail
		case "marker":
			s.probe = probeMarker
		}
	}
	return all
}

// hotEntities is how many entities' rows, of about a kilobyte, fit a core's own
// cache beside all else.
const hotEntities = 100

// scenario makes a scenario of the default shape with changes.
func scenario(name, about string, servers []string, change func(*Shape)) Scenario {
	s := Scenario{Name: name, About: about, Shape: DefaultShape(), Servers: servers}
	if change != nil {
		change(&s.Shape)
	}
	return s
}

// quickDivisor is how much smaller a quick run's counts are.
const quickDivisor = 10

// quick makes a scenario small enough to look at while developing.
func (s Scenario) quick() Scenario {
	s.Commands /= quickDivisor
	if s.Shape.Entities > DefaultShape().Entities {
		s.Shape.Entities /= quickDivisor
	}
	return s
}

// chooseScenarios finds scenarios by name; "all" is all but the custom one.
func chooseScenarios(names []string) ([]Scenario, error) {
	all := Scenarios()
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.Name
	}
	var chosen []Scenario
	for _, name := range names {
		if name == "all" {
			chosen = append(chosen, all[:len(all)-1]...)
			continue
		}
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("scenario: %q is none of all, %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
