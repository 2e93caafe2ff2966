//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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

	// soakSnapshot lies between two snapshots.
	soakSnapshot = 700 * time.Millisecond
	// soakDrain is how long the proxy serves on after SIGTERM.
	soakDrain = 300 * time.Millisecond

	soakEvictTopic = "soak-evict" // RESP records; what they are about is evicted
	soakValueTopic = "soak-value" // JSON records; values are put in place
	soakPartitions = 2
)

// kind is how the changes of a feature are told.
type kind int

const (
	byEviction kind = iota // a record that evicts
	byValue                // a record that brings the value
	byUpload               // a marker
	byWrite                // they pass through the proxy, and nobody else tells of them
	kinds
)

func (k kind) String() string {
	return [...]string{"evicted", "put in place", "uploaded", "written through"}[k]
}

// bound is B, as docs/CONSISTENCY.md has it.
func (k kind) bound() time.Duration {
	loss := soakMaxLag
	switch k {
	case byUpload:
		loss = soakSilence
	case byWrite:
		loss = 0
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
	*recorded
	seed   uint64
	kafka  *broker
	rcm    *rcm
	proxy  *proxy
	lives  lives // of the proxy
	forget bool  // each second feature is uploaded without a marker
	entity []string
	fields [kinds][]string
	names  [kinds][]string

	updates  chan queued // in the order of their versions
	versions atomic.Int64
	tally    soakTally
}

// startSoak runs all that a soak needs. settle is what fsproxy is told of how
// long fetchers lag.
func startSoak(t testing.TB, seed uint64, settle time.Duration) *soak {
	t.Helper()
	redis.SetLogger(silence{}) // fetchers that were killed cannot be dialled: nothing to tell of
	s := &soak{
		recorded: startRecorded(t, seed, soakLag), seed: seed,
		kafka: startKafka(t), updates: make(chan queued, updatesQueued),
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
	s.rcm = startRCM(t, s.fleet.topology())
	s.proxy = startConfiguredProxy(t, s.options(s.rcm.addr, settle)+
		fmt.Sprintf("warm: {file: %q, interval: %s}\n", filepath.Join(t.TempDir(), "warm"), soakSnapshot))
	return s
}

// silence logs nothing.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// fill has the store hold version 0 of every cell.
func (s *soak) fill(t testing.TB) {
	t.Helper()
	for i := range soakEntities {
		s.entity = append(s.entity, "so_"+strconv.Itoa(i))
	}
	for _, e := range s.entity {
		for _, fields := range s.fields {
			for _, f := range fields {
				s.add(cell{e, f}, "0", time.Time{})
			}
		}
	}
	s.load(t)
}

// options is the proxy's configuration.
func (s *soak) options(rcm string, settle time.Duration) string {
	list := func(k kind) string { return strings.Join(s.names[k], ", ") }
	return fmt.Sprintf(`
upstream: {addresses: [%q], fetch_timeout: %s}
log: {level: info}
cache: {write_settle: %s}
drain_timeout: %s
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
`, rcm, soakFetch, settle, soakDrain, markersKey, soakInterval, settle, soakSilence, list(byUpload), s.kafka.addr, settle,
		soakEvictTopic, soakMaxLag, list(byEviction), soakValueTopic, soakMaxLag, list(byValue))
}

// sleep waits, at most until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
