package snapshot

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// However snapshots and writes run into each other, none is there while a write is
// on its way: if the process were killed then, the next would serve what was before.
func TestNoSnapshotIsThereWhileAWriteIsOnItsWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	a := p.projection("a")
	for i := range 50 {
		p.fill(string(rune('a'+i)), a, "1")
	}
	var writes atomic.Int64
	k := NewKeeper(Config{
		Path: path, Identity: func() string { return "same" }, MaxBytes: 1 << 30, Writes: writes.Load, Room: func() int64 { return 1 << 30 }, Log: slog.New(slog.DiscardHandler),
	}, p.Cache, p.clock, &scripted{})
	k.Load(t.Context(), time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	var saving sync.WaitGroup
	for range 2 {
		saving.Go(func() {
			for ctx.Err() == nil {
				k.Save(context.Background())
			}
		})
	}
	for i := range 300 {
		writes.Add(1)
		p.Invalidate([]byte("a"), 0)
		k.Void()
		for range 3 {
			if _, err := os.Stat(path); err == nil {
				t.Fatalf("write %d is on its way, and a snapshot is there", i)
			}
			time.Sleep(50 * time.Microsecond)
		}
		p.Invalidate([]byte("a"), 0)
		k.Void()
		writes.Add(-1)
		for end := time.Now().Add(20 * time.Second); i%10 == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				break // a snapshot was written, and the next write has one to remove
			}
		}
	}
	cancel()
	saving.Wait()
	k.Save(t.Context())
	if s := k.Stats(); s.Saves == 0 || s.Voided == 0 {
		t.Errorf("%d written and %d removed: the test tests little", s.Saves, s.Voided)
	}
}
