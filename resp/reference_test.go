package resp

import (
	"bytes"
	"math/big"
)

// The reference decoders: slow, recursive, plain, and sharing no code with what
// they judge. They see the whole input at once.

type verdict int

const (
	complete verdict = iota
	incomplete
	malformed
)

// decodeReply returns the length of the reply at the start of b. limit is in
// bytes; depth counts the aggregates around this reply.
func decodeReply(b []byte, limit, depth int) (int, verdict) {
	if len(b) == 0 {
		return 0, incomplete
	}
	if bytes.IndexByte([]byte("+-:_#,($=!*~>%|"), b[0]) < 0 {
		return 0, malformed
	}
	text, _, ended := bytes.Cut(b[1:], []byte("\n"))
	if !ended && len(b) < maxLine {
		return 0, incomplete
	}
	if !ended || 1+len(text)+1 > maxLine || !bytes.HasSuffix(text, []byte("\r")) {
		return 0, malformed
	}
	header := 1 + len(text) + 1
	text = bytes.TrimSuffix(text, []byte("\r"))
	switch b[0] {
	case '+', '-', ':', '#', ',', '(':
		return header, complete
	case '_':
		if len(text) > 0 {
			return 0, malformed
		}
		return header, complete
	}
	n, ok := decodeLength(b[0], text)
	if !ok || n > limit {
		return 0, malformed
	}
	switch b[0] {
	case '$', '=', '!':
		return decodeBulk(b, header, n)
	case '%':
		n *= 2
	case '|':
		n = 2*n + 1
	}
	return decodeElements(b, header, n, limit, depth)
}

func decodeLength(kind byte, text []byte) (int, bool) {
	if string(text) == "-1" {
		return -1, kind == '$' || kind == '*'
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, ok := new(big.Int).SetString(string(text), 10)
	if !ok || !n.IsInt64() || n.String() != string(text) {
		return 0, false
	}
	return int(n.Int64()), true
}

func decodeBulk(b []byte, header, n int) (int, verdict) {
	if n < 0 {
		return header, complete
	}
	if len(b) < header+n+2 {
		return 0, incomplete
	}
	if string(b[header+n:header+n+2]) != "\r\n" {
		return 0, malformed
	}
	return header + n + 2, complete
}

func decodeElements(b []byte, pos, n, limit, depth int) (int, verdict) {
	pairs := b[0] == '%' || b[0] == '|'
	if (pairs && n/2 > limit/3) || (!pairs && n > limit/3) || (n > 0 && depth == maxDepth) {
		return 0, malformed
	}
	for range max(n, 0) {
		size, v := decodeReply(b[pos:], limit, depth+1)
		if v != complete {
			return 0, v
		}
		pos += size
	}
	return pos, complete
}

// decodeBulkArray splits frame as BulkArray promises to.
func decodeBulkArray(frame []byte, want int) (elements [][]byte, ok bool) {
	size, v := decodeReply(frame, len(frame), 0)
	if v != complete || size != len(frame) || frame[0] != '*' {
		return nil, false
	}
	header := bytes.IndexByte(frame, '\n') + 1
	if n, _ := decodeLength('*', frame[1:header-2]); n != want {
		return nil, false
	}
	for rest := frame[header:]; len(rest) > 0; {
		size, _ := decodeReply(rest, len(frame), 1)
		if rest[0] != '$' && rest[0] != '_' {
			return nil, false
		}
		elements, rest = append(elements, rest[:size]), rest[size:]
	}
	return elements, true
}

// splitLikeRedis is sdssplitargs as its source describes it: a walk over a C
// string in one of three states, the NUL behind the end being a character.
func splitLikeRedis(line []byte) (words []string, ok bool) {
	at := func(i int) byte {
		if i < len(line) {
			return line[i]
		}
		return 0
	}
	blank := func(c byte) bool { return c != 0 && bytes.IndexByte([]byte(" \t\n\v\f\r"), c) >= 0 }
	hex := func(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c|0x20) }
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }
	escapes := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'a': '\a'}

	i := 0
	for {
		for blank(at(i)) {
			i++
		}
		if at(i) == 0 {
			return words, true
		}
		var word []byte
		state := byte(' ') // or the quote that is open
		for done := false; !done; {
			c := at(i)
			switch {
			case state == ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == 0):
				done = true
			case state == ' ' && (c == '"' || c == '\''):
				state = c
			case state == ' ':
				word = append(word, c)
			case c == 0:
				return nil, false
			case c == state:
				if next := at(i + 1); next != 0 && !blank(next) {
					return nil, false
				}
				done = true
			case state == '"' && c == '\\' && at(i+1) == 'x' && isDigit(at(i+2)) && isDigit(at(i+3)):
				word = append(word, byte(hex(at(i+2))<<4|hex(at(i+3))))
				i += 3
			case state == '"' && c == '\\' && at(i+1) != 0:
				i++
				if e, known := escapes[at(i)]; known {
					word = append(word, e)
				} else {
					word = append(word, at(i))
				}
			case state == '\'' && c == '\\' && at(i+1) == '\'':
				i++
				word = append(word, '\'')
			default:
				word = append(word, c)
			}
			if at(i) != 0 {
				i++
			}
		}
		words = append(words, string(word))
	}
}
