package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/pause"
)

const (
	// leastPause keeps checks apart that are asked for, so that a cluster in
	// trouble is not asked for more than it can answer.
	leastPause = 100 * time.Millisecond

	// grace is how long a check waits for records that were written just before
	// it. Without it a busy topic would seem one check behind at all times.
	grace     = 100 * time.Millisecond
	graceStep = 5 * time.Millisecond

	// maxRefreshes is how many times the interval the layout may be old before
	// topics are not healthy: there may be partitions that nobody reads.
	maxRefreshes = 3
)

// watch checks, until ctx ends.
func (s *Source) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	asked := false // by lookSoon: the layout may have changed
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hurry:
			asked = true
			timer.Reset(jitter(leastPause, 0.2))
			continue
		case <-timer.C:
		}
		s.check(ctx, asked)
		asked = false
		timer.Reset(jitter(s.tuned.Load().CheckInterval, 0.1))
	}
}

// check finds out where each topic stands, and tells its guard.
func (s *Source) check(ctx context.Context, layoutToo bool) {
	if layoutToo || time.Since(s.refreshed) >= s.tuned.Load().RefreshInterval {
		s.refreshErr = s.refresh(ctx)
	}
	s.place(ctx)
	before := s.positions()
	at := time.Now()
	ends, troubles := s.ask(ctx, before, func(*partition) int64 { return atEnd })
	moved := false
	for p, position := range before {
		if end, ok := ends[p]; ok && end < position {
			p.misplace(fmt.Sprintf("the end is %d", end))
			moved = true
		}
	}
	if moved {
		s.place(ctx)
	}
	s.await(ctx, ends)
	if ctx.Err() != nil {
		return // what failed did so because we leave
	}
	for _, t := range s.topics {
		t.guard.Report(s.health(t, at, ends, troubles))
	}
}

// positions are those of the partitions that have one and a leader.
func (s *Source) positions() map[*partition]int64 {
	all := make(map[*partition]int64)
	for _, t := range s.topics {
		for _, p := range t.partitions {
			p.mu.Lock()
			if p.placed && p.leader >= 0 {
				all[p] = p.position
			}
			p.mu.Unlock()
		}
	}
	return all
}

// ask asks the leaders of partitions, all at once, for offsets: which ones, when
// tells.
func (s *Source) ask(ctx context.Context, partitions map[*partition]int64, when func(*partition) int64) (offsets map[*partition]int64, troubles map[*partition]error) {
	byBroker := make(map[int32]map[partitionKey]int64)
	byKey := make(map[partitionKey]*partition)
	for p := range partitions {
		p.mu.Lock()
		leader := p.leader
		p.mu.Unlock()
		if byBroker[leader] == nil {
			byBroker[leader] = make(map[partitionKey]int64)
		}
		byBroker[leader][p.key] = when(p)
		byKey[p.key] = p
	}
	offsets, troubles = make(map[*partition]int64), make(map[*partition]error)
	var mu sync.Mutex // protects offsets and troubles
	var wg sync.WaitGroup
	for broker, asks := range byBroker {
		wg.Go(func() {
			answers, err := s.brokers.offsets(ctx, broker, asks)
			mu.Lock()
			defer mu.Unlock()
			for key := range asks {
				switch answer, answered := answers[key]; {
				case err != nil:
					troubles[byKey[key]] = err
				case !answered:
					troubles[byKey[key]] = fmt.Errorf("broker %d said nothing of partition %d", broker, key.partition)
				case answer.code != 0:
					troubles[byKey[key]] = fmt.Errorf("ask for an offset of partition %d: %w", key.partition, kafkago.Error(answer.code))
				default:
					offsets[byKey[key]] = answer.offset
				}
			}
		})
	}
	wg.Wait()
	if len(troubles) > 0 {
		s.lookSoon()
	}
	return offsets, troubles
}

// await gives records a moment to arrive that were there when ends were asked for.
func (s *Source) await(ctx context.Context, ends map[*partition]int64) {
	behind := func() bool {
		for p, end := range ends {
			if position, placed := p.at(); placed && position < end {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(grace); behind() && time.Now().Before(deadline); {
		if !pause.For(ctx, graceStep) {
			return
		}
	}
}

// health is where a topic stood at a time.
func (s *Source) health(t *topic, at time.Time, ends map[*partition]int64, troubles map[*partition]error) invalidation.Health {
	h := invalidation.Health{At: at, Positioned: t.placed, Err: t.err}
	if h.Err == nil && len(t.partitions) == 0 {
		h.Err = errors.New("which partitions there are is not known yet")
	}
	if s.refreshErr != nil && (h.Err != nil || at.Sub(s.refreshed) > maxRefreshes*s.tuned.Load().RefreshInterval) {
		h.Err = s.refreshErr
	}
	for _, p := range t.ordered() {
		offset, answered := ends[p]
		// Whoever cannot be asked has not been read to the end.
		if _, placed := p.at(); !placed || p.catching && !(answered && p.caught(offset)) {
			h.Positioned = false
		}
		err := troubles[p]
		if err == nil {
			err = p.trouble()
		}
		if err != nil {
			if h.Err == nil {
				h.Err = err
			}
			continue
		}
		if answered {
			records, lag := p.sawEnd(end{offset, at})
			h.LagRecords += records
			h.Lag = max(h.Lag, lag)
		} else if h.Err == nil {
			// It was placed after the ends were asked for.
			h.Err = fmt.Errorf("the end of partition %d was not asked for yet", p.key.partition)
		}
	}
	h.Position = t.position()
	return h
}

// ordered are the partitions by number.
func (t *topic) ordered() []*partition {
	all := make([]*partition, 0, len(t.partitions))
	for _, p := range t.partitions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *partition) int { return int(a.key.partition) - int(b.key.partition) })
	return all
}

// maxNamed is how many partitions a position names.
const maxNamed = 8

// position says for people where the topic is read: partition:offset.
func (t *topic) position() string {
	var b strings.Builder
	for i, p := range t.ordered() {
		if i == maxNamed {
			fmt.Fprintf(&b, " and %d more", len(t.partitions)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if position, placed := p.at(); placed {
			fmt.Fprintf(&b, "%d:%d", p.key.partition, position)
		} else {
			fmt.Fprintf(&b, "%d:?", p.key.partition)
		}
	}
	return b.String()
}
