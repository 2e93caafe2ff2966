package config

import (
	"errors"
	"math"
	"testing"
)

func TestBytesAreReadWithEachUnit(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1": 1, "007": 7, "4096": 4096, "1KiB": 1024, "64MiB": 64 << 20, "2 GiB": 2 << 30,
		"1KB": 1000, "3MB": 3e6, "4GB": 4e9, "0MiB": 0,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseBytes(text); got != want || err != nil {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestBytesRefuseWhatIsNoSize(t *testing.T) {
	for _, text := range []string{
		"", " ", "x", "-1", "+1", "1.5GiB", "1e6", "1_000", "0x10", "MiB", " 1", "1  KiB", "1mib", "1Mi", "1M", "1 ", "KiB1", "1KiBKiB",
	} {
		if got, err := ParseBytes(text); !errors.Is(err, errBytesSyntax) {
			t.Errorf("%q = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"9223372036854775808", "9007199254740992KiB", "99999999999999999999999GiB"} {
		if got, err := ParseBytes(text); !errors.Is(err, errBytesTooLarge) {
			t.Errorf("%q = %d, %v", text, got, err)
		}
	}
}

func FuzzParsedBytesAreNeverNegativeAndPrintBackTheSame(f *testing.F) {
	for _, text := range []string{"0", "1KiB", "64 MiB", "9223372036854775807", "8589934592GiB", "-1", "1.5GB", "KB", "１KiB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseBytes(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q = %d", text, n)
		}
		var again Bytes
		if err := again.UnmarshalText([]byte(n.String())); err != nil || again != n {
			t.Fatalf("%q = %d prints as %q, which is %d, %v", text, n, n, again, err)
		}
	})
}
