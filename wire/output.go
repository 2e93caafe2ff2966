package wire

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrOutputLimit ends a connection whose other side does not read.
var ErrOutputLimit = errors.New("the other side does not read: output limit reached")

// keepOutput is how large an emptied buffer may be to be used again, in bytes.
// A rare burst must not pin its memory.
const keepOutput = 64 << 10

// Output writes to one connection. What the kernel takes at once costs a system
// call on the caller's goroutine; the rest waits in a bounded buffer until the
// other side reads.
type Output struct {
	to    endpoint
	limit int // bytes that may wait

	mu       sync.Mutex
	idle     sync.Cond // when draining or err changes
	rest     []byte    // what the kernel did not take yet
	taken    int       // bytes being written by the drainer, beside rest
	draining bool      // rest waits for the other side
	written  uint64
	err      error // the first failure; ends all writing
}

// endpoint is a connection as Output sees it. try, abort and close are called
// under Output.mu.
type endpoint interface {
	// try writes what the kernel takes now, and never waits.
	try(b []byte) (int, error)
	// drain sees to it that the rest is written when the other side reads.
	drain(o *Output)
	// abort ends both directions, so that whoever reads sees the end.
	abort()
	// close frees the connection.
	close() error
}

// NewOutput returns the output of conn that lets limit bytes wait.
func NewOutput(conn net.Conn, limit int) *Output {
	return newOutput(newStream(conn), limit)
}

func newOutput(to endpoint, limit int) *Output {
	o := &Output{to: to, limit: limit}
	o.idle.L = &o.mu
	return o
}

// Write sends b behind all that was written before, and keeps nothing of it.
// It does not block. An error is final: the connection is ended.
func (o *Output) Write(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.written += uint64(len(b))
	if !o.draining {
		n, err := o.to.try(b)
		if err != nil {
			return o.failed(fmt.Errorf("write: %w", err))
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	if len(o.rest)+o.taken+len(b) > o.limit {
		return o.failed(ErrOutputLimit)
	}
	o.rest = append(o.rest, b...)
	if !o.draining {
		o.draining = true
		o.to.drain(o)
	}
	return nil
}

// Waiting is how many bytes wait for the other side to read.
func (o *Output) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rest) + o.taken
}

// Written is how many bytes were given to Write so far.
func (o *Output) Written() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// Wait returns when nothing waits any more, or the connection has failed or was
// ended.
func (o *Output) Wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.draining {
		o.idle.Wait()
	}
}

// Abort ends the connection in both directions: nothing more is written, and
// whoever reads it sees its end.
func (o *Output) Abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.failed(net.ErrClosed)
}

// Close frees the connection, which nobody may read any more.
func (o *Output) Close() error {
	o.mu.Lock()
	if o.err == nil {
		o.err = net.ErrClosed
	}
	err := o.to.close()
	o.mu.Unlock()
	o.Wait()
	return err
}

// failed remembers the first error and ends the connection. Under mu.
func (o *Output) failed(err error) error {
	if o.err == nil {
		o.err = err
		o.rest = nil
		o.to.abort()
	}
	return o.err
}

// drained says that nothing waits any more. Under mu.
func (o *Output) drained() {
	o.draining = false
	o.idle.Broadcast()
}
