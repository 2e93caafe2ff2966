package main

import (
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

// sticking is a Memory that keeps each slot with one fetcher after a marker, for
// as long as fetchers may not all have loaded the upload: or else a value could
// go from new to old and back.
type sticking struct {
	invalidation.Memory
	upstream interface{ Stick(d time.Duration) }
	settle   *atomic.Int64 // the longest of all sources, a time.Duration
}

func newSticking(memory invalidation.Memory, upstream interface{ Stick(d time.Duration) }, cfg config.Invalidation) sticking {
	s := sticking{Memory: memory, upstream: upstream, settle: new(atomic.Int64)}
	s.tune(cfg)
	return s
}

// tune takes over how long fetchers may take to load an upload.
func (s sticking) tune(cfg config.Invalidation) {
	settle := cfg.Kafka.Settle
	for _, m := range cfg.Markers {
		settle = max(settle, m.Settle)
	}
	s.settle.Store(int64(settle))
}

// Mark implements invalidation.Memory.
func (s sticking) Mark(cover *feature.Cover) (features int) {
	s.upstream.Stick(time.Duration(s.settle.Load()))
	return s.Memory.Mark(cover)
}
