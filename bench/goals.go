package bench

import "math"

// Names of the values that probes find; keys of Report.Values.
const (
	allocationsPerHit = "heap_allocations_per_hit"
	bytesAFeature     = "heap_bytes_per_feature"
	gcShare           = "gc_cpu_share"
	tailRatio         = "tail_p999_over_p50"
)

// bytesPerFeature is the goal of heap bytes a cached feature; caches that a
// scenario wants full are sized by it.
const bytesPerFeature = 26

// Goal is what the proxy promises of itself, and what was measured of it.
type Goal struct {
	Text  string  `json:"text"`
	Bound float64 `json:"bound"`
	Least bool    `json:"least"` // the bound is a lower one
	Unit  string  `json:"unit,omitempty"`
	// Measured is the value; nil if its scenario did not run.
	Measured *float64 `json:"measured,omitempty"`
	Met      bool     `json:"met"`

	scenario string // that it is measured in
	digits   int    // after the point, in a table
	value    func(*Report) float64
}

// goals lists them. A value is NaN where what it needs was not measured.
func goals() []Goal {
	redisOver := func(scenario, server string, bound float64, text string) Goal {
		return Goal{Text: text, Bound: bound, Least: true, scenario: scenario, digits: 2, value: func(r *Report) float64 {
			return r.cpu(scenario, server) / r.cpu(scenario, fsproxy)
		}}
	}
	overCanned := func(scenario string, bound float64, text string) Goal {
		return Goal{Text: text, Bound: bound, scenario: scenario, digits: 2, value: func(r *Report) float64 {
			return r.cpu(scenario, fsproxy) / r.cpu(scenario, canned)
		}}
	}
	probed := func(scenario, name string, bound float64, digits int, unit, text string) Goal {
		return Goal{Text: text, Bound: bound, Unit: unit, scenario: scenario, digits: digits, value: func(r *Report) float64 {
			if value, ok := r.Values[name]; ok {
				return value
			}
			return math.NaN()
		}}
	}
	return []Goal{
		redisOver("hmget50-p16", redisListpack, 15, "HMGET 50, 16 pipelined: CPU of redis-server ÷ fsproxy"),
		redisOver("hmget50-p1", redisListpack, 3.5, "HMGET 50, 1 at a time: CPU of redis-server ÷ fsproxy"),
		redisOver("hmget10-p16", redisListpack, 3, "HMGET 10, 16 pipelined: CPU of redis-server ÷ fsproxy"),
		redisOver("hmget10-p1", redisListpack, 1, "HMGET 10, 1 at a time: CPU of redis-server ÷ fsproxy"),
		redisOver("hmget50-p16-hashtable", redisHashtable, 8, "HMGET 50, 16 pipelined: CPU of redis-server with hash tables ÷ fsproxy"),
		redisOver("hmget100-p16", redisListpack, 40, "HMGET 100, 16 pipelined: CPU of redis-server ÷ fsproxy"),
		// Canned replies lie in the CPU's own caches, so they tell what the code
		// costs beyond a connection loop where rows do too; where rows come from
		// memory, they tell what memory costs as well.
		overCanned("hmget50-p16-hot", 1.3, "HMGET 50, 16 pipelined, 100 entities: CPU of fsproxy ÷ canned replies"),
		overCanned("projections40-hot", 1.6, "40 projections in random turn, 100 entities: CPU of fsproxy ÷ canned replies"),
		overCanned("overlap2-hot", 2, "layout not the projection's, 100 entities: CPU of fsproxy ÷ canned replies"),
		overCanned("hmget50-p16", 1.3, "HMGET 50, 16 pipelined, 10,000 entities: CPU of fsproxy ÷ canned replies"),
		overCanned("projections40", 1.6, "40 projections in random turn, 10,000 entities: CPU of fsproxy ÷ canned replies"),
		overCanned("overlap2", 2, "layout not the projection's, 10,000 entities: CPU of fsproxy ÷ canned replies"),
		// A background task of the runtime may allocate now and then: below one in
		// ten thousand, no hit does.
		probed("allocs", allocationsPerHit, 0.0001, 5, "", "heap allocations a hit"),
		probed("memory", bytesAFeature, bytesPerFeature, 1, "B", "heap bytes a cached feature of 6 bytes, 50 an entity"),
		probed("gc", gcShare, 0.05, 4, "", "garbage collector's share of CPU under 20 % fills"),
		probed("tail", tailRatio, 4, 2, "", "p99.9 ÷ p50 of hits at half the saturating rate, during fills and evictions"),
		{Text: "median latency that a miss adds to asking the store", Bound: 60, Unit: "µs", scenario: "miss", digits: 1, value: missLatency},
		{Text: "256 in flight, 30 % misses, store 1 ms away: throughput ÷ (256 ÷ 1 ms)", Bound: 0.8, Least: true, scenario: "window256", digits: 2, value: windowShare},
	}
}

// missLatency is what the proxy adds to the median latency of a miss, in µs.
func missLatency(r *Report) float64 {
	through, direct := r.find("miss", fsproxy, Warm), r.find("miss", redisListpack, Warm)
	if through == nil || direct == nil {
		return math.NaN()
	}
	return through.Latency.P50 - direct.Latency.P50
}

// windowShare is the throughput of a full window as a share of what it would be if
// each command took just the store's delay.
func windowShare(r *Report) float64 {
	m := r.find("window256", fsproxy, Warm)
	if m == nil {
		return math.NaN()
	}
	for _, s := range r.Scenarios {
		if s.Name == m.Scenario && s.Shape.Delay > 0 && s.Shape.Window > 0 {
			return m.Throughput / (float64(s.Shape.Window*s.Shape.Connections) / s.Shape.Delay.Seconds())
		}
	}
	return math.NaN()
}

// judge works out the goals that were measured.
func (r *Report) judge() {
	r.Goals = goals()
	for i := range r.Goals {
		g := &r.Goals[i]
		if r.changed(g.scenario) {
			continue // the promise is about another shape
		}
		value := g.value(r)
		if math.IsNaN(value) || math.IsInf(value, 0) {
			continue
		}
		g.Measured = &value
		g.Met = (g.Least && value >= g.Bound) || (!g.Least && value <= g.Bound)
	}
}
