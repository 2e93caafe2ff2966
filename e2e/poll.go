//go:build e2e

package e2e

import (
	"testing"
	"time"
)

const (
	// pollInterval is the pause between two looks at something awaited.
	pollInterval = 20 * time.Millisecond
	// patience bounds every wait for something that should happen at once or
	// within a few seconds. It is long because slow machines run these tests:
	// no test judges speed by it.
	patience = 20 * time.Second
)

// eventually calls check until it returns nil, and fails the test with its
// last error when that has not happened within patience.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(pollInterval)
	}
}
