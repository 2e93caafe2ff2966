package invalidation

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// resumedPoller is a poller of a hash with these markers, resumed from a
// checkpoint of a second ago.
func resumedPoller(t *testing.T, w guardWorld, checkpoint string, markers map[string]digest) (*Markers, []string) {
	t.Helper()
	m := NewMarkers(MarkersConfig{
		Guard: GuardConfig{Name: "h", Kind: KindMarkers, Cover: coverOf(t, "*"), Settle: 3 * time.Second, MaxLag: time.Minute, OnLoss: Bypass},
		Key:   "h", Interval: time.Second,
	}, nil, w.memory, nil, w.log.logger())
	if err := m.ResumeFrom([]byte(checkpoint), time.Second); err != nil {
		t.Fatal(err)
	}
	w.memory.take()
	m.mu.Lock()
	m.compare(&reading{markers: markers}, time.Now())
	m.mu.Unlock()
	m.guard.Report(Health{At: time.Now(), Positioned: true})
	return m, w.memory.take()
}

type guardWorld struct {
	memory *recorder
	log    *lines
}

// What an earlier process knew is compared with the first reading, before what is
// covered is served: what changed, came, went or was not settled is forgotten, and
// the rest is kept.
func TestMarkersThatChangedBetweenTwoProcessesAreMissed(t *testing.T) {
	for name, c := range map[string]struct {
		checkpoint string
		want       []string
	}{
		"nothing":   {`{"markers":{"a":1,"b":2}}`, []string{"0s lift * hold=2s"}},
		"changed":   {`{"markers":{"a":1,"b":9}}`, []string{"0s forget b", "0s mark b", "0s lift * hold=2s"}},
		"came":      {`{"markers":{"a":1}}`, []string{"0s forget b", "0s mark b", "0s lift * hold=2s"}},
		"went":      {`{"markers":{"a":1,"b":2,"c":3}}`, []string{"0s forget c", "0s mark c", "0s lift * hold=2s"}},
		"unsettled": {`{"markers":{"a":1,"b":2},"pending":["a"]}`, []string{"0s forget a", "0s mark a", "0s lift * hold=2s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := guardWorld{newRecorder(), &lines{}}
				_, did := resumedPoller(t, w, c.checkpoint, map[string]digest{"a": 1, "b": 2})
				if !slices.Equal(did, c.want) {
					t.Errorf("%q, want %q", did, c.want)
				}
			})
		})
	}
}

// A checkpoint is given only while all that was told has been acted on for good,
// and holds what is still to be marked.
func TestACheckpointIsOfWhatIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guardWorld{newRecorder(), &lines{}}
		m := NewMarkers(MarkersConfig{
			Guard: GuardConfig{Name: "h", Kind: KindMarkers, Cover: coverOf(t, "*"), Settle: 3 * time.Second, MaxLag: time.Minute, OnLoss: Bypass},
			Key:   "h", Interval: time.Second,
		}, nil, w.memory, nil, w.log.logger())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.guard.Run(ctx)
		go m.marks.Run(ctx)
		if m.Checkpoint() != nil {
			t.Error("a checkpoint before the first reading")
		}
		see := func(markers map[string]digest) {
			m.mu.Lock()
			m.compare(&reading{markers: markers}, time.Now())
			m.mu.Unlock()
			m.guard.Report(Health{At: time.Now(), Positioned: true})
		}
		see(map[string]digest{"a": 1})
		if m.Checkpoint() != nil {
			t.Error("a checkpoint while what was covered is to be forgotten once more")
		}
		time.Sleep(4 * time.Second)
		if got := string(m.Checkpoint()); got != `{"markers":{"a":1}}` {
			t.Errorf("settled: %s", got)
		}
		see(map[string]digest{"a": 2})
		if got := string(m.Checkpoint()); got != `{"markers":{"a":2},"pending":["a"]}` {
			t.Errorf("after a change: %s", got)
		}
		time.Sleep(4 * time.Second)
		if got := string(m.Checkpoint()); got != `{"markers":{"a":2}}` {
			t.Errorf("settled again: %s", got)
		}
		m.guard.Gap("a test")
		if m.Checkpoint() != nil {
			t.Error("a checkpoint within settle of a gap")
		}
		cancel()
		synctest.Wait()
	})
}

// A source that goes on from a checkpoint and finds a gap, or is taken back, or
// loses itself where loss is served, forgets what is covered as without one.
func TestAGapEndsWhatACheckpointBegan(t *testing.T) {
	for name, c := range map[string]struct {
		onLoss OnLoss
		what   func(g *Guard)
		want   string
	}{
		"none":       {Bypass, func(*Guard) {}, "0s lift * hold=2s"},
		"gap":        {Bypass, func(g *Guard) { g.Gap("a test") }, "0s resume *"},
		"taken back": {Bypass, func(g *Guard) { g.Discontinue("a test") }, "0s resume *"},
		"lost":       {Serve, func(g *Guard) { time.Sleep(2 * time.Minute); g.Report(Health{Err: context.DeadlineExceeded}) }, "2m0s resume *"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := newRecorder()
				g := NewGuard(GuardConfig{
					Name: "s", Cover: coverOf(t, "*"), Settle: 3 * time.Second, MaxLag: time.Minute, OnLoss: c.onLoss, ServeFor: time.Hour,
				}, memory, (&lines{}).logger())
				g.Start()
				g.Continue(time.Second)
				c.what(g)
				g.Report(Health{Positioned: true})
				if did := memory.take(); !slices.Contains(did, c.want) {
					t.Errorf("%q, want %q among them", did, c.want)
				}
				g.Close()
			})
		})
	}
}
