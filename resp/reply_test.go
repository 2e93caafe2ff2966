package resp

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// replies are well-formed, of every type of both versions.
var replies = []string{
	"+OK\r\n", "+\r\n", "-ERR no\r\n", ":0\r\n", ":-12\r\n",
	"$0\r\n\r\n", "$5\r\nhello\r\n", "$2\r\n\r\n\r\n", "$12\r\n123456789012\r\n", "$100\r\n" + strings.Repeat("v", 100) + "\r\n", "$-1\r\n",
	"*0\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n$-1\r\n", "*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n-E\r\n",
	"_\r\n", "#t\r\n", "#f\r\n", ",1.5\r\n", ",inf\r\n", ",nan\r\n", "(3492890328409238509324850943850943825024385\r\n",
	"!21\r\nSYNTAX invalid syntax\r\n", "=15\r\ntxt:Some string\r\n",
	"%0\r\n", "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n", "~0\r\n", "~2\r\n+a\r\n#t\r\n",
	">0\r\n", ">3\r\n+message\r\n+ch\r\n$1\r\nx\r\n",
	"|1\r\n+ttl\r\n:1\r\n*1\r\n$1\r\na\r\n", "|0\r\n+OK\r\n", "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n", "|0\r\n|0\r\n%1\r\n+a\r\n_\r\n",
	"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", "*2\r\n*1\r\n*1\r\n*0\r\n_\r\n",
	strings.Repeat("*1\r\n", maxDepth) + ":1\r\n", strings.Repeat("|0\r\n", maxDepth) + ":1\r\n",
}

// notReplies are refused, whatever follows.
var notReplies = []struct {
	stream string
	want   ProtocolError
}{
	{"x\r\n", errReplyType},
	{"PING\r\n", errReplyType},
	{"\r\n", errReplyType},
	{"\x15\x03\x03", errReplyType},
	{"*2\r\n+a\r\nb\r\n", errReplyType},
	{";1\r\n", errReplyType},
	{".\r\n", errReplyType},
	{"$-2\r\n", errReplyLen},
	{"*2\r\n$1\rXa\r\n$1\r\nb\r\n", errReplyLen},
	{"*2\r\n$1/\r\n123456789\r\n_\r\n", errReplyLen},
	{"$-7\r\n", errReplyLen},
	{"*-2\r\n", errReplyLen},
	{"*-3\r\n", errReplyLen},
	{"$\r\n", errReplyLen},
	{"$a\r\n", errReplyLen},
	{"$01\r\n", errReplyLen},
	{"$+1\r\n", errReplyLen},
	{"$-0\r\n", errReplyLen},
	{"$9223372036854775807\r\nabc\r\n", errReplyLen},
	{"$18446744073709551617\r\na\r\n", errReplyLen},
	{"*3000000000\r\n", errReplyLen},
	{"*9223372036854775807\r\n", errReplyLen},
	{"%4611686018427387904\r\n", errReplyLen},
	{"*18446744073709551617\r\n", errReplyLen},
	{"|9223372036854775807\r\n", errReplyLen},
	{"$?\r\n", errReplyLen},
	{"*?\r\n", errReplyLen},
	{"%-1\r\n", errReplyLen},
	{"~-1\r\n", errReplyLen},
	{">-1\r\n", errReplyLen},
	{"|-1\r\n", errReplyLen},
	{"=-1\r\n", errReplyLen},
	{"!-1\r\n", errReplyLen},
	{"+\n", errReplyEnd},
	{"+OK\n", errReplyEnd},
	{"$1\n", errReplyEnd},
	{"$1\r\nabc", errReplyEnd},
	{"$1\r\na\rb", errReplyEnd},
	{"*2\r\n$1\r\nabc", errReplyEnd},
	{"_a\r\n", errReplyNull},
	{"_$1\r\n", errReplyNull},
	{strings.Repeat("*1\r\n", maxDepth+1), errReplyDepth},
	{strings.Repeat("*1\r\n", 100_000), errReplyDepth},
	{strings.Repeat("|0\r\n", 1000), errReplyDepth},
	{strings.Repeat("%1\r\n+k\r\n", 1000), errReplyDepth},
	{"+" + strings.Repeat("a", maxLine), errReplyLine},
	{":" + strings.Repeat("1", maxLine) + "\r\n", errReplyLine},
}

const replyLimit = 1 << 20

func TestRepliesOfEveryTypeAreFramed(t *testing.T) {
	var all []byte
	var want []int
	for _, s := range replies {
		got := readReplies(t, replyLimit, []byte(s), len(s))
		if got.err != nil || !slices.Equal(got.sizes, []int{len(s)}) {
			t.Errorf("%.60q: %v, %v", s, got.sizes, got.err)
		}
		all = append(all, s...)
		want = append(want, len(s))
	}
	if got := readReplies(t, replyLimit, all, 64); got.err != nil || !slices.Equal(got.sizes, want) {
		t.Errorf("one after another: %v, %v; want %v", got.sizes, got.err, want)
	}
}

func TestMalformedRepliesAreRefused(t *testing.T) {
	for _, tt := range notReplies {
		got := readReplies(t, replyLimit, []byte(tt.stream), len(tt.stream))
		if !errors.Is(got.err, tt.want) || len(got.sizes) != 0 {
			t.Errorf("%.60q: %v, %v; want %v", tt.stream, got.sizes, got.err, tt.want)
		}
	}
}

func TestRepliesDoNotDependOnReads(t *testing.T) {
	for _, limit := range []int{replyLimit, 60} {
		for _, s := range replyStreams() {
			whole := readReplies(t, limit, s, max(1, len(s)))
			for _, size := range readSizes(len(s)) {
				if got := readReplies(t, limit, s, size); !got.equal(whole) {
					t.Errorf("%.60q in reads of %d: %v, %v; whole: %v, %v", s, size, got.sizes, got.err, whole.sizes, whole.err)
				}
			}
		}
	}
}

func replyStreams() [][]byte {
	var streams [][]byte
	for _, s := range replies {
		streams = append(streams, []byte(s), []byte(s+"+OK\r\n"))
	}
	for _, s := range notReplies {
		streams = append(streams, []byte(s.stream))
	}
	return append(streams, hmgetReply50())
}

func TestReplyAtItsByteLimitPassesAndOnePastIsRefused(t *testing.T) {
	for _, s := range replies {
		for _, size := range []int{1, 1000} {
			stream := []byte(s + "+OK\r\n")
			got := readReplies(t, len(s), stream[:len(s)], size)
			if got.err != nil || len(got.sizes) != 1 {
				t.Errorf("%.60q of %d bytes: %v", s, len(s), got.err)
			}
			for limit := max(0, len(s)-100); limit < len(s); limit++ {
				if got := readReplies(t, limit, stream, size); got.err == nil || len(got.sizes) > 0 {
					t.Errorf("%.60q passed a limit of %d bytes", s, limit)
				}
			}
		}
	}
}

func TestLineAtItsLimitPasses(t *testing.T) {
	line := "+" + strings.Repeat("a", maxLine-3) + "\r\n"
	for _, size := range []int{1000, 1 << 20} {
		if got := readReplies(t, replyLimit, []byte(line), size); got.err != nil || len(got.sizes) != 1 {
			t.Error(got.sizes, got.err)
		}
		if got := readReplies(t, replyLimit, []byte("+a"+line[1:]), size); !errors.Is(got.err, errReplyLine) {
			t.Error(got.sizes, got.err)
		}
	}
}

func TestWidestReplyLimitDoesNotOverflow(t *testing.T) {
	for _, s := range replyStreams() {
		whole := readReplies(t, math.MaxInt, s, max(1, len(s)))
		if got := readReplies(t, math.MaxInt, s, 1000); !got.equal(whole) {
			t.Errorf("%.60q: %v, %v; whole: %v, %v", s, got.sizes, got.err, whole.sizes, whole.err)
		}
	}
}

func TestCountThatCannotFitIsRefusedBeforeItsElementsCome(t *testing.T) {
	for header, limit := range map[string]int{"*11\r\n": 32, ">11\r\n": 32, "%4611686018427387904\r\n": math.MaxInt, "|4611686018427387904\r\n": math.MaxInt} {
		if got := readReplies(t, limit, []byte(header), 100); !errors.Is(got.err, errReplyLen) {
			t.Errorf("%q with a limit of %d bytes: %v", header, limit, got.err)
		}
	}
}

// See TestIncompleteRequestIsNotReadAgain.
func TestIncompleteReplyIsNotReadAgain(t *testing.T) {
	f := NewFramer(replyLimit)
	const first = "*3\r\n$1\r\na\r\n:1\r\n"
	buf := []byte(first + "$20")
	if n, err := f.Next(buf); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	copy(buf, strings.Repeat("!", len(first)))
	buf = append(buf, "\r\n12345678901234567890\r\n"...)
	if n, err := f.Next(buf); n != len(buf) || err != nil {
		t.Fatal(n, err)
	}
}

func TestOnlyArraysOfBulksAndNullsAreSplit(t *testing.T) {
	tests := []struct {
		frame string
		want  []string
	}{
		{"*0\r\n", []string{}},
		{"*1\r\n$-1\r\n", []string{"$-1\r\n"}},
		{"*3\r\n$1\r\na\r\n$-1\r\n$0\r\n\r\n", []string{"$1\r\na\r\n", "$-1\r\n", "$0\r\n\r\n"}},
		{"*2\r\n_\r\n$10\r\n1234567890\r\n", []string{"_\r\n", "$10\r\n1234567890\r\n"}},
		{"*1\r\n$100\r\n" + strings.Repeat("v", 100) + "\r\n", []string{"$100\r\n" + strings.Repeat("v", 100) + "\r\n"}},
	}
	for _, tt := range tests {
		ends, ok := BulkArray([]byte(tt.frame), len(tt.want), []int{-7})
		if !ok || len(ends) != len(tt.want)+2 || ends[0] != -7 {
			t.Errorf("%q: %v, %v", tt.frame, ends, ok)
			continue
		}
		for i, want := range tt.want {
			if got := tt.frame[ends[i+1]:ends[i+2]]; got != want {
				t.Errorf("%q: element %d is %q, want %q", tt.frame, i, got, want)
			}
		}
	}
}

func TestAnythingButTheAskedArrayIsRefusedAndLeavesEndsAlone(t *testing.T) {
	tests := []struct {
		frame string
		want  int
	}{
		{"", 0},
		{"*", 0},
		{"*0\r", 0},
		{"*0\rX", 0},
		{"*0\r\n+OK\r\n", 0},
		{"*-1\r\n", 0},
		{"*1\r\n", 1},
		{"*2\r\n$1\r\na\r\n$1\r\nb\r\n", 1},
		{"*2\r\n$1\r\na\r\n$1\r\nb\r\n", 3},
		{"*2\r\n$1\r\na\r\n", 2},
		{"-ERR no\r\n", 1},
		{"-MOVED 1 a:1\r\n", 0},
		{"+OK\r\n", 1},
		{"$1\r\na\r\n", 1},
		{"_\r\n", 0},
		{"%1\r\n$1\r\na\r\n$1\r\nb\r\n", 2},
		{"~1\r\n$1\r\na\r\n", 1},
		{"*1\r\n:1\r\n", 1},
		{"*1\r\n+a\r\n", 1},
		{"*1\r\n-ERR no\r\n", 1},
		{"*1\r\n*0\r\n", 1},
		{"*2\r\n$1\r\na\r\n-ERR\r\n", 2},
		{"*1\r\n_a\r", 1},
		{"*1\r\n$2\r\na\r\n", 1},
		{"*1\r\n$1\r\nabc", 1},
		{"*1\r\n$-2\r\n", 1},
		{"*1\r\n$9223372036854775807\r\na\r\n", 1},
		{"*1\r\n$1\r\na\r\n$1\r\nb\r\n", 1},
		{"*01\r\n$1\r\na\r\n", 1},
		{"*1\r\n$", 1},
		{"*1\r\n$1", 1},
		{"*1\r\n$1\r\n", 1},
		{"*1\r\n$10\r\n", 1},
		{"*1\r\n$1\r\na", 1},
		{"*1\r\n$1\r\na\r", 1},
		{"*1\r\n$1\rXa\r\n", 1},
		{"*1\r\n$2147483648\r\na\r\n", 1},
		{"*1\r\n$1/\r\n123456789\r\n", 1},
	}
	for _, tt := range tests {
		if ends, ok := BulkArray([]byte(tt.frame), tt.want, []int{-7}); ok || !slices.Equal(ends, []int{-7}) {
			t.Errorf("%q as %d elements: %v, %v", tt.frame, tt.want, ends, ok)
		}
	}
}

func TestNullsOfBothVersionsAreNil(t *testing.T) {
	for element, want := range map[string]bool{Nil2: true, Nil3: true, "$0\r\n\r\n": false, "$1\r\n-\r\n": false, "$1\r\n_\r\n": false} {
		if IsNil([]byte(element)) != want {
			t.Errorf("%q: nil is %v", element, !want)
		}
	}
}

func ExampleBulkArray() {
	frame := []byte("*2\r\n$3\r\n0.5\r\n$-1\r\n")
	ends, ok := BulkArray(frame, 2, nil)
	fmt.Println(ok)
	for i := range 2 {
		fmt.Printf("%q\n", frame[ends[i]:ends[i+1]])
	}
	// Output:
	// true
	// "$3\r\n0.5\r\n"
	// "$-1\r\n"
}
