package kafka

import (
	"context"
	"errors"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/fsproxy/fsproxy/pause"
)

// followPause keeps fetches of a broker apart, so that a busy topic's records
// come some at a time. It is far below any settle.
const followPause = 5 * time.Millisecond

// turn is a partition that is fetched, and which of its positions it is.
type turn struct {
	partition *partition
	number    uint64
}

// follow reads the partitions that a broker leads until it leads none: one fetch
// at a time.
func (s *Source) follow(ctx context.Context, broker int32) {
	var buffer []byte
	failures := 0
	for round := 0; ctx.Err() == nil; round++ {
		asks, turns, wait := s.due(broker, round)
		if turns == nil && wait == 0 {
			return
		}
		if len(asks) == 0 {
			pause.For(ctx, wait)
			continue
		}
		got, next, err := s.brokers.fetch(ctx, broker, asks, buffer)
		buffer = next
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			s.log.Debug("a broker cannot be read from", "broker", broker, "error", err)
			for _, t := range turns {
				t.partition.fail(err)
			}
			s.lookSoon()
			pause.For(ctx, backOff(failures))
			continue
		}
		failures = 0
		for i, t := range turns {
			if part, answered := got[asks[i].key]; answered {
				s.take(t, part)
			}
		}
		pause.For(ctx, followPause)
	}
}

// due is what to fetch from a broker now, or how long until there is something;
// neither: it leads nothing, and is not followed any more. Each round begins with
// another partition, as a broker fills its reply in the order in which it is asked.
func (s *Source) due(broker int32, round int) (asks []fetchAsk, turns []turn, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	led := false
	for _, t := range s.topics {
		for _, p := range t.partitions {
			p.mu.Lock()
			if p.leader == broker {
				led = true
				if p.placed && !now.Before(p.retryAt) {
					asks = append(asks, fetchAsk{key: p.key, id: t.id, offset: p.position})
					turns = append(turns, turn{p, p.turn})
				}
			}
			p.mu.Unlock()
		}
	}
	if !led {
		delete(s.followed, broker)
		return nil, nil, 0
	}
	rotate(asks, round)
	rotate(turns, round)
	return asks, turns, firstPause
}

// rotate has another element begin.
func rotate[T any](all []T, by int) {
	if len(all) < 2 {
		return
	}
	by %= len(all)
	copy(all, append(append(make([]T, 0, len(all)), all[by:]...), all[:by]...))
}

// take acts on what was fetched of a partition.
func (s *Source) take(t turn, got fetched) {
	p := t.partition
	err := p.take(t.number, got)
	switch {
	case err == nil:
		p.succeed()
		return
	case errors.Is(err, kafkago.OffsetOutOfRange):
		p.misplace("the offset is out of range")
	case errors.Is(err, kafkago.UnknownTopicOrPartition), errors.Is(err, kafkago.UnknownTopicID), errors.Is(err, kafkago.InconsistentTopicID):
		p.topic.doubted.Store(true)
		p.fail(err)
	default:
		p.fail(err)
	}
	s.log.Debug("a partition cannot be read on", "topic", p.key.topic, "partition", p.key.partition, "error", err)
	s.lookSoon()
}
