// Package wire is the sending side of a connection that many goroutines answer
// on: ordered, bounded, and never blocking those who write.
package wire

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// ErrOutputLimit ends a connection whose other side does not read.
var ErrOutputLimit = errors.New("the other side does not read: output limit reached")

// keepOutput is how large an emptied buffer may be to be used again, in bytes.
// A rare burst must not pin its memory.
const keepOutput = 64 << 10

// Output writes to one connection. A write that the kernel takes at once costs
// a system call on the caller's goroutine; what it does not take waits in a
// bounded buffer for a goroutine that lives only as long as there is a rest.
type Output struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: the connection cannot be tried without blocking (TLS)
	limit int             // bytes that may wait

	mu       sync.Mutex
	rest     []byte // what the kernel did not take yet
	taken    int    // bytes being written by the drainer, beside rest
	draining bool
	written  uint64
	err      error // the first failure; ends all writing
	wg       sync.WaitGroup

	// of the try under way, under mu
	try  []byte
	sent int
	fail error
	do   func(fd uintptr) bool
}

// NewOutput returns the output of conn that lets limit bytes wait.
func NewOutput(conn net.Conn, limit int) *Output {
	o := &Output{conn: conn, limit: limit}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			o.raw = raw
		}
	}
	o.do = o.attempt
	return o
}

// Write sends b behind all that was written before, and keeps nothing of it.
// It does not block. An error is final: the connection is closed.
func (o *Output) Write(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.written += uint64(len(b))
	if !o.draining && o.raw != nil {
		n, err := o.tryWrite(b)
		if err != nil {
			return o.failed(err)
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
		o.wg.Go(o.drain)
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

// Wait returns when nothing waits any more, or the connection has failed or
// was closed. Nobody may write meanwhile.
func (o *Output) Wait() { o.wg.Wait() }

// failed remembers the first error and closes the connection. Under mu.
func (o *Output) failed(err error) error {
	if o.err == nil {
		o.err = err
		o.rest = nil
		_ = o.conn.Close()
	}
	return o.err
}

func (o *Output) tryWrite(b []byte) (int, error) {
	o.try, o.sent, o.fail = b, 0, nil
	err := o.raw.Write(o.do)
	o.try = nil
	if err == nil {
		err = o.fail
	}
	if err != nil {
		return o.sent, fmt.Errorf("write: %w", err)
	}
	return o.sent, nil
}

// attempt gives the kernel what it takes now; it always says "done", so that
// the runtime never parks the caller.
func (o *Output) attempt(fd uintptr) bool {
	for o.sent < len(o.try) {
		n, err := syscall.Write(int(fd), o.try[o.sent:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			o.fail = err
			return true
		}
		o.sent += n
	}
	return true
}

// drain writes the rest until there is none.
func (o *Output) drain() {
	var spare []byte
	for {
		o.mu.Lock()
		o.taken = 0
		if len(o.rest) == 0 || o.err != nil {
			o.draining = false
			o.mu.Unlock()
			return
		}
		b := o.rest
		o.rest, o.taken = spare[:0], len(b)
		o.mu.Unlock()

		if _, err := o.conn.Write(b); err != nil {
			o.mu.Lock()
			_ = o.failed(fmt.Errorf("write: %w", err))
			o.mu.Unlock()
		}
		if spare = b; cap(spare) > keepOutput {
			spare = nil
		}
	}
}
