//go:build e2e

package e2e

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// markersKey is the hash of markers.
const markersKey = "fs:markers"

// recorded is a fleet whose fetchers get each change of the store in their own
// time, and the chronicle of these changes.
type recorded struct {
	chronicle
	fleet   *fleet
	nodes   [][]*laggard // by shard
	sending sync.Mutex   // held while a write is sent to all nodes of a shard
	markers hash         // guarded by chronicle.mu
}

// startRecorded runs a fleet whose fetchers lag that long at most.
func startRecorded(t testing.TB, seed uint64, lag time.Duration) *recorded {
	t.Helper()
	r := &recorded{chronicle: chronicle{cells: map[cell][]version{}}, fleet: startFleet(t), markers: hash{}}
	for i, shard := range r.fleet.shards {
		var nodes []*laggard
		for j, n := range shard.nodes {
			nodes = append(nodes, &laggard{
				store: n, client: n.client, longest: lag, rnd: rand.New(rand.NewPCG(seed, uint64(100+10*i+j))),
			})
		}
		r.nodes = append(r.nodes, nodes)
	}
	return r
}

// load has all fetchers hold what the store has.
func (r *recorded) load(t testing.TB) {
	t.Helper()
	r.fleet.load(t, r.content(-1))
}

// run gives fetchers their writes until ctx ends.
func (r *recorded) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, nodes := range r.nodes {
		for _, n := range nodes {
			all.Go(func() { n.run(ctx) })
		}
	}
	all.Wait()
}

// content is what the store has of a shard; -1: of all.
func (r *recorded) content(shard int) map[string]hash {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]hash{}
	for c := range r.cells {
		if shard >= 0 && r.fleet.shardOf(c.entity) != shard {
			continue
		}
		if value := r.now(c); value != "" {
			if all[c.entity] == nil {
				all[c.entity] = hash{}
			}
			all[c.entity][c.field] = value
		}
	}
	if shard == r.fleet.shardOf(markersKey) && len(r.markers) > 0 {
		all[markersKey] = maps.Clone(r.markers)
	}
	return all
}

// change has the store hold new values of some fields of an entity, none where
// one is empty, and each fetcher in its own time. issued, if any, is called with
// the versions' numbers before another change can come.
func (r *recorded) change(entity string, values hash, issued func(numbers map[string]int)) {
	shard := r.fleet.shardOf(entity)
	r.sending.Lock()
	defer r.sending.Unlock()
	now := time.Now()
	numbers := make(map[string]int, len(values))
	w := write{key: entity, fields: hash{}}
	r.mu.Lock()
	for f, value := range values {
		numbers[f] = r.add(cell{entity, f}, value, now)
		if value == "" {
			w.gone = append(w.gone, f)
		} else {
			w.fields[f] = value
		}
	}
	r.mu.Unlock()
	if issued != nil {
		issued(numbers)
	}
	w.done = r.whenAll(shard, func() {
		for f, n := range numbers {
			r.set(cell{entity, f}, n, func(v *version) { v.had = time.Now() })
		}
	})
	r.send(shard, w)
}

// mark sets markers. The versions that they tell of count as told when all
// fetchers have the markers.
func (r *recorded) mark(markers hash, told map[cell]int) {
	shard := r.fleet.shardOf(markersKey)
	r.sending.Lock()
	defer r.sending.Unlock()
	r.mu.Lock()
	maps.Copy(r.markers, markers)
	r.mu.Unlock()
	r.send(shard, write{key: markersKey, fields: markers, done: r.whenAll(shard, func() { r.told(told) })})
}

// told says that versions were told of just now.
func (r *recorded) told(versions map[cell]int) {
	for c, n := range versions {
		r.set(c, n, func(v *version) { v.told = time.Now() })
	}
}

// whenAll is a function that calls done at its last call, of as many as the
// shard has nodes.
func (r *recorded) whenAll(shard int, done func()) func() {
	var left atomic.Int32
	left.Store(int32(len(r.nodes[shard])))
	return func() {
		if left.Add(-1) == 0 {
			done()
		}
	}
}

func (r *recorded) send(shard int, w write) {
	for _, n := range r.nodes[shard] {
		n.send(w)
	}
}
