package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// text writes what a record says, its features in order.
func (c change) text() string {
	var parts []string
	if c.all {
		parts = append(parts, "everything")
	}
	for _, name := range c.markers {
		parts = append(parts, "mark "+name)
	}
	for _, u := range c.updates {
		entity := string(u.entity)
		if u.entity == nil {
			entity = "(key)"
		}
		if u.whole {
			parts = append(parts, entity+" whole")
			continue
		}
		var values []string
		for i, v := range u.values {
			switch {
			case !u.sure(i):
				values = append(values, string(v.Feature)+"?")
			case v.Nil:
				values = append(values, string(v.Feature)+"=nil")
			default:
				values = append(values, fmt.Sprintf("%s=%s", v.Feature, v.Bytes))
			}
		}
		slices.Sort(values)
		said := entity + " " + strings.Join(values, " ")
		if u.versioned {
			said += fmt.Sprint(" @", u.version)
		}
		parts = append(parts, said)
	}
	return strings.Join(parts, "; ")
}

type formatTest struct {
	value, want string
	err         error
}

func testFormat(t *testing.T, p parser, tests []formatTest) {
	t.Helper()
	for _, test := range tests {
		said, err := p.parse([]byte(test.value))
		if got := said.text(); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %q, error %v; want %q, error %v", test.value, got, err, test.want, test.err)
		}
	}
}

func TestJSONValuesAreWhatTheStoreHolds(t *testing.T) {
	testFormat(t, jsonParser{}, []formatTest{
		{value: `{"entity":"e","features":{"a":"x","b":1.50,"c":true,"d":false,"e":null,"f":-1e3},"version":7}`, want: "e a=x b=1.50 c=1 d=0 e=nil f=-1e3 @7"},
		{value: `{"features":{"a":"\u00e9\n"}}`, want: "(key) a=\u00e9\n"},
		{value: `{"entity":null,"features":{},"version":null,"more":[1]}`, want: "(key) "},
		{value: `{"entity":"e","features":{"a":[1,2],"b":{"c":1},"d":1}}`, want: "e a? b? d=1"},
		{value: `{"entity":"e","features":{"a":"\ud800"}}`, want: "e a?"},
		{value: `{"entity":"e"}`, want: "e whole", err: errJSONFeatures},
		{value: `{"entity":"e","features":{"a":1},"version":1.5}`, want: "e whole", err: errJSONVersion},
		{value: `{"entity":"e","features":{"a":1},"version":9223372036854775808}`, want: "e whole", err: errJSONVersion},
		{value: `{"entity":7,"features":{"a":1}}`, err: errJSON},
		{value: `{"entity":"\udc00","features":{"a":1}}`, err: errJSON},
		{value: `{"entity":"e","features":{"\ud800":1}}`, want: "e whole", err: errJSONText},
		{value: "{\"entity\":\"\xff\",\"features\":{\"a\":1}}", err: errJSONText},
		{value: `[]`, err: errJSON},
		{value: ``, err: errJSON},
		{value: `{"features":{"a":1}} {}`, err: errJSON},
	})
}

func TestAnEncoderDecidesWhatTheStoreHolds(t *testing.T) {
	p := jsonParser{encode: func(feature, literal []byte) ([]byte, error) {
		switch string(feature) {
		case "misfit":
			return nil, errors.New("of another type")
		case "unlisted":
			return nil, ErrUnlisted
		}
		return append([]byte("<"), literal...), nil
	}}
	testFormat(t, p, []formatTest{
		{value: `{"features":{"list":[1,2],"misfit":1,"none":null,"unlisted":true}}`, want: "(key) list=<[1,2] misfit? none=nil unlisted=1"},
	})
}

func TestCommandsSayWhatTheyChange(t *testing.T) {
	testFormat(t, newCommandParser(), []formatTest{
		{value: "*4\r\n$4\r\nHSET\r\n$1\r\ne\r\n$1\r\na\r\n$3\r\n1\r\n\r\n", want: "e a=1\r\n"},
		{value: "hmset e a 1 b 2", want: "e a=1 b=2"},
		{value: "HSET e a 1\nHDEL e b c\nHSETNX e d 1\r\nHINCRBY e f 2\n", want: "e a=1; e b=nil c=nil; e d?; e f?"},
		{value: "DEL e f", want: "e whole; f whole"},
		{value: "UNLINK e", want: "e whole"},
		{value: "EXPIRE e 10", want: "e whole"},
		{value: "RENAME a b", want: "a whole; b whole"},
		{value: "MULTI\nHSET e a 1\nEXEC\n", want: "e a=1"},
		{value: "FLUSHALL", want: "everything"},
		{value: "HSET e a", want: "e whole", err: errCommandForm},
		{value: "HSET e", want: "e whole", err: errCommandForm},
		{value: "HSET", err: errCommandForm},
		{value: "SOMETHING e a", want: "e whole", err: errCommandName},
		{value: "SOMETHING e a\nHSET f a 1\n", want: "e whole; f a=1", err: errCommandName},
		{value: "*4\r\n$4\r\nHSET\r\n$1\r\ne\r\n", err: errCommandFrame},
		{value: "*1\r\n$9223372036854775807\r\nx", err: errCommandFrame},
		{value: "\r\n", err: errCommandNone},
		{value: "", err: errCommandNone},
	})
}

// message is an Update in wire form.
func message(entity string, version int64, features ...[]byte) string {
	b := protowire.AppendTag(nil, updateEntity, protowire.BytesType)
	b = protowire.AppendString(b, entity)
	for _, f := range features {
		b = protowire.AppendTag(b, updateFeatures, protowire.BytesType)
		b = protowire.AppendBytes(b, f)
	}
	if version != 0 {
		b = protowire.AppendTag(b, updateVersion, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(version))
	}
	return string(b)
}

func named(name, value string) []byte {
	b := protowire.AppendTag(nil, featureName, protowire.BytesType)
	b = protowire.AppendString(b, name)
	b = protowire.AppendTag(b, featureValue, protowire.BytesType)
	return protowire.AppendString(b, value)
}

func TestProtobufIsWalkedByItsSchema(t *testing.T) {
	id := protowire.AppendVarint(protowire.AppendTag(nil, featureID, protowire.VarintType), 2496559762)
	id = protowire.AppendVarint(protowire.AppendTag(id, featureNil, protowire.VarintType), 1)
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 5)
	wrong := protowire.AppendVarint(protowire.AppendTag(nil, updateEntity, protowire.VarintType), 5)
	testFormat(t, protobufParser{}, []formatTest{
		{value: message("e", -3, named("a", "x"), id), want: "e 2496559762=nil a=x @-3"},
		{value: message("", 0, named("a", "")), want: "(key) a="},
		{value: message("e", 0, append(named("a", "x"), unknown...)) + string(unknown), want: "e a=x"},
		{value: "", want: "(key) "},
		{value: message("e", 0, []byte{}), want: "e whole", err: errProtobufFeature},
		{value: message("e", 0) + string(wrong), want: "e whole", err: errProtobuf},
		{value: message("e", 0, named("a", "x"))[:8], want: "e whole", err: errProtobuf},
	})
}

func TestMarkersNameFeaturesInTheValueOrNotAtAll(t *testing.T) {
	testFormat(t, markerParser{}, []formatTest{
		{value: "2026-01-01"},
		{value: ""},
		{value: `{"feature":"a"}`, want: "mark a"},
		{value: `{"features":["a","b*"]}`, want: "mark a; mark b*"},
		{value: `{"version":3}`},
		{value: `{"feature":`, err: errJSON},
	})
}

func TestReasonsHoldNothingOfTheValue(t *testing.T) {
	const secret = "hunter2"
	for format, value := range map[Format]string{
		FormatJSON: `{"entity":"e","features":{"a":` + secret, FormatRESP: "HSET " + secret, FormatMarkers: `{"feature":` + secret,
		FormatProtobuf: message("e", 0) + secret,
	} {
		p, err := newParser(format, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.parse([]byte(value)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func FuzzFormats(f *testing.F) {
	for _, seed := range []string{
		`{"entity":"e","features":{"a":"x","b":1},"version":7}`, "HSET e a 1\r\n", "*2\r\n$3\r\nDEL\r\n$1\r\ne\r\n",
		message("e", 3, named("a", "x")), `{"features":["a"]}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, format := range []Format{FormatJSON, FormatRESP, FormatProtobuf, FormatMarkers} {
			p, err := newParser(format, nil)
			if err != nil {
				t.Fatal(err)
			}
			said, err := p.parse(value)
			if err == nil && len(said.updates) == 0 && !said.all && format != FormatMarkers && format != FormatRESP {
				t.Errorf("%s: %q says nothing, and is no error", format, value)
			}
			for _, u := range said.updates {
				for _, v := range u.values {
					if !u.whole && v.Feature == nil {
						t.Errorf("%s: %q has a change of nothing", format, value)
					}
				}
			}
		}
	})
}
