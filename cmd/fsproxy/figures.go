package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// How figures are written for people. A nil is one that is not known.

const unknown = "-"

// shortCount is a number in three digits: "12.8k".
func shortCount(n float64) string {
	if math.Abs(n) < 1000 {
		return strconv.FormatFloat(math.Round(n), 'f', -1, 64)
	}
	return scaled(n, 1000, []string{"", "k", "M", "G", "T"})
}

func shortBytes(n int64) string {
	return scaled(float64(n), 1024, []string{" B", " KiB", " MiB", " GiB", " TiB"})
}

func scaled(n, step float64, units []string) string {
	i := 0
	for math.Abs(n) >= 0.9995*step && i < len(units)-1 {
		n /= step
		i++
	}
	digits := 2
	switch {
	case i == 0, math.Abs(n) >= 99.95:
		digits = 0
	case math.Abs(n) >= 9.995:
		digits = 1
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + units[i]
}

// share is a part of one; near one, what is missing to it is what matters.
func share(p *float64) string {
	switch {
	case p == nil:
		return unknown
	case *p >= 0.999 && *p < 1:
		return fmt.Sprintf("%.3f%%", 100**p)
	default:
		return fmt.Sprintf("%.1f%%", 100**p)
	}
}

// shortTime is a latency or a time that has passed, of so many seconds.
func shortTime(seconds *float64) string {
	if seconds == nil {
		return unknown
	}
	d := time.Duration(*seconds * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'g', 3, 64) + "s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'g', 3, 64) + "ms"
	case d == 0:
		return "0s"
	default:
		return strconv.FormatFloat(float64(d)/float64(time.Microsecond), 'g', 3, 64) + "µs"
	}
}

// ago is a moment so many seconds back; nil: never.
func ago(seconds *float64) string {
	if seconds == nil {
		return "never"
	}
	return shortTime(seconds) + " ago"
}
