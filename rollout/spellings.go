package rollout

import (
	"sync"
	"time"
)

// spellingEvery is how often a difference in spelling of one feature is remembered
// and logged: where a program writes numbers otherwise, every value differs.
const spellingEvery = time.Minute

// maxSpellings bounds the features whose last one is known.
const maxSpellings = 1 << 16

// spellings know when each feature's last difference in spelling was remembered.
type spellings struct {
	mu   sync.Mutex
	last map[string]time.Time // by field; protected by mu
}

// first tells whether none of the feature was remembered lately.
func (s *spellings) first(field string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[field]; ok && now.Sub(last) < spellingEvery || len(s.last) == maxSpellings {
		return false
	}
	if s.last == nil {
		s.last = make(map[string]time.Time)
	}
	s.last[field] = now
	return true
}
