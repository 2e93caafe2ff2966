package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. As text it is a plain integer or an integer with
// one of the units KiB, MiB, GiB (powers of 1024) and KB, MB, GB (powers of
// 1000), upper and lower case as written here.
type Bytes int64

// byteUnits lists the units with the ones to prefer in print first: larger
// before smaller, and powers of 1024, in which memory is counted, before
// powers of 1000.
var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
}

var (
	errBytesSyntax   = errors.New("not a size in bytes")
	errBytesTooLarge = errors.New("more bytes than can be counted")
)

// ParseBytes reads a size such as "4096", "64MiB" or "2 GB". It never returns
// a negative size.
func ParseBytes(text string) (Bytes, error) {
	number, unit := text, int64(1)
	for _, u := range byteUnits {
		if before, found := strings.CutSuffix(text, u.name); found {
			number, unit = strings.TrimSuffix(before, " "), u.bytes
			break
		}
	}
	// ParseUint would take a leading "+"; a size has digits only.
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return 0, errBytesSyntax
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errBytesTooLarge
	}
	return Bytes(n * unit), nil
}

// String is the shortest exact form that [ParseBytes] reads back.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText is ParseBytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := ParseBytes(string(text))
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	*b = n
	return nil
}
