package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// echo has what theirs sends come back, on the poll's goroutine, and closes at
// its end.
type echo struct {
	socket *Socket
	out    *Output
	buf    [512]byte
	ended  chan struct{}
}

func newEcho(t testing.TB, p *Poll, ours net.Conn) *echo {
	t.Helper()
	e := &echo{ended: make(chan struct{})}
	var ok bool
	if e.socket, e.out, ok = p.Take(ours, 1<<20, e.readable); !ok {
		t.Fatal("it cannot be polled")
	}
	e.socket.WantRead(true)
	return e
}

func (e *echo) readable() {
	n, err := e.socket.Read(e.buf[:])
	if errors.Is(err, ErrNotReady) {
		return
	}
	if err == nil {
		err = e.out.Write(e.buf[:n])
	}
	if err != nil {
		e.socket.WantRead(false)
		_ = e.out.Close()
		close(e.ended)
	}
}

func TestAPollServesManyConnectionsWhoseDescriptorsComeAgain(t *testing.T) {
	p := running(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for range 40 {
				ours, theirs := tcp(t)
				e := newEcho(t, p, ours)
				for range 1 + rnd.IntN(5) {
					sent := make([]byte, 1+rnd.IntN(3000))
					for i := range sent {
						sent[i] = byte(rnd.Uint32())
					}
					if _, err := theirs.Write(sent); err != nil {
						t.Error(err)
						return
					}
					got := make([]byte, len(sent))
					if _, err := io.ReadFull(theirs, got); err != nil || !bytes.Equal(got, sent) {
						t.Error("another connection's bytes, or none", err)
						return
					}
				}
				_ = theirs.Close()
				<-e.ended
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sockets) > 0 {
		t.Fatalf("%d sockets are still known", len(p.sockets))
	}
}

// TestClosingTwiceLeavesTheNextOneAlone closes a socket once more when its
// descriptor is another's.
func TestClosingTwiceLeavesTheNextOneAlone(t *testing.T) {
	p := running(t)
	var last *echo
	for range 20 {
		ours, theirs := tcp(t)
		e := newEcho(t, p, ours)
		if last != nil {
			_ = last.out.Close()
			last.out.Abort()
		}
		if _, err := theirs.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		_ = theirs.Close()
		<-e.ended
		last = e
	}
}

func TestReadableIsCalledOnlyWhenWanted(t *testing.T) {
	p := running(t)
	ours, theirs := tcp(t)
	var s *Socket
	var calls atomic.Int32
	called := make(chan struct{}, 100)
	s, o, ok := p.Take(ours, 1<<20, func() {
		s.WantRead(false)
		calls.Add(1)
		called <- struct{}{}
	})
	if !ok {
		t.Fatal("it cannot be polled")
	}
	defer func() { _ = o.Close() }()
	if _, err := theirs.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for want := range int32(3) {
		roundTrip(p)
		if n := calls.Load(); n != want || s.WantsRead() {
			t.Fatalf("called %d times, wanted %d times", n, want)
		}
		s.WantRead(true)
		<-called
	}
	// The end of the connection does not spin either while nobody wants to read.
	_ = theirs.Close()
	for range 100 {
		roundTrip(p)
	}
	if n := calls.Load(); n != 3 {
		t.Fatalf("called %d times, wanted 3 times", n)
	}
}

// roundTrip returns when the poll has looked after what had happened.
func roundTrip(p *Poll) {
	for range 2 {
		done := make(chan struct{})
		p.Post(func() { close(done) })
		<-done
	}
}

func TestASocketTellsNothingYetFromTheEnd(t *testing.T) {
	p := running(t)
	for name, connect := range map[string]func(testing.TB) (_, _ net.Conn){"tcp": tcp, "unix": unix} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := connect(t)
			s, o, _ := p.Take(ours, 1<<20, func() {})
			defer func() { _ = o.Close() }()
			b := make([]byte, 10)
			if n, err := s.Read(b); n != 0 || !errors.Is(err, ErrNotReady) {
				t.Fatal(n, err)
			}
			s.CloseWrite()
			if _, err := theirs.Read(b); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if _, err := theirs.Write([]byte("abc")); err != nil { // the other half is open
				t.Fatal(err)
			}
			_ = theirs.Close()
			got := []byte(nil)
			for {
				n, err := s.Read(b)
				if got = append(got, b[:n]...); errors.Is(err, io.EOF) {
					break
				}
				if err != nil && !errors.Is(err, ErrNotReady) {
					t.Fatal(err)
				}
				runtime.Gosched()
			}
			if string(got) != "abc" {
				t.Fatalf("%q", got)
			}
		})
	}
}

func TestPostsAreCalledInOrderAndNoneAfterTheEnd(t *testing.T) {
	p := running(t)
	var got []int // of the poll's goroutine
	for i := range 1000 {
		p.Post(func() { got = append(got, i) })
	}
	roundTrip(p)
	for i, n := range got {
		if i != n {
			t.Fatalf("post %d was called as number %d", n, i)
		}
	}
	if len(got) != 1000 {
		t.Fatalf("%d posts of 1000 were called", len(got))
	}
}

// TestAnEndedPollWritesToNobodysFile has the descriptors of an ended poll's pipe
// be another file's: a late Post or Close must not write there.
func TestAnEndedPollWritesToNobodysFile(t *testing.T) {
	p, err := NewPoll()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(p.Run)
	p.Close()
	wg.Wait()
	var files []*os.File
	for range 8 { // one of them takes the number
		f, err := os.Create(t.TempDir() + "/f")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, closed(t, f))
	}
	p.Post(func() { t.Error("called after the end") })
	p.Close()
	for _, f := range files {
		if info, err := f.Stat(); err != nil || info.Size() > 0 {
			t.Fatalf("descriptor %d: %d bytes, %v", f.Fd(), info.Size(), err)
		}
	}
}

func TestWhatCannotBePolledStaysAsItIs(t *testing.T) {
	ours, theirs := pipe(t)
	if _, _, ok := running(t).Take(ours, 10, nil); ok {
		t.Fatal("a pipe has no descriptor")
	}
	go func() { _, _ = ours.Write([]byte("x")) }()
	if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
