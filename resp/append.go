package resp

import (
	"strconv"

	"github.com/tidwall/redcon"
)

// Version of the protocol that a connection speaks: 2 or 3.
type Version uint8

// The two versions in use.
const (
	V2 Version = 2
	V3 Version = 3
)

// Nulls in wire form.
const (
	Nil2 = "$-1\r\n"
	Nil3 = "_\r\n"
)

// AppendNil appends a null as version v has it.
func AppendNil(b []byte, v Version) []byte {
	if v == V3 {
		return append(b, Nil3...)
	}
	return append(b, Nil2...)
}

// AppendNilArray appends the null that stands for a missing array.
func AppendNilArray(b []byte, v Version) []byte {
	if v == V3 {
		return append(b, Nil3...)
	}
	return append(b, "*-1\r\n"...)
}

// AppendMap appends the header of a map of n pairs: version 2 has a flat array
// in its place.
func AppendMap(b []byte, v Version, n int) []byte {
	if v == V3 {
		return appendHeader(b, '%', n)
	}
	return redcon.AppendArray(b, 2*n)
}

// AppendSet appends the header of a set of n elements: version 2 has an array
// in its place.
func AppendSet(b []byte, v Version, n int) []byte {
	if v == V3 {
		return appendHeader(b, '~', n)
	}
	return redcon.AppendArray(b, n)
}

// AppendVerbatim appends text that is meant for people, as INFO is: version 2
// has a bulk string in its place.
func AppendVerbatim(b []byte, v Version, text string) []byte {
	if v != V3 {
		return redcon.AppendBulkString(b, text)
	}
	b = appendHeader(b, '=', len(text)+4)
	b = append(b, "txt:"...)
	b = append(b, text...)
	return append(b, '\r', '\n')
}

// AppendError appends an error line. Line breaks in text would end the line
// early, so they become blanks, as in Redis.
func AppendError(b []byte, text string) []byte {
	b = append(b, '-')
	for i := range len(text) {
		c := text[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, '\r', '\n')
}

// AppendCommand appends a request: an array of bulk strings.
func AppendCommand(b []byte, args ...string) []byte {
	b = redcon.AppendArray(b, len(args))
	for _, a := range args {
		b = redcon.AppendBulkString(b, a)
	}
	return b
}

func appendHeader(b []byte, kind byte, n int) []byte {
	b = append(b, kind)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, '\r', '\n')
}
