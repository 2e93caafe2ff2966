package rollout

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/resp"
)

// within is the promise of the rig's features.
const within = 2 * time.Second

// options are those of a Rollout under test.
func options() config.Rollout {
	return config.Rollout{Workers: 2, Queue: 64, Differences: 100, LogValues: true}
}

// fakeStore is fetchers that hold what a test says.
type fakeStore struct {
	mu      sync.Mutex                   // protects what follows
	values  map[string]map[string]string // by fetcher, then by field
	asked   int
	fails   bool
	blocked chan struct{} // not nil: Ask waits for it
}

func newFakeStore(fetchers ...string) *fakeStore {
	s := &fakeStore{values: map[string]map[string]string{}}
	for _, f := range fetchers {
		s.values[f] = map[string]string{}
	}
	return s
}

// set gives a field a value, at some fetchers or at all.
func (s *fakeStore) set(field, value string, fetchers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.values {
		if len(fetchers) == 0 || slices.Contains(fetchers, f) {
			s.values[f][field] = value
		}
	}
}

func (s *fakeStore) Peers(uint16) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.values))
}

func (s *fakeStore) Ask(ctx context.Context, at string, _ uint16, args ...string) ([]byte, string, error) {
	s.mu.Lock()
	blocked := s.blocked
	s.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return nil, at, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.fails {
		return nil, at, errors.New("no answer")
	}
	if at == "" {
		at = slices.Sorted(maps.Keys(s.values))[0]
	}
	return s.reply(at, args[2:]...), at, nil
}

// reply is a fetcher's answer to a read of fields.
func (s *fakeStore) reply(at string, fields ...string) []byte {
	b := redcon.AppendArray(nil, len(fields))
	for _, f := range fields {
		if v, ok := s.values[at][f]; ok {
			b = redcon.AppendBulkString(b, v)
		} else {
			b = resp.AppendNil(b, resp.V2)
		}
	}
	return b
}

// rig is a Rollout at work, in a bubble of fake time.
type rig struct {
	t *testing.T
	*Rollout
	cache *cache.Cache
	clock *cache.Clock
	store *fakeStore
}

// inBubble runs a test on a rig whose Rollout works until the test ends.
func inBubble(t *testing.T, change func(*Config), test func(r *rig)) {
	t.Helper()
	inBubbleThatRevalidates(t, 0, change, test)
}

// inBubbleThatRevalidates is inBubble with a cache that serves stale values for
// so long after a marker.
func inBubbleThatRevalidates(t *testing.T, stale time.Duration, change func(*Config), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		r := &rig{t: t, clock: cache.NewClock(), store: newFakeStore("a", "b")}
		var err error
		r.cache, err = cache.New(cache.Config{
			MaxBytes: 64 << 20, MaxAge: time.Hour, NegativeMaxAge: time.Hour, Shards: 1, MaxRowBytes: 1 << 20,
			MaxFeatures: 1000, MaxProjections: 100, MaxLayouts: 1000, StaleWhileRevalidate: stale,
		}, r.clock)
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{
			Mode: config.ModeDryRun, Options: options(), Cache: r.cache, Clock: r.clock, Store: r.store,
			Promise: func(string) Promise { return Promise{Source: "markers", Within: within, Covered: true} },
			Log:     slog.New(slog.DiscardHandler),
		}
		if change != nil {
			change(&cfg)
		}
		if r.Rollout, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { r.clock.Run(ctx) })
		wg.Go(func() { r.Run(ctx) })
		time.Sleep(50 * time.Millisecond) // leave the first ticks behind
		defer func() {
			cancel()
			wg.Wait()
			r.cache.Close()
		}()
		test(r)
	})
}

// project interns a projection.
func (r *rig) project(fields ...string) *cache.Projection { return intern(r.t, r.cache, fields...) }

func intern(t *testing.T, c *cache.Cache, fields ...string) *cache.Projection {
	t.Helper()
	var wire []byte
	var names [][]byte
	for _, f := range fields {
		wire = redcon.AppendBulk(wire, []byte(f))
		names = append(names, []byte(f))
	}
	p := c.Projection(wire, names)
	if p == nil {
		t.Fatal("the projection is refused")
	}
	return p
}

// read is a read in dry-run that a fetcher answers, and all that follows at once.
func (r *rig) read(entity string, p *cache.Projection, fetcher string) {
	r.t.Helper()
	read := r.Consult([]byte(entity), p, r.clock.Now(), resp.V2)
	if read == nil {
		r.t.Fatal("the read is not compared")
	}
	var fields []string
	for _, f := range p.Fields {
		fields = append(fields, f.Name)
	}
	r.store.mu.Lock()
	frame := r.store.reply(fetcher, fields...)
	r.store.mu.Unlock()
	read.Answered(frame, fetcher)
	synctest.Wait()
}

// differ has f of the entity e in memory as "1" while the store says "2", and a
// read of it compared.
func (r *rig) differ() *cache.Projection {
	r.t.Helper()
	r.store.set("f", "1")
	p := r.project("f")
	r.read("e", p, "a")
	r.store.set("f", "2")
	r.read("e", p, "a")
	return p
}

// wants compares the counts of a kind with those named.
func (r *rig) wants(kind Kind, want map[Class]uint64) {
	r.t.Helper()
	synctest.Wait()
	got := r.Stats().Compared[kind]
	for class := range Classes {
		if got[class] != want[class] {
			r.t.Errorf("%s: %d of class %s, want %d", kind, got[class], class, want[class])
		}
	}
}

// covered is a cover of all features.
func covered(t *testing.T) *feature.Cover {
	t.Helper()
	cover, err := feature.NewCover([]string{"*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cover
}

func withLog(file string) config.Rollout {
	o := options()
	o.Log = file
	return o
}
