package kafka

import (
	"math/rand/v2"
	"time"
)

// Pauses after failures double from the first to the longest.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 3 * time.Second
)

// backOff is how long to wait after so many failures in a row: with jitter, so that
// pods do not come back to a broker all at once.
func backOff(failures int) time.Duration {
	longest := firstPause << min(max(failures-1, 0), 10)
	return jitter(min(longest, longestPause), 0.5)
}

// jitter is d, give or take a share of it.
func jitter(d time.Duration, share float64) time.Duration {
	return time.Duration(float64(d) * (1 + share*(2*rand.Float64()-1)))
}
