package main

import (
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
	settle   time.Duration // the longest of all sources
}

func newSticking(memory invalidation.Memory, upstream interface{ Stick(d time.Duration) }, cfg config.Invalidation) sticking {
	s := sticking{Memory: memory, upstream: upstream, settle: cfg.Kafka.Settle}
	for _, m := range cfg.Markers {
		s.settle = max(s.settle, m.Settle)
	}
	return s
}

// Mark implements invalidation.Memory.
func (s sticking) Mark(cover *feature.Cover) (features int) {
	s.upstream.Stick(s.settle)
	return s.Memory.Mark(cover)
}
