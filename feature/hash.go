package feature

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// The five primes of xxHash32, as its specification numbers them.
const (
	prime1 = 2654435761
	prime2 = 2246822519
	prime3 = 3266489917
	prime4 = 668265263
	prime5 = 374761393
)

// stripe is how many bytes the four lanes take at once.
const stripe = 16

// ID is the store's field for the feature called name: the decimal xxHash32 of
// the name with seed 0.
func ID(name string) string {
	return strconv.FormatUint(uint64(XXH32([]byte(name))), 10)
}

// XXH32 is xxHash32 of data with seed 0.
//
// Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
func XXH32(data []byte) uint32 {
	length := uint32(len(data)) // modulo 2^32, as specified
	hash := uint32(prime5)
	if len(data) >= stripe {
		lanes := [4]uint32{(prime1 + prime2) & math.MaxUint32, prime2, 0, -prime1 & math.MaxUint32}
		for ; len(data) >= stripe; data = data[stripe:] {
			for i := range lanes {
				lanes[i] = bits.RotateLeft32(lanes[i]+binary.LittleEndian.Uint32(data[4*i:])*prime2, 13) * prime1
			}
		}
		hash = bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7) +
			bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18)
	}
	hash += length
	for ; len(data) >= 4; data = data[4:] {
		hash = bits.RotateLeft32(hash+binary.LittleEndian.Uint32(data)*prime3, 17) * prime4
	}
	for _, b := range data {
		hash = bits.RotateLeft32(hash+uint32(b)*prime5, 11) * prime1
	}
	hash = (hash ^ hash>>15) * prime2
	hash = (hash ^ hash>>13) * prime3
	return hash ^ hash>>16
}
