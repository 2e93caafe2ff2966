package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/histogram"
)

// Heading names the columns of Row.
const Heading = "  HMGET/s    hits   hit p50     p99   miss p50     p99      cache     rows  inval/s    lag  oldest  up"

// Row says what happened between two readings, and what the cache holds at the
// later one.
func Row(earlier, later Reading) string {
	change, took := later.since(earlier)
	row := fmt.Sprintf("%9s  %6s  %8s %7s   %8s %7s  %9s %8s  %7s %6s  %6s %d/%d",
		grouped(perSecond(change.HMGETs, took)), percent(change.Hits, change.HMGETs),
		quantile(change.Hit, 0.50), quantile(change.Hit, 0.99),
		quantile(change.Miss, 0.50), quantile(change.Miss, 0.99),
		mebibytes(later.Bytes), grouped(later.Rows),
		grouped(perSecond(change.Invalidations, took)), short(later.Lag), age(later.Oldest), later.Up, later.Fetchers)
	if change.Errors > 0 {
		row += "  " + grouped(change.Errors) + " errors"
	}
	return row
}

// Summary says in two lines what happened between two readings.
func Summary(earlier, later Reading) string {
	change, took := later.since(earlier)
	failed := "no errors"
	if change.Errors > 0 {
		failed = grouped(change.Errors) + " errors"
	}
	return fmt.Sprintf("%.1f s: %s HMGETs, %s a second, %s from memory, %s; %s invalidations\n"+
		"hits: p50 %s, p99 %s; misses: p50 %s, p99 %s; %s rows in %s\n",
		took.Seconds(), grouped(change.HMGETs), grouped(perSecond(change.HMGETs, took)),
		percent(change.Hits, change.HMGETs), failed, grouped(change.Invalidations),
		quantile(change.Hit, 0.50), quantile(change.Hit, 0.99),
		quantile(change.Miss, 0.50), quantile(change.Miss, 0.99),
		grouped(later.Rows), mebibytes(later.Bytes))
}

// nothing stands where there is nothing to tell.
const nothing = "-"

func quantile(h histogram.Histogram, q float64) string {
	d, ok := h.Quantile(q)
	if !ok {
		return nothing
	}
	return short(d)
}

// short gives a duration in two digits or so.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.1fµs", float64(d)/float64(time.Microsecond))
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d/time.Microsecond)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	}
}

// age gives the age of a value, which is known to ten milliseconds.
func age(d time.Duration) string {
	if d == 0 {
		return nothing
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

func percent(part, whole uint64) string {
	if whole == 0 {
		return nothing
	}
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}

func perSecond(n uint64, took time.Duration) uint64 {
	if took <= 0 {
		return 0
	}
	return uint64(float64(n)/took.Seconds() + 0.5)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// grouped writes a number that is not negative with a comma before each three
// digits.
func grouped[N int | int64 | uint64](n N) string {
	digits := strconv.FormatUint(uint64(n), 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
