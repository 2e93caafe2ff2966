package resp

import (
	"bytes"
	"math"
	"slices"
)

// Parser reads requests: arrays of bulk strings, or inline commands. One
// Parser belongs to one connection. It remembers how far an incomplete request
// was read, so that a client sending a byte at a time costs no more than one
// that sends a request whole.
type Parser struct {
	limits   Limits
	stranger bool // who sends them has not authenticated yet

	args []([]byte) // of the last complete request; alias its buffer

	// progress within an incomplete multibulk request
	pos   int   // bytes of the buffer already understood; 0: none
	left  int   // arguments still to come
	bulk  int   // length of the argument being read; -1: its length line is next
	spans []int // start and end offsets of the arguments already read
	seen  int   // bytes of an incomplete line already searched for its end
}

// NewParser returns a Parser held to limits.
func NewParser(limits Limits) *Parser {
	return &Parser{limits: limits, bulk: -1}
}

// Stranger says whether requests from the next one on come from someone who has
// yet to authenticate: they are held to Redis' much lower limits for such.
func (p *Parser) Stranger(is bool) { p.stranger = is }

// Args are the arguments of the request that Next last returned, the command's
// name first. They alias the buffer given to Next, and are valid until the
// next call or until the buffer changes.
func (p *Parser) Args() [][]byte { return p.args }

// Next reads the request at the start of buf and returns its length in bytes.
// Zero means that it is incomplete: call again with the same bytes and more
// behind them. A request without arguments (an empty line, "*0") has a length
// and no Args, and is owed no reply. An error is a ProtocolError, after which
// the stream cannot be read on.
//
// What Next finds does not depend on how the stream was cut into reads.
func (p *Parser) Next(buf []byte) (int, error) {
	p.dropArgs()
	if len(buf) == 0 {
		return 0, nil
	}
	// One byte past the limit proves the excess. What lies behind it must not
	// weigh in, or a client's error would depend on the size of our reads.
	over := len(buf) > p.limits.RequestBytes
	if over {
		buf = buf[:p.limits.RequestBytes+1]
	}
	n, err := p.request(buf)
	if err == nil && n == 0 && !over {
		return 0, nil
	}
	p.Reset()
	if err == nil && (n == 0 || n > p.limits.RequestBytes) {
		err = errRequest
	}
	if err != nil {
		p.args = p.args[:0]
		return 0, err
	}
	return n, nil
}

// keepArgs is how many arguments may leave their memory behind for the next
// request: a rare huge command must not pin it.
const keepArgs = 4096

// Reset forgets an incomplete request.
func (p *Parser) Reset() {
	p.pos, p.left, p.bulk, p.seen = 0, 0, -1, 0
	p.spans = p.spans[:0]
	if cap(p.spans) > 2*keepArgs {
		p.spans = nil
	}
}

func (p *Parser) dropArgs() {
	p.args = p.args[:0]
	if cap(p.args) > keepArgs {
		p.args = nil
	}
}

func (p *Parser) request(buf []byte) (int, error) {
	if buf[0] != '*' {
		return p.inline(buf)
	}
	return p.multibulk(buf)
}

func (p *Parser) multibulk(buf []byte) (int, error) {
	if p.pos == 0 {
		line, next, err := p.line(buf, 1, errMultibulkLine)
		if next == 0 || err != nil {
			return 0, err
		}
		n, ok := ParseInt(line)
		if !ok || n > math.MaxInt32 || n > int64(p.limits.Arguments) {
			return 0, errMultibulkLength
		}
		if p.stranger && n > strangersArguments {
			return 0, errStrangersArguments
		}
		if n <= 0 {
			return next, nil
		}
		p.pos, p.left = next, int(n)
	}
	for p.left > 0 {
		if p.shortArguments(buf); p.left == 0 {
			break
		}
		done, err := p.argument(buf)
		if !done || err != nil {
			return 0, err
		}
	}
	// Sized only now: a count alone, without its arguments, buys no memory.
	p.args = slices.Grow(p.args, len(p.spans)/2)
	for i := 1; i < len(p.spans); i += 2 {
		p.args = append(p.args, buf[p.spans[i-1]:p.spans[i]])
	}
	return p.pos, nil
}

// shortArguments passes the arguments that lie whole in buf and have a length
// of one or two digits, as those of an HMGET do. It judges nothing: whatever
// else comes it leaves to argument.
func (p *Parser) shortArguments(buf []byte) {
	if p.bulk >= 0 {
		return
	}
	pos, left, spans := p.pos, p.left, p.spans
	for left > 0 && pos < len(buf) && buf[pos] == '$' {
		n, header := shortLength(buf[pos:])
		start := pos + header
		end := start + n
		if header == 0 || n > p.limits.BulkBytes || end+2 > len(buf) {
			break
		}
		spans = append(spans, start, end)
		pos = end + 2
		left--
	}
	p.pos, p.left, p.spans = pos, left, spans
}

// argument reads one "$n\r\n…\r\n". Like Redis it does not look at the two
// bytes that end it.
func (p *Parser) argument(buf []byte) (done bool, err error) {
	if p.bulk < 0 {
		if p.pos >= len(buf) {
			return false, nil
		}
		if c := buf[p.pos]; c != '$' {
			return false, errExpectedBulk(c)
		}
		line, next, err := p.line(buf, p.pos+1, errBulkLine)
		if next == 0 || err != nil {
			return false, err
		}
		n, ok := ParseInt(line)
		if !ok || n < 0 || n > int64(p.limits.BulkBytes) {
			return false, errBulkLength
		}
		if p.stranger && n > strangersBulkBytes {
			return false, errStrangersBulk
		}
		// Known now, so said now, before the client sends it all.
		if n > int64(p.limits.RequestBytes-next-2) {
			return false, errRequest
		}
		p.pos, p.bulk = next, int(n)
	}
	end := p.pos + p.bulk
	if end+2 > len(buf) {
		return false, nil
	}
	p.spans = append(p.spans, p.pos, end)
	p.pos, p.bulk = end+2, -1
	p.left--
	return true, nil
}

// line returns the text from start to the next '\r', and the offset behind the
// byte that follows it; an offset of 0 means that the line is incomplete.
func (p *Parser) line(buf []byte, start int, tooLong ProtocolError) ([]byte, int, error) {
	end, err := p.find(buf, start, '\r', tooLong)
	// Without the byte that follows '\r' the line is not over.
	if err != nil || end < 0 || end+2 > len(buf) {
		return nil, 0, err
	}
	p.seen = 0
	return buf[start:end], end + 2, nil
}

// find returns the offset of the first end at or behind start, -1 when it is
// still to come. The bytes before it are as many as InlineBytes at most.
func (p *Parser) find(buf []byte, start int, end byte, tooLong ProtocolError) (int, error) {
	window := buf
	if len(buf)-start > p.limits.InlineBytes {
		window = buf[:start+p.limits.InlineBytes+1]
	}
	from := max(start, min(p.seen, len(window)))
	if i := bytes.IndexByte(window[from:], end); i >= 0 {
		return from + i, nil
	}
	if len(window)-start > p.limits.InlineBytes {
		return -1, tooLong
	}
	p.seen = len(window)
	return -1, nil
}

func (p *Parser) inline(buf []byte) (int, error) {
	end, err := p.find(buf, 0, '\n', errInline)
	if err != nil || end < 0 {
		return 0, err
	}
	line := bytes.TrimSuffix(buf[:end], []byte{'\r'})
	// Redis reads its buffer as a C string here and never finds the end of such
	// a line: passed on, it would swallow the requests behind it.
	if bytes.IndexByte(line, 0) >= 0 {
		return 0, errInlineNUL
	}
	args, ok := splitInline(p.args, line)
	if !ok {
		return 0, errQuotes
	}
	if len(args) > p.limits.Arguments {
		return 0, errInline
	}
	for _, arg := range args {
		if len(arg) > p.limits.BulkBytes {
			return 0, errInline
		}
	}
	p.args = args
	return end + 1, nil
}

// shortLength reads the length line at the start of b, of whatever type, when
// it has one or two digits, and returns where the bytes behind it begin. A
// header of 0 means any other line, well-formed or not.
func shortLength(b []byte) (n, header int) {
	if len(b) < len("$0\r\n\r\n") {
		return 0, 0
	}
	n = int(b[1]) - '0'
	if uint(n) > 9 {
		return 0, 0
	}
	if b[2] == '\r' && b[3] == '\n' {
		return n, 4
	}
	ones := int(b[2]) - '0'
	if n == 0 || uint(ones) > 9 || b[3] != '\r' || b[4] != '\n' {
		return 0, 0
	}
	return 10*n + ones, 5
}

// ParseInt reads a decimal integer exactly as Redis' string2ll does: no plus
// sign, no leading zeros, no space, nothing that overflows.
func ParseInt(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == '0' {
		return 0, true
	}
	neg := false
	if len(b) > 0 && b[0] == '-' {
		neg, b = true, b[1:]
	}
	// 19 digits hold any int64; the twentieth would overflow the sum below.
	if len(b) == 0 || len(b) > 19 || b[0] < '1' || b[0] > '9' {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	if neg {
		if u > 1<<63 {
			return 0, false
		}
		return -int64(u), true
	}
	if u > math.MaxInt64 {
		return 0, false
	}
	return int64(u), true
}
