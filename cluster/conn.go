package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/wire"
)

const (
	// maxReply bounds a fetcher's reply, in bytes: 2,048 features of 64 KiB.
	maxReply = 128 << 20
	// maxUnsent bounds what waits for a fetcher that does not read, in bytes.
	maxUnsent = 16 << 20
	// readBuffer is what a connection reads at once, in bytes: some ten replies
	// of 50 features. It grows for a longer reply and shrinks again.
	readBuffer = 16 << 10
	// firstBackoff and lastBackoff bound the pause after a failed dial; it
	// doubles between them, with jitter, so that a dead fetcher costs a dial
	// every second and one that restarts is found soon.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = time.Second
	// hungAfter is how many fetch timeouts the oldest fetch may be overdue
	// before the connection is taken for dead.
	hungAfter = 10
)

var errClosed = errors.New("fsproxy is stopping")

// conn is one pipelined connection to a fetcher, dialled when first needed.
// Replies come in the order of requests. All of its state is under mu.
type conn struct {
	up      *Upstream
	fetcher *fetcher

	mu       sync.Mutex
	state    connState
	nc       net.Conn
	out      *wire.Output
	queued   []byte // requests waiting for the dial
	inflight ring   // in the order of their requests
	backoff  time.Duration
	retryAt  time.Time // while state is connDown
	lastErr  error     // of the last dial or connection
	timer    *time.Timer
	armedFor time.Time // the deadline that timer runs for; zero: it does not run
}

type connState uint8

const (
	connIdle    connState = iota // not dialled yet
	connDialing                  // requests are queued meanwhile
	connUp
	connDown // failed; not dialled again before retryAt
	connClosed
)

// failing tells whether the connection is down and not yet due for a dial.
func (c *conn) failing(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == connClosed || c.state == connDown && now.Before(c.retryAt)
}

// send takes over fetches and writes their requests as one. Those that cannot
// be sent are returned with the reason.
func (c *conn) send(batch []*Fetch, request []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch c.state {
	case connClosed:
		return errClosed
	case connDown:
		if now.Before(c.retryAt) {
			return c.lastErr
		}
		c.dial()
	case connIdle:
		c.dial()
	}
	if c.state == connDialing && len(c.queued)+len(request) > maxUnsent {
		return fmt.Errorf("%d bytes of requests already wait for a connection", len(c.queued))
	}
	for _, f := range batch {
		f.fetcher, f.sent = c.fetcher, now
		skip := 0
		if f.asking {
			skip = 1
		}
		c.inflight.push(entry{fetch: f, skip: skip})
		c.arm(f.deadline, now)
	}
	c.fetcher.outstanding.Add(int64(len(batch)))
	c.fetcher.stats.Fetches.Add(uint64(len(batch)))
	if c.state == connDialing {
		c.queued = append(c.queued, request...)
		return nil
	}
	// An error closes the connection, and its reader gives back what is in
	// flight, this batch included.
	_ = c.out.Write(request)
	return nil
}

// dial starts the goroutine that connects and then reads. Under mu.
func (c *conn) dial() {
	c.state = connDialing
	c.up.wg.Go(c.run)
}

// run connects, reads until the connection ends, and gives back what was in
// flight.
func (c *conn) run() {
	nc, err := c.up.dialReader(c.up.ctx, c.fetcher.addr)
	served := err == nil
	if served {
		err = c.serve(nc)
	}
	c.mu.Lock()
	lost := c.inflight.takeAll()
	switch {
	case c.up.ctx.Err() != nil:
		c.state, err = connClosed, errClosed
	case served && len(lost) == 0:
		c.state = connIdle // the other side closed an idle connection: no harm
	default:
		c.state = connDown
		c.backoff = min(max(2*c.backoff, firstBackoff), lastBackoff)
		c.retryAt = time.Now().Add(c.backoff/2 + rand.N(c.backoff/2+1))
	}
	c.lastErr = err
	c.nc, c.out, c.queued = nil, nil, nil
	c.disarm()
	c.mu.Unlock()

	c.fetcher.outstanding.Add(int64(-len(lost)))
	c.fetcher.stats.Errors.Add(1)
	var done flushers
	for _, e := range lost {
		if e.fetch != nil {
			c.up.failed(e.fetch, err, &done)
		}
	}
	done.flush()
	c.up.noticed(c.fetcher.addr, err)
}

// serve sends what was queued during the dial, and reads replies until the
// connection ends.
func (c *conn) serve(nc net.Conn) error {
	stop := context.AfterFunc(c.up.ctx, func() { _ = nc.Close() })
	defer stop()
	defer func() { _ = nc.Close() }()
	c.mu.Lock()
	c.nc, c.out = nc, wire.NewOutput(nc, maxUnsent)
	c.state = connUp
	out, queued := c.out, c.queued
	c.queued = nil
	_ = out.Write(queued)
	c.mu.Unlock()
	defer out.Wait()
	err := c.read(nc)
	_ = nc.Close()
	return err
}

// read gives out replies until the connection fails.
func (c *conn) read(nc net.Conn) error {
	var (
		framer = resp.NewFramer(maxReply)
		buf    = make([]byte, readBuffer)
		start  int // of what is not given out yet
		end    int
		done   flushers
	)
	defer done.flush()
	for {
		if end == len(buf) {
			buf, start, end = makeRoom(buf, start, end)
		}
		n, err := nc.Read(buf[end:])
		end += n
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for start < end {
			n, err := framer.Next(buf[start:end])
			if err != nil {
				return fmt.Errorf("read a reply: %w", err)
			}
			if n == 0 {
				break
			}
			if err := c.reply(buf[start:start+n], &done); err != nil {
				return err
			}
			start += n
		}
		if start == end {
			start, end = 0, 0
			if len(buf) > readBuffer {
				buf = make([]byte, readBuffer)
			}
		}
		done.flush()
	}
}

// makeRoom moves what is left to the front, or doubles the buffer where
// nothing can be moved.
func makeRoom(buf []byte, start, end int) (grown []byte, from, to int) {
	if start > 0 {
		copy(buf, buf[start:end])
		return buf, 0, end - start
	}
	return append(buf, make([]byte, len(buf))...), 0, end
}

// reply gives a frame to the oldest fetch in flight.
func (c *conn) reply(frame []byte, done *flushers) error {
	if frame[0] == '>' {
		return nil // pushes answer nothing
	}
	now := time.Now()
	c.mu.Lock()
	e := c.inflight.front()
	if e == nil {
		c.mu.Unlock()
		return errors.New("a reply came that nobody asked for")
	}
	if e.skip > 0 {
		e.skip--
		c.mu.Unlock()
		return nil
	}
	f := e.fetch
	c.inflight.pop()
	c.backoff = 0
	c.mu.Unlock()
	c.fetcher.outstanding.Add(-1)
	if f == nil {
		return nil // its owner was told of the time-out
	}
	stats := &c.fetcher.stats
	stats.Answered.Add(1)
	stats.Nanos.Add(uint64(now.Sub(f.sent)))
	c.up.answered(f, frame, done)
	return nil
}

// arm sees to it that the timer runs for deadline or an earlier one. Under mu.
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
// stay, for the replies that may still come.
func (c *conn) expire() {
	now := time.Now()
	var late []*Fetch
	var next time.Time // the earliest deadline of the others
	c.mu.Lock()
	c.armedFor = time.Time{}
	for i := range c.inflight.len() {
		e := c.inflight.at(i)
		switch {
		case e.fetch == nil:
		case !e.fetch.deadline.After(now):
			late = append(late, e.fetch)
			e.late, e.fetch = e.fetch.deadline, nil
		case next.IsZero() || e.fetch.deadline.Before(next):
			next = e.fetch.deadline
		}
	}
	if e := c.inflight.front(); e != nil && e.fetch == nil && c.nc != nil &&
		now.Sub(e.late) > hungAfter*c.up.cfg.FetchTimeout {
		_ = c.nc.Close() // its reader ends, and run gives back the rest
	}
	if !next.IsZero() {
		c.arm(next, now)
	}
	c.mu.Unlock()

	c.fetcher.stats.Timeouts.Add(uint64(len(late)))
	var done flushers
	for _, f := range late {
		c.up.timedOut(f, &done)
	}
	done.flush()
}

// close ends the connection when it has answered what is in flight, or at once
// if it has nothing.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc != nil {
		_ = c.nc.Close()
	}
	if c.state == connIdle || c.state == connDown {
		c.state = connClosed
	}
}
