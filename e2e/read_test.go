//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// readers is the kind of entity that the tests of reading use: enough keys
// that each node of a fleet is chosen many times.
var readers = entityKind{prefix: "st", features: 40, entities: 400}

// checkReads reads all entities of kind through p, by pipelined HMGETs and by
// HGETs, twice. Every answer must be the store's; the second time, every
// answer must come from memory. calls returns how many reads the stores have
// answered.
func checkReads(t *testing.T, p *proxy, kind entityKind, hashes map[string]hash, calls func() int) {
	t.Helper()
	w := dialWire(t, p.addr)
	requested := kind.entities * (kind.features + 1)

	before := p.fields(t)
	readAll(t, w, kind, hashes)
	waitForFields(t, p, before, requested)
	if calls() == 0 {
		t.Fatal("no read reached the stores: this test cannot see where answers come from")
	}

	before, callsBefore, hitsBefore := p.fields(t), calls(), p.commands(t, "hit")
	readAll(t, w, kind, hashes)
	counted := waitForFields(t, p, before, requested)
	if got := counted.fromMemory(); got != requested {
		t.Errorf("the second read had %d of %d fields from memory: %v", got, requested, counted)
	}
	if got := p.commands(t, "hit") - hitsBefore; got != 2*kind.entities {
		t.Errorf("%d of %d commands count as hits", got, 2*kind.entities)
	}
	if counted["negative_hit"] == 0 {
		t.Errorf("no missing field was answered from memory: %v", counted)
	}
	if got := calls() - callsBefore; got != 0 {
		t.Errorf("the second read sent %d reads to the stores, want none", got)
	}
}

// readAll reads every entity of kind once by HMGET and once by HGET of its
// first field, several to a pipeline, and compares the answers.
func readAll(t *testing.T, w *wire, kind entityKind, hashes map[string]hash) {
	t.Helper()
	const pipelined = 8 // entities to a pipeline
	fields := kind.projection()
	for first := 0; first < kind.entities; first += pipelined {
		var commands [][]string
		var want []string
		for i := first; i < min(first+pipelined, kind.entities); i++ {
			key := kind.key(i)
			commands = append(commands, append([]string{"HMGET", key}, fields...))
			want = append(want, reply(hashes, key, fields))
			commands = append(commands, []string{"HGET", key, fields[0]})
			want = append(want, bulks(hashes[key][fields[0]])[len("*1\r\n"):])
		}
		got := w.mustPipeline(t, commands...)
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%.40v… answered %.200q, the store has %.200q", commands[i], got[i], want[i])
			}
		}
	}
}

// waitForFields waits until p has counted n fields since before, and returns
// the counts. Connections may add theirs up a moment after they answered.
func waitForFields(t *testing.T, p *proxy, before fieldCounts, n int) fieldCounts {
	t.Helper()
	var counted fieldCounts
	eventually(t, "the metrics counting every field once", func() error {
		counted = p.fields(t).since(before)
		if counted.total() != n {
			return fmt.Errorf("%d fields counted, want %d: %v", counted.total(), n, counted)
		}
		return nil
	})
	return counted
}
