package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"
)

// rawRecord is a record in wire form. Nil is null.
func rawRecord(offsetDelta int64, key, value []byte) []byte {
	appendBytes := func(b, v []byte) []byte {
		if v == nil {
			return binary.AppendVarint(b, -1)
		}
		return append(binary.AppendVarint(b, int64(len(v))), v...)
	}
	body := binary.AppendVarint([]byte{0}, 0)
	body = binary.AppendVarint(body, offsetDelta)
	body = appendBytes(appendBytes(body, key), value)
	body = binary.AppendVarint(body, 0)
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// rawBatch is a batch in wire form.
func rawBatch(base int64, lastDelta int32, attributes int16, producer int64, count int, payload []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(base))
	b = binary.BigEndian.AppendUint32(b, uint32(batchRecordsAt-batchPrefix+len(payload)))
	b = append(b, 0, 0, 0, 0, batchMagic, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(attributes))
	b = binary.BigEndian.AppendUint32(b, uint32(lastDelta))
	b = append(b, make([]byte, 16)...)
	b = binary.BigEndian.AppendUint64(b, uint64(producer))
	b = append(b, make([]byte, 6)...)
	b = binary.BigEndian.AppendUint32(b, uint32(count))
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[batchCRCAt:], crc32.Checksum(b[batchBodyAt:], castagnoli))
	return b
}

// recordsOf reads all batches and returns the offsets and values of their records.
func recordsOf(t *testing.T, data []byte) (offsets []int64, values []string) {
	t.Helper()
	for {
		b, rest, err := nextBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		if rest == nil {
			return offsets, values
		}
		if err := b.each(func(r record) {
			offsets, values = append(offsets, r.offset), append(values, string(r.value))
		}); err != nil {
			t.Fatal(err)
		}
		data = rest
	}
}

func TestABatchThatIsCutOffIsLeftForTheNextFetch(t *testing.T) {
	first := rawBatch(5, 1, 0, -1, 2, append(rawRecord(0, nil, []byte("a")), rawRecord(1, nil, []byte("b"))...))
	second := rawBatch(7, 0, 0, -1, 1, rawRecord(0, nil, []byte("c")))
	whole := append(bytes.Clone(first), second...)
	for end := range len(whole) + 1 {
		_, values := recordsOf(t, whole[:end])
		want := ""
		if end >= len(first) {
			want = "ab"
		}
		if end == len(whole) {
			want = "abc"
		}
		if got := strings.Join(values, ""); got != want {
			t.Fatalf("%d of %d bytes: %q, want %q", end, len(whole), got, want)
		}
	}
}

func TestABatchEndsWhereItSaysWhateverCompactionLeft(t *testing.T) {
	for name, data := range map[string][]byte{
		"a tail removed":  rawBatch(10, 9, 0, -1, 1, rawRecord(2, nil, []byte("x"))),
		"all removed":     rawBatch(10, 9, 0, 7, 0, nil),
		"a control batch": rawBatch(10, 9, attributeControl|attributeTransactional, 7, 1, rawRecord(0, []byte{0, 0, 0, 1}, []byte{})),
	} {
		b, rest, err := nextBatch(data)
		if err != nil || rest == nil || b.last != 19 {
			t.Errorf("%s: last %d, error %v", name, b.last, err)
		}
	}
}

func TestWhatCannotBeReadIsSteppedOverOnlyWhereItsEndIsKnown(t *testing.T) {
	good := rawBatch(10, 3, 0, -1, 1, rawRecord(0, nil, []byte("x")))
	sum := bytes.Clone(good)
	sum[len(sum)-1] ^= 1
	ancient := bytes.Clone(good)
	ancient[batchMagicAt] = 1
	negative := bytes.Clone(good)
	binary.BigEndian.PutUint32(negative[8:], 1<<31)
	short := bytes.Clone(good)
	binary.BigEndian.PutUint32(short[8:], 20)
	for _, test := range []struct {
		data []byte
		err  error
		last int64
		over bool
	}{
		{sum, errBatchSum, 13, true},
		{ancient, errBatchFormat, 10, true},
		{negative, errBatchLength, 0, false},
		{short, errBatchLength, 10, false},
	} {
		b, rest, err := nextBatch(test.data)
		if !errors.Is(err, test.err) || (rest != nil) != test.over || b.last != test.last {
			t.Errorf("want %v: %v, last %d, stepped over %v", test.err, err, b.last, rest != nil)
		}
	}
}

func TestRecordsOfAbortedTransactionsAreHidden(t *testing.T) {
	const tx = attributeTransactional
	abort := rawRecord(0, []byte{0, 0, 0, 0}, []byte{})
	commit := rawRecord(0, []byte{0, 0, 0, 1}, []byte{})
	value := rawRecord(0, nil, []byte("x"))
	hidden := newAborts([]abortedTransaction{{producer: 1, first: 6}, {producer: 1, first: 1}, {producer: 2, first: 4}})
	for _, step := range []struct {
		data []byte
		hide bool
	}{
		{rawBatch(0, 0, tx, 1, 1, value), false}, // of a transaction before
		{rawBatch(1, 0, tx, 1, 1, value), true},
		{rawBatch(2, 0, 0, 1, 1, value), false}, // outside of transactions
		{rawBatch(3, 0, tx|attributeControl, 1, 1, abort), true},
		{rawBatch(4, 0, tx, 2, 1, value), true},
		{rawBatch(5, 0, tx, 1, 1, value), false}, // committed below
		{rawBatch(5, 0, tx|attributeControl, 1, 1, commit), true},
		{rawBatch(6, 0, tx, 1, 1, value), true},
		{rawBatch(7, 0, tx, 2, 1, value), true},
	} {
		b, _, err := nextBatch(step.data)
		if err != nil {
			t.Fatal(err)
		}
		hide, err := hidden.hide(&b)
		if err != nil || hide != step.hide {
			t.Errorf("offset %d: hidden %v, want %v (error %v)", b.base, hide, step.hide, err)
		}
	}
}

func TestARecordThatIsTooLongKeepsItsKey(t *testing.T) {
	payload := append(rawRecord(0, []byte("key"), make([]byte, maxRecordBytes+1)), rawRecord(1, nil, []byte("next"))...)
	b, _, err := nextBatch(rawBatch(0, 1, 0, -1, 2, payload))
	if err != nil {
		t.Fatal(err)
	}
	var got []record
	if err := b.each(func(r record) { r.key, r.value = bytes.Clone(r.key), bytes.Clone(r.value); got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !got[0].tooLong || string(got[0].key) != "key" || got[1].tooLong || string(got[1].value) != "next" {
		t.Errorf("%d records: %v", len(got), got[1:])
	}
}

func TestNullIsNotEmpty(t *testing.T) {
	b, _, err := nextBatch(rawBatch(0, 1, 0, -1, 2, append(rawRecord(0, nil, nil), rawRecord(1, []byte{}, []byte{})...)))
	if err != nil {
		t.Fatal(err)
	}
	var nulls []bool
	if err := b.each(func(r record) { nulls = append(nulls, r.key == nil, r.value == nil) }); err != nil {
		t.Fatal(err)
	}
	if want := []bool{true, true, false, false}; len(nulls) != 4 || nulls[0] != want[0] || nulls[1] != want[1] || nulls[2] != want[2] || nulls[3] != want[3] {
		t.Errorf("%v", nulls)
	}
}

func TestSnappyIsReadInBothFormsAndNotBelieved(t *testing.T) {
	var framed bytes.Buffer
	writer := compress.SnappyCodec.NewWriter(&framed)
	text := []byte(strings.Repeat("0123456789", 20_000))
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := unsnap(framed.Bytes()); err != nil || !bytes.Equal(got, text) {
		t.Errorf("framed: %d bytes, error %v", len(got), err)
	}
	claim := binary.AppendUvarint(nil, 2<<30)
	if _, err := unsnap(append(claim, 1, 2, 3)); !errors.Is(err, errBlock) {
		t.Errorf("a claim of 2 GiB: %v", err)
	}
	long := append(bytes.Clone(framed.Bytes()[:xerialHeader]), 0xff, 0xff, 0xff, 0xff, 1)
	if _, err := unsnap(long); !errors.Is(err, errBlock) {
		t.Errorf("a block of 4 GiB: %v", err)
	}
}

func FuzzBatches(f *testing.F) {
	f.Add(rawBatch(5, 1, 0, -1, 2, append(rawRecord(0, []byte("k"), []byte("a")), rawRecord(1, nil, []byte("b"))...)), false)
	f.Add(rawBatch(5, 1, int16(compress.Snappy), -1, 2, []byte{3, 8, 'a', 'b', 'c'}), true)
	f.Add(rawBatch(5, 1, int16(compress.Zstd), -1, 2, []byte{0x28, 0xb5, 0x2f, 0xfd}), true)
	f.Add(rawBatch(5, 1, int16(compress.Gzip), -1, 2, []byte{0x1f, 0x8b}), true)
	f.Add(rawBatch(5, 1, int16(compress.Lz4), -1, 2, []byte{4, 34, 77, 24}), true)
	f.Fuzz(func(_ *testing.T, data []byte, mend bool) {
		if mend && len(data) >= batchRecordsAt { // or the checksum would stop nearly all
			binary.BigEndian.PutUint32(data[8:], uint32(len(data)-batchPrefix))
			data[batchMagicAt] = batchMagic
			binary.BigEndian.PutUint32(data[batchCRCAt:], crc32.Checksum(data[batchBodyAt:], castagnoli))
		}
		hidden := newAborts([]abortedTransaction{{producer: 1, first: 1}})
		for {
			b, rest, err := nextBatch(data)
			if rest == nil {
				return
			}
			if err == nil {
				_, _ = hidden.hide(&b)
				_ = b.each(func(record) {})
			}
			data = rest
		}
	})
}

func FuzzReplies(f *testing.F) {
	f.Add([]byte{}, int16(fetchIDs))
	f.Add(bytes.Repeat([]byte{1}, 100), int16(fetchNames))
	f.Fuzz(func(_ *testing.T, data []byte, version int16) {
		for _, r := range []request{&metadataRequest{}, &offsetsRequest{}, &fetchRequest{}} {
			_ = r.decode(&decoder{b: data, compact: version%2 == 0}, version)
		}
		_, _ = askSpans(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(data), io.Discard})
	})
}
