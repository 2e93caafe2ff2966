//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// shortFetch is upstream.fetch_timeout where many tests share a machine: longer
	// than such a machine stands still. longFetch is it where each failure has the
	// machine for itself.
	shortFetch = 2 * time.Second
	longFetch  = 250 * time.Millisecond
	// longRCM is how long the RCM is down at least in a long run.
	longRCM = time.Minute
	// chaosRefresh is upstream.refresh_interval.
	chaosRefresh = time.Second
	// chaosSlowStart is upstream.slow_start, so that a fetcher that is back has
	// its share within a test.
	chaosSlowStart = 2 * time.Second
	// shardNodes are the fetchers of each shard.
	shardNodes = 3
	// Where the addresses of fetchers, of lines, and of the fetchers that take the
	// place of others begin.
	firstNodeHost, firstLineHost, firstNewHost = 1, 101, 201
)

// chaosTimes are how long the phases of a failure last.
type chaosTimes struct {
	before, during, after time.Duration
	rcm                   time.Duration // how long the RCM is down at least
	fetch                 time.Duration // upstream.fetch_timeout
	// alone: one failure after the other, so that each has the machine for itself.
	alone bool
}

// chaosTiming is short, or as FSPROXY_CHAOS says.
func chaosTiming(t testing.TB) chaosTimes {
	t.Helper()
	asked := os.Getenv("FSPROXY_CHAOS")
	if asked == "" {
		return chaosTimes{before: time.Second, during: 2500 * time.Millisecond, after: 1500 * time.Millisecond, fetch: shortFetch}
	}
	during, err := time.ParseDuration(asked)
	if err != nil || during < time.Second {
		t.Fatalf("FSPROXY_CHAOS=%q: want a duration such as 10s", asked)
	}
	return chaosTimes{before: during / 2, during: during, after: during / 2, rcm: max(during, longRCM), fetch: longFetch, alone: true}
}

// chaos is a fleet of two shards of three fetchers, each at an address of its
// own, an RCM, fsproxy, and clients under way.
type chaos struct {
	times  chaosTimes
	fleet  *fleet // as the RCM shows it
	hashes map[string]hash
	rcm    *rcm
	front  *front // before the RCM, where asked for
	line   *line  // before the first fetcher, where asked for
	proxy  *proxy
	load   *chaosLoad
	next   int // number of the next fetcher that takes the place of another
}

// startChaos runs all that a failure needs, and waits until the hot features are
// in memory.
func startChaos(t testing.TB, times chaosTimes, f *failure) *chaos {
	t.Helper()
	c := &chaos{times: times, fleet: &fleet{}, hashes: chaosEntities.hashes()}
	maps.Copy(c.hashes, clientHashes())
	half := slotCount / 2
	for i := range 2 {
		s := shard{first: i * half, last: (i+1)*half - 1}
		for j := range shardNodes {
			s.nodes = append(s.nodes, startStoreAt(t, chaosHost(firstNodeHost+i*shardNodes+j), freePort(t)))
		}
		c.fleet.shards = append(c.fleet.shards, s)
	}
	c.fill(t)
	if f.onLine {
		c.interpose(t)
	}
	c.rcm = startRCM(t, c.fleet.topology())
	upstream := c.rcm.addr
	if f.fronted {
		c.front = startFront(t, c.rcm.addr, c.fleet)
		upstream = c.front.addr()
	}
	c.proxy = startConfiguredProxy(t, c.options(t, upstream, f.stale))
	c.proxy.waitForStore(t)
	c.warm(t)
	c.load = startLoad(t, c.proxy.addr, c.hashes)
	return c
}

// chaosHost is an address of this machine that no other test uses.
func chaosHost(number int) string { return fmt.Sprintf("127.0.1.%d", number) }

// fill loads all fetchers and has each keep it in a file, so that it comes back
// with it as a fetcher does.
func (c *chaos) fill(t testing.TB) {
	t.Helper()
	c.fleet.load(t, c.hashes)
	for _, n := range c.fleet.nodes() {
		if err := n.client.Save(t.Context()).Err(); err != nil {
			t.Fatalf("SAVE on %s: %v", n.addr, err)
		}
	}
}

// interpose puts a line before the first fetcher.
func (c *chaos) interpose(t testing.TB) {
	t.Helper()
	first := &c.fleet.shards[0].nodes[0]
	c.line = startLine(t, net.JoinHostPort(chaosHost(firstLineHost), fmt.Sprint(freePort(t))), (*first).addr)
	shown := **first
	shown.addr = c.line.addr()
	*first = &shown
}

// options is the proxy's configuration.
func (c *chaos) options(t testing.TB, upstream string, stale time.Duration) string {
	t.Helper()
	var catalogue strings.Builder
	fmt.Fprintf(&catalogue, "defaults: {max_age: %s, negative_max_age: %s}\nfeatures:\n", coldAge, coldAge)
	for i := range hotFeatures {
		fmt.Fprintf(&catalogue, "  - {name: daf_%s_feature_%d, type: float, encoding: text, max_age: 1h, negative_max_age: 1h}\n", chaosEntities.prefix, i)
	}
	file := filepath.Join(t.TempDir(), "features.yaml")
	if err := os.WriteFile(file, []byte(catalogue.String()), 0o600); err != nil {
		t.Fatalf("writing the catalogue: %v", err)
	}
	return fmt.Sprintf(`
upstream: {addresses: [%q], fetch_timeout: %s, refresh_interval: %s, slow_start: %s, stale_if_error: %s}
features_file: %s
invalidation: {markers: []} # what a start forgets once more would look like a failure
log: {level: info}
`, upstream, c.times.fetch, chaosRefresh, chaosSlowStart, stale, file)
}

// warm asks once for all that clients will ask for.
func (c *chaos) warm(t testing.TB) {
	t.Helper()
	w, fields := dialWire(t, c.proxy.addr), chaosEntities.projection()
	var commands [][]string
	for i := range chaosEntities.entities {
		key := chaosEntities.key(i)
		commands = append(commands, append([]string{"HMGET", key}, fields[hotFeatures:]...))
		if i < hotEntities {
			commands = append(commands, append([]string{"HMGET", key}, fields[:hotFeatures]...))
		}
	}
	for some := range slices.Chunk(commands, loadBatch) {
		for i, got := range w.mustPipeline(t, some...) {
			if want := reply(c.hashes, some[i][1], some[i][2:]); got != want {
				t.Fatalf("HMGET %s before anything happens: %.200q, want %.200q", some[i][1], got, want)
			}
		}
	}
}

// first is the fetcher that a failure of one of three happens to.
func (c *chaos) first() *store { return c.fleet.shards[0].nodes[0] }

// restart brings fetchers back that were ended, with what they held; slowly, if
// loading each key takes a while.
func restart(t testing.TB, perKey time.Duration, stores ...*store) {
	t.Helper()
	for _, s := range stores {
		s.process = startProcess(t, needProgram(t, "redis-server"), append(slices.Clone(s.options),
			"--key-load-delay", fmt.Sprint(perKey.Microseconds()), "--loading-process-events-interval-bytes", "1024")...)
	}
	for _, s := range stores {
		s.waitForPort(t, s.addr)
	}
}

// replace starts a fetcher and has the RCM show it in place of another.
func (c *chaos) replace(t testing.TB, shard, node int) (old *store) {
	t.Helper()
	fresh := startStoreAt(t, chaosHost(firstNewHost+c.next), freePort(t))
	c.next++
	of := map[string]hash{}
	for key, fields := range c.hashes {
		if c.fleet.shardOf(key) == shard {
			of[key] = fields
		}
	}
	fresh.load(t, of)
	old = c.fleet.shards[shard].nodes[node]
	c.fleet.shards[shard].nodes[node] = fresh
	c.rcm.show(t, c.fleet.topology())
	return old
}

// show changes the RCM's file.
func (r *rcm) show(t testing.TB, topology string) {
	t.Helper()
	fresh := r.file + ".new" // it may be read at any moment
	if err := os.WriteFile(fresh, []byte(topology), 0o600); err != nil {
		t.Fatalf("writing the topology: %v", err)
	}
	if err := os.Rename(fresh, r.file); err != nil {
		t.Fatalf("changing the topology: %v", err)
	}
}

// asked returns nil when fsproxy has asked the fetchers of its fleet, and knows
// no others.
func (c *chaos) asked(t testing.TB) error {
	t.Helper()
	fetches := map[string]float64{}
	for _, s := range c.proxy.samples(t) {
		if s.name == "fsproxy_fetches_total" {
			fetches[s.labels["fetcher"]] = s.value
		}
	}
	for _, n := range c.fleet.nodes() {
		if fetches[n.addr] == 0 {
			return fmt.Errorf("%s is not asked", n.addr)
		}
		delete(fetches, n.addr)
	}
	if len(fetches) > 0 {
		return fmt.Errorf("fsproxy still has %v", slices.Collect(maps.Keys(fetches)))
	}
	return nil
}

// whole returns nil when fsproxy has all fetchers in use.
func (c *chaos) whole(t testing.TB) error {
	t.Helper()
	in := map[string]string{}
	for _, s := range c.proxy.samples(t) {
		if s.name == "fsproxy_fetcher_state" && s.value == 1 {
			in[s.labels["fetcher"]] = s.labels["state"]
		}
	}
	for _, n := range c.fleet.nodes() {
		if state := in[n.addr]; state != "serving" && state != "warming" {
			return fmt.Errorf("%s is %q", n.addr, state)
		}
	}
	return nil
}

// refreshes reads how many readings of the topology ended so.
func (c *chaos) refreshes(t testing.TB, result string) int {
	t.Helper()
	return c.proxy.metric(t, "fsproxy_topology_refreshes_total", "result", result)
}

// sentAgain reads how many fetches fsproxy sent to a second fetcher.
func (c *chaos) sentAgain(t testing.TB) int {
	t.Helper()
	n := 0
	for _, s := range c.proxy.samples(t) {
		if s.name == "fsproxy_fetch_retries_total" || s.name == "fsproxy_fetch_hedges_total" {
			n += int(s.value)
		}
	}
	return n
}

// metric reads one metric by one label; 0 where there is none such.
func (p *proxy) metric(t testing.TB, name, label, value string) int {
	t.Helper()
	for _, s := range p.samples(t) {
		if s.name == name && s.labels[label] == value {
			return int(s.value)
		}
	}
	return 0
}

// everywhere calls do for all fetchers of a shard at once.
func everywhere(nodes []*store, do func(s *store)) {
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() { do(n) })
	}
	all.Wait()
}
