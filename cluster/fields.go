package cluster

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// fields are those of an HMGET, in its order, to be found by their bytes.
type fields struct {
	request []byte
	ends    []int    // word i of request is request[ends[i]:ends[i+1]], in wire form
	hashes  []uint64 // of each field
	// places are a table by hash, at least half of it empty: the number of a field,
	// and one; 0: none.
	places []int32
	left   []int32 // for flights: those that nobody in flight brings
}

// fieldAt is the word of an HMGET that is its first field.
const fieldAt = 2

// keepFields is how many fields there may be for their table to be used again.
const keepFields = 1024

var fieldTables = sync.Pool{New: func() any { return new(fields) }}

// readFields reads an HMGET; nil: it is none. request must not change until
// release.
func readFields(request []byte) *fields {
	n, _, ok := resp.Array(request)
	if !ok || n <= fieldAt {
		return nil
	}
	fs := fieldTables.Get().(*fields)
	if fs.ends, ok = resp.BulkArray(request, n, fs.ends[:0]); !ok {
		fs.release()
		return nil
	}
	fs.request, fs.hashes = request, fs.hashes[:0]
	size := 2 << bits.Len(uint(fs.len()))
	if cap(fs.places) < size {
		fs.places = make([]int32, size)
	}
	fs.places = fs.places[:size]
	clear(fs.places)
	for i := range fs.len() {
		hash := maphash.Bytes(flightSeed, fs.at(i))
		fs.hashes = append(fs.hashes, hash)
		if at, n := fs.search(fs.at(i), hash); n < 0 {
			fs.places[at] = int32(i + 1)
		}
	}
	return fs
}

func (fs *fields) release() {
	if fs == nil || cap(fs.ends) > keepFields {
		return
	}
	fs.request = nil
	fieldTables.Put(fs)
}

func (fs *fields) len() int { return len(fs.ends) - 1 - fieldAt }

// at is field i in wire form.
func (fs *fields) at(i int) []byte {
	return fs.request[fs.ends[fieldAt+i]:fs.ends[fieldAt+i+1]]
}

// search returns the number of a field, and its place; -1: there is none, and the
// place is where it would be.
func (fs *fields) search(field []byte, hash uint64) (at, number int) {
	mask := len(fs.places) - 1
	for at = int(hash) & mask; ; at = (at + 1) & mask {
		number = int(fs.places[at]) - 1
		if number < 0 || bytes.Equal(fs.at(number), field) {
			return at, number
		}
	}
}

// find is the number here of field i of others; -1: there is none.
func (fs *fields) find(others *fields, i int32) int32 {
	_, n := fs.search(others.at(int(i)), others.hashes[i])
	return int32(n)
}

// requestOf is an HMGET of some of the fields.
func (fs *fields) requestOf(numbers []int32) []byte {
	head := fs.request[fs.ends[0]:fs.ends[fieldAt]]
	b := redcon.AppendArray(make([]byte, 0, len(fs.request)), fieldAt+len(numbers))
	b = append(b, head...)
	for _, i := range numbers {
		b = append(b, fs.at(int(i))...)
	}
	return b
}
