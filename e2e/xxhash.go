//go:build e2e

package e2e

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// The primes of xxHash32's specification.
const (
	prime1 uint32 = 2654435761
	prime2 uint32 = 2246822519
	prime3 uint32 = 3266489917
	prime4 uint32 = 668265263
	prime5 uint32 = 374761393
)

// featureID returns the hash field of a feature: the decimal xxHash32 of its
// name.
func featureID(name string) string {
	return strconv.FormatUint(uint64(xxHash32([]byte(name))), 10)
}

// xxHash32 returns the xxHash32 of b with seed 0.
func xxHash32(b []byte) uint32 {
	h := prime5
	n := uint32(len(b))
	if len(b) >= 16 {
		p1, p2 := prime1, prime2
		v := [4]uint32{p1 + p2, p2, 0, -p1}
		for ; len(b) >= 16; b = b[16:] {
			for i := range v {
				lane := binary.LittleEndian.Uint32(b[4*i:])
				v[i] = bits.RotateLeft32(v[i]+lane*prime2, 13) * prime1
			}
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) +
			bits.RotateLeft32(v[2], 12) + bits.RotateLeft32(v[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*prime3, 17) * prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
