package resp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// smallLimits are low enough for a test to stand on either side of each.
var smallLimits = Limits{Arguments: 6, BulkBytes: 40, InlineBytes: 24, RequestBytes: 120}

// requestStreams begin the corpus of every test that wants all kinds of input,
// good and bad.
var requestStreams = []string{
	"",
	"*1\r\n$4\r\nPING\r\n",
	"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
	"*3\r\n$5\r\nHMGET\r\n$10\r\nst_1426727\r\n$10\r\n2496559762\r\n",
	"*2\r\n$4\r\nECHO\r\n$12\r\nwith\r\nbreaks\r\n",
	"*2\r\n$4\r\nECHO\r\n$100\r\n" + strings.Repeat("v", 100) + "\r\n",
	"*1\r\n$9\r\n\x00\x01\xff\r\n$*+-\r\n",
	"*1\rX$1\rYa!!",                                            // nobody looks at the byte behind '\r', nor at the end of a bulk
	"*2\r\n$20\r\n$1\r\na\r\n$1\r\nb\r\n123456\r\n$1\r\nc\r\n", // a value that looks like framing
	"*1\r\n$1/\r\n123456789\r\n", "*1\r\n$1:\r\n12345678901234567890\r\n", "*1\r\n$/\r\n", "*1\r\n$:\r\n1234567890\r\n",
	"*0\r\n", "*-1\r\n", "*-9223372036854775808\r\n*1\r\n$1\r\na\r\n",
	"PING\r\n", "PING\n", "\r\n", "\n", " \r\n", "\r\r\n", "SET k \"a b\\x41\\n\" 'it\\'s'\r\n",
	"GET a\x00b\r\nPING\r\n", "ECHO a\vb\fc\r\n",
	"ECHO \"a\r\n", "ECHO 'a\"\r\n", "ECHO \"a\"b\r\n",
	"*1\r\n$9223372036854775807\r\nabc\r\n",
	"*1\r\n$9223372036854775805\r\nabc\r\n",
	"*1\r\n$18446744073709551617\r\na\r\n",
	"*18446744073709551617\r\n$1\r\na\r\n",
	"*3000000000\r\n", "*2147483647\r\n$1\r\na\r\n", "*2147483648\r\n", "*1048577\r\n", "*1048576\r\n",
	"*1\r\n$-2\r\n", "*1\r\n$-1\r\n", "*1\r\n$-0\r\n", "*1\r\n$01\r\na\r\n", "*1\r\n$+1\r\na\r\n", "*1\r\n$\r\n", "*1\r\n$ 1\r\na\r\n",
	"*\r\n", "*-\r\n", "*+1\r\n", "*01\r\n$1\r\na\r\n", "*1 \r\n", "*a\r\n", "*1\x00\r\n",
	"*2\r\n$1\r\na\r\n+b\r\n", "*1\r\n\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n$1\r\na\r\n", "*1\r\n\xff\r\n", "*1\r\n\n\r\n",
	"*" + strings.Repeat("1", 70000) + "\r\n",
	"*1\r\n$" + strings.Repeat("1", 70000) + "\r\n",
	strings.Repeat("x", 70000) + "\r\n",
	strings.Repeat("*1\r\n", 100),
	"*3\r\n$1\r\na\r\n$40\r\n" + strings.Repeat("b", 40) + "\r\n$40\r\n" + strings.Repeat("c", 40) + "\r\n",
	"$-2\r\n", ":1\r\n", "+OK\r\n", "%1\r\n", "|1\r\n+a\r\n+b\r\n",
}

func TestWellFormedRequestsGiveTheirArguments(t *testing.T) {
	tests := []struct {
		stream string
		want   [][]string
	}{
		{"*1\r\n$4\r\nPING\r\n", [][]string{{"PING"}}},
		{"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", [][]string{{"ECHO", ""}}},
		{"*2\r\n$4\r\nECHO\r\n$12\r\nwith\r\nbreaks\r\n", [][]string{{"ECHO", "with\r\nbreaks"}}},
		{"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", [][]string{{"a"}, {"b"}}},
		{"*1\r\n$10\r\n0123456789\r\n", [][]string{{"0123456789"}}},
		{"*1\r\n$100\r\n" + strings.Repeat("v", 100) + "\r\n", [][]string{{strings.Repeat("v", 100)}}},
		{"*0\r\n*-7\r\n\r\n\n  \r\nPING\r\n", [][]string{nil, nil, nil, nil, nil, {"PING"}}},
		{"get  k\n", [][]string{{"get", "k"}}},
		{"*1\rX$1\rYa!!PING\r\n", [][]string{{"a"}, {"PING"}}},
	}
	for _, tt := range tests {
		got := readRequests(t, DefaultLimits, []byte(tt.stream), len(tt.stream))
		if got.err != nil || !slices.EqualFunc(got.args, tt.want, slices.Equal) {
			t.Errorf("%q: %q, %v; want %q", tt.stream, got.args, got.err, tt.want)
		}
	}
}

func TestMalformedRequestsAreRefusedInRedisWords(t *testing.T) {
	long := strings.Repeat("1", 70000)
	tests := []struct{ stream, want string }{
		{"*3000000000\r\n", "Protocol error: invalid multibulk length"},
		{"*1048577\r\n", "Protocol error: invalid multibulk length"},
		{"*18446744073709551617\r\n", "Protocol error: invalid multibulk length"},
		{"*\r\n", "Protocol error: invalid multibulk length"},
		{"*-0\r\n", "Protocol error: invalid multibulk length"},
		{"*01\r\n", "Protocol error: invalid multibulk length"},
		{"*1\x00\r\n", "Protocol error: invalid multibulk length"},
		{"*1\r\n$9223372036854775807\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$18446744073709551617\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$67108865\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$-2\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$+1\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$00\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$05\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$1/\r\n123456789\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$1:\r\n12345678901234567890\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n:1\r\n", "Protocol error: expected '$', got ':'"},
		{"*1\r\n\r\n", "Protocol error: expected '$', got '\r'"},
		{"*1\r\n\xff\r\n", "Protocol error: expected '$', got '\xff'"},
		{"*" + long, "Protocol error: too big mbulk count string"},
		{"*1\r\n$" + long, "Protocol error: too big bulk count string"},
		{long, "Protocol error: too big inline request"},
		{"GET \"a\r\n", "Protocol error: unbalanced quotes in request"},
		{"GET a\x00b\r\n", "Protocol error: NUL byte in inline request"},
	}
	for _, tt := range tests {
		got := readRequests(t, DefaultLimits, []byte(tt.stream), len(tt.stream))
		if got.err == nil || got.err.Error() != tt.want || len(got.args) != 0 {
			t.Errorf("%.40q: %q, %v; want %s", tt.stream, got.args, got.err, tt.want)
		}
	}
}

func TestRequestsDoNotDependOnReads(t *testing.T) {
	for _, limits := range []Limits{DefaultLimits, smallLimits} {
		for _, s := range requestStreams {
			stream := []byte(s)
			whole := readRequests(t, limits, stream, max(1, len(stream)))
			for _, size := range readSizes(len(stream)) {
				if got := readRequests(t, limits, stream, size); !got.equal(whole) {
					t.Errorf("%.60q in reads of %d: %q, %v; whole: %q, %v", s, size, got.args, got.err, whole.args, whole.err)
				}
			}
		}
	}
}

// readSizes are the sizes of reads to try for a stream of n bytes: all when it
// is short, and for a long one few, as each read copies.
func readSizes(n int) []int {
	if n > 1000 {
		return []int{1000, 4096, 65535, 65536, 65537, 65538, 65539}
	}
	sizes := []int{1}
	for s := 2; s < n; s++ {
		sizes = append(sizes, s)
	}
	return sizes
}

func TestRequestLimitsAreTheLastThatPasses(t *testing.T) {
	limits := Limits{Arguments: 3, BulkBytes: 10, InlineBytes: 12, RequestBytes: 40}
	bulk := func(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("b", n)) }
	tests := []struct {
		limit      string
		pass, fail string
		want       ProtocolError
	}{
		{"arguments", "*3\r\n" + bulk(1) + bulk(1) + bulk(1), "*4\r\n" + bulk(1) + bulk(1) + bulk(1) + bulk(1), errMultibulkLength},
		{"bulk bytes", "*1\r\n" + bulk(10), "*1\r\n" + bulk(11), errBulkLength},
		{"inline bytes", "123456 8901\r\n", "123456 89012\r\n", errInline},
		{"inline arguments", "a b c\r\n", "a b c d\r\n", errInline},
		{"bytes of an inline argument", "1234567890\r\n", "12345678901\r\n", errInline},
		{"request bytes", "*3\r\n" + bulk(10) + bulk(7) + bulk(0), "*3\r\n" + bulk(10) + bulk(8) + bulk(1), errRequest},
		{"bytes of a count line", "*-1234567890\r\n", "*-1234567890123\r\n", errMultibulkLine},
		{"bytes of a length line", "*1\r\n" + bulk(1), "*1\r\n$0000000000001\r\n", errBulkLine},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 1000} {
			if got := readRequests(t, limits, []byte(tt.pass), size); got.err != nil || len(got.sizes) != 1 {
				t.Errorf("%s: %q: %q, %v", tt.limit, tt.pass, got.args, got.err)
			}
			if got := readRequests(t, limits, []byte(tt.fail), size); !errors.Is(got.err, tt.want) {
				t.Errorf("%s: %q: %q, %v; want %v", tt.limit, tt.fail, got.args, got.err, tt.want)
			}
		}
	}
}

func TestRequestAtItsByteLimitPassesAndOnePastIsRefused(t *testing.T) {
	for _, request := range []string{"*2\r\n$4\r\nECHO\r\n$12\r\nabcdefghijkl\r\n", "*2\r\n$100\r\n" + strings.Repeat("a", 100) + "\r\n$1\r\nb\r\n", "ECHO abc\r\n"} {
		limits := DefaultLimits
		for _, size := range []int{1, 1000} {
			limits.RequestBytes = len(request)
			if got := readRequests(t, limits, []byte(request), size); got.err != nil || len(got.args) != 1 {
				t.Errorf("%q of %d bytes: %v", request, len(request), got.err)
			}
			limits.RequestBytes--
			if got := readRequests(t, limits, []byte(request), size); !errors.Is(got.err, errRequest) {
				t.Errorf("%q past a limit of %d bytes: %v", request, limits.RequestBytes, got.err)
			}
		}
	}
}

// A malformed line that the limit cuts is past the limit, and one before it is
// malformed, however much of it a read brings.
func TestByteLimitCutsTheSameWhateverTheReads(t *testing.T) {
	limits := DefaultLimits
	const stream = "*4\r\n$3\r\nabc\r\n$1\r\nd\r\n$zz\r\n$1\r\ne\r\n"
	for limits.RequestBytes = range len(stream) + 2 {
		whole := readRequests(t, limits, []byte(stream), len(stream))
		for size := 1; size < len(stream); size++ {
			if got := readRequests(t, limits, []byte(stream), size); !got.equal(whole) {
				t.Errorf("limit %d, in reads of %d: %v; whole: %v", limits.RequestBytes, size, got.err, whole.err)
			}
		}
	}
}

func TestRequestThatCannotFitIsRefusedBeforeItsBytesCome(t *testing.T) {
	got := readRequests(t, DefaultLimits, []byte("*3\r\n$1\r\na\r\n$67108864\r\n"), 7)
	if got.err != nil {
		t.Fatalf("a bulk at its limit: %v", got.err)
	}
	limits := DefaultLimits
	limits.RequestBytes = limits.BulkBytes
	got = readRequests(t, limits, []byte("*3\r\n$1\r\na\r\n$67108864\r\n"), 7)
	if !errors.Is(got.err, errRequest) {
		t.Fatalf("a bulk that the request has no room for: %v", got.err)
	}
}

// Limits as wide as the type must not wrap round.
func TestWidestLimitsDoNotOverflow(t *testing.T) {
	limits := Limits{Arguments: math.MaxInt, BulkBytes: math.MaxInt, InlineBytes: math.MaxInt, RequestBytes: math.MaxInt}
	for _, s := range requestStreams {
		stream := []byte(s)
		whole := readRequests(t, limits, stream, max(1, len(stream)))
		if got := readRequests(t, limits, stream, 1000); !got.equal(whole) {
			t.Errorf("%.60q: %v and %v", s, got.err, whole.err)
		}
	}
}

func TestHugeCommandKeepsItsArgumentsAndThenGivesBackItsMemory(t *testing.T) {
	args := []string{"HMGET"}
	for i := range 3 * keepArgs {
		args = append(args, strconv.Itoa(i))
	}
	buf := AppendCommand(nil, args...)
	p := NewParser(DefaultLimits)
	n, err := p.Next(buf)
	if n != len(buf) || err != nil {
		t.Fatal(n, err)
	}
	if got := p.Args(); len(got) != len(args) || string(got[len(got)-1]) != args[len(args)-1] {
		t.Fatalf("%d arguments of %d", len(got), len(args))
	}
	if _, err := p.Next(nil); err != nil {
		t.Fatal(err)
	}
	if cap(p.args) > keepArgs || cap(p.spans) > 2*keepArgs {
		t.Errorf("room for %d arguments and %d offsets kept", cap(p.args), cap(p.spans))
	}
}

func TestClaimedCountBuysNoMemory(t *testing.T) {
	p := NewParser(DefaultLimits)
	if n, err := p.Next([]byte("*1048576\r\n$1\r\na\r\n$67108864\r\nb")); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if cap(p.args)+cap(p.spans) > 64 {
		t.Errorf("room for %d arguments and %d offsets, of one that came", cap(p.args), cap(p.spans))
	}
}

// What was understood of an incomplete request is not read a second time: a
// client that sends a byte at a time would otherwise cost the square of its
// bytes. Framing overwritten behind the Parser's back goes unnoticed.
func TestIncompleteRequestIsNotReadAgain(t *testing.T) {
	p := NewParser(DefaultLimits)
	const first, second = "*3\r\n$1\r\na\r\n$200\r\nbb", "b\r\n$1\r\nc\r\n"
	buf := []byte(first)
	if n, err := p.Next(buf); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	copy(buf[1:], "!!!!!!!!!!!!!!!!!")
	buf = append(buf, strings.Repeat("b", 197)...)
	buf = append(buf, second...)
	n, err := p.Next(buf)
	if n != len(buf) || err != nil || len(p.Args()) != 3 || len(p.Args()[1]) != 200 {
		t.Fatal(n, err, len(p.Args()))
	}
}

func TestArgumentsAliasTheBuffer(t *testing.T) {
	buf := []byte("*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n")
	p := NewParser(DefaultLimits)
	if _, err := p.Next(buf); err != nil {
		t.Fatal(err)
	}
	if got := p.Args()[1]; unsafe.SliceData(got) != &buf[bytes.Index(buf, []byte("abc"))] {
		t.Error("an argument was copied")
	}
}

func TestResetForgetsAnIncompleteRequest(t *testing.T) {
	for _, begun := range []string{"*2\r\n$1\r\na\r\n", "*2\r\n$5\r\nab", "*12", "GET a"} {
		p := NewParser(DefaultLimits)
		if n, err := p.Next([]byte(begun)); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		p.Reset()
		const next = "*1\r\n$1\r\nz\r\n"
		if n, err := p.Next([]byte(next)); n != len(next) || err != nil || string(bytes.Join(p.Args(), nil)) != "z" {
			t.Errorf("after %q: %d, %v, %q", begun, n, err, p.Args())
		}
	}
}

func TestReadingAndSplittingDoNotAllocate(t *testing.T) {
	request, reply := hmget50(), hmgetReply50()
	p, f := NewParser(DefaultLimits), NewFramer(DefaultLimits.RequestBytes)
	ends := make([]int, 0, 51)
	calls := map[string]func(){
		"Parser.Next":            func() { _, _ = p.Next(request) },
		"Parser.Next in 2 reads": func() { _, _ = p.Next(request[:300]); _, _ = p.Next(request) },
		"Framer.Next":            func() { _, _ = f.Next(reply) },
		"Framer.Next in 2 reads": func() { _, _ = f.Next(reply[:300]); _, _ = f.Next(reply) },
		"BulkArray":              func() { _, _ = BulkArray(reply, 50, ends) },
	}
	for name, call := range calls {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestNumbersAreReadOnlyInTheirShortestForm(t *testing.T) {
	numbers := []string{
		"0", "1", "-1", "10", "2147483647", "-2147483648", "9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "-9223372036854775809", "9999999999999999999", "18446744073709551615",
		"18446744073709551616", "18446744073709551617", "-18446744073709551617", "99999999999999999999999",
		"", "-", "+", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "a", "--1", "0x1", "1_0", "1\x00", "1.0", "1e3", "\xff",
	}
	for _, s := range numbers {
		want, err := strconv.ParseInt(s, 10, 64)
		wantOK := err == nil && strconv.FormatInt(want, 10) == s
		got, ok := ParseInt([]byte(s))
		if ok != wantOK || (ok && got != want) {
			t.Errorf("%q: %d, %v; want %d, %v", s, got, ok, want, wantOK)
		}
	}
}

func TestParseIntIsRedisOwn(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "7": 7, "-7": -7, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63,
	} {
		if n, ok := ParseInt([]byte(text)); !ok || n != want {
			t.Errorf("%q is %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "x", "9223372036854775808", "-9223372036854775809", "99999999999999999999"} {
		if n, ok := ParseInt([]byte(text)); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}
