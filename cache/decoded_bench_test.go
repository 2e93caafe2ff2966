package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

// benchForms are features as the published store has them, and a value of each.
func benchForms() []struct {
	name    string
	form    codec.Form
	decoded []byte
} {
	var floats, ints []byte
	for i := range 128 {
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(math.Sin(float64(i)))))
	}
	for i := range 50 {
		ints = binary.LittleEndian.AppendUint64(ints, uint64(i*7919%100_000))
	}
	return []struct {
		name    string
		form    codec.Form
		decoded []byte
	}{
		{"float/text", codec.Form{Type: codec.Float, Encoding: codec.Text}, []byte("0.1234")},
		{"float/protobuf", codec.Form{Type: codec.Float, Encoding: codec.Protobuf}, []byte("0.1234")},
		{"embedding128/protobuf", codec.Form{Type: codec.Embedding, Encoding: codec.Protobuf, Dimension: 128}, floats},
		{"embedding128/snappy+protobuf", codec.Form{Type: codec.Embedding, Encoding: codec.SnappyProtobuf, Dimension: 128}, floats},
		{"ints50/protobuf", codec.Form{Type: codec.IntList, Encoding: codec.Protobuf}, ints},
		{"ints50/snappy+protobuf", codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}, ints},
	}
}

// BenchmarkFillForms fills a row of ten values of one codec: as stored, for those
// who want them decoded, and for both; and, where that is compressed, held
// uncompressed.
func BenchmarkFillForms(b *testing.B) {
	const fields = 10
	for _, c := range benchForms() {
		stored, err := c.form.Encode(nil, c.decoded)
		if err != nil {
			b.Fatal(err)
		}
		for _, mode := range []string{"stored", "decoded", "both", "plain"} {
			if mode == "plain" && !bytes.HasPrefix([]byte(c.form.Encoding), []byte("snappy")) {
				continue
			}
			b.Run(c.name+"/"+mode, func(b *testing.B) {
				cfg := roomy
				cfg.Decodes = mode == "decoded" || mode == "both"
				cfg.Policy = func(string) Policy {
					p := decodesEach(func(string) *feature.Definition { return &feature.Definition{Form: c.form} })("")
					p.HoldPlain = mode == "plain"
					return p
				}
				r := newRig(b, cfg)
				var p *Projection
				if mode != "decoded" {
					p = r.mustProject(names(fields)...)
				}
				if mode == "decoded" || mode == "both" {
					p = r.mustProjectIn(decodedView, names(fields)...)
				}
				var values []string
				for range fields {
					values = append(values, string(stored))
				}
				f := fetched(p, 1, positions(fields), values...)
				entities := make([][]byte, 100)
				for i := range entities {
					entities[i] = fmt.Append(nil, "st_", i)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					r.Fill(entities[i%len(entities)], f, resp.V2)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/fields, "ns/value")
				b.ReportMetric(float64(len(r.rowOf("st_0")))/fields, "B/value")
			})
		}
	}
}

// BenchmarkHitDecoded is a hit in a decoded view: of values that share their
// place, of such that are spelled apart, and with defaults for nils.
func BenchmarkHitDecoded(b *testing.B) {
	for _, tt := range []struct {
		name  string
		view  View
		value func(i int) string
	}{
		{"stored", View{}, func(int) string { return "0.1234" }},
		{"shared", decodedView, func(int) string { return "0.1234" }},
		{"apart", decodedView, func(int) string { return "0.1230" }},
		{"nils", decodedView, func(i int) string { return []string{"", "0.1234"}[min(i%8, 1)] }},
		{"defaults", View{Decoded: true, Defaults: true}, func(i int) string { return []string{"", "0.1234"}[min(i%8, 1)] }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			cfg := roomy
			cfg.Decodes, cfg.Policy = true, decodesEach(func(string) *feature.Definition {
				return &feature.Definition{Form: codec.Form{Type: codec.Float, Encoding: codec.Text}, Default: []byte("0")}
			})
			r := newRig(b, cfg)
			p := r.mustProjectIn(tt.view, names(50)...)
			var values []string
			for i := range 50 {
				values = append(values, tt.value(i))
			}
			r.fillAll("e", p, 1, values...)
			var out []byte
			entity := []byte("e")
			b.ReportAllocs()
			for b.Loop() {
				f := r.Lookup(entity, p, 2)
				out = f.Append(out[:0], resp.V2)
			}
		})
	}
}
