package invalidation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/feature"
)

// MarkersConfig says where markers are and how often they are looked at.
type MarkersConfig struct {
	Guard        GuardConfig // its MaxLag is the longest silence
	Key          string      // of the hash
	Interval     time.Duration
	VersionField string // "": none
}

// Markers polls a hash of the store: a field a feature or group, with a value
// that changes with each upload. It is a [Source].
//
// Any fetcher of the hash's shard may answer, and each may be behind. So a value
// that comes back within settle of its change is taken for that of a fetcher
// that has not heard of the change yet. After settle it is a change as any other:
// a store that failed over to an older copy has older values too.
type Markers struct {
	cfg   MarkersConfig // as it was at first: interval and guard have what is in force
	hash  markerHash
	guard *Guard
	marks *Marks
	log   *slog.Logger

	interval atomic.Int64  // a time.Duration
	hurry    chan struct{} // has the poller not wait for the interval

	mu sync.Mutex // held where known changes and is acted on; protects known for others than the poller

	// The poller's alone, but for known.
	known   map[string]digest // the marker of each feature; nil: no baseline yet
	version digest            // with which known was read; 0: not known
	recent  map[string]change // the changes of the last settle
	warned  warning
	// resumed is known as an earlier process had it, and unsettled what that was
	// to mark once more; nil: there was none.
	resumed   map[string]digest
	unsettled []string
}

// change is what a marker was before it changed, and when the poll began that
// saw it.
type change struct {
	before digest
	at     time.Time
}

// NewMarkers returns a poller that has what it covers suspended until Run has
// read the markers once. Names may be nil.
func NewMarkers(cfg MarkersConfig, store Store, memory Memory, names feature.Names, log *slog.Logger) *Markers {
	guard := NewGuard(cfg.Guard, memory, log)
	guard.Start()
	m := &Markers{
		cfg:    cfg,
		hash:   markerHash{store: store, key: cfg.Key, slot: cluster.Slot([]byte(cfg.Key)), versionField: cfg.VersionField},
		guard:  guard,
		marks:  NewMarks(guard, names),
		log:    log,
		hurry:  make(chan struct{}, 1),
		recent: make(map[string]change),
	}
	m.interval.Store(int64(cfg.Interval))
	return m
}

// tune takes over how often is polled, and what is at stake.
func (m *Markers) tune(interval time.Duration, guard GuardConfig) {
	m.guard.Tune(guard)
	if m.interval.Swap(int64(interval)) == int64(interval) {
		return
	}
	select {
	case m.hurry <- struct{}{}:
	default:
	}
}

// Statuses implements Source.
func (m *Markers) Statuses() []Status {
	status := m.guard.Status()
	status.Interval = time.Duration(m.interval.Load())
	return []Status{status}
}

// firstMarkerRetry is the pause after the first failed poll; it doubles up to
// the interval. The store is usually not found yet when the first poll comes.
const firstMarkerRetry = 50 * time.Millisecond

// Run implements Source.
func (m *Markers) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { m.guard.Run(ctx) })
	wg.Go(func() { m.marks.Run(ctx) })
	defer wg.Wait()
	retry := firstMarkerRetry
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.hurry:
		case <-timer.C:
		}
		wait := time.Duration(m.interval.Load())
		if !m.poll(ctx) && m.known == nil {
			wait = min(retry, wait)
			retry *= 2
		}
		timer.Reset(jittered(wait))
	}
}

// jittered is d, a fifth more or less, so that the pods of a fleet do not ask
// all at once.
func jittered(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}

// poll looks at the markers once.
func (m *Markers) poll(ctx context.Context) (ok bool) {
	began := time.Now()
	found, err := m.hash.read(ctx, m.version)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		m.warn(err, began)
		m.guard.Report(Health{At: began, Err: err, Positioned: m.known != nil})
		return false
	}
	if found != nil {
		m.mu.Lock()
		m.compare(found, began)
		m.mu.Unlock()
	}
	m.guard.Report(Health{At: began, Positioned: true, Position: fmt.Sprintf("%d markers", len(m.known))})
	return true
}

// compare finds what has changed, and has it marked.
func (m *Markers) compare(found *reading, began time.Time) {
	if m.known == nil {
		m.known, m.version = found.markers, found.version
		if m.known == nil {
			m.known = make(map[string]digest)
		}
		m.compareResumed()
		return
	}
	for name, c := range m.recent {
		if began.Sub(c.at) > m.guard.Config().Settle {
			delete(m.recent, name)
		}
	}
	var changed []string
	behind := false
	look := func(name string, value digest) {
		before := m.known[name]
		if value == before {
			return
		}
		if c, ok := m.recent[name]; ok && c.before == value {
			behind = true // looked at again later
			return
		}
		m.recent[name] = change{before, began}
		changed = append(changed, name)
		if value == 0 {
			delete(m.known, name)
		} else {
			m.known[name] = value
		}
	}
	for name, value := range found.markers {
		look(name, value)
	}
	for name := range m.known {
		if _, ok := found.markers[name]; !ok {
			look(name, 0)
		}
	}
	m.version = found.version
	if behind {
		m.version = 0
	}
	m.marks.Changed(changed...)
}

// warnInterval keeps lines about the same trouble apart.
const warnInterval = time.Minute

// warning is what was logged last.
type warning struct {
	text string
	at   time.Time
}

// warn logs what the user can do something about: an answer of the store. A
// fetch that failed is the guard's to tell of, if it comes to that.
func (m *Markers) warn(err error, now time.Time) {
	if !errors.As(err, new(refusal)) {
		m.log.Debug("markers cannot be read", "error", err)
		return
	}
	if text := err.Error(); text != m.warned.text || now.Sub(m.warned.at) >= warnInterval {
		m.log.Warn("markers cannot be read", "error", err)
		m.warned = warning{text, now}
	}
}
