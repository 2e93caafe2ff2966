package snapshot

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"
)

// A file is the magic and the format's version, then blocks, the last of which
// says that it is:
//
//	offset  size
//	0       8     magic
//	8       4     version, little-endian as all numbers
//
//	of a block:
//	0       1     kind
//	1       4     bytes of the payload when it is not compressed
//	5       4     bytes of the payload as it follows
//	9       4     CRC-32C of the nine bytes before and of the payload as it follows
//	13            payload, an S2 block
const (
	magic   = "fsp-warm"
	version = 2

	prefixBytes = len(magic) + 4
	blockBytes  = 13

	// blockSize is how many bytes are put together in a block: enough to compress
	// well, little to lose.
	blockSize = 256 << 10
	// maxBlock bounds what a reader makes room for. A row longer than that is not
	// written.
	maxBlock = 16 << 20
)

// The kinds of blocks, in their order.
const (
	kindHeader   = 'h' // JSON, one block
	kindKnown    = 'k' // records of features and projections
	kindRows     = 'r' // records of rows, and of what they need
	kindEnd      = 'e' // JSON, one block
	kindsInOrder = "hkre"
)

// Header says whose rows these are.
type Header struct {
	WrittenBy string `json:"written_by"` // the build's version; for people
	// Identity stands for the store, and for all that says what is kept of it and
	// how its changes are told. Rows under another identity are foreign.
	Identity string `json:"identity"`
	Boot     string `json:"boot"`  // see Boot
	Epoch    int64  `json:"epoch"` // when tick First began, in nanoseconds since the boot, or earlier
	First    int64  `json:"first"`
	Tick     int64  `json:"tick"` // nanoseconds
	// Checkpoints are where the sources of invalidations stood before the first
	// row was written, and Saved is when that was, or later, in nanoseconds since
	// the boot.
	Checkpoints map[int][]byte `json:"checkpoints"`
	Saved       int64          `json:"saved"`
	// Held is until when, in nanoseconds since the boot, a fetcher may not have what
	// was written through the process, or what was invalidated by hand: no fetch that
	// begins until then may be kept. 0: nothing of the kind.
	Held int64 `json:"held,omitempty"`
	// Forms are the forms of values, by their numbers in the rosters.
	Forms []string `json:"forms"`

	// asked is, where another machine may have written this, when it was asked for
	// by the clock of the one that reads: Saved was then, or later. 0: it was this
	// machine.
	asked int64
}

// end is the last block.
type end struct {
	Rows int64 `json:"rows"`
}

// Broken is why a file cannot be read.
type Broken struct{ Reason string }

func (b *Broken) Error() string { return "not a whole snapshot: " + b.Reason }

func broken(format string, args ...any) error { return &Broken{fmt.Sprintf(format, args...)} }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockWriter writes blocks. Its buffer is used again for each.
type blockWriter struct {
	out     io.Writer
	packed  []byte
	written int64
}

func (w *blockWriter) begin() error {
	prefix := binary.LittleEndian.AppendUint32([]byte(magic), version)
	return w.write(prefix)
}

func (w *blockWriter) write(b []byte) error {
	n, err := w.out.Write(b)
	w.written += int64(n)
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}

func (w *blockWriter) block(kind byte, payload []byte) error {
	if need := blockBytes + s2.MaxEncodedLen(len(payload)); cap(w.packed) < need {
		w.packed = make([]byte, need)
	}
	w.packed = w.packed[:cap(w.packed)]
	packed := s2.Encode(w.packed[blockBytes:], payload)
	head := w.packed[:blockBytes]
	head[0] = kind
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(head[5:], uint32(len(packed)))
	binary.LittleEndian.PutUint32(head[9:], checksum(head, packed))
	return w.write(w.packed[:blockBytes+len(packed)])
}

func (w *blockWriter) json(kind byte, of any) error {
	text, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return w.block(kind, text)
}

func checksum(head, packed []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:9], castagnoli), castagnoli, packed)
}

// blockReader reads blocks. What it gives out is valid until the next one.
type blockReader struct {
	in     io.Reader
	packed []byte
	plain  []byte
	order  int // in kindsInOrder, of the last block
}

func (r *blockReader) begin() error {
	prefix := make([]byte, prefixBytes)
	if _, err := io.ReadFull(r.in, prefix); err != nil {
		return broken("it is too short")
	}
	if string(prefix[:len(magic)]) != magic {
		return broken("it does not begin as one")
	}
	if v := binary.LittleEndian.Uint32(prefix[len(magic):]); v != version {
		return broken("it is of format %d, and this fsproxy reads format %d", v, version)
	}
	return nil
}

// next reads a block and checks it. The payload is unpacked only if wanted.
func (r *blockReader) next(unpack bool) (kind byte, payload []byte, err error) {
	var head [blockBytes]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, cutOff(err)
	}
	kind = head[0]
	plain, packed := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint32(head[5:])
	if plain > maxBlock || packed > uint32(s2.MaxEncodedLen(maxBlock)) {
		return 0, nil, broken("a block of %d bytes", max(plain, packed))
	}
	r.packed = room(r.packed, int(packed))
	if _, err := io.ReadFull(r.in, r.packed); err != nil {
		return 0, nil, cutOff(err)
	}
	if checksum(head[:], r.packed) != binary.LittleEndian.Uint32(head[9:]) {
		return 0, nil, broken("a block's checksum is wrong")
	}
	if err := r.inOrder(kind); err != nil || !unpack {
		return kind, nil, err
	}
	if n, err := s2.DecodedLen(r.packed); err != nil || n != int(plain) {
		return 0, nil, broken("a block of another length than it says")
	}
	r.plain = room(r.plain, int(plain))
	if payload, err = s2.Decode(r.plain, r.packed); err != nil {
		return 0, nil, broken("a block cannot be unpacked: %v", err)
	}
	return kind, payload, nil
}

// inOrder wants the kinds of blocks in their order, and one header.
func (r *blockReader) inOrder(kind byte) error {
	for at := range kindsInOrder {
		if kindsInOrder[at] != kind {
			continue
		}
		first := r.order == 0
		if at+1 < r.order || first != (kind == kindHeader) {
			break
		}
		r.order = at + 1
		return nil
	}
	return broken("a block of kind %q where there should be none", kind)
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("it ends too soon")
	}
	return fmt.Errorf("read the snapshot: %w", err)
}

// room is b with n bytes, or a new slice of so many.
func room(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
