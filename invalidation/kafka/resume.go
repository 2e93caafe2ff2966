package kafka

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fsproxy/fsproxy/invalidation"
)

// topicCheckpoint is where a topic is read. All before its positions was acted on.
type topicCheckpoint struct {
	ID        string          `json:"id"` // of the topic, in hexadecimal
	Positions map[int32]int64 `json:"positions"`
	Pending   []string        `json:"pending,omitempty"` // markers to mark once more
}

// resumption is a topic's checkpoint on its way into the topic.
type resumption struct {
	topicCheckpoint
	since time.Time // when what is in it was true, or earlier
}

// Checkpoint implements invalidation.Resumer.
func (s *Source) Checkpoint() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]topicCheckpoint)
	for _, t := range s.topics {
		if c, ok := t.checkpoint(); ok {
			all[t.name] = c
		}
	}
	if len(all) == 0 {
		return nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil // it cannot be: these are plain maps
	}
	return text
}

// checkpoint is where the topic is read; not ok: it vouches for nothing. It is
// called under Source.mu.
func (t *topic) checkpoint() (c topicCheckpoint, ok bool) {
	// Where brokers do not tell a topic's identity, one made anew looks alike.
	if !t.guard.Vouches() || t.id == (topicID{}) || len(t.partitions) == 0 {
		return c, false
	}
	c = topicCheckpoint{ID: hex.EncodeToString(t.id[:]), Positions: make(map[int32]int64)}
	for _, p := range t.partitions {
		position, placed := p.at()
		if !placed {
			return c, false
		}
		c.Positions[p.key.partition] = position
	}
	// After the positions: of a record before them, what is still to be done is
	// here or was done.
	if t.marks != nil {
		c.Pending = t.marks.Pending()
	}
	return c, true
}

// ResumeFrom implements invalidation.Resumer.
func (s *Source) ResumeFrom(checkpoint []byte, age time.Duration) error {
	var all map[string]topicCheckpoint
	if err := json.Unmarshal(checkpoint, &all); err != nil {
		return fmt.Errorf("read the checkpoint of Kafka topics: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		if c, ok := all[t.name]; ok {
			t.resume = &resumption{topicCheckpoint: c, since: time.Now().Add(-age)}
			t.guard.Continue(age)
		}
	}
	return nil
}

// takeUp places the partitions of a topic, of which all that there are is known
// for the first time, where an earlier process stopped, if it is still the same
// topic. It is called under Source.mu.
func (t *topic) takeUp() {
	r := t.resume
	if t.resume = nil; r == nil {
		return
	}
	reason := ""
	switch {
	case hex.EncodeToString(t.id[:]) != r.ID:
		reason = "the topic was made again"
	case len(t.partitions) < len(r.Positions):
		reason = "the topic has fewer partitions than before"
	}
	for number, position := range r.Positions {
		if t.partitions[number] == nil || position < 0 {
			reason = fmt.Sprintf("partition %d is not there", number)
		}
	}
	if reason != "" {
		t.guard.Discontinue(reason)
		return
	}
	for number, p := range t.partitions {
		// A partition that was not there then holds nothing older.
		p.place(r.Positions[number], r.since)
		p.catching = true
	}
	if t.marks != nil {
		t.marks.Missed(r.Pending...)
	}
}

// caught tells whether a partition that was taken up from an earlier process has
// been read up to where it ended when it was first asked for. It is the watch's.
func (p *partition) caught(end int64) bool {
	if p.reach == nil {
		p.reach = &end
	}
	position, placed := p.at()
	p.catching = !placed || position < *p.reach
	return !p.catching
}

var _ invalidation.Resumer = (*Source)(nil)
