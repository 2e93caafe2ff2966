package inject

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// quantity is an amount as Kubernetes writes it: "256Mi", "100m".
type quantity struct {
	text  string
	milli float64 // thousandths of a byte or a CPU
}

// suffixes are the units of quantities, the longer first.
var suffixes = []struct {
	unit   string
	factor float64
}{
	{"Ki", 1 << 10},
	{"Mi", 1 << 20},
	{"Gi", 1 << 30},
	{"Ti", 1 << 40},
	{"m", 1e-3},
	{"k", 1e3},
	{"M", 1e6},
	{"G", 1e9},
	{"T", 1e12},
	{"", 1},
}

// parseQuantity takes the amounts that people write: not the exponents and the
// units below a thousandth and above a tera that Kubernetes takes, too.
func parseQuantity(text string) (quantity, error) {
	for _, s := range suffixes {
		digits, found := strings.CutSuffix(text, s.unit)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || strings.ContainsAny(digits, "eExXpP_+-InN") || math.IsInf(n, 0) || n <= 0 {
			return quantity{}, errors.New("not a positive amount")
		}
		return quantity{text: text, milli: n * s.factor * 1e3}, nil
	}
	return quantity{}, errors.New("not an amount")
}

// whole is the amount in bytes or CPUs, rounded down.
func (q quantity) whole() int64 { return int64(q.milli / 1e3) }

// times is a multiple, in whole bytes.
func (q quantity) times(n int64) string { return fmt.Sprint(q.whole() * n) }

// equalQuantities compares what two containers say, whatever the spelling.
func equalQuantities(a, b any) bool {
	x, errX := parseQuantity(fmt.Sprint(a))
	y, errY := parseQuantity(fmt.Sprint(b))
	return errX == nil && errY == nil && x.milli == y.milli
}
