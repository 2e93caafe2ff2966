package proxy

import (
	"sync"

	"github.com/fsproxy/fsproxy/wire"
)

// slot is the place of one reply in a connection's line. All under replies.mu.
type slot struct {
	reply []byte // complete when done
	done  bool
	after []byte // replies that follow it and were there at once
}

// keepSlot is how large a slot's buffers may be to be used again, in bytes.
const keepSlot = 16 << 10

var slots = sync.Pool{New: func() any { return new(slot) }}

// replies sends a connection's replies in the order of its requests, whatever
// the order in which they become complete. While nothing is pending, replies
// pass straight to the output.
type replies struct {
	out   *wire.Output
	limit int // bytes held for pending slots before the client is given up

	mu      sync.Mutex
	room    sync.Cond // when pending shrinks
	pending []*slot   // oldest first
	held    int       // bytes in pending
	ready   []byte    // scratch of Flush
	err     error     // the connection's end
}

func newReplies(out *wire.Output, limit int) *replies {
	r := &replies{out: out, limit: limit}
	r.room.L = &r.mu
	return r
}

// send sends b, replies that are complete, behind everything before.
func (r *replies) send(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sendLocked(b)
}

func (r *replies) sendLocked(b []byte) error {
	if r.err != nil || len(b) == 0 {
		return r.err
	}
	if n := len(r.pending); n > 0 {
		last := r.pending[n-1]
		last.after = append(last.after, b...)
		return r.hold(len(b))
	}
	if err := r.out.Write(b); err != nil {
		r.err = err
	}
	return r.err
}

// hold counts bytes that wait for a pending reply.
func (r *replies) hold(n int) error {
	if r.held += n; r.held > r.limit && r.err == nil {
		r.err = wire.ErrOutputLimit
		// Its reader may be waiting for a client that itself only waits.
		r.room.Broadcast()
		r.out.Abort()
	}
	return r.err
}

// reserve sends before and takes the next place in line.
func (r *replies) reserve(before []byte) (*slot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.sendLocked(before); err != nil {
		return nil, err
	}
	s := slots.Get().(*slot)
	r.pending = append(r.pending, s)
	return s, nil
}

// complete sets the reply of s, which may be empty, and keeps nothing of it.
// It is sent at the next Flush. Once the connection has ended nobody wants it.
func (r *replies) complete(s *slot, reply []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.done = true
	if r.err != nil {
		return
	}
	s.reply = append(s.reply, reply...)
	_ = r.hold(len(reply))
}

// Flush sends what is complete at the head of the line.
func (r *replies) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	ready := r.ready[:0]
	for _, s := range r.pending {
		if !s.done {
			break
		}
		r.held -= len(s.reply) + len(s.after)
		ready = append(append(ready, s.reply...), s.after...)
		s.release()
		n++
	}
	if n == 0 {
		return
	}
	rest := copy(r.pending, r.pending[n:])
	clear(r.pending[rest:])
	r.pending = r.pending[:rest]
	if r.err == nil && len(ready) > 0 {
		r.err = r.out.Write(ready)
	}
	if r.ready = ready; cap(ready) > keepSlot {
		r.ready = nil
	}
	r.room.Broadcast()
}

func (s *slot) release() {
	if cap(s.reply) > keepSlot || cap(s.after) > keepSlot {
		return
	}
	s.reply, s.after, s.done = s.reply[:0], s.after[:0], false
	slots.Put(s)
}

// waitBelow waits until fewer than n replies are pending or the connection has
// failed.
func (r *replies) waitBelow(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.pending) >= n && r.err == nil {
		r.room.Wait()
	}
	return r.err
}

// fail ends the connection's replies: nothing more is sent. It returns what
// ended them first.
func (r *replies) fail(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.room.Broadcast()
	return r.err
}

// ended tells whether nothing more is sent.
func (r *replies) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

// count is how many replies are pending.
func (r *replies) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}
