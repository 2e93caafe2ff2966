package cluster

import (
	"fmt"
	"time"
)

// arm sees to it that the timer fires at deadline or earlier. Under mu.
func (c *conn) arm(deadline, now time.Time) {
	if !c.armedFor.IsZero() && !deadline.Before(c.armedFor) {
		return
	}
	wait := max(deadline.Sub(now), 0)
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.expire)
	} else {
		c.timer.Reset(wait)
	}
	c.armedFor = deadline
}

// disarm stops the timer. Under mu.
func (c *conn) disarm() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.armedFor = time.Time{}
}

// expire tells the owners of fetches past their deadline. Their places in line
// stay, for the replies that may still come, but not for ever.
func (c *conn) expire() {
	now := time.Now()
	c.mu.Lock()
	delayed := now.Sub(c.armedFor) > asleep // this process was stopped, perhaps not the fetcher
	c.armedFor = time.Time{}
	late, next := c.overdue(now)
	if e := c.inflight.front(); e != nil && e.fetch == nil && e.race == nil && c.nc != nil && c.cause == nil {
		hung := e.sent.Add((1 + hungAfter) * c.up.cfg().FetchTimeout)
		if !hung.After(now) {
			c.cause = fmt.Errorf("it hangs: no answer within %s", now.Sub(e.sent).Round(time.Millisecond))
			_ = c.nc.Close() // its reader ends, and run gives back the rest
		} else if next.IsZero() || hung.Before(next) {
			next = hung
		}
	}
	if !next.IsZero() {
		if soonest := now.Add(c.up.cfg().FetchTimeout / expiries); next.Before(soonest) {
			next = soonest
		}
		c.arm(next, now)
	}
	if len(late) > 0 {
		// Close waits for the owners to be told. The connection's own goroutine
		// is still counted, having not emptied the line, so this adds to no zero.
		c.up.wg.Add(1)
		defer c.up.wg.Done()
	}
	c.mu.Unlock()

	if len(late) > 0 {
		c.fetcher.stats.Timeouts.Add(uint64(len(late)))
		c.up.slow(c.fetcher, late[0], now)
		if !delayed {
			c.up.fault(c.fetcher, fmt.Sprintf("no answer within %s", c.up.cfg().FetchTimeout))
		}
	}
	var done flushers
	for _, f := range late {
		c.up.timedOut(f, &done)
	}
	done.flush()
}

// overdue takes the fetches past their deadline from their entries. next is the
// earliest deadline of the others; zero: there are none. Under mu.
func (c *conn) overdue(now time.Time) (late []*Fetch, next time.Time) {
	for i := range c.inflight.len() {
		e := c.inflight.at(i)
		var deadline time.Time
		switch {
		case e.fetch != nil:
			deadline = e.fetch.deadline
		case e.race != nil:
			deadline = e.race.deadline
		default:
			continue
		}
		if deadline.After(now) {
			if next.IsZero() || deadline.Before(next) {
				next = deadline
			}
			continue
		}
		f := e.fetch
		if e.race != nil {
			if f = e.race.claim(); f != nil {
				f.fetcher = c.fetcher
			}
		}
		e.fetch, e.race = nil, nil
		if f != nil {
			late = append(late, f)
		}
	}
	return late, next
}
