package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

// BenchmarkDecode is what a fill costs for a value of each form: go test -bench
// Decode -benchmem ./feature/codec
func BenchmarkDecode(b *testing.B) {
	for name, v := range benchValues(b) {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 4<<10)
			b.SetBytes(int64(len(v.stored)))
			for b.Loop() {
				if _, err := v.form.Decode(dst, v.stored); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, v := range benchValues(b) {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 4<<10)
			for b.Loop() {
				if _, err := v.form.Encode(dst, v.decoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPlain(b *testing.B) {
	v := benchValues(b)["int_list of 50/snappy+protobuf"]
	dst := make([]byte, 0, 4<<10)
	for b.Loop() {
		if _, err := v.form.Plain(dst, v.stored); err != nil {
			b.Fatal(err)
		}
	}
}

type benchValue struct {
	form            Form
	stored, decoded []byte
}

func benchValues(b *testing.B) map[string]benchValue {
	b.Helper()
	var floats, ints []byte
	for i := range 128 {
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(math.Sin(float64(i)))))
	}
	for i := range 50 {
		ints = binary.LittleEndian.AppendUint64(ints, uint64(1_000_000+i*7919))
	}
	values := map[string]benchValue{}
	for name, of := range map[string]struct {
		form    Form
		decoded []byte
	}{
		"float":            {Form{Type: Float}, []byte("0.12345678")},
		"int":              {Form{Type: Int}, []byte("1426727")},
		"string":           {Form{Type: String}, []byte("san francisco")},
		"embedding of 128": {Form{Type: Embedding, Dimension: 128}, floats},
		"int_list of 50":   {Form{Type: IntList}, ints},
	} {
		for _, encoding := range encodingsOf[of.form.Type] {
			form := of.form
			form.Encoding = encoding
			stored, err := form.Encode(nil, of.decoded)
			if err != nil {
				b.Fatal(err)
			}
			values[name+"/"+string(encoding)] = benchValue{form, stored, of.decoded}
		}
	}
	return values
}

// BenchmarkReadSnappy is what a client pays to read a block as the store has it,
// and one that is held uncompressed: go test -bench ReadSnappy ./feature/codec
func BenchmarkReadSnappy(b *testing.B) {
	var text []byte
	for i := 0; len(text) < 4<<10; i++ {
		text = fmt.Appendf(text, `{"store":%d,"orders":%d,"open":true},`, 1_000_000+i*7919, i%7)
	}
	list := benchValues(b)["int_list of 50/snappy+protobuf"]
	for _, v := range []struct {
		name   string
		form   Form
		stored []byte
	}{
		{"a list that barely compresses", list.form, list.stored},
		{"4 KiB of JSON", Form{Type: String, Encoding: Snappy}, compress(nil, text)},
	} {
		plain, err := v.form.Plain(nil, v.stored)
		if err != nil {
			b.Fatal(err)
		}
		for _, block := range [][]byte{v.stored, plain} {
			b.Run(fmt.Sprintf("%s/%d bytes", v.name, len(block)), func(b *testing.B) {
				var buf []byte
				for b.Loop() {
					if buf, err = uncompress(buf, block); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
