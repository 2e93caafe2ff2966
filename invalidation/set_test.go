package invalidation

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/config"
)

// store is a whole upstream of hashes and nodes.
type store struct {
	*hashes
	*nodes
}

func (store) Looked() <-chan struct{} {
	looked := make(chan struct{})
	close(looked)
	return looked
}

func TestASetRunsWhatTheConfigurationNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default().Invalidation
		cfg.Tracking = config.Tracking{Enabled: true, Settle: time.Second, MaxSilence: 10 * time.Second, OnLoss: config.OnLossFlush}
		cfg.Markers = append(cfg.Markers, config.Marker{Key: "other", Interval: time.Second, Covers: []string{"a*"}, MaxSilence: time.Minute, OnLoss: config.OnLossServe, ServeFor: time.Hour})
		memory := newRecorder()
		up := store{newHashes(1), &nodes{t: t, play: map[string]func(*node){"a:1": obey}}}
		set, err := New(cfg, memory, up, nil, new(lines).logger())
		if err != nil {
			t.Fatal(err)
		}
		if !memory.isSuspended() {
			t.Error("a fill could come before the sources run")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { set.Run(ctx) })
		set.Positioned(ctx)
		wantStates(t, set, "fs:markers trusted, other trusted, a:1 trusted")
		s := set.Statuses()[1]
		if s.Kind != KindMarkers || s.OnLoss != Serve || s.MaxLag != time.Minute || s.Covers[0] != "a*" {
			t.Errorf("%+v", s)
		}
		cancel()
		wg.Wait()
		up.wg.Wait()
	})
}

func TestNoSourcesSuspendNothing(t *testing.T) {
	memory := newRecorder()
	set, err := New(config.Invalidation{}, memory, store{}, nil, new(lines).logger())
	if err != nil || memory.isSuspended() || len(set.Statuses()) != 0 {
		t.Errorf("%v, %v", err, set.Statuses())
	}
	set.Run(t.Context())
}

func TestAPatternThatCannotBeReadIsNamed(t *testing.T) {
	_, err := New(config.Invalidation{Markers: []config.Marker{{Key: "m", Covers: []string{"a["}}}}, newRecorder(), store{}, nil, new(lines).logger())
	if err == nil || !strings.Contains(err.Error(), "invalidation.markers[0].covers") {
		t.Errorf("%v", err)
	}
}
