package resp

import (
	"bytes"
	"slices"
	"testing"
)

// To run one: go test -run '^$' -fuzz '^FuzzParser$' -fuzztime 1m -fuzzminimizetime 20x ./resp
// (minimizing takes a minute an input otherwise, and most of the time there is).

// maxFuzzed bounds a stream in bytes: each read copies it, and reads of one
// byte would take the fuzzer's time for nothing. Longer ones have unit tests.
const maxFuzzed = 4096

// seeds gives add each stream that is worth the fuzzer's time.
func seeds[S ~string | ~[]byte](streams []S, add func([]byte)) {
	for _, s := range streams {
		if len(s) <= maxFuzzed {
			add([]byte(s))
		}
	}
}

func FuzzParser(f *testing.F) {
	seeds(requestStreams, func(s []byte) { f.Add(s, uint16(7)) })
	f.Add(hmget50(), uint16(100))
	f.Add(slices.Concat(hmget50(), hmget50(), []byte("PING\r\n*1\r\n")), uint16(1460))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		if len(stream) > maxFuzzed {
			return
		}
		for _, limits := range []Limits{DefaultLimits, smallLimits} {
			whole := readRequests(t, limits, stream, max(1, len(stream)))
			for _, size := range []int{1, 1 + int(size)} {
				if got := readRequests(t, limits, stream, size); !got.equal(whole) {
					t.Fatalf("in reads of %d: %q %v, %v; whole: %q %v, %v", size, got.args, got.sizes, got.err, whole.args, whole.sizes, whole.err)
				}
			}
			checkRequests(t, limits, stream, whole)
		}
	})
}

// checkRequests holds each request found against the limits, and against what
// it gives when read alone and when written anew.
func checkRequests(t *testing.T, limits Limits, stream []byte, got requestsRead) {
	t.Helper()
	for i, size := range got.sizes {
		frame, args := stream[:size], got.args[i]
		stream = stream[size:]
		if size > limits.RequestBytes || len(args) > limits.Arguments {
			t.Fatalf("%q: %d bytes, %d arguments", frame, size, len(args))
		}
		if frame[0] != '*' && size > limits.InlineBytes+1 {
			t.Fatalf("%q: an inline command of %d bytes", frame, size)
		}
		for _, arg := range args {
			if len(arg) > limits.BulkBytes {
				t.Fatalf("%q: an argument of %d bytes", frame, len(arg))
			}
		}
		alone := readRequests(t, limits, frame, size)
		if !alone.equal(requestsRead{args: [][]string{args}, sizes: []int{size}}) {
			t.Fatalf("%q read alone: %q, %v", frame, alone.args, alone.err)
		}
		anew := readRequests(t, DefaultLimits, AppendCommand(nil, args...), maxFuzzed)
		if anew.err != nil || !slices.Equal(anew.args[0], args) {
			t.Fatalf("%q written anew: %q, %v", frame, anew.args, anew.err)
		}
	}
}

func FuzzFramer(f *testing.F) {
	seeds(replyStreams(), func(s []byte) { f.Add(s, uint16(7), uint16(1000)) })
	f.Add([]byte("*3\r\n$1\r\na\r\n|1\r\n+a\r\n:1\r\n$-1\r\n_\r\n+OK\r\n"), uint16(3), uint16(30))
	f.Fuzz(func(t *testing.T, stream []byte, size, limit uint16) {
		if len(stream) > maxFuzzed {
			return
		}
		for _, limit := range []int{replyLimit, int(limit)} {
			whole := readReplies(t, limit, stream, max(1, len(stream)))
			for _, size := range []int{1, 1 + int(size)} {
				if got := readReplies(t, limit, stream, size); !got.equal(whole) {
					t.Fatalf("in reads of %d: %v, %v; whole: %v, %v", size, got.sizes, got.err, whole.sizes, whole.err)
				}
			}
			checkReplies(t, limit, stream, whole)
		}
	})
}

// checkReplies asks the reference for each reply found, and for what is behind
// the last.
func checkReplies(t *testing.T, limit int, stream []byte, got repliesRead) {
	t.Helper()
	for _, size := range got.sizes {
		n, v := decodeReply(stream, limit, 0)
		if v != complete || n != size || size > limit {
			t.Fatalf("%q: found %d bytes; reference: %d, verdict %v", stream, size, n, v)
		}
		stream = stream[size:]
	}
	n, v := decodeReply(stream, limit, 0)
	// A reply longer than the limit is refused, if it is one or not.
	refused := v == malformed || (v == complete && n > limit) || (v == incomplete && len(stream) > limit)
	if refused != (got.err != nil) || (v == complete && !refused) {
		t.Fatalf("%q: left with %v; reference: %d, verdict %v", stream, got.err, n, v)
	}
}

func FuzzBulkArray(f *testing.F) {
	seeds(replyStreams(), func(s []byte) { f.Add(s, uint8(2)) })
	f.Add(hmgetReply50(), uint8(50))
	f.Add([]byte("*1\r\n$9223372036854775807\r\nabc\r\n"), uint8(1))
	f.Add([]byte("*1\r\n$18446744073709551617\r\na\r\n"), uint8(1))
	f.Add([]byte("*0\r"), uint8(0))
	f.Add([]byte("*2\r\n_ab$-1\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, frame []byte, want uint8) {
		const before = -7
		ends, ok := BulkArray(frame, int(want), []int{before})
		elements, wantOK := decodeBulkArray(frame, int(want))
		if ok != wantOK {
			t.Fatalf("%q as %d elements: %v, want %v", frame, want, ok, wantOK)
		}
		if ends[0] != before || (!ok && len(ends) != 1) {
			t.Fatalf("%q: %v", frame, ends)
		}
		if !ok {
			return
		}
		if len(ends) != len(elements)+2 || ends[len(ends)-1] != len(frame) {
			t.Fatalf("%q: ends %v of %d elements", frame, ends, len(elements))
		}
		for i, want := range elements {
			got := frame[ends[i+1]:ends[i+2]]
			if !bytes.Equal(got, want) {
				t.Fatalf("%q: element %d is %q, want %q", frame, i, got, want)
			}
			if wantNil := string(want) == Nil2 || string(want) == Nil3; IsNil(got) != wantNil {
				t.Fatalf("%q: nil is %v", got, !wantNil)
			}
		}
	})
}

func FuzzInline(f *testing.F) {
	seeds(requestStreams, func(s []byte) { f.Add(s) })
	for _, s := range []string{`SET "a b" 'c\'d'`, `"\x41\n\q\xg1\x4"`, `a"b"`, `a"b"c`, `"a"'b'`, "a\vb \fc", `"\`, `'\'`, "\"a\"\v", `'\\'`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, 0) >= 0 {
			return // never comes this far
		}
		words, ok := splitInline(nil, line)
		want, wantOK := splitLikeRedis(line)
		same := slices.EqualFunc(words, want, func(a []byte, b string) bool { return string(a) == b })
		if ok != wantOK || !same {
			t.Fatalf("%q: %q, %v; want %q, %v", line, words, ok, want, wantOK)
		}
	})
}
