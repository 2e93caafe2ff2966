package bench

import (
	"bytes"
	"testing"
)

func TestAFrameEndsWhereItsLengthsSay(t *testing.T) {
	for _, frame := range []string{
		"+OK\r\n", "-ERR no\r\n", ":-12\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "_\r\n", "#t\r\n", ",1.5\r\n",
		"$6\r\n0.1234\r\n", "*2\r\n$3\r\nab\n\r\n$-1\r\n", "*2\r\n*1\r\n:1\r\n*0\r\n", "%1\r\n+a\r\n:1\r\n", "~1\r\n$1\r\na\r\n",
		"=5\r\ntxt:a\r\n", "!5\r\nERR a\r\n", ">2\r\n+a\r\n+b\r\n", "$10\r\n1\r\n4567890\r\n",
	} {
		for end := range len(frame) {
			if n, err := frameLength([]byte(frame[:end])); n != 0 || err != nil {
				t.Errorf("%q: %d, %v, though it is not complete", frame[:end], n, err)
			}
		}
		if n, err := frameLength([]byte(frame + "+next\r\n")); n != len(frame) || err != nil {
			t.Errorf("%q: %d, %v", frame, n, err)
		}
	}
}

func TestBytesThatAreNoFrameAreRefused(t *testing.T) {
	for _, text := range []string{
		"x", "\r\n", "$x\r\n", "$\r\n", "$-2\r\n", "$--1\r\n", "$1\r\nabc\r\n", "*1\r\nabc", "$99999999999\r\n", "*99999999\r\n", "$1\n\na",
		"$999999999\r\n", "*1\r\n*16777216\r\n",
	} {
		if n, err := frameLength([]byte(text)); err == nil {
			t.Errorf("%q is taken for a frame of %d bytes", text, n)
		}
	}
}

func FuzzFrameLength(f *testing.F) {
	for _, seed := range []string{"*2\r\n$1\r\na\r\n$-1\r\n", "%1\r\n+a\r\n:1\r\n", "$-2\r\n", "*16777215\r\n", "*1\r\n$9223372036854775807\r\nabc\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := frameLength(data)
		switch {
		case n < 0 || n > len(data):
			t.Fatalf("a frame of %d bytes in %d", n, len(data))
		case err != nil && n != 0:
			t.Fatalf("an error and a frame of %d bytes", n)
		case n > 0:
			if again, err := frameLength(data[:n]); again != n || err != nil {
				t.Fatalf("alone, the frame of %d bytes is %d, %v", n, again, err)
			}
			if part, err := frameLength(data[:n-1]); part != 0 || err != nil {
				t.Fatalf("without its last byte, the frame is %d, %v", part, err)
			}
		}
	})
}

func TestAUsualRequestIsRecognisedByItsLength(t *testing.T) {
	request := []byte("*2\r\n$4\r\nECHO\r\n$1\r\na\r\n")
	longer := []byte("*2\r\n$4\r\nECHO\r\n$2\r\nab\r\n")
	stream := bytes.Join([][]byte{request, request, longer, request}, nil)
	usual, at := 0, 0
	for i, want := range []int{len(request), len(request), len(longer), len(request)} {
		n, err := requestLength(stream[at:], usual)
		if n != want || err != nil {
			t.Fatalf("request %d: %d bytes, %v; it has %d", i, n, err, want)
		}
		at, usual = at+n, n
	}
	if n, err := requestLength(request[:5], usual); n != 0 || err != nil {
		t.Fatalf("part of a request is %d, %v", n, err)
	}
}
