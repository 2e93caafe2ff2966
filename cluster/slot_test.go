package cluster

import (
	"testing"
)

func TestSlotIsThatOfRedisCluster(t *testing.T) {
	for key, want := range map[string]uint16{
		"":                     0,
		"123456789":            0x31C3, // CRC16/XMODEM's check value
		"foo":                  12182,
		"bar":                  5061,
		"hello":                866,
		"{user1000}.following": slotBitwise("user1000"),
		"{user1000}.followers": slotBitwise("user1000"),
		"foo{}{bar}":           slotBitwise("foo{}{bar}"), // an empty tag is none
		"foo{{bar}}zap":        slotBitwise("{bar"),
		"foo{bar}{zap}":        slotBitwise("bar"),
		"foo{bar":              slotBitwise("foo{bar"),
		"foo}bar{":             slotBitwise("foo}bar{"),
		"st_1426727\x00\xff":   slotBitwise("st_1426727\x00\xff"),
	} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
}

// slotBitwise computes CRC16/XMODEM bit by bit, as its definition reads.
func slotBitwise(key string) uint16 {
	var crc uint16
	for _, c := range []byte(key) {
		for bit := 7; bit >= 0; bit-- {
			feedback := crc>>15 ^ uint16(c>>bit&1)
			crc <<= 1
			if feedback != 0 {
				crc ^= 0x1021
			}
		}
	}
	return crc % 16384
}

func TestSlotAllocatesNothing(t *testing.T) {
	key := []byte("prefix{st_1426727}suffix")
	if n := testing.AllocsPerRun(100, func() { Slot(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSlot(f *testing.F) {
	f.Add([]byte("a{b}c"))
	f.Fuzz(func(t *testing.T, key []byte) {
		if got, want := Slot(key), slotBitwise(string(hashTag(key))); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	})
}
