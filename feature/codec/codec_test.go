package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestAValueThatIsNotOfItsFormIsAnErrorThatDoesNotRepeatIt(t *testing.T) {
	floatMessage := protowire.AppendFixed32(protowire.AppendTag(nil, 1, protowire.Fixed32Type), 1)
	for _, c := range []struct {
		name   string
		form   Form
		stored string
		want   string
	}{
		{"a word", Form{Type: Float, Encoding: Text}, "secret", "not a decimal number"},
		{"nothing", Form{Type: Float, Encoding: Text}, "", "not a decimal number"},
		{"Go's own hexadecimal", Form{Type: Float, Encoding: Text}, "0x1p-2", "not a decimal number"},
		{"too large", Form{Type: Float, Encoding: Text}, "1e999", "too large"},
		{"a fraction", Form{Type: Int, Encoding: Text}, "1.5", "not a whole"},
		{"65 bits", Form{Type: Int, Encoding: Text}, "18446744073709551616", "more than 64 bits"},
		{"neither", Form{Type: Bool, Encoding: Text}, "yes", "neither true nor false"},
		{"two bytes", Form{Type: Bool, Encoding: Raw}, "\x01\x00", "one byte"},
		{"a short float", Form{Type: Float, Encoding: Raw}, "abc", "3 bytes where 4"},
		{"not whole", Form{Type: IntList, Encoding: Raw}, "secret", "no whole number"},
		{"too few", Form{Type: Embedding, Encoding: Raw, Dimension: 2}, "abcd", "1 elements where the dimension is 2"},
		{"a double", Form{Type: Float, Encoding: Protobuf, Bits: 64}, string(floatMessage), "wire type 5"},
		{"no message", Form{Type: Float, Encoding: Protobuf}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "read a message"},
		{"a field cut off", Form{Type: Bytes, Encoding: Protobuf}, "\x0a\x05ab", "read field 1"},
		{"strings packed", Form{Type: IntList, Encoding: Protobuf}, "\x0a\x02\xff\xff", "read packed ints"},
		{"no Snappy", Form{Type: Bytes, Encoding: Snappy}, "", "not a Snappy block"},
		{"broken Snappy", Form{Type: Bytes, Encoding: Snappy}, "\x05\x00ab", "Snappy"},
		{"another member", Form{Type: Float, Encoding: Feast}, "\x29\x00\x00\x00\x00\x00\x00\x00\x00", "type DOUBLE where the catalogue says FLOAT"},
		{"two members", Form{Type: Bool, Encoding: Feast}, "\x38\x01\x38\x01", "more than one member"},
		{"an object", Form{Type: IntList, Encoding: Text}, `{"secret":1}`, "not a JSON array"},
		{"null among numbers", Form{Type: IntList, Encoding: Text}, `[1,null]`, "not a whole"},
		{"null among strings", Form{Type: StringList, Encoding: Text}, `["secret",null]`, "null"},
	} {
		decoded, err := c.form.Decode([]byte("kept"), []byte(c.stored))
		if err == nil || string(decoded) != "kept" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want an error with %q", c.name, decoded, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the value: %v", c.name, err)
		}
	}
}

func TestANullOfFeastIsToldFromAValue(t *testing.T) {
	for _, stored := range []string{"", "\x98\x01\x00"} {
		if _, err := (Form{Type: Float, Encoding: Feast}).Decode(nil, []byte(stored)); !errors.Is(err, ErrNull) {
			t.Errorf("%x: %v", stored, err)
		}
	}
}

// TestClaimsTakeNoMemory has values of some bytes claim to be long.
func TestClaimsTakeNoMemory(t *testing.T) {
	claim := func(n uint64) []byte { return append(binary.AppendUvarint(nil, n), "abcdefgh"...) }
	packed := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), make([]byte, 4<<20))
	oneByOne := bytes.Repeat(protowire.AppendFixed32(protowire.AppendTag(nil, 1, protowire.Fixed32Type), 1), 1<<20)
	for _, c := range []struct {
		name   string
		form   Form
		stored []byte
	}{
		{"Snappy of 2 GiB", Form{Type: Bytes, Encoding: Snappy}, claim(2 << 30)},
		{"Snappy past 64 bits", Form{Type: Bytes, Encoding: Snappy}, bytes.Repeat([]byte{0xff}, 20)},
		{"Snappy past its ratio", Form{Type: Bytes, Encoding: Snappy}, claim(10 * 64)},
		{"a field of 2 GiB", Form{Type: Bytes, Encoding: Protobuf}, append([]byte{0x0a}, claim(2<<30)...)},
		{"packed past the dimension", Form{Type: Embedding, Encoding: Protobuf, Dimension: 8}, packed},
		{"one by one past the dimension", Form{Type: Embedding, Encoding: Protobuf, Dimension: 8}, oneByOne},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.form.Decode(nil, c.stored)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 64<<10 {
			t.Errorf("%s: error %v, %d bytes taken", c.name, err, taken)
		}
	}
}

func TestSnappysTightestBlockIsWithinTheRatio(t *testing.T) {
	form := Form{Type: Bytes, Encoding: Snappy}
	zeros := make([]byte, 1<<20)
	decoded, err := form.Decode(nil, s2.EncodeSnappy(nil, zeros))
	if err != nil || !bytes.Equal(decoded, zeros) {
		t.Fatalf("%d bytes, %v", len(decoded), err)
	}
}

func TestAPlainBlockIsLegalSnappyOfTheSameValue(t *testing.T) {
	form := Form{Type: Bytes, Encoding: Snappy}
	for _, n := range []int{0, 1, 60, 61, 256, 257, 65536, 65537, 200_000} {
		value := bytes.Repeat([]byte("abcdefghi"), n)[:n]
		plain, err := form.Plain([]byte("x"), s2.EncodeSnappy(nil, value))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s2.Decode(nil, plain[1:])
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if overhead := len(plain) - 1 - n; overhead > 3+5*3 {
			t.Errorf("%d bytes take %d more", n, overhead)
		}
		if same, spelling := form.Equal(plain[1:], s2.EncodeSnappy(nil, value)); !same || (n > 60 && !spelling) {
			t.Errorf("%d bytes: same %v, spelling %v", n, same, spelling)
		}
	}
	text := Form{Type: Float, Encoding: Text}
	if got, err := text.Plain(nil, []byte("0.10")); err != nil || string(got) != "0.10" {
		t.Errorf("a value that is not in a Snappy block became %q, %v", got, err)
	}
}

func TestComparisonIsByValue(t *testing.T) {
	f32 := func(x float32) string {
		return string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
	}
	floats := Form{Type: FloatList, Encoding: Raw}
	for _, c := range []struct {
		form           Form
		a, b           string
		same, spelling bool
	}{
		{Form{Type: Float, Encoding: Text}, "0.1", "0.1", true, false},
		{Form{Type: Float, Encoding: Text}, "0.10", "1e-1", true, true},
		{Form{Type: Float, Encoding: Text}, "0", "-0.0", true, true},
		{Form{Type: Float, Encoding: Text}, "NaN", "nan", true, true},
		{Form{Type: Float, Encoding: Text}, "0.1", "0.1000000001", false, false},
		{Form{Type: Float, Encoding: Text}, "x", "x", true, false},
		{Form{Type: Float, Encoding: Text}, "x", "y", false, false},
		{Form{Type: Float, Encoding: Text}, "x", "1", false, false},
		{Form{Type: Int, Encoding: Text}, "+5", "5", true, true},
		{Form{Type: String, Encoding: Text}, "0.1", "0.10", false, false},
		{floats, f32(0), f32(float32(math.Copysign(0, -1))), true, true},
		{floats, f32(1), f32(2), false, false},
		{floats, f32(1), f32(1) + f32(1), false, false},
		{Form{Type: Float, Encoding: Feast}, "", "\x98\x01\x00", true, true},
		{Form{Type: IntList, Encoding: Text}, "[1, 2]", "[1,2]", true, true},
	} {
		if same, spelling := c.form.Equal([]byte(c.a), []byte(c.b)); same != c.same || spelling != c.spelling {
			t.Errorf("%s: %q and %q: same %v, spelling %v", c.form, c.a, c.b, same, spelling)
		}
	}
}

func TestTypedJSONIsStoredAsTheStoreHasIt(t *testing.T) {
	for _, c := range []struct {
		form Form
		json string
		want string // "!": refused
	}{
		{Form{Type: Float, Encoding: Text}, `0.10`, "0.1"},
		{Form{Type: Float, Encoding: Text}, `"nan"`, "nan"},
		{Form{Type: Float, Encoding: Text}, `true`, "!"},
		{Form{Type: Float, Encoding: Protobuf}, `1e300`, "!"},
		{Form{Type: Float, Encoding: Raw}, ` 1 `, "\x00\x00\x80\x3f"},
		{Form{Type: Int, Encoding: Text}, `9223372036854775807`, "9223372036854775807"},
		{Form{Type: Int, Encoding: Text}, `1.0`, "!"},
		{Form{Type: Int, Encoding: Feast, FeastType: "INT32"}, `2147483648`, "!"},
		{Form{Type: Int, Encoding: Raw, Bits: 32}, `2147483648`, "!"},
		{Form{Type: Bool, Encoding: Text}, `true`, "1"},
		{Form{Type: Bool, Encoding: Protobuf}, `true`, "\x08\x01"},
		{Form{Type: Bool, Encoding: Protobuf}, `false`, ""},
		{Form{Type: Bool, Encoding: Feast}, `false`, "\x38\x00"},
		{Form{Type: String, Encoding: Text}, `"a\u00fc"`, "aü"},
		{Form{Type: String, Encoding: Text}, `5`, "!"},
		{Form{Type: Bytes, Encoding: Raw}, `"AP8="`, "\x00\xff"},
		{Form{Type: Bytes, Encoding: Raw}, `"AP8"`, "!"},
		{Form{Type: Embedding, Encoding: Protobuf, Dimension: 1}, `[1]`, "\x0a\x04\x00\x00\x80\x3f"},
		{Form{Type: Embedding, Encoding: Protobuf, Dimension: 1}, `[1,2]`, "!"},
		{Form{Type: Embedding, Encoding: Protobuf, Dimension: 1}, `[1e39]`, "!"},
		{Form{Type: IntList, Encoding: Text}, `[ 1 , -2 ]`, "[1,-2]"},
		{Form{Type: IntList, Encoding: Feast, FeastType: "BOOL_LIST"}, `[2]`, "!"},
		{Form{Type: StringList, Encoding: Protobuf}, `["a",""]`, "\x0a\x01a\x0a\x00"},
	} {
		got, err := c.form.EncodeJSON([]byte("x"), []byte(c.json))
		switch {
		case c.want == "!":
			if err == nil || string(got) != "x" {
				t.Errorf("%s: %s was stored as %q, %v", c.form, c.json, got, err)
			}
		case err != nil || string(got) != "x"+c.want:
			t.Errorf("%s: %s was stored as %q, %v, want %q", c.form, c.json, got, err, c.want)
		}
	}
	if _, err := (Form{Type: Float, Encoding: Text}).EncodeJSON(nil, []byte(" null ")); !errors.Is(err, ErrNull) {
		t.Errorf("null: %v", err)
	}
}

func TestADecodedListIsWholeElements(t *testing.T) {
	for _, c := range []struct {
		form    Form
		decoded string
	}{
		{Form{Type: IntList, Encoding: Protobuf}, "1234567"},
		{Form{Type: Embedding, Encoding: Protobuf, Dimension: 1}, "12345678"},
		{Form{Type: StringList, Encoding: Protobuf}, "\x05\x00\x00\x00abc"},
		{Form{Type: StringList, Encoding: Protobuf}, "\x05\x00"},
		{Form{Type: StringList, Encoding: Protobuf, Dimension: 2}, "\x00\x00\x00\x00"},
	} {
		if stored, err := c.form.Encode([]byte("x"), []byte(c.decoded)); err == nil || string(stored) != "x" {
			t.Errorf("%s: %q was encoded as %q", c.form, c.decoded, stored)
		}
	}
}

func TestFormsThatMakeNoSenseAreRefusedWithWhatIsAccepted(t *testing.T) {
	for _, c := range []struct {
		form Form
		want string
	}{
		{Form{Type: "flaot", Encoding: Text}, "accepted: float, int"},
		{Form{Type: Float, Encoding: "csv"}, "accepted for the type float: text"},
		{Form{Type: StringList, Encoding: Raw}, "does not fit"},
		{Form{Type: Embedding, Encoding: Protobuf}, "add dimension"},
		{Form{Type: Embedding, Encoding: Protobuf, Dimension: MaxDimension + 1}, "out of range"},
		{Form{Type: Float, Encoding: Text, Dimension: 3}, "has no dimension"},
		{Form{Type: Float, Encoding: Text, Bits: 64}, "bits has no meaning"},
		{Form{Type: Int, Encoding: Protobuf, Bits: 32}, "bits has no meaning"},
		{Form{Type: Float, Encoding: Raw, Bits: 16}, "accepted: 32 or 64"},
		{Form{Type: Float, Encoding: Feast, Bits: 64}, "feast_type: DOUBLE"},
		{Form{Type: Float, Encoding: Text, FeastType: "DOUBLE"}, "feast_type has no meaning"},
		{Form{Type: Float, Encoding: Feast, FeastType: "INT64"}, "accepted: FLOAT, DOUBLE"},
	} {
		if err := c.form.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.form, err, c.want)
		}
	}
}

func TestStringsOfADecodedListAreToldApart(t *testing.T) {
	form := Form{Type: StringList, Encoding: Text}
	decoded, err := form.Decode(nil, []byte(`["a","","bc"]`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := Strings(decoded, func(s []byte) bool { got = append(got, string(s)); return true }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "|") != "a||bc" {
		t.Errorf("got %q", got)
	}
	if err := Strings([]byte("abc"), nil); err == nil {
		t.Error("no error for a list cut off")
	}
}

func TestDecodingIntoRoomThatIsThereTakesNoMemory(t *testing.T) {
	if raced {
		t.Skip("under the race detector pools forget at random")
	}
	dst := make([]byte, 0, 64<<10)
	for _, v := range vectors(t) {
		list := v.Type == StringList || v.Type == IntList || v.Type == Embedding
		if v.Encoding == Text && list {
			continue // JSON does
		}
		form := v.form()
		if n := testing.AllocsPerRun(20, func() { _, _ = form.Decode(dst, v.Stored) }); n > 0 {
			t.Errorf("%s (%s): %.0f allocations", v.Name, form, n)
		}
	}
}
