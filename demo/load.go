package demo

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fsproxy/fsproxy/resp"
)

const (
	// loadConnections is how many prediction threads there are, each with a
	// connection of its own and one prediction at a time.
	loadConnections = 4
	// loadBuffer holds the replies of most pipelines, in bytes; a connection
	// grows it for the others.
	loadBuffer = 64 << 10
	// maxReply bounds a reply, in bytes. The longest has a hundred fields.
	maxReply = 1 << 20
)

// Load makes predictions: each is one pipeline of HMGETs.
type Load struct {
	data    *Data
	address string
	rate    float64 // HMGETs a second; 0: as many as can be

	sent, errors atomic.Uint64
	firstError   atomic.Pointer[string]
}

// NewLoad makes a load of rate HMGETs a second on the server at address; 0: as
// many as it answers.
func NewLoad(data *Data, address string, rate float64) *Load {
	return &Load{data: data, address: address, rate: rate}
}

// Run makes predictions until ctx ends, or until a connection breaks, which it
// returns as an error.
func (l *Load) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for thread := range uint64(loadConnections) {
		group.Go(func() error { return l.predict(groupCtx, thread) })
	}
	err := group.Wait()
	if ctx.Err() != nil {
		return nil // what broke did so because it was closed
	}
	if err != nil {
		return fmt.Errorf("asking the proxy at %s: %w", l.address, err)
	}
	return nil
}

// Sent is how many HMGETs were answered, errors included.
func (l *Load) Sent() uint64 { return l.sent.Load() }

// Errors is how many HMGETs were answered with an error, and the first of
// those in Redis' words; "" for none.
func (l *Load) Errors() (n uint64, first string) {
	if text := l.firstError.Load(); text != nil {
		first = *text
	}
	return l.errors.Load(), first
}

// predict is one prediction thread.
func (l *Load) predict(ctx context.Context, thread uint64) error {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", l.address)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	draw := newDrawing(l.data, thread)
	replies := &replies{nc: nc, framer: resp.NewFramer(maxReply), buf: make([]byte, loadBuffer)}
	pace := newPace(l.rate / loadConnections)
	var request []byte
	for {
		var n int
		request, n = draw.prediction(request[:0])
		if !pace.wait(ctx, n) {
			return nil
		}
		if _, err := nc.Write(request); err != nil {
			return err
		}
		for range n {
			reply, err := replies.next()
			if err != nil {
				return err
			}
			l.count(reply)
		}
	}
}

func (l *Load) count(reply []byte) {
	l.sent.Add(1)
	if reply[0] == '-' {
		l.errors.Add(1)
		if l.firstError.Load() == nil {
			text := string(reply[1 : len(reply)-len("\r\n")])
			l.firstError.CompareAndSwap(nil, &text)
		}
	}
}

// replies cuts what the server sends into replies. One goroutine owns it.
type replies struct {
	nc         net.Conn
	framer     *resp.Framer
	buf        []byte
	start, end int // of what was received and not returned
}

// next is the next reply, whole. It is valid until the next call.
func (r *replies) next() ([]byte, error) {
	for {
		n, err := r.framer.Next(r.buf[r.start:r.end])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			r.start += n
			return r.buf[r.start-n : r.start], nil
		}
		if r.start > 0 {
			r.end = copy(r.buf, r.buf[r.start:r.end])
			r.start = 0
		}
		if r.end == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		n, err = r.nc.Read(r.buf[r.end:])
		r.end += n
		if n == 0 && err != nil {
			return nil, err
		}
	}
}
