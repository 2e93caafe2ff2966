//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// defaultSoak is how long a soak goes on unless FSPROXY_SOAK says so.
	defaultSoak = time.Minute
	// brokenSoak is how long one goes on that has to find violations.
	brokenSoak = 12 * time.Second
	// leastSoakHits is the part of the fields that memory must answer in a soak:
	// it only finds a proxy that keeps nothing.
	leastSoakHits = 0.1
)

// Writers, uploads, fetchers that lag, and things that fail, all at once and by
// chance: no value is served that is older than promised.
func TestSoakServesNothingOlderThanPromised(t *testing.T) {
	length, seed := soakOptions(t)
	t.Logf("soak: %v, seed %d", length, seed)
	s := startSoak(t, seed, soakSettle)
	s.run(t, length, true)
	s.countLife(t)
	t.Logf("soak: %v", &s.tally)

	counted, lives := s.lives.counted, s.lives.now.Load()+1
	t.Logf("soak: %d lives of fsproxy, of which %d took over rows; %d writes were tried again; fields by result: %v",
		lives, s.lives.tookOver, s.lives.refused.Load(), counted)
	if lives > 1 && s.lives.tookOver == 0 {
		t.Error("no life of fsproxy took over rows from the one before: the soak has not seen a warm restart")
	}
	if n := s.tally.broken(); n > 0 {
		t.Errorf("%d violations (seed %d):\n%s", n, seed, strings.Join(s.tally.shown, "\n"))
	}
	if part := float64(counted.fromMemory()) / float64(counted.total()); part < leastSoakHits {
		t.Errorf("memory answered %.2f of the fields, want %.2f at least", part, leastSoakHits)
	}
}

// The observer is no use if it cannot see. A proxy that is told that fetchers do
// not lag, while they do, keeps old values; and so does any proxy where uploads
// forget their markers.
func TestSoakSeesABrokenPromise(t *testing.T) {
	_, seed := soakOptions(t)
	s := startSoak(t, seed, 0)
	s.forget = true
	s.run(t, brokenSoak, false)
	t.Logf("soak: %v; violations by kind: %v", &s.tally, s.tally.violations)
	if s.tally.violations[byEviction]+s.tally.violations[byValue] == 0 {
		t.Error("no violation was found where fsproxy does not know that fetchers lag")
	}
	if s.tally.violations[byUpload] == 0 {
		t.Error("no violation was found where uploads forget their markers")
	}
}

// soakOptions returns FSPROXY_SOAK and FSPROXY_SOAK_SEED.
func soakOptions(t *testing.T) (length time.Duration, seed uint64) {
	t.Helper()
	length, seed = defaultSoak, rand.Uint64()
	if asked := os.Getenv("FSPROXY_SOAK"); asked != "" {
		var err error
		if length, err = time.ParseDuration(asked); err != nil || length <= 0 {
			t.Fatalf("FSPROXY_SOAK=%q: want a duration such as 10m", asked)
		}
	}
	if asked := os.Getenv("FSPROXY_SOAK_SEED"); asked != "" {
		var err error
		if seed, err = strconv.ParseUint(asked, 10, 64); err != nil {
			t.Fatalf("FSPROXY_SOAK_SEED=%q: want a number", asked)
		}
	}
	return length, seed
}

// run soaks for so long, lets everything settle, and asks for all once more.
func (s *soak) run(t *testing.T, length time.Duration, disturb bool) {
	t.Helper()
	writing, stopWriting := context.WithTimeout(t.Context(), length)
	defer stopWriting()
	serving, stopServing := context.WithCancel(t.Context())
	var writers, servers, watchers sync.WaitGroup
	defer func() { stopServing(); servers.Wait() }()

	servers.Go(func() { s.kafka.produceAll(serving, s.updates, s.told) })
	servers.Go(func() { s.recorded.run(serving) })
	writers.Go(func() { s.update(writing) })
	writers.Go(func() { s.upload(writing) })
	addr := s.proxy.addr
	writers.Go(func() { s.writeThrough(writing, t, addr) })
	for i := range observers {
		o := s.newObserver()
		watchers.Go(func() {
			if err := o.watch(serving, rand.New(rand.NewPCG(s.seed, uint64(10+i)))); err != nil {
				t.Errorf("observer %d: %v", i, err)
			}
		})
	}
	if disturb {
		s.disturb(writing, t)
	}
	writers.Wait()
	eventually(t, "all that changed being told", s.complete)
	longest := byEviction.bound()
	sleep(t.Context(), longest)
	stopServing()
	watchers.Wait()
	if err := s.newObserver().all(t.Context()); err != nil {
		t.Fatal(err)
	}
}
