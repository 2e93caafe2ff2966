package proxy

import (
	"errors"
	"time"

	"github.com/fsproxy/fsproxy/wire"
)

// A polled connection has no goroutine while it waits for its client: the
// poll's goroutine reads it and answers what needs no waiting (reads, whether
// they hit or miss). A request that may wait, be it for a tunnel or for room in
// the line of replies, is left in the buffer, and a goroutine takes the client
// over until it is done.
//
// Reading through the runtime's own poller costs an attempt to read that finds
// nothing, a change of goroutine and often one of threads for each request that
// comes alone; measured side by side, that is a quarter of all it costs
// (docs/BENCHMARKS.md).

// errMayWait says that the request at hand was left for a goroutine of its own.
var errMayWait = errors.New("the request may have to wait")

// readable reads what is there and handles it, on the poll's goroutine.
func (c *client) readable() {
	if c.lingering != nil {
		c.drop()
		return
	}
	n, err := c.socket.Read(c.room())
	if errors.Is(err, wire.ErrNotReady) {
		return
	}
	if err == nil {
		if err = c.took(n); err == nil {
			return
		}
	}
	c.socket.WantRead(false)
	if errors.Is(err, errMayWait) {
		go c.excursion()
		return
	}
	c.concluded = true
	go c.conclude(err)
}

// excursion handles what may wait, then gives the client back to the poll.
func (c *client) excursion() {
	c.looping = false
	err := c.handle()
	c.looping = true
	if err != nil {
		c.conclude(err)
		return
	}
	c.socket.WantRead(true)
	if c.server.draining.Load() {
		c.stopReading()
	}
}

// stopReading has the connection end when it is owed nothing: the process is to
// stop. Any goroutine may call it, more than once.
func (c *client) stopReading() {
	if c.socket == nil {
		_ = c.nc.SetReadDeadline(time.Now())
		return
	}
	c.poll.Post(func() {
		if c.concluded || !c.socket.WantsRead() || c.lingering != nil {
			return // it ends already, or excursion will ask again
		}
		c.socket.WantRead(false)
		c.concluded = true
		go c.conclude(errDraining)
	})
}

// linger says that nothing more comes, and waits until the client has hung up,
// or for as long as is reasonable.
func (c *client) linger() {
	c.lingering = make(chan struct{})
	c.socket.CloseWrite()
	impatience := time.AfterFunc(lingerTimeout, c.out.Abort)
	defer impatience.Stop()
	c.socket.WantRead(true)
	<-c.lingering
}

// drop reads what nobody wants any more, on the poll's goroutine.
func (c *client) drop() {
	if _, err := c.socket.Read(c.buf); err == nil || errors.Is(err, wire.ErrNotReady) {
		return
	}
	c.socket.WantRead(false)
	close(c.lingering)
}
