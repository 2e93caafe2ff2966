// Package histogram reads Prometheus histograms of durations for people: what was
// counted between two moments, and the quantiles of that.
package histogram

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Histogram has counts of durations. The zero value has none.
type Histogram struct {
	Bounds []float64 // upper bounds of all buckets but the last, in seconds, rising
	Counts []uint64  // by bucket; the last has what is above all bounds
}

// Read gives the histograms that collector has now, by their only label.
func Read(collector prometheus.Collector) map[string]Histogram {
	metrics := make(chan prometheus.Metric)
	go func() {
		collector.Collect(metrics)
		close(metrics)
	}()
	byLabel := make(map[string]Histogram)
	for m := range metrics {
		var written dto.Metric
		if m.Write(&written) != nil || len(written.GetLabel()) != 1 {
			continue
		}
		byLabel[written.GetLabel()[0].GetValue()] = of(written.GetHistogram())
	}
	return byLabel
}

// of reads a gathered histogram, whose buckets are cumulative.
func of(from *dto.Histogram) Histogram {
	var h Histogram
	below := uint64(0)
	for _, b := range from.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		h.Bounds = append(h.Bounds, b.GetUpperBound())
		h.Counts = append(h.Counts, b.GetCumulativeCount()-below)
		below = b.GetCumulativeCount()
	}
	h.Counts = append(h.Counts, from.GetSampleCount()-below)
	return h
}

// Plus adds the counts of two histograms that have the same bounds, if any.
func (h Histogram) Plus(other Histogram) Histogram {
	return h.join(other, func(a, b uint64) uint64 { return a + b })
}

// Minus is what was counted since an earlier state of h.
func (h Histogram) Minus(earlier Histogram) Histogram {
	return h.join(earlier, func(a, b uint64) uint64 { return a - b })
}

func (h Histogram) join(other Histogram, join func(a, b uint64) uint64) Histogram {
	if len(other.Counts) == 0 {
		return h
	}
	if len(h.Counts) == 0 {
		return other
	}
	sum := Histogram{Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts))}
	for i := range h.Counts {
		sum.Counts[i] = join(h.Counts[i], other.Counts[i])
	}
	return sum
}

// Quantile is the duration below which a share q of all durations lies, 0 to 1,
// supposing that a bucket's are spread evenly; false when nothing was counted.
// What lies above all bounds is given as the last bound.
func (h Histogram) Quantile(q float64) (time.Duration, bool) {
	total := uint64(0)
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 || len(h.Bounds) == 0 {
		return 0, false
	}
	left, lower := q*float64(total), 0.0 // durations still to pass
	for i, upper := range h.Bounds {
		n := float64(h.Counts[i])
		if n > 0 && left <= n {
			return seconds(lower + left/n*(upper-lower)), true
		}
		left -= n
		lower = upper
	}
	return seconds(lower), true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
