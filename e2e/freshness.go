//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// source is a source of invalidations as /metrics shows it.
type source struct {
	p    *proxy
	name string
}

// read returns the value of a metric of the source; with a state, of that state.
func (s source) read(t testing.TB, metric, state string) float64 {
	t.Helper()
	for _, m := range s.p.samples(t) {
		if m.name == metric && m.labels["source"] == s.name && m.labels["state"] == state {
			return m.value
		}
	}
	t.Fatalf("no metric %s of source %s %s", metric, s.name, state)
	return 0
}

// await waits until the source is in a state.
func (s source) await(t testing.TB, state string) {
	t.Helper()
	eventually(t, "source "+s.name+" being "+state, func() error {
		if s.read(t, "fsproxy_source_state", state) != 1 {
			return fmt.Errorf("it is in another state")
		}
		return nil
	})
}
