package kafka

import (
	"testing"
	"time"
)

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
		d := pause(failures)
		if d < firstPause/2 || d > longestPause*3/2 {
			t.Errorf("after %d failures: %v", failures, d)
		}
	}
}
