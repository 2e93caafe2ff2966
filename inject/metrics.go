package inject

import "github.com/prometheus/client_golang/prometheus"

// What became of a review, as the metric's label.
const (
	outcomeInjected  = "injected"
	outcomeRefused   = "refused"
	outcomeSkipped   = "skipped"
	outcomeMalformed = "malformed"
)

// metrics are the injector's own.
type metrics struct {
	registry    *prometheus.Registry
	reviews     *prometheus.CounterVec
	certificate prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fsproxy_inject_reviews_total",
			Help: "Admission reviews by outcome: injected, refused (asked for and impossible), skipped (not asked for, or injected already), malformed.",
		}, []string{"outcome"}),
		certificate: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fsproxy_inject_certificate_expiry_timestamp_seconds",
			Help: "When the certificate in use ends, in seconds since 1970; 0 while there is none.",
		}),
	}
	m.registry.MustRegister(m.reviews, m.certificate)
	for _, outcome := range []string{outcomeInjected, outcomeRefused, outcomeSkipped, outcomeMalformed} {
		m.reviews.WithLabelValues(outcome)
	}
	return m
}
