package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// refresh asks the brokers for the layout and follows it.
func (s *Source) refresh(ctx context.Context) error {
	asked := time.Now()
	layout, err := s.brokers.metadata(ctx, s.names())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		s.arrange(t, layout.topics[t.name])
	}
	s.refreshed = asked
	for _, t := range s.topics {
		for _, p := range t.partitions {
			p.mu.Lock()
			leader := p.leader
			p.mu.Unlock()
			if leader >= 0 && !s.followed[leader] && ctx.Err() == nil {
				s.followed[leader] = true
				s.followers.Go(func() { s.follow(ctx, leader) })
			}
		}
	}
	return nil
}

// arrange follows what the brokers say of a topic. It is called under mu.
func (s *Source) arrange(t *topic, told topicLayout) {
	if told.err == nil && len(told.partitions) == 0 {
		told.err = kafkago.UnknownTopicOrPartition
	}
	if told.err != nil {
		t.err = fmt.Errorf("topic %s: %w", t.name, told.err)
		if errors.Is(told.err, kafkago.UnknownTopicOrPartition) {
			t.err = fmt.Errorf("topic %s does not exist", t.name)
			t.missing = t.placed
			for _, p := range t.partitions {
				p.lead(-1)
			}
		}
		return
	}
	t.err = nil
	if reason := t.remade(told); reason != "" {
		s.startOver(t, reason)
	}
	t.missing, t.id = false, told.id
	t.doubted.Store(false)
	for _, partitionTold := range told.partitions {
		p := t.partitions[partitionTold.index]
		if p == nil {
			p = &partition{topic: t, key: partitionKey{t.name, partitionTold.index}, leader: -1}
			t.partitions[partitionTold.index] = p
			if t.placed {
				// It was not there when the layout was last told: nothing in it is older.
				s.log.Info("a new partition is read from its beginning", "topic", t.name, "partition", p.key.partition)
				p.place(0, s.refreshed)
			}
		}
		p.lead(partitionTold.leader)
	}
	t.takeUp()
}

// lead says who leads a partition.
func (p *partition) lead(broker int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader != broker {
		p.leader, p.retryAt = broker, time.Time{}
	}
}

// remade tells why a topic is another one than before; "": it is not.
func (t *topic) remade(told topicLayout) string {
	known := t.id != topicID{} && told.id != topicID{}
	switch {
	case len(t.partitions) == 0:
		return ""
	case known && t.id != told.id:
		return "the topic was deleted and made again"
	case !known && (t.missing || t.doubted.Load()):
		return "the topic, or a partition of it, was not there for a while"
	case len(told.partitions) < len(t.partitions):
		return "the topic has fewer partitions than before"
	}
	return ""
}

// startOver reads a topic that is another one from its beginning.
func (s *Source) startOver(t *topic, reason string) {
	for _, p := range t.partitions {
		p.misplace(reason)
		p.lead(-1)
	}
	clear(t.partitions)
	if t.placed {
		t.guard.Gap(reason)
	}
}

// place finds a position for each partition that has none: at the end, or as far
// before it as configured, where it is the first; else, after a gap, at the
// earliest record.
func (s *Source) place(ctx context.Context) {
	unplaced := make(map[*partition]int64)
	for _, t := range s.topics {
		for _, p := range t.partitions {
			p.mu.Lock()
			if !p.placed && p.leader >= 0 {
				unplaced[p] = 0
			}
			p.mu.Unlock()
		}
	}
	if len(unplaced) > 0 {
		s.placeAll(ctx, unplaced)
	}
	for _, t := range s.topics {
		t.placed = t.placed || t.allPlaced()
	}
}

func (t *topic) allPlaced() bool {
	for _, p := range t.partitions {
		if _, placed := p.at(); !placed {
			return false
		}
	}
	return len(t.partitions) > 0
}

func (s *Source) placeAll(ctx context.Context, unplaced map[*partition]int64) {
	at := time.Now()
	found, _ := s.ask(ctx, unplaced, func(p *partition) int64 {
		if p.lostWhy() != "" {
			return atFirst
		}
		return atEnd
	})
	// The end is known before the time is asked for: where no record is so late,
	// those that come between are not missed.
	rewound := make(map[*partition]int64)
	for p := range found {
		if p.lostWhy() == "" && p.topic.cfg.Rewind > 0 {
			rewound[p] = 0
		}
	}
	earlier, _ := s.ask(ctx, rewound, func(p *partition) int64 {
		// Only where to begin depends on this clock, and on those of producers.
		return time.Now().Add(-p.topic.cfg.Rewind).UnixMilli()
	})
	for p, offset := range found {
		if why := p.lostWhy(); why != "" {
			position, _ := p.at()
			p.topic.guard.Gap(fmt.Sprintf("partition %d at offset %d: %s; the earliest record is %d", p.key.partition, position, why, offset))
			p.place(offset, time.Now())
			continue
		}
		if _, rewind := rewound[p]; rewind {
			start, ok := earlier[p]
			if !ok {
				continue // tried again at the next check
			}
			if start >= 0 {
				offset = min(offset, start)
			}
		}
		p.place(offset, at)
	}
}

// lostWhy is why the position was lost; "": there was none.
func (p *partition) lostWhy() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
