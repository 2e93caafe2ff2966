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
	// flushEvery is how many replies are given out before those who asked may
	// send them on: each costs a few microseconds, most of it for filling the
	// cache, and a write costs as much, so that neither the first of many waits
	// for the last nor each gets a write of its own.
	flushEvery = 16
	// firstBackoff and lastBackoff bound the pause after a failed dial; it
	// doubles between them, with jitter, so that a dead fetcher costs a dial
	// every second and one that restarts is found soon.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = time.Second
	// hungAfter is how many fetch timeouts the oldest fetch may be overdue
	// before the connection is taken for dead.
	hungAfter = 10
	// maxInFlight bounds the fetches of a connection that were not answered, in
	// number, the late ones included: 16 times what the proxy lets one client
	// have, and 30,000 a second while a fetcher hangs for 11 fetch timeouts of
	// 50 ms.
	maxInFlight = 16 << 10
	// expiries is how often at most, in a fetch timeout, a connection looks for
	// fetches past their deadline, so that thousands of deadlines that lie close
	// together do not each cost a look at all of them. An owner may be told a
	// 32nd of the timeout late for it.
	expiries = 32
)

var (
	errClosed   = errors.New("fsproxy is stopping")
	errLeft     = errors.New("the node left the topology")
	errNonsense = errors.New("what it sends is no reply")
	errTooMany  = fmt.Errorf("%d fetches already wait for its answer", maxInFlight)
)

// conn is one pipelined connection to a fetcher, dialled when first needed.
// Replies come in the order of requests. All of its state is under mu.
type conn struct {
	up      *Upstream
	fetcher *fetcher

	mu       sync.Mutex
	state    connState
	leaving  bool // takes no more fetches, and ends when it has answered those it has
	probing  bool // dialled after a failure: no fetch goes here before it is up
	nc       net.Conn
	dialled  time.Time
	answered bool // since it was dialled
	out      *wire.Output
	queued   int  // bytes of the requests that wait for the dial
	inflight ring // in the order of their requests
	backoff  time.Duration
	retryAt  time.Time // while state is connDown
	cause    error     // why this side ended the connection, if it did
	lastErr  error     // of the last dial or connection
	timer    *time.Timer
	armedFor time.Time // when timer fires; zero: it does not run
}

type connState uint8

const (
	connIdle    connState = iota // not dialled yet
	connDialing                  // requests are queued meanwhile
	connUp
	connDown // failed; not dialled again before retryAt
	connClosed
)

// failing tells whether fetches should go elsewhere. One that failed and is due
// for another try is dialled, and gets fetches when it is up, not before, so
// that none is lost to find out whether a fetcher is back.
func (c *conn) failing(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connDown && !now.Before(c.retryAt) {
		c.dial(true)
	}
	return c.leaving || c.state == connClosed || c.state == connDown || c.state == connDialing && c.probing
}

// send takes over fetches and writes their requests as one. An error says why
// none of them could be sent.
func (c *conn) send(batch []*Fetch, request []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err := c.ready(now, len(batch), len(request)); err != nil {
		return err
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
		c.queued += len(request) // put together anew when the dial is done
		return nil
	}
	// An error closes the connection, and its reader gives back what is in
	// flight, this batch included.
	if err := c.out.Write(request); err != nil && c.cause == nil {
		c.cause = err
	}
	return nil
}

// ready sees to it that the connection is up or dialled, and can take fetches
// with that many bytes of requests. Under mu.
func (c *conn) ready(now time.Time, fetches, bytes int) error {
	switch {
	case c.state == connClosed || c.leaving:
		if c.up.ctx.Err() != nil {
			return errClosed
		}
		return errLeft
	case c.state == connDown && now.Before(c.retryAt):
		return c.lastErr
	case c.inflight.len()+fetches > maxInFlight:
		return errTooMany
	case c.queued+bytes > maxUnsent:
		return fmt.Errorf("its requests come to %d bytes, and %d may wait", c.queued+bytes, maxUnsent)
	case c.state == connIdle || c.state == connDown:
		c.dial(c.state == connDown)
	}
	return nil
}

// dial starts the goroutine that connects and then reads. Under mu.
func (c *conn) dial(probe bool) {
	c.state, c.probing, c.dialled = connDialing, probe, time.Now()
	c.up.wg.Go(func() { c.run(probe) })
}

// run connects, reads until the connection ends, and gives back what was in
// flight.
func (c *conn) run(probe bool) {
	nc, err := c.up.dialReader(c.up.ctx, c.fetcher.addr, probe)
	if err == nil {
		err = c.serve(nc)
	}
	c.mu.Lock()
	if c.cause != nil {
		err = c.cause
	}
	lost, out := c.inflight.takeAll(), c.out
	sane := c.answered && c.cause == nil && !errors.Is(err, errNonsense)
	idle := sane && len(lost) == 0
	switch {
	case c.up.ctx.Err() != nil:
		c.state, err = connClosed, errClosed
	case c.leaving:
		c.state = connClosed
	case idle:
		c.state = connIdle // the other side closed an idle connection: no harm
	case sane && time.Since(c.dialled) > lastBackoff:
		c.state, c.retryAt = connDown, time.Now() // worth a try at once, but not over and over
	default:
		c.state = connDown
		c.backoff = min(max(2*c.backoff, firstBackoff), lastBackoff)
		c.retryAt = time.Now().Add(c.backoff/2 + rand.N(c.backoff/2+1))
	}
	c.lastErr = err
	c.nc, c.out, c.queued, c.cause, c.answered = nil, nil, 0, nil, false
	c.disarm()
	c.mu.Unlock()
	if out != nil {
		out.Wait() // it is closed, and nobody finds it any more
	}

	c.fetcher.outstanding.Add(int64(-len(lost)))
	var done flushers
	for _, e := range lost {
		if e.fetch != nil {
			c.up.failed(e.fetch, err, &done)
		}
	}
	done.flush()
	if !idle && c.up.ctx.Err() == nil {
		c.fetcher.stats.Errors.Add(1)
		c.up.noticed(c.fetcher.addr, err)
	}
}

// serve sends what waited for the dial, and reads replies until the connection
// ends.
func (c *conn) serve(nc net.Conn) error {
	stop := context.AfterFunc(c.up.ctx, func() { _ = nc.Close() })
	defer stop()
	defer func() { _ = nc.Close() }()
	c.mu.Lock()
	c.nc, c.out = nc, wire.NewOutput(nc, maxUnsent)
	c.state = connUp
	if err := c.out.Write(c.waiting()); err != nil {
		c.cause = err
	}
	if c.leaving && c.inflight.len() == 0 {
		_ = nc.Close()
	}
	c.mu.Unlock()
	return c.read(nc)
}

// waiting returns the requests of the fetches that wait for the dial. Those that
// were told of a time-out meanwhile are dropped. Under mu.
func (c *conn) waiting() []byte {
	requests := make([]byte, 0, c.queued)
	all := c.inflight.takeAll()
	for _, e := range all {
		if e.fetch != nil {
			requests = appendRequest(requests, e.fetch)
			c.inflight.push(e)
		}
	}
	c.fetcher.outstanding.Add(int64(c.inflight.len() - len(all)))
	c.queued = 0
	return requests
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
		for given := 1; start < end; given++ {
			n, err := framer.Next(buf[start:end])
			if err != nil {
				return fmt.Errorf("%w: %w", errNonsense, err)
			}
			if n == 0 {
				break
			}
			if err := c.reply(buf[start:start+n], &done); err != nil {
				return err
			}
			if start += n; given%flushEvery == 0 {
				done.flush()
			}
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
		return fmt.Errorf("%w: a reply came that nobody asked for", errNonsense)
	}
	if e.skip > 0 {
		e.skip--
		c.mu.Unlock()
		return nil
	}
	f := e.fetch
	c.inflight.pop()
	c.backoff, c.answered = 0, true
	if c.leaving && c.inflight.len() == 0 {
		_ = c.nc.Close()
	}
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
	c.armedFor = time.Time{}
	late, next := c.overdue(now)
	if e := c.inflight.front(); e != nil && e.fetch == nil && c.nc != nil && c.cause == nil {
		hung := e.late.Add(hungAfter * c.up.cfg.FetchTimeout)
		if !hung.After(now) {
			c.cause = fmt.Errorf("it hangs: no answer within %s", now.Sub(e.late)+c.up.cfg.FetchTimeout)
			_ = c.nc.Close() // its reader ends, and run gives back the rest
		} else if next.IsZero() || hung.Before(next) {
			next = hung
		}
	}
	if !next.IsZero() {
		if soonest := now.Add(c.up.cfg.FetchTimeout / expiries); next.Before(soonest) {
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

	c.fetcher.stats.Timeouts.Add(uint64(len(late)))
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
		switch {
		case e.fetch == nil:
		case !e.fetch.deadline.After(now):
			late = append(late, e.fetch)
			e.late, e.fetch = e.fetch.deadline, nil
		case next.IsZero() || e.fetch.deadline.Before(next):
			next = e.fetch.deadline
		}
	}
	return late, next
}

// leave lets the connection take no more fetches, and ends it when those in
// flight are answered or given up: now, if there are none.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	switch c.state {
	case connIdle, connDown:
		c.state = connClosed
	case connUp:
		if c.inflight.len() == 0 {
			_ = c.nc.Close()
		}
	}
}
