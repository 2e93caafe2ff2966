package wire

import (
	"fmt"
	"io"
	"net"
	"syscall"
)

// stream is an endpoint whose rest is written by a goroutine that lives only as
// long as there is one.
type stream struct {
	conn net.Conn
	raw  syscall.RawConn // nil: cannot be tried without blocking (TLS)
	end  net.Conn        // what is closed at the end: conn, or what lies below TLS

	// of the try under way
	b    []byte
	sent int
	err  error
	do   func(fd uintptr) bool
}

func newStream(conn net.Conn) *stream {
	s := &stream{conn: conn, end: conn}
	if layered, ok := conn.(interface{ NetConn() net.Conn }); ok {
		// To close TLS itself would write a farewell, and wait seconds for
		// someone who does not read, with all who wait for Output.mu.
		s.end = layered.NetConn()
	}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	s.do = s.attempt
	return s
}

func (s *stream) try(b []byte) (int, error) {
	if s.raw == nil {
		return 0, nil
	}
	s.b, s.sent, s.err = b, 0, nil
	err := s.raw.Write(s.do)
	s.b = nil
	if err == nil {
		err = s.err
	}
	return s.sent, err
}

// attempt always says "done", so that the runtime never parks the caller.
func (s *stream) attempt(fd uintptr) bool {
	s.sent, s.err = writeNow(int(fd), s.b)
	return true
}

// writeNow writes what the kernel takes now.
func writeNow(fd int, b []byte) (sent int, err error) {
	for sent < len(b) {
		n, err := syscall.Write(fd, b[sent:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return sent, nil
		case err != nil:
			return sent, err
		case n == 0: // or it would be tried for ever
			return sent, io.ErrShortWrite
		}
		sent += n
	}
	return sent, nil
}

func (s *stream) drain(o *Output) { go s.writeRest(o) }

// drainStep is how many bytes one blocking write is given, so that what the
// other side has read soon no longer counts as waiting.
const drainStep = 256 << 10

// writeRest writes the rest until there is none.
func (s *stream) writeRest(o *Output) {
	var spare []byte
	for {
		o.mu.Lock()
		o.taken = 0
		if len(o.rest) == 0 || o.err != nil {
			o.rest = nil
			o.drained()
			o.mu.Unlock()
			return
		}
		b := o.rest
		o.rest, o.taken = spare[:0], len(b)
		o.mu.Unlock()

		s.writeAll(o, b)
		if spare = b; cap(spare) > keepOutput {
			spare = nil
		}
	}
}

// writeAll writes b, all of it unless the connection fails.
func (s *stream) writeAll(o *Output, b []byte) {
	for failed := false; len(b) > 0 && !failed; {
		n, err := s.conn.Write(b[:min(len(b), drainStep)])
		b = b[n:]
		o.mu.Lock()
		o.taken -= n
		if err != nil {
			_ = o.failed(fmt.Errorf("write: %w", err))
		}
		failed = o.err != nil
		o.mu.Unlock()
	}
}

func (s *stream) abort() { _ = s.end.Close() }

func (s *stream) close() error { return s.end.Close() }
