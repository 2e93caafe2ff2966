package main

import (
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

type markOnly struct {
	invalidation.Memory
	marks int
}

func (m *markOnly) Mark(*feature.Cover) int { m.marks++; return 7 }

type stuckFor []time.Duration

func (s *stuckFor) Stick(d time.Duration) { *s = append(*s, d) }

// A marker keeps slots with their fetchers for the longest settle that there is,
// and is acted on as ever.
func TestMarkerKeepsSlotsWithTheirFetchers(t *testing.T) {
	memory, stuck := new(markOnly), new(stuckFor)
	s := newSticking(memory, stuck, config.Invalidation{Markers: []config.Marker{{Settle: time.Minute}, {Settle: time.Millisecond}}})
	if n := s.Mark(nil); n != 7 || memory.marks != 1 {
		t.Errorf("%d features, %d marks", n, memory.marks)
	}
	if len(*stuck) != 1 || (*stuck)[0] != time.Minute {
		t.Errorf("stuck for %v", *stuck)
	}
}
