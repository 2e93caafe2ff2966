package kafka

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// maxRecordBytes bounds a record. Kafka's own default is 1 MiB a batch; what
	// is larger is counted as unreadable, and its key is still acted on.
	maxRecordBytes = 8 << 20

	// peekBytes is how much of a record that is too long is looked at for its key.
	peekBytes = 16 << 10
)

var errRecordForm = errors.New("a batch whose records are not well formed")

// record is a record of a topic. Nil is null, which is not empty.
type record struct {
	offset  int64
	key     []byte
	value   []byte
	tooLong bool // the value was left out
}

// each calls visit with the records of a batch, which are valid until visit
// returns.
func (b *batch) each(visit func(record)) error {
	if b.count <= 0 {
		return nil
	}
	plain, err := decompress(b.attributes&attributeCodec, b.payload)
	if err != nil {
		return err
	}
	defer plain.Close()
	in := bufio.NewReaderSize(plain, peekBytes)
	var scratch []byte
	for range b.count {
		length, err := binary.ReadVarint(in)
		if err != nil {
			return fmt.Errorf("%w: %w", errRecordForm, err)
		}
		if length < 0 || length > math.MaxInt32 {
			return errRecordForm
		}
		if length > maxRecordBytes {
			if err := b.visitTooLong(in, int(length), visit); err != nil {
				return err
			}
			continue
		}
		if cap(scratch) < int(length) {
			scratch = make([]byte, max(int(length), 2*cap(scratch)))
		}
		scratch = scratch[:length]
		if _, err := io.ReadFull(in, scratch); err != nil {
			return fmt.Errorf("%w: %w", errRecordForm, err)
		}
		r, ok := b.parse(scratch)
		if !ok || r.tooLong {
			return errRecordForm
		}
		visit(r)
	}
	return nil
}

// visitTooLong reads no more of a record than its key.
func (b *batch) visitTooLong(in *bufio.Reader, length int, visit func(record)) error {
	head, err := in.Peek(peekBytes)
	if err != nil {
		return fmt.Errorf("%w: %w", errRecordForm, err)
	}
	r, _ := b.parse(bytes.Clone(head))
	r.tooLong, r.value = true, nil
	if _, err := in.Discard(length); err != nil {
		return fmt.Errorf("%w: %w", errRecordForm, err)
	}
	visit(r)
	return nil
}

// parse reads a record, its headers left aside. A record whose value goes on
// behind body is tooLong.
func (b *batch) parse(body []byte) (r record, ok bool) {
	f := fields{b: body}
	f.take(1) // attributes, of which there are none
	f.varint()
	r.offset = b.base + f.varint()
	r.key = f.bytes()
	if f.failed {
		return r, false
	}
	r.value = f.bytes()
	r.tooLong = f.failed
	return r, true
}

// fields reads what a record is made of.
type fields struct {
	b      []byte
	failed bool
}

func (f *fields) take(n int64) []byte {
	if f.failed || n < 0 || n > int64(len(f.b)) {
		f.failed = true
		return nil
	}
	taken := f.b[:n:n]
	f.b = f.b[n:]
	return taken
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.failed = true
		return 0
	}
	f.take(int64(n))
	return v
}

// bytes reads a length and so many bytes; nil: null.
func (f *fields) bytes() []byte {
	n := f.varint()
	if n == -1 || f.failed {
		return nil
	}
	if taken := f.take(n); taken != nil || f.failed {
		return taken
	}
	return []byte{}
}
