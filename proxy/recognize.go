package proxy

import (
	"encoding/binary"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
)

const (
	recognizerSets = 64 // a power of two
	recognizerWays = 4  // projections that share a set
)

// recognizer knows the projections that one connection used last by the bytes
// in which they were asked for, so that a known request of any number of fields
// costs a comparison instead of a parse. 2 KiB a connection that asks HMGETs.
type recognizer struct {
	last *cache.Projection
	sets *[recognizerSets][recognizerWays]*cache.Projection
}

// find returns the projection whose n fields stand at the start of fields, or
// nil. short means that fields may yet become one that it knows.
func (r *recognizer) find(fields []byte, n int) (p *cache.Projection, short bool) {
	if p := r.last; p != nil && p.Len() == n {
		if hasPrefix(fields, p.Wire) {
			return p, false
		}
		if len(fields) < len(p.Wire) && hasPrefix([]byte(p.Wire[:len(fields)]), string(fields)) {
			return nil, true
		}
	}
	if r.sets == nil {
		return nil, false
	}
	h, ok := fingerprint(fields, n)
	if !ok {
		return nil, false
	}
	set := &r.sets[h%recognizerSets]
	for _, p := range set {
		if p == nil {
			break
		}
		if p.Len() == n && hasPrefix(fields, p.Wire) {
			r.last = p
			return p, false
		}
	}
	return nil, false
}

// remember puts p in front of its set.
func (r *recognizer) remember(p *cache.Projection) {
	if r.sets == nil {
		r.sets = new([recognizerSets][recognizerWays]*cache.Projection)
	}
	r.last = p
	h, _ := fingerprint([]byte(p.Wire), p.Len())
	set := &r.sets[h%recognizerSets]
	at := len(set) - 1
	for i, known := range set {
		if known == p {
			at = i
			break
		}
	}
	copy(set[1:at+1], set[:at])
	set[0] = p
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// fingerprint mixes the number of fields with three words of their bytes:
// from the first field, from the middle and from the end of the shortest text
// that n fields can have. False: fields is shorter than that.
func fingerprint(fields []byte, n int) (uint32, bool) {
	const shortest = len("$0\r\n\r\n")
	end := shortest * n
	if len(fields) < end || n == 0 {
		return 0, false
	}
	if n < 3 {
		// Too short for the words below; one or two fields differ in these bytes
		// often enough.
		return uint32(n) + uint32(fields[4]) + 31*uint32(fields[end-1]) + 7*uint32(fields[end-2]), true
	}
	const odd = 0x9e3779b97f4a7c15 // 2^64 / golden ratio: Knuth's multiplicative hash
	h := uint64(n) ^ binary.LittleEndian.Uint64(fields[4:])
	h = h*odd ^ binary.LittleEndian.Uint64(fields[end/2-4:])
	h = h*odd ^ binary.LittleEndian.Uint64(fields[end-8:])
	h *= odd
	return uint32(h >> 40), true
}

// maxKnownEntity is how long an entity may be for the short path, in bytes;
// longer ones are held to the limits by the general parser.
const maxKnownEntity = 4096

// head is the part of an HMGET or HGET request before its fields.
type head struct {
	fields int  // how many follow
	key    int  // where the entity begins
	keyEnd int  // and ends
	rest   int  // where the fields begin
	single bool // HGET
}

// readHead reads a head in the form that every client library writes it. False
// means anything else, which the general parser has to look at.
func readHead(b []byte) (h head, ok bool) {
	if len(b) < len("*3\r\n$4\r\nHGET\r\n$0\r\n\r\n") || b[0] != '*' {
		return h, false
	}
	args, at := number(b, 1)
	if at == 0 || args < 3 || at+16 > len(b) {
		return h, false
	}
	switch {
	case string(b[at:at+4]) == "$5\r\n" && isWord(b[at+4:], "hmget"):
		at += len("$5\r\nhmget\r\n")
	case string(b[at:at+4]) == "$4\r\n" && args == 3 && isWord(b[at+4:], "hget"):
		at += len("$4\r\nhget\r\n")
		h.single = true
	default:
		return h, false
	}
	if at >= len(b) || b[at] != '$' {
		return h, false
	}
	n, at := number(b, at+1)
	if at == 0 || n > maxKnownEntity || at+n+2 > len(b) {
		return h, false
	}
	h.fields, h.key, h.keyEnd, h.rest = args-2, at, at+n, at+n+2
	return h, b[at+n] == '\r' && b[at+n+1] == '\n'
}

// isWord tells whether b begins with word, which is in lower case, in any case,
// followed by a line's end.
func isWord(b []byte, word string) bool {
	if len(b) < len(word)+2 || b[len(word)] != '\r' || b[len(word)+1] != '\n' {
		return false
	}
	for i := range len(word) {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// number reads a decimal of up to six digits, without leading zeros, and its
// line's end. An offset of 0 means that there is none.
func number(b []byte, at int) (n, next int) {
	for i := at; i < len(b) && i < at+7; i++ {
		c := b[i]
		if c == '\r' {
			if i == at || i+1 >= len(b) || b[i+1] != '\n' || (b[at] == '0' && i > at+1) {
				return 0, 0
			}
			return n, i + 2
		}
		if c < '0' || c > '9' {
			return 0, 0
		}
		n = n*10 + int(c-'0')
	}
	return 0, 0
}

// canonical appends fields in wire form, as a projection's Wire has them.
func canonical(dst []byte, fields [][]byte) []byte {
	for _, f := range fields {
		dst = redcon.AppendBulk(dst, f)
	}
	return dst
}
