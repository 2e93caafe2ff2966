package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestTheZipfTableIsTheLaw adds up what the table gives each number, which is its
// probability exactly, and compares it with the law.
func TestTheZipfTableIsTheLaw(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 4096} {
		for _, s := range []float64{0, 0.5, 0.99, 1, 2.5} {
			z := newZipf(n, s)
			given, total := make([]float64, n), 0.0
			for i := range n {
				given[i] += z.accept[i] / float64(n)
				given[z.alias[i]] += (1 - z.accept[i]) / float64(n)
				total += math.Pow(float64(i+1), -s)
			}
			for i := range n {
				if want := math.Pow(float64(i+1), -s) / total; math.Abs(given[i]-want) > 1e-12*float64(n) {
					t.Fatalf("n=%d s=%g: number %d has probability %g, not %g", n, s, i, given[i], want)
				}
			}
		}
	}
}

func TestZipfDrawsStayInRange(t *testing.T) {
	z, random := newZipf(7, 0.8), rand.New(rand.NewPCG(1, 1))
	var counts [7]int
	for range 10_000 {
		counts[z.draw(random)]++
	}
	if counts[0] <= counts[6] {
		t.Errorf("the first is not the most popular: %v", counts)
	}
}
