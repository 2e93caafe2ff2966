package codec

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Below minFixed and from maxFixed on, a float is written with an exponent, as
// JSON and JavaScript do.
const (
	minFixed = 1e-6
	maxFixed = 1e21
)

// AppendFloat appends the decoded form of a float of so many bits.
func AppendFloat(dst []byte, x float64, bits int) []byte { return appendFloat(dst, x, bits) }

// appendFloat appends the shortest decimal text that reads back as x, a float
// of so many bits: "0.1", "1e+21", "nan", "inf", "-inf".
func appendFloat(dst []byte, x float64, bits int) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, "nan"...)
	case math.IsInf(x, 1):
		return append(dst, "inf"...)
	case math.IsInf(x, -1):
		return append(dst, "-inf"...)
	}
	format := byte('f')
	if size := math.Abs(x); size != 0 && (size < minFixed || size >= maxFixed) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, x, format, -1, bits)
}

// parseFloat reads decimal text, an exponent allowed, and the words for what is
// no number. Go's own hexadecimal numbers and underscores are nobody else's.
func parseFloat(text []byte, bits int) (float64, error) {
	for _, c := range text {
		if c == '_' || c == 'x' || c == 'X' {
			return 0, errNotFloat
		}
	}
	x, err := strconv.ParseFloat(string(text), bits)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("a number too large for a float of %d bits", bits)
	}
	if err != nil {
		return 0, errNotFloat
	}
	return x, nil
}

// Errors say nothing of the value itself: they end up in logs.
var (
	errNotFloat = errors.New("not a decimal number")
	errNotInt   = errors.New("not a whole decimal number")
	errNotInt64 = errors.New("a whole number of more than 64 bits")
	errNotInt32 = errors.New("a whole number of more than 32 bits")
	errNotBool  = errors.New("neither true nor false: 1, 0, true or false is")
)

func parseInt(text []byte) (int64, error) {
	x, err := strconv.ParseInt(string(text), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errNotInt64
	}
	if err != nil {
		return 0, errNotInt
	}
	return x, nil
}

// parseBool reads the spellings that languages have by themselves.
func parseBool(text []byte) (bool, error) {
	switch string(text) {
	case "1", "true", "True", "TRUE":
		return true, nil
	case "0", "false", "False", "FALSE":
		return false, nil
	}
	return false, errNotBool
}

func appendBool(dst []byte, yes bool) []byte {
	if yes {
		return append(dst, '1')
	}
	return append(dst, '0')
}
