package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vector is a value as another implementation has written it; see
// testdata/vectors.py.
type vector struct {
	Name      string
	Type      Type
	Encoding  Encoding
	Stored    hexBytes
	Decoded   hexBytes
	Canonical bool // there is one way to write it
	Dimension int
	Bits      int
	FeastType FeastType `json:"feast_type"`
}

func (v vector) form() Form {
	return Form{Type: v.Type, Encoding: v.Encoding, Dimension: v.Dimension, Bits: v.Bits, FeastType: v.FeastType}
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

func vectors(t testing.TB) []vector {
	t.Helper()
	content, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d vectors", len(all))
	}
	return all
}

func TestValuesOfOtherImplementationsDecodeAndComeBackTheSame(t *testing.T) {
	for _, v := range vectors(t) {
		form := v.form()
		if err := form.Check(); err != nil {
			t.Errorf("%s (%s): %v", v.Name, form, err)
			continue
		}
		decoded, err := form.Decode([]byte("before"), v.Stored)
		if err != nil || !bytes.Equal(decoded, append([]byte("before"), v.Decoded...)) {
			t.Errorf("%s (%s): decoded %x, %v, want %x", v.Name, form, decoded, err, v.Decoded)
			continue
		}
		stored, err := form.Encode([]byte("before"), v.Decoded)
		if err != nil || !bytes.HasPrefix(stored, []byte("before")) {
			t.Errorf("%s (%s): encode: %q, %v", v.Name, form, stored, err)
			continue
		}
		stored = stored[len("before"):]
		if v.Canonical && !bytes.Equal(stored, v.Stored) {
			t.Errorf("%s (%s): encoded %x, want %x", v.Name, form, stored, v.Stored)
		}
		if same, spelling := form.Equal(v.Stored, stored); !same || spelling == bytes.Equal(v.Stored, stored) {
			t.Errorf("%s (%s): what was encoded again is the same: %v, spelled otherwise: %v", v.Name, form, same, spelling)
		}
	}
}

func TestEveryPairOfTypeAndEncodingHasAVector(t *testing.T) {
	have := map[Form]bool{}
	for _, v := range vectors(t) {
		have[Form{Type: v.Type, Encoding: v.Encoding}] = true
	}
	for kind, fit := range encodingsOf {
		for _, encoding := range fit {
			form := Form{Type: kind, Encoding: encoding}
			trivial := encoding == Raw || encoding == Text || encoding == Snappy // read by the code of another type
			if !have[form] && !trivial {
				t.Errorf("no vector of %s", form)
			}
		}
	}
}

func TestNoBeginningOfAValueIsReadBeyondItsEnd(t *testing.T) {
	for _, v := range vectors(t) {
		for n := range v.Stored[:min(len(v.Stored), 200)] {
			cut := v.Stored[:n:n]
			decoded, err := v.form().Decode([]byte("x"), cut)
			if err != nil && string(decoded) != "x" {
				t.Fatalf("%s, %d bytes: returned %q beside the error %v", v.Name, n, decoded, err)
			}
		}
	}
}
