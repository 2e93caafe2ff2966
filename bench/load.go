package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tally is what a load generator saw.
type tally struct {
	commands   int64
	errors     int64         // error replies
	firstError string        // the first of them
	elapsed    time.Duration // from the first request to the last reply
	latency    *hdrhistogram.Histogram
}

// slowest is the longest latency that a histogram tells apart from longer ones.
const slowest = time.Minute

// newHistogram holds nanoseconds with three significant digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(slowest), 3) }

// record notes a latency.
func record(h *hdrhistogram.Histogram, latency time.Duration) {
	_ = h.RecordValue(int64(min(max(latency, 1), slowest))) // within its bounds, so it cannot fail
}

// perSecond is the throughput.
func (t *tally) perSecond() float64 { return float64(t.commands) / t.elapsed.Seconds() }

// add merges what one connection saw.
func (t *tally) add(commands int64, latency *hdrhistogram.Histogram, c *checker) {
	t.commands += commands
	t.errors += c.errors
	if t.firstError == "" {
		t.firstError = c.firstError
	}
	t.latency.Merge(latency)
}

// load is one run of the generator over open connections.
type load struct {
	clients    []*client
	data       *dataset
	strictness strictness
	next       []func() (ask, bool) // by connection: its next command, false when there is none left

	failing sync.Once
	failure error // the first, which caused whatever failed after it; written before connections are closed
}

// fail notes why the load failed, if it is the first to fail, and closes all its
// connections, for replies may never come. It does nothing without an error.
func (l *load) fail(err error) {
	if err == nil {
		return
	}
	l.failing.Do(func() { l.failure = err })
	for _, c := range l.clients {
		c.close()
	}
}

// eachClient runs work for every connection at once and adds up what they saw.
func (l *load) eachClient(work func(i int, latency *hdrhistogram.Histogram) (int64, error)) (*tally, error) {
	commands := make([]int64, len(l.clients))
	latencies := make([]*hdrhistogram.Histogram, len(l.clients))
	for i, c := range l.clients {
		latencies[i] = newHistogram()
		c.check = checker{data: l.data, strictness: l.strictness, expected: c.check.expected}
	}
	var working sync.WaitGroup
	begin := time.Now()
	for i := range l.clients {
		working.Go(func() {
			var err error
			commands[i], err = work(i, latencies[i])
			l.fail(err)
		})
	}
	working.Wait()
	total := &tally{elapsed: time.Since(begin), latency: newHistogram()}
	for i, c := range l.clients {
		total.add(commands[i], latencies[i], &c.check)
	}
	return total, l.failure
}

// run runs the closed loop of a shape.
func (l *load) run(shape Shape) (*tally, error) {
	if shape.Window > 0 {
		return l.windowed(shape.Window)
	}
	return l.closed(shape.Pipeline)
}

// closed runs a closed loop: each connection sends pipeline commands together,
// waits for all their replies, and sends the next. Latency is that of the whole
// pipeline.
func (l *load) closed(pipeline int) (*tally, error) {
	return l.eachClient(func(i int, latency *hdrhistogram.Histogram) (commands int64, err error) {
		c, next := l.clients[i], l.next[i]
		batch := make([]ask, 0, pipeline)
		for {
			batch = batch[:0]
			for len(batch) < pipeline {
				a, more := next()
				if !more {
					break
				}
				batch = append(batch, a)
				c.out = l.data.appendRequest(c.out, a)
			}
			if len(batch) == 0 {
				return commands, nil
			}
			begin := time.Now()
			if err := c.exchange(batch, func() { record(latency, time.Since(begin)) }); err != nil {
				return commands, err
			}
			commands += int64(len(batch))
		}
	})
}

// exchange sends what is in out, the batch's requests, and judges their replies.
// It calls received as soon as the last of them is there, before judging it.
func (c *client) exchange(batch []ask, received func()) error {
	if err := c.flush(); err != nil {
		return err
	}
	for i, a := range batch {
		frame, err := c.reply()
		if err != nil {
			return err
		}
		if i == len(batch)-1 {
			received()
		}
		if err := c.check.reply(frame, a); err != nil {
			return err
		}
	}
	return nil
}

// flight is a command that was sent and is not yet answered.
type flight struct {
	ask  ask
	due  time.Duration // when it was meant to be sent, since the load began
	last bool          // of its operation, whose latency ends with its reply
}

// windowed keeps window commands in flight on each connection: for each reply
// that comes one more command goes out. Latency is that of each command.
func (l *load) windowed(window int) (*tally, error) {
	begin := time.Now()
	return l.eachClient(func(i int, latency *hdrhistogram.Histogram) (commands int64, err error) {
		c := l.clients[i]
		credits, flights := make(chan int, window), make(chan flight, window)
		credits <- window
		var sending sync.WaitGroup
		sending.Go(func() { l.fail(l.sendWindow(c, l.next[i], credits, flights, begin)) })
		for {
			n, err := receiveWindow(c, flights, begin, latency)
			commands += int64(n)
			l.fail(err)
			if n == 0 || err != nil {
				close(credits)
				sending.Wait()
				return commands, err
			}
			credits <- n // there is room: each is of one command or more
		}
	})
}

// sendWindow sends commands as credits allow, until there are none left.
func (l *load) sendWindow(c *client, next func() (ask, bool), credits <-chan int, flights chan<- flight, begin time.Time) error {
	defer close(flights)
	for n := range credits {
		due := time.Since(begin)
		more := true
		for ; n > 0 && more; n-- {
			var a ask
			if a, more = next(); more {
				c.out = l.data.appendRequest(c.out, a)
				flights <- flight{a, due, true} // there is room: a place for each credit
			}
		}
		if err := c.flush(); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
	return nil
}

// receiveWindow waits for a reply and takes those that came with it. It returns
// how many; 0 when all commands are answered.
func receiveWindow(c *client, flights <-chan flight, begin time.Time, latency *hdrhistogram.Histogram) (n int, err error) {
	for f := range flights {
		if err := c.land(f, begin, latency); err != nil {
			return n, err
		}
		// Part of a reply in the buffer does not end the turn: its rest is on its
		// way, whether or not more commands are sent.
		if n++; c.start == c.end {
			break
		}
	}
	return n, nil
}

// land waits for a flight's reply, notes its latency and judges it.
func (c *client) land(f flight, begin time.Time, latency *hdrhistogram.Histogram) error {
	frame, err := c.reply()
	if err != nil {
		return err
	}
	if f.last {
		record(latency, time.Since(begin)-f.due)
	}
	return c.check.reply(frame, f.ask)
}
