package resp

import (
	"errors"
	"slices"
	"testing"
)

// What a stream came to: everything found before its end or its error.

type requestsRead struct {
	args  [][]string // of each request, nil for one without arguments
	sizes []int      // bytes of each request
	err   error
}

type repliesRead struct {
	sizes []int // bytes of each reply
	err   error
}

// readRequests feeds stream to a Parser in reads of size bytes, each time from
// memory of its own, so that nothing can lean on a buffer that is gone.
func readRequests(t testing.TB, limits Limits, stream []byte, size int) requestsRead {
	t.Helper()
	var got requestsRead
	p := NewParser(limits)
	err := feed(t, stream, size, p.Next, func(n int) {
		var args []string
		for _, a := range p.Args() {
			args = append(args, string(a))
		}
		got.args = append(got.args, args)
		got.sizes = append(got.sizes, n)
	})
	if err != nil && len(p.Args()) > 0 {
		t.Fatalf("%q: %v, and arguments beside it: %q", stream, err, p.Args())
	}
	got.err = err
	return got
}

func readReplies(t testing.TB, limit int, stream []byte, size int) repliesRead {
	t.Helper()
	var got repliesRead
	f := NewFramer(limit)
	got.err = feed(t, stream, size, f.Next, func(n int) { got.sizes = append(got.sizes, n) })
	return got
}

func feed(t testing.TB, stream []byte, size int, next func([]byte) (int, error), found func(int)) error {
	t.Helper()
	for start, end := 0, 0; end < len(stream); {
		end = min(end+size, len(stream))
		for {
			buf := slices.Clone(stream[start:end])
			n, err := next(buf)
			if n < 0 || n > len(buf) || (err != nil && n != 0) {
				t.Fatalf("%q: found %d bytes of %d, error %v", stream, n, len(buf), err)
			}
			if err != nil {
				if _, ok := errors.AsType[ProtocolError](err); !ok {
					t.Fatalf("%q: error of type %T", stream, err)
				}
				return err
			}
			if n == 0 {
				break
			}
			found(n)
			start += n
		}
	}
	return nil
}

func (r requestsRead) equal(o requestsRead) bool {
	return errors.Is(r.err, o.err) && slices.Equal(r.sizes, o.sizes) && slices.EqualFunc(r.args, o.args, slices.Equal)
}

func (r repliesRead) equal(o repliesRead) bool {
	return errors.Is(r.err, o.err) && slices.Equal(r.sizes, o.sizes)
}
