package demo

import (
	"context"
	"time"

	"github.com/fsproxy/fsproxy/pause"
)

// maxDebt is how much work may be made up for after a pause. Past it the load
// would be a burst that no rate has asked for.
const maxDebt = 50 * time.Millisecond

// pace keeps a loop to a rate. One goroutine owns it.
type pace struct {
	each time.Duration // from one request to the next; 0: no pace
	due  time.Time     // of the next request
}

// newPace makes a pace of so many requests a second; 0: as many as can be.
func newPace(rate float64) *pace {
	p := &pace{due: time.Now()}
	if rate > 0 {
		p.each = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait returns when it is time for the next n requests. It returns false when
// ctx has ended.
func (p *pace) wait(ctx context.Context, n int) bool {
	if p.each == 0 {
		return ctx.Err() == nil
	}
	now := time.Now()
	if early := now.Add(-maxDebt); p.due.Before(early) {
		p.due = early
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(time.Duration(n) * p.each)
	return pause.For(ctx, wait)
}
