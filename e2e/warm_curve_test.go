//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The curve is told in steps: of each, the share of fields that came from memory, of
// so many reads, spread evenly. Clients ask for any of the entities.
const (
	curveEntities = 4000
	curveSteps    = 10
	curveStep     = 400 * time.Millisecond
	curveReads    = 200
)

// curve reads from the first moment on, step by step, and prints what came from
// memory.
func (p *proxy) curve(t *testing.T, name string) {
	t.Helper()
	w := dialWire(t, p.addr)
	random := rand.New(rand.NewPCG(1, 1))
	var line strings.Builder
	next := time.Now()
	for range curveSteps {
		fmt.Fprintf(&line, "%5d", p.curveAt(t, w, random, &next))
	}
	t.Logf("%-14s%s", name, line.String())
}

// curveAt is the share, in percent, of fields from memory in a step.
func (p *proxy) curveAt(t *testing.T, w *wire, random *rand.Rand, next *time.Time) int {
	t.Helper()
	before := p.fields(t)
	for range curveReads {
		time.Sleep(time.Until(*next))
		*next = next.Add(curveStep / curveReads)
		w.do(t, "HMGET", fmt.Sprint("cu_", random.IntN(curveEntities)), "a", "b")
	}
	return waitForFields(t, p, before, 2*curveReads).fromMemory() * 100 / (2 * curveReads)
}

// warm wants nearly all to come from memory.
func (p *proxy) wantWarm(t *testing.T, name string) {
	t.Helper()
	source{p, "fs:markers"}.await(t, "trusted")
	next := time.Now()
	if got := p.curveAt(t, dialWire(t, p.addr), rand.New(rand.NewPCG(5, 6)), &next); got < 95 {
		t.Errorf("%s: %d %% of fields came from memory in the end", name, got)
	}
}

// The rate of hits after a start: cold, from a snapshot, from a peer that names what
// is hot, and from one that gives its rows; printed from the first moment on. In the
// end all but the cold one are warm.
func TestTheRateOfHitsAfterAStart(t *testing.T) {
	s := startWarmStore(t)
	all := map[string]hash{}
	for i := range curveEntities {
		all[fmt.Sprint("cu_", i)] = hash{"a": fmt.Sprint(i), "b": "b"}
	}
	s.load(t, all)
	fill := func(p *proxy) {
		source{p, "fs:markers"}.await(t, "trusted")
		time.Sleep(afterStart)
		w := dialWire(t, p.addr)
		for i := range curveEntities {
			w.do(t, "HMGET", fmt.Sprint("cu_", i), "a", "b")
		}
	}
	first := s.startRows(t, "")
	first.waitReady(t)
	fill(first)
	kept := s.start(t)
	fill(kept)
	kept.end(t)
	t.Logf("%% of fields from memory after a start, for each %s: %d reads of %d entities", curveStep, curveReads, curveEntities)

	s.startPeer(t, "").curve(t, "cold")

	again := s.start(t)
	again.curve(t, "snapshot")
	again.awaitLog(t, tookOver)
	again.wantWarm(t, "snapshot")

	fetching := s.startPeer(t, "", first)
	fetching.curve(t, "peer, fetched")
	fetching.awaitLog(t, fetched)
	fetching.wantWarm(t, "peer, fetched")

	taking := s.startRows(t, "", first.admin)
	taking.waitReady(t)
	taking.curve(t, "peer, rows")
	taking.awaitLog(t, tookPeers)
	taking.wantWarm(t, "peer, rows")
}
