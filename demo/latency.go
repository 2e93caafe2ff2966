package demo

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Histogram has counts of durations. The zero value has none.
type Histogram struct {
	bounds []float64 // upper bounds of all buckets but the last, in seconds, rising
	counts []uint64  // by bucket; the last has what is above all bounds
}

// newHistogram reads a gathered histogram, whose buckets are cumulative.
func newHistogram(from *dto.Histogram) Histogram {
	var h Histogram
	below := uint64(0)
	for _, b := range from.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		h.bounds = append(h.bounds, b.GetUpperBound())
		h.counts = append(h.counts, b.GetCumulativeCount()-below)
		below = b.GetCumulativeCount()
	}
	h.counts = append(h.counts, from.GetSampleCount()-below)
	return h
}

// Plus adds the counts of two histograms that have the same bounds, if any.
func (h Histogram) Plus(other Histogram) Histogram {
	return h.join(other, func(a, b uint64) uint64 { return a + b })
}

// minus is what was counted since an earlier state of h.
func (h Histogram) minus(earlier Histogram) Histogram {
	return h.join(earlier, func(a, b uint64) uint64 { return a - b })
}

func (h Histogram) join(other Histogram, join func(a, b uint64) uint64) Histogram {
	if len(other.counts) == 0 {
		return h
	}
	if len(h.counts) == 0 {
		return other
	}
	sum := Histogram{bounds: h.bounds, counts: make([]uint64, len(h.counts))}
	for i := range h.counts {
		sum.counts[i] = join(h.counts[i], other.counts[i])
	}
	return sum
}

// Quantile is the duration below which a share q of all durations lies, 0 to 1,
// supposing that a bucket's are spread evenly; false when nothing was counted.
// What lies above all bounds is given as the last bound.
func (h Histogram) Quantile(q float64) (time.Duration, bool) {
	total := uint64(0)
	for _, n := range h.counts {
		total += n
	}
	if total == 0 || len(h.bounds) == 0 {
		return 0, false
	}
	left, lower := q*float64(total), 0.0 // durations still to pass
	for i, upper := range h.bounds {
		n := float64(h.counts[i])
		if n > 0 && left <= n {
			return seconds(lower + left/n*(upper-lower)), true
		}
		left -= n
		lower = upper
	}
	return seconds(lower), true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Latencies reads the histograms of one metric by its label "outcome".
type Latencies struct{ registry *prometheus.Registry }

// NewLatencies reads the histograms that collector has.
func NewLatencies(collector prometheus.Collector) (Latencies, error) {
	l := Latencies{prometheus.NewRegistry()}
	if err := l.registry.Register(collector); err != nil {
		return l, fmt.Errorf("register the latency histograms: %w", err)
	}
	return l, nil
}

// Read gives the histograms as they are now.
func (l Latencies) Read() (map[string]Histogram, error) {
	families, err := l.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather the latency histograms: %w", err)
	}
	histograms := make(map[string]Histogram)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "outcome" {
					histograms[label.GetValue()] = newHistogram(metric.GetHistogram())
				}
			}
		}
	}
	return histograms, nil
}
