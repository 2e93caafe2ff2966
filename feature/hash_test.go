package feature

import (
	"strconv"
	"testing"
)

// sanityBuffer is what the reference implementation's test suite hashes: the
// top bytes of the powers of its 64-bit prime times its 32-bit one.
func sanityBuffer(n int) []byte {
	const prime32, prime64 = 2654435761, 11400714785074694797
	buf, state := make([]byte, n), uint64(prime32)
	for i := range buf {
		buf[i] = byte(state >> 56)
		state *= prime64
	}
	return buf
}

func TestXXH32IsTheSpecifiedHash(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		want uint32
	}{
		{"empty", nil, 0x02cc5d05},
		{"a byte", []byte("a"), 0x550d7456},
		{"less than a word", []byte("abc"), 0x32d153ff},
		{"stripes, words and bytes", []byte("Nobody inspects the spammish repetition"), 0xe2293b2f},
		{"test suite, 1 byte", sanityBuffer(1), 0xcf65b03e},
		{"test suite, 14 bytes", sanityBuffer(14), 0x1208e7e2},
		{"test suite, 222 bytes", sanityBuffer(222), 0x5bd11dbd},
	} {
		if got := XXH32(c.data); got != c.want {
			t.Errorf("%s: got %#08x, want %#08x", c.name, got, c.want)
		}
	}
}

func TestIDIsTheDecimalHashOfTheName(t *testing.T) {
	for name, want := range map[string]string{
		"":                            "46947589",
		"daf_cs_p6m_consumer2vec_emb": "3842923820",
	} {
		if got := ID(name); got != want {
			t.Errorf("ID(%q) = %s, want %s", name, got, want)
		}
	}
}

// slowXXH32 follows the specification's text word for word, in numbers wide
// enough that only explicit remainders wrap.
func slowXXH32(data []byte) uint32 {
	const (
		word                   = uint64(1) << 32
		p1, p2, p3, p4, p5     = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1
		laneCount, bytesInWord = 4, 4
	)
	rotate := func(x uint64, n uint) uint64 { return (x<<n | x>>(32-n)) % word }
	times := func(a, b uint64) uint64 { return a * b % word }
	little := func(at int) (x uint64) {
		for i := bytesInWord - 1; i >= 0; i-- {
			x = x*256 + uint64(data[at+i])
		}
		return x
	}
	at, acc := 0, uint64(p5)
	if len(data) >= laneCount*bytesInWord {
		lanes := []uint64{(p1 + p2) % word, p2, 0, word - p1}
		for at+laneCount*bytesInWord <= len(data) {
			for i := range lanes {
				lanes[i] = (lanes[i] + times(little(at), p2)) % word
				lanes[i] = times(rotate(lanes[i], 13), p1)
				at += bytesInWord
			}
		}
		acc = (rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18)) % word
	}
	acc = (acc + uint64(len(data))) % word
	for ; at+bytesInWord <= len(data); at += bytesInWord {
		acc = times(rotate((acc+times(little(at), p3))%word, 17), p4)
	}
	for ; at < len(data); at++ {
		acc = times(rotate((acc+times(uint64(data[at]), p5))%word, 11), p1)
	}
	acc = times(acc^acc>>15, p2)
	acc = times(acc^acc>>13, p3)
	return uint32(acc ^ acc>>16)
}

func TestXXH32OfEveryLengthAgreesWithTheSpecificationFollowedByTheLetter(t *testing.T) {
	buf := sanityBuffer(300)
	for n := range buf {
		if got, want := XXH32(buf[:n]), slowXXH32(buf[:n]); got != want {
			t.Errorf("%d bytes: got %#08x, want %#08x", n, got, want)
		}
	}
}

func FuzzXXH32(f *testing.F) {
	f.Add([]byte("daf_cs_p6m_consumer2vec_emb"))
	f.Add(sanityBuffer(100))
	f.Fuzz(func(t *testing.T, data []byte) {
		want := slowXXH32(data)
		if got := XXH32(data); got != want {
			t.Errorf("XXH32(%q) = %#08x, want %#08x", data, got, want)
		}
		if got := ID(string(data)); got != strconv.FormatUint(uint64(want), 10) {
			t.Errorf("ID(%q) = %s, want %d", data, got, want)
		}
	})
}
