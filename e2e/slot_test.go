//go:build e2e

package e2e

import "testing"

// Vectors of the xxHash specification and of well-known implementations; one
// for each of the paths of less than 4, less than 16, and more bytes.
func TestXXHash32MatchesItsVectors(t *testing.T) {
	for in, want := range map[string]uint32{
		"":    0x02cc5d05,
		"a":   0x550d7456,
		"abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := xxHash32([]byte(in)); got != want {
			t.Errorf("xxHash32(%q) = %#08x, want %#08x", in, got, want)
		}
	}
}

func TestSlotMatchesItsVectors(t *testing.T) {
	if got := crc16("123456789"); got != 0x31c3 {
		t.Errorf("crc16(123456789) = %#x, want 0x31c3", got)
	}
	for key, want := range map[string]int{"foo": 12182, "{foo}.bar": 12182} {
		if got := slotOf(key); got != want {
			t.Errorf("slotOf(%q) = %d, want %d", key, got, want)
		}
	}
}
