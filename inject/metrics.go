package inject

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
)

// What became of a review, as the metric's label.
const (
	outcomeInjected  = "injected"
	outcomeRefused   = "refused"
	outcomeSkipped   = "skipped"
	outcomeMalformed = "malformed"
)

// metrics are the injector's own.
type metrics struct {
	registry *prometheus.Registry
	reviews  *prometheus.CounterVec
}

// newMetrics are those of a server that shows certificate's certificate.
func newMetrics(certificate func() *tls.Certificate) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fsproxy_inject_reviews_total",
			Help: "Admission reviews by outcome: injected, refused (asked for and impossible), skipped (not asked for, or injected already), malformed.",
		}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.reviews, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fsproxy_inject_certificate_expiry_timestamp_seconds",
		Help: "When the certificate in use ends, in seconds since 1970; 0 while there is none.",
	}, func() float64 {
		if c := certificate(); c != nil && c.Leaf != nil {
			return float64(c.Leaf.NotAfter.Unix())
		}
		return 0
	}))
	for _, outcome := range []string{outcomeInjected, outcomeRefused, outcomeSkipped, outcomeMalformed} {
		m.reviews.WithLabelValues(outcome)
	}
	return m
}
