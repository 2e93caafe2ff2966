package bench

import (
	"bytes"
	"errors"
)

// Bounds of what a server may send: a peer that claims more is broken, and the
// generator says so instead of waiting for it.
const (
	maxElements = 1 << 24   // elements of one reply, nested ones included
	maxBulk     = 512 << 20 // bytes of one bulk string
	maxDigits   = 10        // digits of a length
)

var errFraming = errors.New("the bytes received are no RESP frame")

// frameLength tells how many bytes the first RESP2 or RESP3 frame in buf takes,
// 0 if it is not complete. Requests are framed like replies, as arrays of bulks.
func frameLength(buf []byte) (int, error) {
	at := 0
	for pending := 1; pending > 0; pending-- {
		if at >= len(buf) {
			return 0, nil
		}
		switch kind := buf[at]; kind {
		case '$', '=', '!', '*', '~', '>', '%':
			length, next, err := frameHeader(buf, at+1)
			if err != nil || next == 0 {
				return 0, err
			}
			at = next
			elements, size := 0, 0
			switch kind {
			case '*', '~', '>':
				elements = max(length, 0)
			case '%':
				elements = 2 * max(length, 0)
			default:
				if length >= 0 {
					size = length + len("\r\n")
				}
			}
			if size > maxBulk || elements > maxElements-pending {
				return 0, errFraming
			}
			if size > len(buf)-at {
				return 0, nil
			}
			if size > 0 && (buf[at+size-2] != '\r' || buf[at+size-1] != '\n') {
				return 0, errFraming
			}
			at += size
			pending += elements
		case '+', '-', ':', '_', '#', ',', '(':
			end := bytes.IndexByte(buf[at:], '\n')
			if end < 0 {
				return 0, nil
			}
			at += end + 1
		default:
			return 0, errFraming
		}
	}
	return at, nil
}

// frameHeader reads the length that begins at buf[at], -1 meaning nil, and tells
// where its line ends; next is 0 if the line is not complete.
func frameHeader(buf []byte, at int) (length, next int, err error) {
	negative := at < len(buf) && buf[at] == '-'
	if negative {
		at++
	}
	first := at
	for ; at < len(buf) && buf[at] >= '0' && buf[at] <= '9'; at++ {
		if at-first >= maxDigits {
			return 0, 0, errFraming
		}
		length = length*10 + int(buf[at]-'0')
	}
	if at+len("\r\n") > len(buf) {
		return 0, 0, nil
	}
	if at == first || buf[at] != '\r' || buf[at+1] != '\n' || (negative && length != 1) {
		return 0, 0, errFraming
	}
	if negative {
		length = -1
	}
	return length, at + len("\r\n"), nil
}
