package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sides are an Output of each kind with the other side of its connection: those
// that can be tried without blocking, one that cannot, as TLS cannot, and those
// that a Poll looks after.
var sides = map[string]func(t testing.TB, limit int) (o *Output, theirs net.Conn){
	"tcp":         func(t testing.TB, limit int) (*Output, net.Conn) { return streamed(t, tcp, limit) },
	"unix":        func(t testing.TB, limit int) (*Output, net.Conn) { return streamed(t, unix, limit) },
	"pipe":        func(t testing.TB, limit int) (*Output, net.Conn) { return streamed(t, pipe, limit) },
	"tls":         func(t testing.TB, limit int) (*Output, net.Conn) { return streamed(t, encrypted, limit) },
	"polled tcp":  func(t testing.TB, limit int) (*Output, net.Conn) { return polled(t, tcp, limit) },
	"polled unix": func(t testing.TB, limit int) (*Output, net.Conn) { return polled(t, unix, limit) },
}

func tcp(t testing.TB) (ours, theirs net.Conn) { return dialed(t, "tcp", "127.0.0.1:0") }

func unix(t testing.TB) (ours, theirs net.Conn) {
	return dialed(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func pipe(t testing.TB) (ours, theirs net.Conn) {
	ours, theirs = net.Pipe()
	return closed(t, ours), closed(t, theirs)
}

func dialed(t testing.TB, network, address string) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	theirs, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, ours), closed(t, theirs)
}

// closed closes c with the test.
func closed[C io.Closer](t testing.TB, c C) C {
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func streamed(t testing.TB, connect func(testing.TB) (_, _ net.Conn), limit int) (*Output, net.Conn) {
	ours, theirs := connect(t)
	return closed(t, NewOutput(ours, limit)), theirs
}

func polled(t testing.TB, connect func(testing.TB) (_, _ net.Conn), limit int) (*Output, net.Conn) {
	ours, theirs := connect(t)
	_, o, ok := running(t).Take(ours, limit, func() {})
	if !ok {
		t.Fatal("it cannot be polled")
	}
	return closed(t, o), theirs
}

// running is a poll that ends with the test.
func running(t testing.TB) *Poll {
	t.Helper()
	p, err := NewPoll()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no poll on this system")
	}
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(p.Run)
	t.Cleanup(func() {
		p.Close()
		wg.Wait()
	})
	return p
}

func eachSide(t *testing.T, limit int, run func(t *testing.T, o *Output, theirs net.Conn)) {
	for name, side := range sides {
		t.Run(name, func(t *testing.T) {
			o, theirs := side(t, limit)
			run(t, o, theirs)
		})
	}
}

// message is a writer's next one: writer, number, a length and as many bytes.
func message(writer, number uint32, long int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, writer)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, uint32(long))
	return append(b, bytes.Repeat([]byte{byte(number)}, long)...)
}

func TestEachWritersOrderIsKeptAndNoMessageIsTorn(t *testing.T) {
	const writers, messages = 4, 400
	eachSide(t, 1<<30, func(t *testing.T, o *Output, theirs net.Conn) {
		var wg sync.WaitGroup
		var total sync.Map
		for w := range uint32(writers) {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), 1))
				sum := 0
				for n := range uint32(messages) {
					long := rnd.IntN(2000)
					if rnd.IntN(50) == 0 {
						long = 300_000 // more than the kernel takes at once
					}
					b := message(w, n, long)
					if err := o.Write(b); err != nil {
						t.Error(err)
						return
					}
					clear(b) // nothing of it may be kept
					sum += len(b)
					if rnd.IntN(4) == 0 {
						runtime.Gosched()
					}
				}
				total.Store(w, sum)
			})
		}
		var next [writers]uint32
		for range writers * messages {
			var head [12]byte
			if _, err := io.ReadFull(theirs, head[:]); err != nil {
				t.Fatal(err)
			}
			w, n := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
			body := make([]byte, binary.LittleEndian.Uint32(head[8:]))
			if _, err := io.ReadFull(theirs, body); err != nil {
				t.Fatal(err)
			}
			if w >= writers || next[w] != n || bytes.Count(body, []byte{byte(n)}) != len(body) {
				t.Fatalf("writer %d: message %d of %d bytes, want number %d", w, n, len(body), next[w])
			}
			next[w]++
		}
		wg.Wait()
		o.Wait()
		sum := 0
		total.Range(func(_, n any) bool { sum += n.(int); return true })
		if o.Written() != uint64(sum) || o.Waiting() != 0 {
			t.Fatalf("%d bytes written, want %d; %d wait", o.Written(), sum, o.Waiting())
		}
	})
}

// fillUp writes until something waits because nobody reads.
func fillUp(t *testing.T, o *Output) {
	t.Helper()
	b := make([]byte, 1<<20)
	for o.Waiting() == 0 {
		if err := o.Write(b); err != nil {
			t.Fatal(err)
		}
		// What cannot be tried (TLS) waits at first, whether or not the kernel
		// has room for it.
		for last := 0; last != o.Waiting(); time.Sleep(10 * time.Millisecond) {
			last = o.Waiting()
		}
	}
}

func TestAWriteDoesNotWaitForTheOtherSideToRead(t *testing.T) {
	eachSide(t, 32<<20, func(t *testing.T, o *Output, theirs net.Conn) {
		fillUp(t, o)
		before := o.Waiting()
		for range 100 {
			if err := o.Write(make([]byte, 100_000)); err != nil {
				t.Fatal(err)
			}
		}
		if n := o.Waiting(); n < before+99*100_000 {
			t.Fatalf("%d bytes wait, %d waited before 10 MB", n, before)
		}
		// What waits comes when the other side reads at last.
		if _, err := io.CopyN(io.Discard, theirs, int64(o.Written())); err != nil {
			t.Fatal(err)
		}
		o.Wait()
		if n := o.Waiting(); n != 0 {
			t.Fatalf("%d bytes wait", n)
		}
	})
}

func TestTheLimitClosesTheConnectionOfWhoeverDoesNotRead(t *testing.T) {
	const limit = 1 << 20
	eachSide(t, limit, func(t *testing.T, o *Output, theirs net.Conn) {
		var err error
		for err == nil {
			err = o.Write(make([]byte, 10_000))
			if n := o.Waiting(); n > limit {
				t.Fatalf("%d bytes wait", n)
			}
		}
		if !errors.Is(err, ErrOutputLimit) {
			t.Fatal(err)
		}
		o.Wait() // for nothing that nobody reads
		if again := o.Write([]byte("x")); !errors.Is(again, ErrOutputLimit) {
			t.Fatalf("the error is not final: %v", again)
		}
		if n, err := io.Copy(io.Discard, theirs); n >= int64(o.Written()) {
			t.Fatalf("%d of %d bytes arrived: %v", n, o.Written(), err)
		} // and it ended
		if n := o.Waiting(); n != 0 {
			t.Fatalf("%d bytes still wait", n)
		}
	})
}

func TestOneWriteBeyondTheLimitClosesUnlessTheKernelTakesIt(t *testing.T) {
	o, _ := sides["tcp"](t, 10)
	if err := o.Write(make([]byte, 1000)); err != nil {
		t.Fatalf("the kernel has room for it: %v", err)
	}
	o, _ = sides["pipe"](t, 10)
	if err := o.Write(make([]byte, 11)); !errors.Is(err, ErrOutputLimit) {
		t.Fatal(err)
	}
}

// TestWhatWasReadNoLongerWaits has a slow reader of one large write, which must
// not be closed for bytes that it has read.
func TestWhatWasReadNoLongerWaits(t *testing.T) {
	const large = 32 << 20
	eachSide(t, large, func(t *testing.T, o *Output, theirs net.Conn) {
		if err := o.Write(make([]byte, large)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, theirs, large-1<<20); err != nil {
			t.Fatal(err)
		}
		if n := o.Waiting(); n > 2<<20 {
			t.Fatalf("%d bytes wait although all but 1 MiB was read", n)
		}
		if err := o.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, theirs, 2<<20); err != nil {
			t.Fatal(err)
		}
		o.Wait()
	})
}

func TestALostConnectionEndsWriting(t *testing.T) {
	eachSide(t, 1<<30, func(t *testing.T, o *Output, theirs net.Conn) {
		fillUp(t, o)
		_ = theirs.Close()
		o.Wait()
		var err error
		for err == nil { // the kernel may not know at once
			err = o.Write([]byte("x"))
			o.Wait()
		}
		if again := o.Write([]byte("y")); !errors.Is(again, err) {
			t.Fatalf("%v, then %v", err, again)
		}
	})
}

func TestOurEndIsSeenAndFreesWhatWaits(t *testing.T) {
	for name, end := range map[string]func(o *Output){
		"abort": (*Output).Abort,
		"close": func(o *Output) { _ = o.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			eachSide(t, 1<<30, func(t *testing.T, o *Output, theirs net.Conn) {
				fillUp(t, o)
				end(o)
				o.Wait()
				if err := o.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, theirs); n >= int64(o.Written()) {
					t.Fatalf("%d of %d bytes arrived: %v", n, o.Written(), err)
				}
				_ = o.Close()
				_ = o.Close() // again does nothing
				o.Abort()
			})
		})
	}
}

// TestWritersReadersAndTheEndMeet has all that may happen at once happen.
func TestWritersReadersAndTheEndMeet(t *testing.T) {
	eachSide(t, 4<<20, func(t *testing.T, o *Output, theirs net.Conn) {
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				b := make([]byte, 5000*(w+1))
				for o.Write(b) == nil {
					o.Waiting()
					o.Written()
				}
			})
		}
		_, _ = io.CopyN(io.Discard, theirs, 8<<20)
		_ = theirs.Close()
		wg.Wait()
		o.Wait()
	})
}

func TestAWriteThatTheKernelTakesStartsNoGoroutine(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "polled tcp", "polled unix"} {
		o, theirs := sides[kind](t, 1<<20)
		b, in := make([]byte, 1000), make([]byte, 1000)
		n := testing.AllocsPerRun(200, func() {
			if err := o.Write(b); err != nil {
				t.Fatal(err)
			}
			if o.draining {
				t.Fatal("it waits for a goroutine")
			}
			if _, err := io.ReadFull(theirs, in); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

func TestABurstDoesNotPinItsMemory(t *testing.T) {
	eachSide(t, 64<<20, func(t *testing.T, o *Output, theirs net.Conn) {
		for range 3 {
			for range 100 {
				if err := o.Write(make([]byte, 200_000)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.CopyN(io.Discard, theirs, 100*200_000); err != nil {
				t.Fatal(err)
			}
			o.Wait()
			if n := cap(o.rest); n > keepOutput {
				t.Fatalf("%d bytes are kept", n)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, kind := range []string{"tcp", "unix", "pipe", "polled tcp", "polled unix"} {
		b.Run(kind, func(b *testing.B) {
			o, theirs := sides[kind](b, 1<<30)
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
			reply := make([]byte, 16*605) // of 16 HMGETs of 50 fields
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Write(reply); err != nil {
					b.Fatal(err)
				}
			}
			o.Wait()
			_ = o.Close()
			wg.Wait()
		})
	}
}
