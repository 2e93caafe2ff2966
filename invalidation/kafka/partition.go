package kafka

import (
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// maxEnds bounds how many ends of a partition are remembered, and maxFailures how
// many fetches in a row may fail before the topic is not healthy.
const (
	maxEnds     = 128
	maxFailures = 3
)

// partition is where a partition is read.
type partition struct {
	topic *topic
	key   partitionKey

	// work is held while records are acted on. While a partition moves from one
	// broker to another, both may be fetching it.
	work sync.Mutex

	mu       sync.Mutex // protects what follows
	leader   int32      // negative: none
	placed   bool       // position is known
	lost     string     // why it is not, where it was before
	position int64      // offset of the next record to read
	turn     uint64     // changes when position is set anew: what was fetched for another is not used
	failures int        // fetches that failed in a row
	failure  error      // why the last did
	retryAt  time.Time

	// The watch's alone.
	ends  []end     // ends that are ahead of position
	clear time.Time // position was at the end, or what came before mattered to nobody
	// catching: it was taken up from an earlier process, and has not been read up
	// to reach yet, where it ended when that was first asked for.
	catching bool
	reach    *int64
}

// end is the end of a partition at a time.
type end struct {
	offset int64
	at     time.Time // when it was asked for
}

// place sets the position. What was written before clear matters to nobody.
func (p *partition) place(position int64, clear time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.placed, p.lost, p.position, p.retryAt = true, "", position, time.Time{}
	p.turn++
	p.ends, p.clear = nil, clear
}

// misplace says that the position is no longer a place in the partition.
func (p *partition) misplace(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.placed {
		p.placed, p.lost = false, reason
		p.turn++
	}
}

// at is the position, if there is one.
func (p *partition) at() (position int64, placed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position, p.placed
}

// advance moves on, unless the position was set anew since turn.
func (p *partition) advance(turn uint64, position int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turn != turn || !p.placed {
		return false
	}
	p.position = max(p.position, position)
	return true
}

// fail has the partition left alone for a while that grows.
func (p *partition) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures++
	p.failure = err
	p.retryAt = time.Now().Add(backOff(p.failures))
}

func (p *partition) succeed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures, p.failure = 0, nil
}

// trouble is why the partition cannot be read, if it is more than a hiccup.
func (p *partition) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.leader < 0:
		return fmt.Errorf("partition %d has no leader", p.key.partition)
	case !p.placed:
		return fmt.Errorf("where to read partition %d is not known yet", p.key.partition)
	case p.failures >= maxFailures:
		return fmt.Errorf("partition %d: %w", p.key.partition, p.failure)
	}
	return nil
}

// take acts on what was fetched. It returns an error where the partition cannot
// be read on from here.
func (p *partition) take(turn uint64, got fetched) error {
	p.work.Lock()
	defer p.work.Unlock()
	if got.code != 0 {
		return kafkago.Error(got.code)
	}
	position, placed := p.at()
	if !placed {
		return nil
	}
	hidden := newAborts(got.aborted)
	data := got.records
	for {
		b, rest, err := nextBatch(data)
		if rest == nil {
			if err == nil && len(data) > 0 && len(data) == len(got.records) {
				err = errShort
			}
			return err
		}
		if next := b.last + 1; next > position {
			if err == nil {
				err = p.batch(&b, position, hidden)
			}
			if err != nil {
				p.topic.unread.Add(1)
				p.topic.guard.Gap(fmt.Sprintf("partition %d, offsets %d to %d: %v", p.key.partition, b.base, b.last, err))
			}
			position = next
			if !p.advance(turn, position) {
				return nil
			}
		} else if err == nil {
			_, _ = hidden.hide(&b)
		}
		data = rest
	}
}

// batch acts on the records of a batch from position on.
func (p *partition) batch(b *batch, position int64, hidden *aborts) error {
	if hide, err := hidden.hide(b); hide || err != nil {
		return err
	}
	return b.each(func(r record) {
		if r.offset >= position {
			p.topic.act(p.key.partition, r)
		}
	})
}

// sawEnd takes the end of the partition as it was at a time, and tells by how
// many records the position is behind it and how old the oldest of them may be.
func (p *partition) sawEnd(seen end) (records int64, lag time.Duration) {
	position, _ := p.at()
	if len(p.ends) == maxEnds {
		// Without one of them, lag is at most overstated.
		p.ends = append(p.ends[:maxEnds/2], p.ends[maxEnds/2+1:]...)
	}
	p.ends = append(p.ends, seen)
	n := 0
	for ; n < len(p.ends) && p.ends[n].offset <= position; n++ {
		p.clear = p.ends[n].at
	}
	p.ends = p.ends[n:]
	if len(p.ends) == 0 {
		return 0, 0
	}
	return seen.offset - position, seen.at.Sub(p.clear)
}
