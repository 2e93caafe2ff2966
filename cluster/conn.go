package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
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
	errNotUp    = errors.New("not connected")
)

// conn is one pipelined connection to a fetcher, dialled when first needed.
// Replies come in the order of requests. All of its state is under mu.
type conn struct {
	up      *Upstream
	fetcher *fetcher

	mu       sync.Mutex
	state    connState
	leaving  bool          // takes no more fetches, and ends when it has answered those it has
	phase    atomic.Uint32 // what state comes to for those who choose; written under mu, by settle
	probing  bool          // dialled after a failure, or for fetches to come: none goes here before it is up
	failed   bool          // it was down before it was dialled
	readonly bool          // it was told that reads are wanted, as nodes of a cluster need
	nc       net.Conn
	dialled  time.Time
	answered bool      // since it was dialled
	heard    time.Time // of the last reply
	out      *wire.Output
	queued   int  // bytes of the requests that wait for the dial
	inflight ring // in the order of their requests
	backoff  time.Duration
	retryAt  time.Time // while state is connDown
	cause    error     // why this side ended the connection, if it did
	lastErr  error     // of the last dial or connection
	timer    *time.Timer
	armedFor time.Time // when timer fires; zero: it does not run
	watcher  *time.Timer
	watching bool      // watcher runs
	watchAt  time.Time // when it should fire
}

type connState uint8

const (
	connIdle    connState = iota // not dialled yet
	connDialing                  // requests are queued meanwhile
	connUp
	connDown // failed; not dialled again before retryAt
	connClosed
)

// Phases of a connection, the fitter the higher.
const (
	phaseShut    uint32 = iota // it failed: fetches should go elsewhere
	phaseWarming               // it is dialled for fetches to come, which should go elsewhere yet
	phaseCold                  // a fetch would have it dialled
	phaseDialing               // a fetch would wait for the dial
	phaseUp
)

// settle makes phase that of state. It is called wherever what it depends on
// has changed. Under mu.
func (c *conn) settle() {
	phase := phaseShut
	switch {
	case c.leaving:
	case c.state == connIdle:
		phase = phaseCold
	case c.state == connDialing && !c.probing:
		phase = phaseDialing
	case c.state == connDialing && !c.failed:
		phase = phaseWarming
	case c.state == connUp:
		phase = phaseUp
	}
	c.phase.Store(phase)
}

// phaseAt is phase, and sees to it that a connection that failed and is due for
// another try is dialled. It gets fetches when it is up, not before, so that
// none is lost to find out whether a fetcher is back.
func (c *conn) phaseAt(now time.Time) uint32 {
	phase := c.phase.Load()
	if phase == phaseShut {
		c.mu.Lock()
		if c.state == connDown && !c.leaving && !now.Before(c.retryAt) {
			c.dial(true)
		}
		phase = c.phase.Load()
		c.mu.Unlock()
	}
	return phase
}

// warm dials a connection for fetches to come; until it is up they go elsewhere.
func (c *conn) warm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connIdle && !c.leaving && c.up.ctx.Err() == nil {
		c.dial(true)
	}
}

// send takes over fetches for which room was reserved, and writes their requests
// as one. An error says why none of them could be sent.
func (c *conn) send(batch []*Fetch, request []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err := c.ready(now, len(request)); err != nil {
		return err
	}
	for _, f := range batch {
		f.fetcher = c.fetcher
		skip := 0
		if f.asking {
			skip = 1
		}
		c.inflight.push(entry{fetch: f, sent: now, skip: skip})
		c.arm(f.deadline, now)
	}
	c.watch(now)
	c.fetcher.stats.Fetches.Add(uint64(len(batch)))
	if c.state == connDialing {
		c.queued += len(request) // put together anew when the dial is done
		return nil
	}
	c.write(request)
	return nil
}

// sendRace is send for a fetch that another line holds too. It waits for no
// dial.
func (c *conn) sendRace(r *race) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err := c.ready(now, len(r.request)); err != nil {
		return err
	}
	if c.state != connUp {
		return errNotUp
	}
	c.inflight.push(entry{race: r, sent: now})
	c.arm(r.deadline, now)
	c.fetcher.stats.Fetches.Add(1)
	c.write(r.request)
	return nil
}

// write sends requests. An error closes the connection, and its reader gives
// back what is in flight. Under mu.
func (c *conn) write(requests []byte) {
	if err := c.out.Write(requests); err != nil && c.cause == nil {
		c.cause = err
	}
}

// wantReads tells a node of a cluster, once, that reads are wanted from it even
// if it is a replica. Its reply answers nothing. A node that does not know the
// word serves reads, or points to one that does.
func (c *conn) wantReads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connUp && !c.readonly {
		c.sayReadonly()
	}
}

func (c *conn) sayReadonly() {
	now := time.Now()
	c.readonly = true
	c.inflight.push(entry{sent: now})
	c.arm(now.Add(c.up.cfg().FetchTimeout), now) // or nobody would see that it hangs
	c.fetcher.outstanding.Add(1)
	c.write(resp.AppendCommand(nil, "READONLY"))
}

// ready sees to it that the connection is up or dialled, and can take that many
// bytes of requests. Under mu.
func (c *conn) ready(now time.Time, bytes int) error {
	switch {
	case c.state == connClosed || c.leaving:
		if c.up.ctx.Err() != nil {
			return errClosed
		}
		return errLeft
	case c.state == connDown && now.Before(c.retryAt):
		return c.lastErr
	case c.queued+bytes > maxUnsent:
		return fmt.Errorf("its requests come to %d bytes, and %d may wait", c.queued+bytes, maxUnsent)
	case c.state == connIdle || c.state == connDown:
		c.dial(c.state == connDown)
	}
	return nil
}

// dial starts the goroutine that connects and then reads. Under mu.
func (c *conn) dial(probe bool) {
	c.failed = c.state == connDown
	c.state, c.probing, c.dialled = connDialing, probe, time.Now()
	c.settle()
	c.up.wg.Go(func() { c.run(probe) })
}

// run connects, reads until the connection ends, and gives back what was in
// flight.
func (c *conn) run(probe bool) {
	nc, readonly, err := c.up.dialReader(c.up.ctx, c.fetcher.addr, probe)
	if err == nil {
		err = c.serve(nc, readonly)
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
	c.nc, c.out, c.queued, c.cause, c.answered, c.readonly = nil, nil, 0, nil, false, false
	c.disarm()
	c.unwatch()
	c.settle()
	c.mu.Unlock()
	if out != nil {
		out.Wait() // it is closed, and nobody finds it any more
	}

	c.fetcher.outstanding.Add(int64(-len(lost)))
	var done flushers
	for _, e := range lost {
		f := e.fetch
		if e.race != nil {
			if f = e.race.giveUp(); f != nil {
				f.fetcher = c.fetcher
			}
		}
		if f != nil {
			c.up.failed(f, err, &done)
		}
	}
	done.flush()
	if !idle && c.up.ctx.Err() == nil {
		c.fetcher.stats.Errors.Add(1)
		c.up.fault(c.fetcher, err.Error())
		c.up.noticed(c.fetcher.addr, err)
	}
}

// serve sends what waited for the dial, and reads replies until the connection
// ends.
func (c *conn) serve(nc net.Conn, readonly bool) error {
	stop := context.AfterFunc(c.up.ctx, func() { _ = nc.Close() })
	defer stop()
	defer func() { _ = nc.Close() }()
	c.mu.Lock()
	c.nc, c.out = nc, wire.NewOutput(nc, maxUnsent)
	c.state, c.readonly, c.heard = connUp, readonly, time.Now()
	if c.failed {
		c.fetcher.comesBack(c.heard)
	}
	waiting := c.waiting()
	if !readonly && c.up.wantsReadonly() { // the kind was not known when it was greeted
		all := c.inflight.takeAll()
		c.sayReadonly()
		for _, e := range all {
			c.inflight.push(e)
		}
	}
	c.write(waiting)
	c.settle()
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
		e.sent = c.heard // what the dial took is no measure of the answers
		switch {
		case e.fetch != nil:
			requests = appendRequest(requests, e.fetch)
		case e.race != nil && !e.race.claimed.Load():
			requests = append(requests, e.race.request...)
		default:
			continue
		}
		c.inflight.push(e)
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
	f, r, took := e.fetch, e.race, now.Sub(e.sent)
	c.inflight.pop()
	c.backoff, c.answered, c.heard = 0, true, now
	if c.leaving && c.inflight.len() == 0 {
		_ = c.nc.Close()
	}
	c.mu.Unlock()
	c.fetcher.outstanding.Add(-1)
	c.up.measured(c.fetcher, f, r, frame, took, now)
	if r != nil {
		f = c.up.ofRace(r, c.fetcher, frame)
		if f != nil {
			f.fetcher = c.fetcher
		}
	}
	if f == nil {
		return nil // its owner was told of the time-out, or by another
	}
	stats := &c.fetcher.stats
	stats.Answered.Add(1)
	stats.Nanos.Add(uint64(took))
	c.up.answered(f, frame, done)
	return nil
}

// leave lets the connection take no more fetches, and ends it when those in
// flight are answered or given up: now, if there are none.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	defer c.settle()
	switch c.state {
	case connIdle, connDown:
		c.state = connClosed
	case connUp:
		if c.inflight.len() == 0 {
			_ = c.nc.Close()
		}
	}
}
