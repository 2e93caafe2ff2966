package resp

import (
	"fmt"
	"strings"
	"testing"
)

// The shape of a prediction's read: one entity, 50 features named by ten
// digits, floats for answers.

func hmget50() []byte {
	args := []string{"HMGET", "st_1426727"}
	for i := range 50 {
		args = append(args, fmt.Sprintf("%010d", 1_000_000_000+i*54_321_987))
	}
	return AppendCommand(nil, args...)
}

func hmgetReply50() []byte {
	var b strings.Builder
	b.WriteString("*50\r\n")
	for i := range 50 {
		if i%5 == 4 { // many features are missing
			b.WriteString(Nil2)
			continue
		}
		v := fmt.Sprintf("%.*f", i%12, 0.123456789*float64(i))
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(v), v)
	}
	return []byte(b.String())
}

func BenchmarkParserHMGET50(b *testing.B) {
	buf := hmget50()
	p := NewParser(DefaultLimits)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		n, err := p.Next(buf)
		if n != len(buf) || err != nil || len(p.Args()) != 52 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkFramerHMGET50(b *testing.B) {
	buf := hmgetReply50()
	f := NewFramer(DefaultLimits.RequestBytes)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		n, err := f.Next(buf)
		if n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkBulkArray50(b *testing.B) {
	buf := hmgetReply50()
	var ends []int
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		ends, ok = BulkArray(buf, 50, ends[:0])
		if !ok || len(ends) != 51 {
			b.Fatal(ok)
		}
	}
}
