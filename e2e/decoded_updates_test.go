//go:build e2e

package e2e

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// typedValue is a feature's value in all its guises. What the store holds is
// written here by hand, byte by byte, and not by the code that it is to prove.
type typedValue struct{ json, stored, decoded string }

// block is a Snappy block of one literal, which is how every compressor writes so
// few bytes.
func block(plain string) string {
	return string([]byte{byte(len(plain)), byte(len(plain)-1) << 2}) + plain
}

func packedDoubles(list ...float64) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return string(b)
}

// typedFeatures are features of each type in each encoding, by their lines in the
// catalogue, with two values each.
var typedFeatures = func() map[string][2]typedValue {
	one, two := packedFloats(1, -2), packedFloats(0.5, 3)
	ints, more := packedInts(300, -1), packedInts(2)
	tags := "\x01\x00\x00\x00a\x00\x00\x00\x00"
	minusOne := strings.Repeat("\xff", 9) + "\x01"
	return map[string][2]typedValue{
		"float, encoding: text":            {{"1.50", "1.50", "1.5"}, {"-2e-7", "-2e-7", "-2e-07"}},
		"float, encoding: raw":             {{"1.5", packedFloats(1.5), "1.5"}, {`"nan"`, "\x00\x00\xc0\x7f", "nan"}},
		"float, encoding: raw, bits: 64":   {{"0.1", packedDoubles(0.1), "0.1"}, {"1e300", packedDoubles(1e300), "1e+300"}},
		"float, encoding: protobuf":        {{"1.5", "\x0d" + packedFloats(1.5), "1.5"}, {`"-inf"`, "\x0d" + packedFloats(float32(math.Inf(-1))), "-inf"}},
		"float, encoding: snappy+protobuf": {{"1.5", block("\x0d" + packedFloats(1.5)), "1.5"}, {"-0", block("\x0d" + packedFloats(float32(math.Copysign(0, -1)))), "-0"}},
		"float, encoding: feast":           {{"1.5", "\x35" + packedFloats(1.5), "1.5"}, {"0", "\x35" + packedFloats(0), "0"}},

		"int, encoding: text":            {{"9223372036854775807", "9223372036854775807", "9223372036854775807"}, {"-1", "-1", "-1"}},
		"int, encoding: raw":             {{"300", packedInts(300), "300"}, {"-1", packedInts(-1), "-1"}},
		"int, encoding: raw, bits: 32":   {{"300", "\x2c\x01\x00\x00", "300"}, {"-1", "\xff\xff\xff\xff", "-1"}},
		"int, encoding: protobuf":        {{"300", "\x08\xac\x02", "300"}, {"-1", "\x08" + minusOne, "-1"}},
		"int, encoding: snappy+protobuf": {{"300", block("\x08\xac\x02"), "300"}, {"1", block("\x08\x01"), "1"}},
		"int, encoding: feast":           {{"300", "\x20\xac\x02", "300"}, {"0", "\x20\x00", "0"}},

		"bool, encoding: text":            {{"true", "1", "1"}, {"false", "0", "0"}},
		"bool, encoding: raw":             {{"true", "\x01", "1"}, {"false", "\x00", "0"}},
		"bool, encoding: protobuf":        {{"true", "\x08\x01", "1"}, {"false", "", "0"}},
		"bool, encoding: snappy+protobuf": {{"true", block("\x08\x01"), "1"}, {"false", "\x00", "0"}},
		"bool, encoding: feast":           {{"true", "\x38\x01", "1"}, {"false", "\x38\x00", "0"}},

		"string, encoding: text":            {{`"Z\u00fcrich"`, "Zürich", "Zürich"}, {`"a\nb"`, "a\nb", "a\nb"}},
		"string, encoding: raw":             {{`"a"`, "a", "a"}, {`""`, "", ""}},
		"string, encoding: protobuf":        {{`"abc"`, "\x0a\x03abc", "abc"}, {`""`, "", ""}},
		"string, encoding: snappy":          {{`"abc"`, block("abc"), "abc"}, {`"d"`, block("d"), "d"}},
		"string, encoding: snappy+protobuf": {{`"abc"`, block("\x0a\x03abc"), "abc"}, {`"d"`, block("\x0a\x01d"), "d"}},
		"string, encoding: feast":           {{`"abc"`, "\x12\x03abc", "abc"}, {`""`, "\x12\x00", ""}},

		"bytes, encoding: raw":             {{`"AP8="`, "\x00\xff", "\x00\xff"}, {`"YQ=="`, "a", "a"}},
		"bytes, encoding: protobuf":        {{`"AP8="`, "\x0a\x02\x00\xff", "\x00\xff"}, {`"YQ=="`, "\x0a\x01a", "a"}},
		"bytes, encoding: snappy":          {{`"AP8="`, block("\x00\xff"), "\x00\xff"}, {`"YQ=="`, block("a"), "a"}},
		"bytes, encoding: snappy+protobuf": {{`"AP8="`, block("\x0a\x02\x00\xff"), "\x00\xff"}, {`"YQ=="`, block("\x0a\x01a"), "a"}},
		"bytes, encoding: feast":           {{`"AP8="`, "\x0a\x02\x00\xff", "\x00\xff"}, {`"YQ=="`, "\x0a\x01a", "a"}},

		"embedding, dimension: 2, encoding: protobuf":        {{"[1, -2]", "\x0a\x08" + one, one}, {"[0.5, 3]", "\x0a\x08" + two, two}},
		"embedding, dimension: 2, encoding: text":            {{"[1, -2]", "[1, -2]", one}, {"[0.5,3]", "[0.5,3]", two}},
		"embedding, dimension: 2, encoding: raw":             {{"[1, -2]", one, one}, {"[0.5, 3]", two, two}},
		"embedding, dimension: 2, encoding: snappy":          {{"[1, -2]", block(one), one}, {"[0.5, 3]", block(two), two}},
		"embedding, dimension: 2, encoding: snappy+protobuf": {{"[1, -2]", block("\x0a\x08" + one), one}, {"[0.5, 3]", block("\x0a\x08" + two), two}},
		"embedding, dimension: 2, encoding: feast":           {{"[1, -2]", "\x82\x01\x0a\x0a\x08" + one, one}, {"[0.5, 3]", "\x82\x01\x0a\x0a\x08" + two, two}},

		"float_list, encoding: protobuf, bits: 64":             {{"[0.1]", "\x0a\x08" + packedDoubles(0.1), packedDoubles(0.1)}, {"[]", "", ""}},
		"float_list, encoding: raw":                            {{"[1, -2]", one, one}, {"[0.5, 3]", two, two}},
		"float_list, encoding: feast, feast_type: DOUBLE_LIST": {{"[0.1]", "\x7a\x0a\x0a\x08" + packedDoubles(0.1), packedDoubles(0.1)}, {"[]", "\x7a\x00", ""}},

		"int_list, encoding: snappy+protobuf":    {{"[300, -1]", block("\x0a\x0c\xac\x02" + minusOne), ints}, {"[2]", block("\x0a\x01\x02"), more}},
		"int_list, encoding: text":               {{"[300,-1]", "[300,-1]", ints}, {"[2]", "[2]", more}},
		"int_list, encoding: raw":                {{"[300, -1]", ints, ints}, {"[2]", more, more}},
		"int_list, encoding: raw, bits: 32":      {{"[300, -1]", "\x2c\x01\x00\x00\xff\xff\xff\xff", ints}, {"[2]", "\x02\x00\x00\x00", more}},
		"int_list, encoding: protobuf":           {{"[300, -1]", "\x0a\x0c\xac\x02" + minusOne, ints}, {"[]", "", ""}},
		"int_list, encoding: snappy":             {{"[2]", block(more), more}, {"[]", "\x00", ""}},
		"int_list, encoding: feast":              {{"[2]", "\x72\x03\x0a\x01\x02", more}, {"[]", "\x72\x00", ""}},
		"string_list, encoding: protobuf":        {{`["a", ""]`, "\x0a\x01a\x0a\x00", tags}, {"[]", "", ""}},
		"string_list, encoding: text":            {{`["a",""]`, `["a",""]`, tags}, {"[]", "[]", ""}},
		"string_list, encoding: snappy+protobuf": {{`["a", ""]`, block("\x0a\x01a\x0a\x00"), tags}, {"[]", "\x00", ""}},
		"string_list, encoding: feast":           {{`["a", ""]`, "\x62\x05\x0a\x01a\x0a\x00", tags}, {"[]", "\x62\x00", ""}},
	}
}()

// A record that carries typed JSON has both kinds of listener answer, without a
// fetch, as they would after the writer's own HSET: for each type and encoding.
func TestTypedUpdatesAreServedAsTheStoreHasThem(t *testing.T) {
	b := startKafka(t)
	b.createTopic(t, updateTopic, 1)
	catalogue := "scheme: name\nfeatures:\n"
	var names []string
	values := map[string][2]typedValue{}
	for _, line := range slices.Sorted(maps.Keys(typedFeatures)) {
		name := strings.ReplaceAll(line, ", encoding: ", " as ")
		catalogue += fmt.Sprintf("  - {name: %q, type: %s}\n", name, line)
		names, values[name] = append(names, name), typedFeatures[line]
	}
	f := startDecodedWith(t, "", catalogue, "invalidation:\n"+kafkaOptions(b, "update"))
	source{f.proxy, updateTopic}.await(t, "trusted")
	direct, stored, decoded := dialWire(t, f.store.addr), dialWire(t, f.stored), dialWire(t, f.addr)
	read := append([]string{"HMGET", "e"}, names...)
	version := 0
	write := func(pick int) string {
		hset, features := []string{"HSET", "e"}, []string{}
		want := fmt.Sprintf("*%d\r\n", len(names))
		for _, name := range names {
			v := values[name][pick]
			hset = append(hset, name, v.stored)
			features = append(features, fmt.Sprintf("%q:%s", name, v.json))
			want += fmt.Sprintf("$%d\r\n%s\r\n", len(v.decoded), v.decoded) // none of them is missing
		}
		direct.do(t, hset...)
		version++
		b.produce(t, updateTopic, kafkaRecord{"e", fmt.Sprintf(`{"entity":"e","features":{%s},"version":%d}`, strings.Join(features, ","), version)})
		return want
	}
	as := func(asStored, asDecoded string) error {
		if got := stored.do(t, read...); got != asStored {
			return fmt.Errorf("stored: %s", whereTheyDiffer(names, got, asStored))
		}
		if got := decoded.do(t, read...); got != asDecoded {
			return fmt.Errorf("decoded: %s", whereTheyDiffer(names, got, asDecoded))
		}
		return nil
	}
	// Until what came before is too long ago to matter, records evict.
	applied := [2]bool{}
	eventually(t, "both values of a record without a fetch", func() error {
		for pick := range applied {
			asDecoded := write(pick)
			asStored := direct.do(t, read...)
			before := f.store.reads(t)
			eventually(t, "the values of a record", func() error { return as(asStored, asDecoded) })
			applied[pick] = f.store.reads(t) == before
			eventually(t, "both forms to be held", func() error {
				before := f.store.reads(t)
				if err := as(asStored, asDecoded); err != nil {
					return err
				}
				if f.store.reads(t) != before {
					return errNotCached
				}
				return nil
			})
		}
		if !applied[0] || !applied[1] {
			return fmt.Errorf("applied: %v", applied)
		}
		return nil
	})
}

// whereTheyDiffer names the first value in which two replies to HMGET do.
func whereTheyDiffer(names []string, got, want string) string {
	a, b := strings.Split(got, "\r\n$"), strings.Split(want, "\r\n$")
	for i := range min(len(a), len(b), len(names)+1) {
		if i > 0 && a[i] != b[i] {
			return fmt.Sprintf("%s: %q, want %q", names[i-1], a[i], b[i])
		}
	}
	return fmt.Sprintf("%q, want %q", got, want)
}
