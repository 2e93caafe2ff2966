package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/pause"
)

// newPartition is one of a topic that acts on memory, read from position.
func newPartition(t *testing.T, memory *recorder, position int64) *partition {
	t.Helper()
	topic, err := newTopic(topicConfig(t, updates), Config{}, memory, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p := &partition{topic: topic, key: partitionKey{updates, 0}}
	p.place(position, time.Now())
	return p
}

// threeRecords are of the offsets 10 to 12.
func threeRecords() fetched {
	var payload []byte
	for i := range int64(3) {
		payload = append(payload, rawRecord(i, nil, []byte(says(fmt.Sprint("e", 10+i))))...)
	}
	return fetched{records: rawBatch(10, 2, 0, -1, 3, payload)}
}

func TestABatchIsReadFromThePositionOn(t *testing.T) {
	memory := &recorder{}
	p := newPartition(t, memory, 11)
	if err := p.take(p.turn, threeRecords()); err != nil {
		t.Fatal(err)
	}
	if want := []string{evicted("e11"), evicted("e12")}; !slices.Equal(memory.all(), want) || p.position != 13 {
		t.Errorf("done %v, position %d", memory.all(), p.position)
	}
}

func TestWhatTwoBrokersGaveIsActedOnOnceAndInOrder(t *testing.T) {
	memory := &recorder{slow: make(chan struct{})}
	p := newPartition(t, memory, 10)
	turn := p.turn
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := p.take(turn, threeRecords()); err != nil {
				t.Error(err)
			}
		})
	}
	memory.slow <- struct{}{}
	time.Sleep(10 * time.Millisecond) // the other has every chance
	close(memory.slow)
	wg.Wait()
	if want := []string{evicted("e10"), evicted("e11"), evicted("e12")}; !slices.Equal(memory.all(), want) {
		t.Errorf("done %v", memory.all())
	}
}

func TestABatchThatCannotBeReadIsAGapAndNoStop(t *testing.T) {
	memory := &recorder{}
	p := newPartition(t, memory, 10)
	got := threeRecords()
	broken := rawBatch(13, 4, 7, -1, 1, []byte{1, 2, 3}) // there is no codec 7
	after := rawBatch(18, 0, 0, -1, 1, rawRecord(0, nil, []byte(says("after"))))
	got.records = append(append(got.records, broken...), after...)
	if err := p.take(p.turn, got); err != nil {
		t.Fatal(err)
	}
	if s := p.topic.status(); s.Gaps != 1 || s.Records.Unreadable != 1 || p.position != 19 || !memory.has(evicted("after")) {
		t.Errorf("position %d, %+v, done %v", p.position, s, memory.all())
	}
}

// shrunken is a cluster of one broker and one partition whose end goes back, and
// which has nothing to fetch.
type shrunken struct {
	mu  sync.Mutex
	end int64
}

func (c *shrunken) metadata(context.Context, []string) (layout, error) {
	return layout{topics: map[string]topicLayout{updates: {id: topicID{1}, partitions: []partitionLayout{{index: 0, leader: 1}}}}}, nil
}

func (c *shrunken) offsets(_ context.Context, _ int32, asks map[partitionKey]int64) (map[partitionKey]offsetAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answers := make(map[partitionKey]offsetAnswer)
	for key, at := range asks {
		answers[key] = offsetAnswer{offset: c.end}
		if at == atFirst {
			answers[key] = offsetAnswer{offset: 3}
		}
	}
	return answers, nil
}

func (c *shrunken) fetch(ctx context.Context, _ int32, _ []fetchAsk, buffer []byte) (map[partitionKey]fetched, []byte, error) {
	pause.For(ctx, time.Millisecond)
	return nil, buffer, nil
}

func (*shrunken) close() {}

func TestAnEndBeforeThePositionIsAGap(t *testing.T) {
	c := &shrunken{end: 100}
	cfg := Config{Brokers: []string{"none:1"}, CheckInterval: 5 * time.Millisecond, RefreshInterval: time.Hour, Topics: []TopicConfig{topicConfig(t, updates)}}
	r := &rig{t: t, memory: &recorder{}}
	var err error
	if r.source, err = New(cfg, r.memory, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r.source.connect = func(context.Context) cluster { return c }
	r.started()
	c.mu.Lock()
	c.end = 90
	c.mu.Unlock()
	r.gaps(1)
	r.until("at the earliest", func() bool { s := r.status(); return s.Position == "0:3" && s.LagRecords == 87 })
	if s := r.status(); s.State != invalidation.StateTrusted || strings.Contains(s.Error, "leader") {
		t.Errorf("%+v", s)
	}
}

func TestLagIsTheAgeOfTheOldestUnreadRecord(t *testing.T) {
	start := time.Now()
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	p := &partition{}
	p.place(10, second(0))
	for _, step := range []struct {
		at            int
		position, end int64
		records       int64
		lag           int // seconds
	}{
		{at: 1, position: 10, end: 10},
		{at: 2, position: 10, end: 12, records: 2, lag: 1}, // it may have come right after second 1
		{at: 3, position: 10, end: 12, records: 2, lag: 2},
		{at: 4, position: 12, end: 15, records: 3, lag: 1}, // those of second 2 are read
		{at: 5, position: 13, end: 15, records: 2, lag: 2},
		{at: 60, position: 13, end: 15, records: 2, lag: 57}, // silence is no health
		{at: 61, position: 15, end: 15},
		{at: 62, position: 17, end: 16}, // more came after the end was told
		{at: 63, position: 17, end: 17},
	} {
		p.position = step.position
		records, lag := p.sawEnd(end{step.end, second(step.at)})
		if records != step.records || lag != time.Duration(step.lag)*time.Second {
			t.Errorf("second %d: %d records, lag %v; want %d, %ds", step.at, records, lag, step.records, step.lag)
		}
	}
}

func TestLagIsNeverUnderstatedForWantOfRoom(t *testing.T) {
	start := time.Now()
	p := &partition{}
	p.place(0, start)
	for i := 1; i < 10*maxEnds; i++ {
		at := start.Add(time.Duration(i) * time.Second)
		// A record a second, read 500 seconds late.
		p.position = max(int64(i-500), 0)
		_, lag := p.sawEnd(end{int64(i), at})
		if oldest := min(i, 500); lag < time.Duration(oldest-1)*time.Second {
			t.Fatalf("second %d: lag %v, the oldest unread is %ds old", i, lag, oldest)
		}
		if len(p.ends) > maxEnds {
			t.Fatalf("%d ends are remembered", len(p.ends))
		}
	}
}

func TestAPositionThatWasSetAnewIsNotMovedByAnOldFetch(t *testing.T) {
	p := &partition{}
	p.place(5, time.Now())
	turn := p.turn
	if !p.advance(turn, 7) {
		t.Fatal("the fetch was for this position")
	}
	p.misplace("test")
	if p.advance(turn, 9) {
		t.Error("moved while lost")
	}
	p.place(0, time.Now())
	if p.advance(turn, 9) || p.position != 0 {
		t.Errorf("moved to %d by a fetch from before", p.position)
	}
}

func TestPausesGrowToABound(t *testing.T) {
	for failures := range 100 {
		d := backOff(failures)
		if d < firstPause/2 || d > longestPause*3/2 {
			t.Errorf("after %d failures: %v", failures, d)
		}
	}
}
