package demo

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/histogram"
)

// readings are two readings, two seconds apart.
func readings() (earlier, later Reading) {
	bounds := []float64{1e-5, 1e-4, 1e-3, 1e-2}
	at := time.Unix(1_000_000, 0)
	earlier = Reading{At: at, HMGETs: 1000, Hits: 0, Errors: 1, Hit: histogram.Histogram{Bounds: bounds, Counts: []uint64{0, 0, 0, 100, 0}}}
	later = Reading{
		At: at.Add(2 * time.Second), HMGETs: 41_000, Hits: 39_000, Errors: 1,
		Hit:   histogram.Histogram{Bounds: bounds, Counts: []uint64{100, 0, 0, 100, 0}},
		Miss:  histogram.Histogram{Bounds: bounds, Counts: []uint64{0, 0, 98, 2, 0}},
		Bytes: 9 << 20, Rows: 12_345,
		Invalidations: 4000, Lag: 12 * time.Millisecond, Oldest: 59_940 * time.Millisecond, Up: 3, Fetchers: 4,
	}
	return earlier, later
}

func TestARowTellsWhatHappenedBetweenTheReadings(t *testing.T) {
	got := Row(readings())
	const want = "   20,000   97.5%     5.0µs   9.9µs      559µs   5.5ms    9.0 MiB   12,345    2,000   12ms   59.9s 3/4"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if utf8.RuneCountInString(got) != len(Heading) {
		t.Errorf("the row is %d columns wide, the heading %d", utf8.RuneCountInString(got), len(Heading))
	}
}

func TestARowOfNothingHasNoMadeUpFigures(t *testing.T) {
	_, later := readings()
	if got := strings.Join(strings.Fields(Row(later, later)), " "); got != "0 - - - - - 9.0 MiB 12,345 0 12ms 59.9s 3/4" {
		t.Errorf("got %q", got)
	}
}

func TestErrorsAreShownWhenThereAreSome(t *testing.T) {
	earlier, later := readings()
	if row := Row(earlier, later); strings.Contains(row, "error") {
		t.Errorf("got %q", row)
	}
	if summary := Summary(earlier, later); !strings.Contains(summary, ", no errors; ") {
		t.Errorf("got %q", summary)
	}
	later.Errors = 4
	if row := Row(earlier, later); !strings.HasSuffix(row, "  3 errors") {
		t.Errorf("got %q", row)
	}
	if summary := Summary(earlier, later); !strings.Contains(summary, ", 3 errors; ") {
		t.Errorf("got %q", summary)
	}
}

func TestTheSummaryIsTwoLinesThatFitATerminal(t *testing.T) {
	want := "2.0 s: 40,000 HMGETs, 20,000 a second, 97.5% from memory, no errors; 4,000 invalidations\n" +
		"hits: p50 5.0µs, p99 9.9µs; misses: p50 559µs, p99 5.5ms; 12,345 rows in 9.0 MiB\n"
	if got := Summary(readings()); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNumbersAreGroupedByThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestDurationsHaveTwoDigitsOrSo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0µs", 9_940: "9.9µs", 10_000: "10µs", 999_999: "999µs",
		time.Millisecond: "1.0ms", 12_600 * time.Microsecond: "12ms", time.Second: "1000ms",
	} {
		if got := short(d); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}
