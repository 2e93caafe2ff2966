package codec

import (
	"bytes"
	"testing"
)

// forms are one of every pair of type and encoding, and the widths besides.
func forms() (all []Form) {
	for _, kind := range Types {
		for _, encoding := range encodingsOf[kind] {
			form := Form{Type: kind, Encoding: encoding}
			if kind == Embedding {
				form.Dimension = 8
			}
			all = append(all, form)
			for _, bits := range []int{32, 64} {
				if form.Bits = bits; form.Check() == nil {
					all = append(all, form)
				}
			}
			form.Bits = 0
			for _, name := range feastTypesOf(kind) {
				if form.FeastType = name; form.Check() == nil {
					all = append(all, form)
				}
			}
		}
	}
	return all
}

// FuzzDecode holds for every form what must hold for any bytes: no panic, no
// more memory than the bytes can stand for, and what decodes can be encoded and
// decodes to the same again.
func FuzzDecode(f *testing.F) {
	all := forms()
	for i, form := range all {
		for _, v := range vectors(f) {
			if v.Type == form.Type && v.Encoding == form.Encoding && len(v.Stored) < 200 {
				f.Add(uint8(i), []byte(v.Stored))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, stored []byte) {
		form := all[int(which)%len(all)]
		decoded, err := form.Decode(nil, stored)
		if err != nil {
			return
		}
		// The most that a byte can stand for: Snappy's ratio, then an int of one
		// byte that becomes eight.
		if len(decoded) > 64+len(stored)*copied/copyBytes*intBytes {
			t.Fatalf("%s: %d bytes became %d", form, len(stored), len(decoded))
		}
		again, err := form.Encode(nil, decoded)
		if err != nil {
			if unwritable(form) {
				return
			}
			t.Fatalf("%s: %x decodes to %x, which cannot be encoded: %v", form, stored, decoded, err)
		}
		back, err := form.Decode(nil, again)
		if err != nil || !bytes.Equal(back, decoded) {
			t.Fatalf("%s: %x decodes to %x, encodes to %x, decodes to %x, %v", form, stored, decoded, again, back, err)
		}
		if same, _ := form.Equal(stored, again); !same {
			t.Fatalf("%s: %x and %x are not the same", form, stored, again)
		}
		plain, err := form.Plain(nil, stored)
		if err != nil {
			t.Fatal(err)
		}
		if same, _ := form.Equal(stored, plain); !same {
			t.Fatalf("%s: %x and its plain block %x are not the same", form, stored, plain)
		}
	})
}

// unwritable tells of forms that read more than they write: an INT32 or a bool
// that lies in a message as a larger number.
func unwritable(form Form) bool {
	return form.FeastType == feastInt32 || form.FeastType == feastInt32List || form.FeastType == feastBoolList
}

func FuzzDecodeJSON(f *testing.F) {
	all := forms()
	for _, seed := range []string{"1", "0.1", `"a"`, "true", "[1,2]", `["a"]`, "null", `"AP8="`} {
		for i := range all {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		form := all[int(which)%len(all)]
		stored, err := form.EncodeJSON(nil, raw)
		if err != nil {
			return
		}
		if _, err := form.Decode(nil, stored); err != nil {
			t.Fatalf("%s: %q is stored as %x, which does not decode: %v", form, raw, stored, err)
		}
	})
}
