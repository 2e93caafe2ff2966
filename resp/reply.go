package resp

import (
	"bytes"
	"math"
)

// maxDepth bounds how deep a reply may nest. Redis' deepest are COMMAND DOCS
// and CLUSTER SHARDS, below ten.
const maxDepth = 64

// maxLine bounds a simple string, error or number, in bytes. Redis' longest
// error lines quote arguments and stay below a few hundred.
const maxLine = 64 << 10

// What is wrong with a reply. These are never sent to a client as they are.
const (
	errReplyType  ProtocolError = "reply of an unknown type"
	errReplyLen   ProtocolError = "invalid length in a reply"
	errReplyLine  ProtocolError = "too long a line in a reply"
	errReplyDepth ProtocolError = "reply nested too deep"
	errReplySize  ProtocolError = "reply past the size limit"
	errReplyEnd   ProtocolError = "line or bulk string in a reply not ended by CRLF"
	errReplyNull  ProtocolError = "null with a value in a reply"
)

// Framer finds where replies end, in either protocol version. One Framer
// belongs to one stream; it remembers how far an incomplete reply was read.
// Its zero value is not usable: see NewFramer.
type Framer struct {
	max   int           // bytes a reply may have
	pos   int           // bytes of the buffer already understood
	seen  int           // bytes of an incomplete line already searched
	depth int           // open aggregates
	left  [maxDepth]int // elements still to come in each
}

// NewFramer returns a Framer that refuses replies longer than max bytes.
func NewFramer(max int) *Framer { return &Framer{max: max} }

// Next returns the length in bytes of the reply at the start of buf. Zero
// means that it is incomplete: call again with the same bytes and more behind
// them. An attribute ("|") belongs to the reply that follows it; a push (">") is
// a frame of its own. An error is a ProtocolError, after which the stream
// cannot be read on.
//
// What Next finds does not depend on how the stream was cut into reads.
func (f *Framer) Next(buf []byte) (int, error) {
	// One byte past the limit proves the excess; see Parser.Next.
	over := len(buf) > f.max
	if over {
		buf = buf[:f.max+1]
	}
	for {
		f.shortBulks(buf)
		ended, err := f.element(buf)
		if err != nil || !ended {
			if err == nil && over {
				err = errReplySize
			}
			return 0, err
		}
		for f.depth > 0 && f.left[f.depth-1] == 0 {
			f.depth--
		}
		if f.depth == 0 {
			n := f.pos
			f.pos, f.seen = 0, 0
			if n > f.max {
				return 0, errReplySize
			}
			return n, nil
		}
	}
}

// shortBulks passes the bulk strings that lie whole in buf and have a length of
// one or two digits, but for the last of their aggregate. It judges nothing:
// whatever else comes it leaves to element.
func (f *Framer) shortBulks(buf []byte) {
	if f.depth == 0 {
		return
	}
	pos, left := f.pos, f.left[f.depth-1]
	for left > 1 && pos < len(buf) && buf[pos] == '$' {
		n, header := shortLength(buf[pos:])
		end := pos + header + n
		if header == 0 || end+2 > len(buf) || buf[end] != '\r' || buf[end+1] != '\n' {
			break
		}
		pos = end + 2
		left--
	}
	f.pos, f.left[f.depth-1] = pos, left
}

// element reads one scalar, or the header of one aggregate. False means that
// it is incomplete.
func (f *Framer) element(buf []byte) (bool, error) {
	if f.pos >= len(buf) {
		return false, nil
	}
	kind := buf[f.pos]
	if !isReplyType(kind) {
		return false, errReplyType
	}
	line, next, err := f.line(buf)
	if err != nil || next == 0 {
		return false, err
	}
	switch kind {
	case '$', '=', '!':
		return f.bulk(buf, line, next)
	case '*', '~', '>', '%', '|':
		return true, f.aggregate(kind, line, next)
	case '_':
		if len(line) > 0 {
			return false, errReplyNull
		}
	}
	f.advance(next)
	return true, nil
}

// isReplyType tells whether c begins an element. Asked before its line is
// looked for: what speaks another protocol may never end a line.
func isReplyType(c byte) bool {
	switch c {
	case '+', '-', ':', '_', '#', ',', '(', '$', '=', '!', '*', '~', '>', '%', '|':
		return true
	}
	return false
}

// line returns the text between the type at pos and its CRLF, and the offset
// behind the latter; 0 means that the line is incomplete.
func (f *Framer) line(buf []byte) ([]byte, int, error) {
	window := buf[:min(len(buf), f.pos+maxLine)]
	from := max(f.pos+1, f.seen)
	i := bytes.IndexByte(window[min(from, len(window)):], '\n')
	if i < 0 && len(window) == f.pos+maxLine {
		return nil, 0, errReplyLine
	}
	if i < 0 {
		f.seen = len(window)
		return nil, 0, nil
	}
	f.seen = 0
	end := from + i
	if end < f.pos+2 || buf[end-1] != '\r' {
		return nil, 0, errReplyEnd
	}
	return buf[f.pos+1 : end-1], end + 1, nil
}

// advance passes an element that ends at pos and counts it.
func (f *Framer) advance(pos int) {
	f.pos = pos
	if f.depth > 0 {
		f.left[f.depth-1]--
	}
}

func (f *Framer) bulk(buf, line []byte, start int) (bool, error) {
	n, ok := f.length(buf[f.pos], line)
	if !ok {
		return false, errReplyLen
	}
	if n == -1 {
		f.advance(start)
		return true, nil
	}
	if n > len(buf)-start-2 {
		return false, nil
	}
	end := start + n
	if buf[end] != '\r' || buf[end+1] != '\n' {
		return false, errReplyEnd
	}
	f.advance(end + 2)
	return true, nil
}

func (f *Framer) aggregate(kind byte, line []byte, start int) error {
	n, ok := f.length(kind, line)
	// An element has three bytes at least ("_\r\n").
	if !ok || n > f.max/3 {
		return errReplyLen
	}
	f.advance(start)
	if n <= 0 && kind != '|' {
		return nil
	}
	if f.depth == maxDepth {
		return errReplyDepth
	}
	elements := n
	if kind == '%' || kind == '|' {
		elements *= 2
	}
	if kind == '|' {
		elements++ // the reply that the attribute describes
	}
	f.left[f.depth] = elements
	f.depth++
	return nil
}

// length reads the length of an element of type kind, -1 for a null: version 2
// has a null string and a null array, and no other type has one.
func (f *Framer) length(kind byte, line []byte) (int, bool) {
	n, ok := ParseInt(line)
	if n == -1 && kind != '$' && kind != '*' {
		return 0, false
	}
	return int(n), ok && n >= -1 && n <= int64(f.max)
}

// BulkArray splits frame, a complete reply, into its elements when it is an
// array of want bulk strings or nulls, the well-formed answer to an HMGET of
// want fields. It appends want+1 offsets to ends: the start of the first
// element, then the end of each, so that element i is
// frame[ends[i]:ends[i+1]] in wire form. False means anything else, and leaves
// ends as it was: an error, another type, another length.
func BulkArray(frame []byte, want int, ends []int) ([]int, bool) {
	if len(frame) == 0 || frame[0] != '*' {
		return ends, false
	}
	n, pos := lengthLine(frame)
	if pos == 0 || n != want {
		return ends, false
	}
	all := append(ends, pos)
	for range want {
		next := bulkOrNull(frame[pos:])
		if next == 0 {
			return ends, false
		}
		pos += next
		all = append(all, pos)
	}
	if pos != len(frame) {
		return ends, false
	}
	return all, true
}

// bulkOrNull returns the length of the bulk string or null at the start of b,
// in wire form; 0 means that there is neither.
func bulkOrNull(b []byte) int {
	if len(b) < len(Nil3) {
		return 0
	}
	if b[0] != '$' {
		if string(b[:len(Nil3)]) == Nil3 {
			return len(Nil3)
		}
		return 0
	}
	n, header := shortLength(b)
	if header == 0 {
		n, header = lengthLine(b)
	}
	if header == 0 || n < 0 {
		return header
	}
	if n > len(b)-header-2 {
		return 0
	}
	end := header + n
	if b[end] != '\r' || b[end+1] != '\n' {
		return 0
	}
	return end + 2
}

// lengthLine reads the length line at the start of b, of whatever type: a
// length, or -1, and the offset behind its CRLF; 0 means that there is none.
func lengthLine(b []byte) (n, next int) {
	// A type, 19 digits at most, CRLF.
	line := b[1:min(len(b), 22)]
	i := bytes.IndexByte(line, '\n')
	if i < 1 || line[i-1] != '\r' {
		return 0, 0
	}
	v, ok := ParseInt(line[:i-1])
	if !ok || v < -1 || v > math.MaxInt32 {
		return 0, 0
	}
	return int(v), 1 + i + 1
}

// IsNil tells whether element, in wire form, is a null of either version.
func IsNil(element []byte) bool {
	return element[0] == '_' || (element[0] == '$' && element[1] == '-')
}
