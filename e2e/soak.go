//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

const (
	soakEntities = 400
	// soakLag is how long a fetcher takes at most to have a write.
	soakLag = 400 * time.Millisecond
	// soakSettle is what fsproxy is told of it. The rest is for a machine that is
	// busy: what comes later yet is excused, and counted.
	soakSettle = 1500 * time.Millisecond
	// soakMaxLag and soakSilence bound the stream and the markers.
	soakMaxLag   = 3 * time.Second
	soakSilence  = 2 * time.Second
	soakInterval = 300 * time.Millisecond
	soakFetch    = time.Second // upstream.fetch_timeout
	// soakSlack is for what a busy machine keeps from being done in time.
	soakSlack = 500 * time.Millisecond

	soakEvictTopic = "soak-evict" // RESP records; what they are about is evicted
	soakValueTopic = "soak-value" // JSON records; values are put in place
	soakMarkers    = "fs:markers"
	soakPartitions = 2
)

// kind is how the changes of a feature are told.
type kind int

const (
	byEviction kind = iota // a record that evicts
	byValue                // a record that brings the value
	byUpload               // a marker
	kinds
)

func (k kind) String() string { return [...]string{"evicted", "put in place", "uploaded"}[k] }

// bound is B, as docs/CONSISTENCY.md has it.
func (k kind) bound() time.Duration {
	loss := soakMaxLag
	if k == byUpload {
		loss = soakSilence
	}
	return loss + soakSettle + soakFetch + soakSlack
}

// soakFeatures are the names of the features of each kind.
func soakFeatures(k kind) []string {
	names := make([]string, 4)
	for i := range names {
		names[i] = fmt.Sprintf("soak_%d_%d", k, i)
	}
	return names
}

// soak is a store that changes all the time, what tells of its changes, a proxy
// in front of it, and what is known of both.
type soak struct {
	chronicle
	seed    uint64
	fleet   *fleet
	nodes   [][]*laggard // by shard
	kafka   *broker
	proxy   *proxy
	entity  []string
	fields  [kinds][]string
	names   [kinds][]string
	sending sync.Mutex // held while a write is sent to all nodes of a shard

	markers hash // guarded by chronicle.mu

	produced chan soakRecord // in the order of their versions
	versions atomic.Int64
	tally    soakTally
}

// soakRecord is a record to be produced, and what it tells of.
type soakRecord struct {
	topic string
	kafkaRecord
	fields  []string
	numbers []int
}

// startSoak runs all that a soak needs. settle is what fsproxy is told of how
// long fetchers lag.
func startSoak(t testing.TB, seed uint64, settle time.Duration) *soak {
	t.Helper()
	s := &soak{
		chronicle: chronicle{cells: map[cell][]version{}}, seed: seed, markers: hash{},
		fleet: startFleet(t), kafka: startKafka(t), produced: make(chan soakRecord, 10_000),
	}
	for k := range kinds {
		s.names[k] = soakFeatures(k)
		for _, name := range s.names[k] {
			s.fields[k] = append(s.fields[k], feature.ID(name))
		}
	}
	s.fill(t)
	for _, topic := range []string{soakEvictTopic, soakValueTopic} {
		s.kafka.createTopic(t, topic, soakPartitions)
	}
	s.proxy = startConfiguredProxy(t, s.options(startRCM(t, s.fleet.topology()).addr, settle))
	return s
}

// fill has the store hold version 0 of every cell.
func (s *soak) fill(t testing.TB) {
	t.Helper()
	for i := range soakEntities {
		s.entity = append(s.entity, "so_"+strconv.Itoa(i))
	}
	for _, e := range s.entity {
		for _, fields := range s.fields {
			for _, f := range fields {
				s.add(cell{e, f}, false, time.Time{})
			}
		}
	}
	s.fleet.load(t, s.content(-1))
	for i, shard := range s.fleet.shards {
		var nodes []*laggard
		for j, n := range shard.nodes {
			nodes = append(nodes, &laggard{
				store: n, client: n.client, longest: soakLag, rnd: rand.New(rand.NewPCG(s.seed, uint64(100+10*i+j))),
			})
		}
		s.nodes = append(s.nodes, nodes)
	}
}

// content is what the store has of a shard; -1: of all.
func (s *soak) content(shard int) map[string]hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]hash{}
	for c := range s.cells {
		if shard >= 0 && s.fleet.shardOf(c.entity) != shard {
			continue
		}
		if all[c.entity] == nil {
			all[c.entity] = hash{}
		}
		if value, absent := s.now(c); !absent {
			all[c.entity][c.field] = value
		}
	}
	if shard == s.fleet.shardOf(soakMarkers) && len(s.markers) > 0 {
		all[soakMarkers] = maps.Clone(s.markers)
	}
	return all
}

// options is the proxy's configuration.
func (s *soak) options(rcm string, settle time.Duration) string {
	list := func(k kind) string { return strings.Join(s.names[k], ", ") }
	return fmt.Sprintf(`
upstream: {addresses: [%q], fetch_timeout: %s}
log: {level: info}
invalidation:
  markers:
    - {key: %q, interval: %s, settle: %s, max_silence: %s, covers: [%s]}
  kafka:
    brokers: [%q]
    settle: %s
    check_interval: 200ms
    refresh_interval: 500ms
    topics:
      - {name: %s, format: resp, apply: evict, max_lag: %s, covers: [%s]}
      - {name: %s, format: json, apply: update, max_lag: %s, covers: [%s]}
`, rcm, soakFetch, soakMarkers, soakInterval, settle, soakSilence, list(byUpload), s.kafka.addr, settle,
		soakEvictTopic, soakMaxLag, list(byEviction), soakValueTopic, soakMaxLag, list(byValue))
}

// change has the store hold a new version of some cells of an entity, each
// fetcher in its own time, and calls issued, if any, with the versions' numbers
// before another change can come.
func (s *soak) change(entity string, fields []string, absent bool, issued func(numbers []int)) {
	shard := s.fleet.shardOf(entity)
	s.sending.Lock()
	defer s.sending.Unlock()
	now := time.Now()
	numbers := make([]int, len(fields))
	s.mu.Lock()
	for i, f := range fields {
		numbers[i] = s.add(cell{entity, f}, absent, now)
	}
	s.mu.Unlock()
	if issued != nil {
		issued(numbers)
	}
	w := write{key: entity}
	if absent {
		w.gone = fields
	} else {
		w.fields = hash{}
		for i, f := range fields {
			w.fields[f] = strconv.Itoa(numbers[i])
		}
	}
	w.done = s.whenAll(shard, func() {
		for i, f := range fields {
			s.set(cell{entity, f}, numbers[i], func(v *version) { v.had = time.Now() })
		}
	})
	s.send(shard, w)
}

// whenAll is a function that calls done at its last call, of as many as the
// shard has nodes.
func (s *soak) whenAll(shard int, done func()) func() {
	var left atomic.Int32
	left.Store(int32(len(s.nodes[shard])))
	return func() {
		if left.Add(-1) == 0 {
			done()
		}
	}
}

func (s *soak) send(shard int, w write) {
	for _, n := range s.nodes[shard] {
		n.send(w)
	}
}

// sleep waits, at most until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
