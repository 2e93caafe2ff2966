package bench

import (
	"math"
	"math/rand/v2"
)

// zipf draws numbers below n, number i with a probability proportional to
// 1/(i+1)^s. Any s ≥ 0 will do, where math/rand's needs s > 1: popularity in
// feature stores is often flatter. It is Walker's alias table: one random number
// and one look-up a draw, whatever n is.
type zipf struct {
	accept []float64 // by column: chance of staying in the column
	alias  []int32   // by column: where to go otherwise
}

// newZipf builds the table in O(n).
func newZipf(n int, s float64) *zipf {
	weights, total := make([]float64, n), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -s)
		total += weights[i]
	}
	var small, large []int32
	for i := range weights {
		weights[i] *= float64(n) / total
		if weights[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	z := &zipf{accept: weights, alias: make([]int32, n)}
	for len(small) > 0 && len(large) > 0 {
		poor, rich := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.alias[poor] = rich
		weights[rich] -= 1 - weights[poor]
		if weights[rich] < 1 {
			large = large[:len(large)-1]
			small = append(small, rich)
		}
	}
	// What is left is 1 but for rounding.
	for _, i := range append(small, large...) {
		weights[i] = 1
	}
	return z
}

// draw returns a number below n.
func (z *zipf) draw(random *rand.Rand) int {
	column := random.IntN(len(z.accept))
	if random.Float64() < z.accept[column] {
		return column
	}
	return int(z.alias[column])
}
