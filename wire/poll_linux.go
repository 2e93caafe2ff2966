package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

// ErrNotReady says that there is nothing to read now.
var ErrNotReady = errors.New("nothing to read yet")

// pollBatch is how many connections are looked after between two waits.
const pollBatch = 128

// Poll waits for sockets on the goroutine that calls Run. Its kernel side is
// epoll, level-triggered.
type Poll struct {
	epfd   int
	wakeup [2]int // a pipe: a byte written to it ends a wait

	mu      sync.Mutex // protects what follows
	sockets map[int32]*Socket
	posted  []func()
	closed  bool
}

// NewPoll returns a poll without sockets. Close frees it.
func NewPoll() (*Poll, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	p := &Poll{epfd: epfd, sockets: make(map[int32]*Socket)}
	if err := syscall.Pipe2(p.wakeup[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(epfd)
		return nil, fmt.Errorf("make a pipe to wake an epoll instance: %w", err)
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(p.wakeup[0])}
	if err := syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, p.wakeup[0], &event); err != nil {
		p.free()
		return nil, fmt.Errorf("watch the pipe that wakes an epoll instance: %w", err)
	}
	return p, nil
}

func (p *Poll) free() {
	_ = syscall.Close(p.epfd)
	_ = syscall.Close(p.wakeup[0])
	_ = syscall.Close(p.wakeup[1])
}

// Post has do called by Run's goroutine soon, between events; after Close it is
// not called.
func (p *Poll) Post(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return // the pipe's descriptor may be another file's by now
	}
	p.posted = append(p.posted, do)
	p.wake()
}

// Close ends Run. Sockets must have been closed before.
func (p *Poll) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.wake()
	}
}

// wake ends a wait. A full pipe means that it is about to end anyway.
func (p *Poll) wake() { _, _ = syscall.Write(p.wakeup[1], []byte{0}) }

// Run calls the sockets' functions when they can be read or written, until
// Close.
func (p *Poll) Run() {
	defer p.free()
	events := make([]syscall.EpollEvent, pollBatch)
	for {
		n, err := syscall.EpollWait(p.epfd, events, -1)
		if err != nil && err != syscall.EINTR {
			// Only a programming error can make epoll_wait fail otherwise.
			panic(fmt.Sprintf("wire: epoll_wait: %v", err))
		}
		for i := range max(n, 0) {
			if events[i].Fd == int32(p.wakeup[0]) {
				if p.woken() {
					return
				}
				continue
			}
			if s := p.socket(events[i].Fd); s != nil {
				s.happened(events[i].Events)
			}
		}
	}
}

func (p *Poll) socket(fd int32) *Socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sockets[fd]
}

// woken runs what was posted, and tells whether Run is to end.
func (p *Poll) woken() (end bool) {
	var drop [64]byte
	for {
		if n, err := syscall.Read(p.wakeup[0], drop[:]); n < len(drop) || err != nil {
			break
		}
	}
	p.mu.Lock()
	posted, end := p.posted, p.closed
	p.posted = nil
	p.mu.Unlock()
	for _, do := range posted {
		do()
	}
	return end
}

// Socket is a connection that a Poll looks after. It is in nobody else's hands:
// the runtime's own poller does not know it.
type Socket struct {
	fd       int
	poll     *Poll
	readable func()
	out      *Output

	mu     sync.Mutex // protects what follows
	events uint32     // waited for
	closed bool
}

// Take takes conn over from the runtime: conn is closed and the connection goes
// on as a Socket, whose output lets limit bytes wait. readable is called on
// Run's goroutine when there is something to read, after WantRead. False: it
// cannot be done with that kind of connection, and conn is as it was.
func (p *Poll) Take(conn net.Conn, limit int, readable func()) (*Socket, *Output, bool) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, nil, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, nil, false
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(own uintptr) { fd, dupErr = dup(int(own)) }); err != nil || dupErr != nil {
		return nil, nil, false
	}
	s := &Socket{fd: fd, poll: p, readable: readable}
	s.out = newOutput(s, limit)
	p.mu.Lock()
	p.sockets[int32(fd)] = s
	p.mu.Unlock()
	_ = conn.Close()
	return s, s.out, true
}

// dup duplicates a descriptor; the runtime has made it non-blocking.
func dup(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// Read reads what is there: ErrNotReady if nothing is, io.EOF at the end.
func (s *Socket) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(s.fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, ErrNotReady
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// WantRead says whether readable is to be called. After WantRead(false) on Run's
// goroutine it is not called any more.
func (s *Socket) WantRead(want bool) { s.want(syscall.EPOLLIN|syscall.EPOLLRDHUP, want) }

// WantsRead tells whether readable is to be called.
func (s *Socket) WantsRead() bool { return s.wants(syscall.EPOLLIN) }

func (s *Socket) want(events uint32, want bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.events
	if s.events |= events; !want {
		s.events &^= events
	}
	if s.closed || s.events == before {
		return
	}
	op := syscall.EPOLL_CTL_MOD
	switch {
	case before == 0:
		op = syscall.EPOLL_CTL_ADD
	case s.events == 0:
		op = syscall.EPOLL_CTL_DEL // or its end would be told over and over
	}
	event := syscall.EpollEvent{Events: s.events, Fd: int32(s.fd)}
	if err := syscall.EpollCtl(s.poll.epfd, op, s.fd, &event); err != nil {
		// Out of kernel memory: the connection cannot be served, and nothing
		// would tell its reader.
		_ = syscall.Shutdown(s.fd, syscall.SHUT_RDWR)
		s.poll.Post(func() {
			if s.WantsRead() {
				s.readable()
			}
		})
	}
}

// happened calls whom the events concern. The end of the connection concerns
// all who wait.
func (s *Socket) happened(events uint32) {
	const end = syscall.EPOLLHUP | syscall.EPOLLERR
	if events&(syscall.EPOLLOUT|end) != 0 && s.wants(syscall.EPOLLOUT) {
		s.writeRest()
	}
	if events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|end) != 0 && s.wants(syscall.EPOLLIN) {
		s.readable()
	}
}

func (s *Socket) wants(event uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.events&event != 0
}

// writeRest writes what the other side has made room for.
func (s *Socket) writeRest() {
	o := s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		n, err := writeNow(s.fd, o.rest)
		o.rest = o.rest[n:] // moving it up each time would cost its square
		if err != nil {
			_ = o.failed(fmt.Errorf("write: %w", err))
		}
	}
	if len(o.rest) > 0 {
		return
	}
	o.rest = nil
	s.want(syscall.EPOLLOUT, false)
	o.drained()
}

func (s *Socket) try(b []byte) (int, error) { return writeNow(s.fd, b) }

func (s *Socket) drain(*Output) { s.want(syscall.EPOLLOUT, true) }

// abort ends both directions; the descriptor stays until close.
func (s *Socket) abort() { s.shutdown(syscall.SHUT_RDWR) }

// CloseWrite tells the other side that nothing more comes.
func (s *Socket) CloseWrite() { s.shutdown(syscall.SHUT_WR) }

func (s *Socket) shutdown(how int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = syscall.Shutdown(s.fd, how)
	}
}

func (s *Socket) close() error {
	s.poll.mu.Lock()
	if s.poll.sockets[int32(s.fd)] == s {
		delete(s.poll.sockets, int32(s.fd))
	}
	s.poll.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.out.draining {
		s.out.drained()
	}
	return syscall.Close(s.fd)
}
