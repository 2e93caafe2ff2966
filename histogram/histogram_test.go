package histogram

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestQuantilesAreInterpolatedWithinABucket(t *testing.T) {
	bounds := []float64{0.001, 0.002, 0.004} // 1, 2 and 4 ms
	for _, c := range []struct {
		name   string
		counts []uint64
		q      float64
		want   time.Duration
	}{
		{"the middle of the only bucket", []uint64{0, 10, 0, 0}, 0.5, 1500 * time.Microsecond},
		{"from zero in the first", []uint64{4, 0, 0, 0}, 0.25, 250 * time.Microsecond},
		{"the end of a bucket", []uint64{5, 5, 0, 0}, 0.5, time.Millisecond},
		{"across buckets", []uint64{50, 40, 10, 0}, 0.95, 3 * time.Millisecond},
		{"over an empty bucket", []uint64{50, 0, 50, 0}, 0.75, 3 * time.Millisecond},
		{"above all bounds", []uint64{1, 0, 0, 99}, 0.5, 4 * time.Millisecond},
		{"the smallest", []uint64{0, 0, 8, 0}, 0, 2 * time.Millisecond},
		{"the largest", []uint64{1, 1, 2, 0}, 1, 4 * time.Millisecond},
	} {
		got, ok := Histogram{bounds, c.counts}.Quantile(c.q)
		if !ok || (got-c.want).Abs() > time.Microsecond {
			t.Errorf("%s: %v, %t, want %v", c.name, got, ok, c.want)
		}
	}
	for _, empty := range []Histogram{{}, {bounds, make([]uint64, 4)}, {nil, []uint64{5}}} {
		if got, ok := empty.Quantile(0.5); ok {
			t.Errorf("%v has the median %v", empty, got)
		}
	}
}

func TestHistogramsOfAnIntervalAreTheDifferenceOfTwoReads(t *testing.T) {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "x", Buckets: []float64{1, 2, 3}}, []string{"outcome"})
	read := func() map[string]Histogram { return Read(vec) }
	none := read() // no child exists yet
	vec.WithLabelValues("hit").Observe(0.5)
	vec.WithLabelValues("hit").Observe(9)
	before := read()
	vec.WithLabelValues("hit").Observe(1.5)
	vec.WithLabelValues("hit").Observe(2.5)
	vec.WithLabelValues("miss").Observe(2.5)
	after := read()
	for _, c := range []struct {
		name string
		got  Histogram
		want [4]uint64
	}{
		{"from nothing", before["hit"].Minus(none["hit"]), [4]uint64{1, 0, 0, 1}},
		{"in between", after["hit"].Minus(before["hit"]), [4]uint64{0, 1, 1, 0}},
		{"another outcome", after["miss"].Minus(before["miss"]), [4]uint64{0, 0, 1, 0}},
		{"both outcomes", after["hit"].Plus(after["miss"]), [4]uint64{1, 1, 2, 1}},
		{"an outcome that is not there", after["miss"].Plus(after["none"]), [4]uint64{0, 0, 1, 0}},
	} {
		if len(c.got.Counts) != 4 || [4]uint64(c.got.Counts) != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got.Counts, c.want)
		}
	}
}
