package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/session"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
	"github.com/fsproxy/fsproxy/wire"
)

const (
	// readBuffer is what a connection reads at once, in bytes: some 18 requests
	// of 50 fields. It grows for a longer request and shrinks again.
	readBuffer = 16 << 10
	// wideBuffer is what one that sends long pipelines reads at once.
	wideBuffer = 64 << 10
	// narrowReads is how many reads in a row that would have fitted the usual
	// buffer give a wide one back.
	narrowReads = 256
	// sendAt is how many bytes of replies are put together before they are
	// sent, when one read holds requests for more.
	sendAt = 64 << 10
	// lingerTimeout is how long a connection that we end is read to its end
	// first, or the last reply may be lost to a reset.
	lingerTimeout = 500 * time.Millisecond
	// eofTimeout is how long a client that closed its sending side may wait for
	// what it asked before.
	eofTimeout = time.Second
)

// client is one connection. Its reader owns all of it, except where a field says
// otherwise. The reader is a goroutine of its own, or, where the connection is
// polled, the poll's goroutine, which hands the client to one of its own for
// whatever may wait (loop.go).
type client struct {
	server  *Server
	nc      net.Conn     // nil: polled
	socket  *wire.Socket // nil: not polled
	poll    *wire.Poll   // of socket
	remote  string       // the other side, for logs
	out     *wire.Output
	replies *replies // shared with those who complete misses
	session *session.Session
	parser  *resp.Parser
	known   recognizer
	counts  counts // written by the reader, read by anyone

	buf        []byte // what was read: requests from start to end
	start, end int
	now        cache.Tick        // of the read at hand
	followed   *[]chan Asked     // who is told of reads, likewise; nil: nobody
	reply      []byte            // complete replies that were not sent yet
	fetches    []*cluster.Fetch  // misses that were not sent yet
	wire       []byte            // scratch: a projection in canonical form
	keys       [][]byte          // scratch: keys of a command
	reads      uint              // reads so far
	narrow     int               // reads in a row that a wide buffer was too wide for
	number     int               // of the connection, from the first on
	tallied    *cache.Projection // of the last hits
	hits       int               // of it that it was not told of

	looping   bool          // the reader is the poll's goroutine: nothing may wait
	lingering chan struct{} // not nil: what comes is dropped; closed at the end of it
	concluded bool          // the end has begun; the poll's goroutine alone sets it

	fetching atomic.Int64 // misses in flight
	writing  atomic.Int64 // forwarded writes that were not answered yet
	blocking atomic.Int64 // forwarded requests likewise that may block

	// stranger: the store may show this user something else than what the cache
	// holds.
	stranger bool

	txn transaction
	// opaque is where everything goes since a transaction changed the state of
	// the store's connection in a way that cannot be followed from here.
	opaque *tunnel
	// unnamed: the client's name was not told there yet.
	unnamed bool
	// direct: bypass found no reason why reads should not be answered from the
	// cache. Everything but a read, and a read past the cache, sets it anew.
	direct bool
	// rules are those in force, as of when the read at hand began. off: they
	// forward every read. ruled: reads must ask them.
	rules *rollout.Rules
	off   bool
	ruled bool
	pipe  *tunnel // not nil: everything goes there as it is
	// view is the listener's, and form what follows from it for the version that
	// the client speaks. generation is that of what known has.
	view       View
	form       cache.View
	generation uint64
	// subscribed is where a client that speaks version 2 has subscriptions: it
	// may ask for nothing else meanwhile.
	subscribed *tunnel

	tunnelMu    sync.Mutex         // protects what follows
	subscribers map[string]*tunnel // that hold subscriptions: see pubsub.go
	tunnels     map[string]*tunnel // by node
	proto       resp.Version       // that tunnels are made for
	db          int                // likewise
	// who is the user that they are made for; nil: the configured one.
	who   *cluster.Credentials
	ended bool           // no more are made
	wg    sync.WaitGroup // of the tunnels' goroutines
}

// errLeaving ends a connection as it should be: QUIT, or a protocol error that
// was answered.
var errLeaving = errors.New("the connection is done")

// run serves the connection until it ends, on a goroutine of its own.
func (c *client) run() { c.conclude(c.serve()) }

// conclude ends the connection for the reason err.
func (c *client) conclude(err error) {
	defer c.server.leave(c)
	if errors.Is(err, io.EOF) || errors.Is(err, errLeaving) || errors.Is(err, errDraining) {
		c.finish(errors.Is(err, io.EOF))
	}
	cause := c.replies.fail(net.ErrClosed)
	_ = c.out.Close()
	c.endTunnels()
	c.wg.Wait()
	if errors.Is(err, wire.ErrOutputLimit) || errors.Is(cause, wire.ErrOutputLimit) {
		c.server.outputLimit.Add(1)
		c.server.log.Warn("closed a client that does not read its replies",
			"client", c.remote, "limit_bytes", c.server.tuned.Load().MaxOutputBytes)
	}
}

// errDraining ends a connection because the process is asked to stop.
var errDraining = errors.New("the process is stopping")

func (c *client) serve() error {
	for {
		n, err := c.nc.Read(c.room())
		if n > 0 {
			if err := c.took(n); err != nil {
				return err
			}
		}
		if err != nil {
			if c.server.draining.Load() {
				return errDraining
			}
			return err
		}
	}
}

// room is where to read to: behind what is left of an incomplete request.
func (c *client) room() []byte {
	if c.start > 0 {
		copy(c.buf, c.buf[c.start:c.end])
		c.start, c.end = 0, c.end-c.start
	}
	if c.end == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	return c.buf[c.end:]
}

// took handles n bytes that were read to room.
func (c *client) took(n int) error {
	filled := n == len(c.buf)-c.end
	c.end += n
	add(&c.counts.bytesIn, n)
	err := c.handle()
	if c.start == c.end {
		c.start, c.end = 0, 0
	}
	c.resize(n, filled)
	return err
}

// resize makes the buffer fit what the client sends: wide after a read that
// filled it, so that a long pipeline costs few system calls, and usual again
// when it has not been needed for a while, or at once if one huge request made
// it wider still.
func (c *client) resize(n int, filled bool) {
	switch {
	case filled && len(c.buf) < wideBuffer:
		wide := make([]byte, wideBuffer)
		c.start, c.end = 0, copy(wide, c.buf[c.start:c.end])
		c.buf, c.narrow = wide, 0
	case n >= readBuffer/2: // two of these may come at once
		c.narrow = 0
	case len(c.buf) > readBuffer && c.end == 0:
		if c.narrow++; c.narrow >= narrowReads || len(c.buf) > wideBuffer {
			c.buf, c.narrow = make([]byte, readBuffer), 0
		}
	}
}

// hitSampling is how many reads go by for one whose time is taken: reading the
// clock costs as much as a twentieth of a hit.
const hitSampling = 32

// handle handles all complete requests that were read.
func (c *client) handle() error {
	var began time.Time
	if c.reads++; c.reads%hitSampling == 0 {
		began = time.Now()
	}
	before := c.counts.hits()
	c.now = c.server.clock.Now()
	c.followed = c.server.followed.Load()
	if rules := c.server.rollout.Rules(); rules != c.rules {
		c.heed(rules)
	}
	if c.view.Decoded {
		c.keepUp()
	}
	c.session.Note(nil, c.server.clock.Time(c.now))
	handled, err := c.requests()
	c.tellTally()
	if flushed := c.flush(); err == nil {
		err = flushed
	}
	if !began.IsZero() && handled > 0 && c.counts.hits()-before == uint64(handled) {
		c.server.latency.hit.Observe(time.Since(began).Seconds())
	}
	return err
}

// requests handles requests until one is incomplete, and says how many.
func (c *client) requests() (handled int, err error) {
	for c.start < c.end {
		if c.pipe != nil && c.looping {
			return handled, errMayWait
		}
		if c.pipe != nil {
			n, err := c.passOn(c.buf[c.start:c.end])
			c.start += n
			return handled, err
		}
		n, err := c.request(c.buf[c.start:c.end])
		if n == 0 && err == nil {
			return handled, nil
		}
		c.start += n
		handled++
		if err != nil {
			return handled, err
		}
		if len(c.reply) >= sendAt {
			if err := c.flush(); err != nil {
				return handled, err
			}
		}
	}
	return handled, nil
}

// request handles the request at the start of b and returns its length; 0: it
// is incomplete.
func (c *client) request(b []byte) (int, error) {
	if h, ok := readHead(b); ok {
		p, short := c.known.find(b[h.rest:], h.fields)
		if p != nil {
			if c.looping && (!c.direct && c.server.canned == nil || c.writing.Load() > 0) {
				return 0, errMayWait
			}
			c.parser.Reset()
			n := h.rest + len(p.Wire)
			if err := c.read(b[h.key:h.keyEnd], p, h.single, b[:n]); !errors.Is(err, errMayWait) {
				return n, err
			}
			return 0, errMayWait
		}
		if short {
			return 0, nil
		}
	}
	if c.looping {
		return 0, errMayWait
	}
	n, err := c.parser.Next(b)
	if err != nil {
		c.server.protocolErrors.Add(1)
		if c.session.Owed() {
			c.reply = resp.AppendError(c.reply, "ERR "+err.Error())
		}
		return n, errLeaving
	}
	if args := c.parser.Args(); n > 0 && len(args) > 0 {
		err = c.dispatch(args, b[:n])
		c.parser.Stranger(!c.session.Authenticated())
		c.direct = c.bypass() == bypassNot
		if c.view.Doubles {
			c.take(c.view)
		}
	}
	return n, err
}

// flush sends the replies and the fetches that have come together.
func (c *client) flush() error {
	err := c.replies.send(c.reply)
	if c.reply = c.reply[:0]; cap(c.reply) > 2*sendAt {
		c.reply = nil
	}
	if len(c.fetches) > 0 {
		c.server.upstream.Send(c.fetches)
		clear(c.fetches[:cap(c.fetches)])
		c.fetches = c.fetches[:0]
	}
	if !c.looping {
		// The poll's goroutine puts nothing in line for a tunnel, and must not wait
		// for one that is being made.
		c.flushTunnels()
	}
	return err
}

// waitBelow waits until fewer than n replies are pending, having sent what
// they wait for.
func (c *client) waitBelow(n int) error {
	if err := c.flush(); err != nil {
		return err
	}
	err := c.replies.waitBelow(n)
	c.now = c.server.clock.Now() // ages are judged by it
	return err
}

// finish waits for the replies owed and sees to it that they arrive: what the
// client still sends is read and dropped, or the kernel would answer it with a
// reset that overtakes them. gone: the client has closed its sending side.
func (c *client) finish(gone bool) {
	if !c.server.draining.Load() { // drain has a timeout of its own
		patience := time.AfterFunc(eofTimeout+c.server.tuned.Load().FetchTimeout, func() { _ = c.replies.fail(net.ErrClosed) })
		defer patience.Stop()
	}
	if gone && c.blocking.Load() > 0 {
		c.hangUp()
	}
	if c.replies.waitBelow(1) != nil {
		return
	}
	// From here on only the kernel's buffer is waited for.
	impatience := time.AfterFunc(eofTimeout, c.out.Abort)
	c.out.Wait()
	impatience.Stop()
	if c.socket != nil {
		c.linger()
		return
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.Copy(io.Discard, c.nc)
}
