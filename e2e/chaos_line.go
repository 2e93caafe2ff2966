//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// lineBuffer is how much of a connection is passed on at once, in bytes.
	lineBuffer = 16 << 10
	// lineQueue bounds the pieces of a connection that are on their way.
	lineQueue = 4096
	// retransmission is how long a lost packet holds up what follows it on its
	// connection: Linux's least time-out (TCP_RTO_MIN).
	retransmission = 200 * time.Millisecond
)

// trouble is what a line does to what passes, in both directions. The zero
// value is none.
type trouble struct {
	delay, jitter time.Duration // each way: delay, and up to jitter more
	loss          float64       // part of the pieces that come a retransmission late
	resets        float64       // part of the pieces at which the connection is reset
	silent        bool          // nothing passes, and nobody is told: a half-open connection
}

// line is a network between fsproxy and one store that can be made bad. It works
// on connections, not on packets, so that it needs no rights and disturbs nobody
// else.
type line struct {
	listener net.Listener
	to       string
	trouble  atomic.Pointer[trouble]
	harmed   atomic.Int64 // pieces that something was done to
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // both ends of each connection; guarded by mu
	closed bool              // guarded by mu
}

// startLine lets what connects to addr talk to the server at to.
func startLine(t testing.TB, addr, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listening for a line to %s: %v", to, err)
	}
	l := &line{listener: listener, to: to, conns: map[net.Conn]bool{}}
	l.trouble.Store(&trouble{})
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *line) addr() string { return l.listener.Addr().String() }

// set has the line do that to all connections, old and new. The connections of a
// silence that ends are reset: their other ends gave them up meanwhile.
func (l *line) set(now trouble) {
	if before := l.trouble.Swap(&now); before.silent && !now.silent {
		l.cut()
	}
}

// cut resets all connections.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		reset(c)
	}
}

// close ends the line and waits for its goroutines.
func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.listener.Close()
	l.cut()
	l.running.Wait()
}

// keep tells whether c may live; it is closed with the line if so.
func (l *line) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		reset(c)
		return false
	}
	l.conns[c] = true
	return true
}

func (l *line) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	_ = c.Close()
}

// reset ends a connection as a machine does that knows nothing of it.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what is not sent yet is dropped
	}
	_ = c.Close()
}

func (l *line) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.keep(c) {
			l.running.Go(func() { l.serve(c) })
		}
	}
}

// serve carries one connection.
func (l *line) serve(near net.Conn) {
	defer l.forget(near)
	far, err := net.DialTimeout("tcp", l.to, patience)
	if err != nil {
		reset(near)
		return
	}
	if !l.keep(far) {
		return
	}
	defer l.forget(far)
	var ways sync.WaitGroup
	ways.Go(func() { l.carry(near, far) })
	ways.Go(func() { l.carry(far, near) })
	ways.Wait()
}

// piece is what was read of a connection, and when it arrives.
type piece struct {
	bytes []byte
	due   time.Time
}

// carry carries one direction, until either end is closed.
func (l *line) carry(from, to net.Conn) {
	way := make(chan piece, lineQueue)
	var sender sync.WaitGroup
	sender.Go(func() {
		for p := range way {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				_ = from.Close() // ends the reader below
			}
		}
	})
	err := l.read(from, way)
	close(way)
	sender.Wait()
	if errors.Is(err, errReset) {
		reset(from)
		reset(to)
	}
	_ = to.Close()
}

// errReset says that a line resets a connection.
var errReset = errors.New("the line resets the connection")

// read sends what comes from a connection on its way, until its end.
func (l *line) read(from net.Conn, way chan<- piece) error {
	var last time.Time
	for {
		b := make([]byte, lineBuffer)
		n, err := from.Read(b)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading: %w", err)
		}
		now := l.trouble.Load()
		lost, cut := rand.Float64() < now.loss, rand.Float64() < now.resets
		if now.silent || now.delay > 0 || lost || cut {
			l.harmed.Add(1)
		}
		switch {
		case now.silent:
			continue
		case cut:
			return errReset
		}
		due := time.Now().Add(now.delay)
		if now.jitter > 0 {
			due = due.Add(rand.N(now.jitter))
		}
		if lost {
			due = due.Add(retransmission)
		}
		if due.Before(last) { // a connection keeps its order
			due = last
		}
		last = due
		way <- piece{b[:n], due}
	}
}
