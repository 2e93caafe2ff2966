// Package metrictable is tables of metrics: of one, both what a scrape is answered and
// its documentation are made, so that they cannot differ.
package metrictable

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// What Row.Kind may be.
const (
	Counter = prometheus.CounterValue
	Gauge   = prometheus.GaugeValue
)

// Emit gives out one value with its labels' values.
type Emit = func(value float64, labels ...string)

// Row is one metric. S is what a scrape reads, once for all metrics. A package
// that has a table declares its own type of rows by it.
type Row[S any] struct {
	Name   string
	Kind   prometheus.ValueType
	Labels []string
	Help   string
	Read   func(s S, emit Emit)
}

// rowOf is what is declared by Row.
type rowOf[S any] interface {
	~struct {
		Name   string
		Kind   prometheus.ValueType
		Labels []string
		Help   string
		Read   func(s S, emit Emit)
	}
}

// collector implements prometheus.Collector.
type collector[S any] struct {
	begin func() S
	rows  []Row[S]
	descs []*prometheus.Desc
}

// NewCollector reads the metrics of a table when scraped; begin reads what they
// are read from.
func NewCollector[S any, R rowOf[S]](table []R, begin func() S) prometheus.Collector {
	c := &collector[S]{begin: begin}
	for _, r := range table {
		row := Row[S](r)
		c.rows = append(c.rows, row)
		c.descs = append(c.descs, prometheus.NewDesc(row.Name, row.Help, row.Labels, nil))
	}
	return c
}

func (c *collector[S]) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

func (c *collector[S]) Collect(out chan<- prometheus.Metric) {
	s := c.begin()
	for i, row := range c.rows {
		row.Read(s, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(c.descs[i], row.Kind, value, labels...)
		})
	}
}

// Markdown documents a table.
func Markdown[S any, R rowOf[S]](table []R) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, r := range table {
		row, kind := Row[S](r), "gauge"
		if row.Kind == Counter {
			kind = "counter"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Name, kind, strings.Join(row.Labels, ", "), row.Help)
	}
	return b.String()
}
