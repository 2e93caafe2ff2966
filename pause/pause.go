// Package pause waits, unless there is nothing left to wait for.
package pause

import (
	"context"
	"time"
)

// For waits for d, not at all if that is not positive. False: ctx has ended.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
