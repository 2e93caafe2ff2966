//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// calmWindow is how long reads are put together to tell whether clients
	// notice something, and calmWindows how many in a row have to be calm.
	calmWindow  = 250 * time.Millisecond
	calmWindows = 3
	// calmTimes the 99th percentile of before, and calmSlack more, is still calm:
	// a machine that does other things too is never steadier.
	calmTimes = 3
	calmSlack = 2 * time.Millisecond
)

// phase is what clients saw for a while.
type phase struct {
	reads, errors int
	p99, longest  time.Duration
}

// phaseOf sums up reads.
func phaseOf(reads []chaosRead) phase {
	p := phase{reads: len(reads)}
	if len(reads) == 0 {
		return p
	}
	took := make([]time.Duration, len(reads))
	for i, r := range reads {
		took[i] = r.took
		if r.err != nil {
			p.errors++
		}
	}
	slices.Sort(took)
	p.p99, p.longest = took[len(took)*99/100], took[len(took)-1]
	return p
}

// chaosReport is what a failure did to clients.
type chaosReport struct {
	name                  string
	before, during, after phase
	wrong                 []string
	reads                 []chaosRead // all, in the order of their sending
	struck, mended        time.Time
	// calm is how long after the failure began clients noticed nothing any more
	// (negative: not before it ended), and again how long after it ended.
	calm, calmAfter time.Duration
	sentAgain       int           // fetches, while it lasted
	whole           time.Duration // from the end of the failure until fsproxy had all in use
}

// newReport sums up all reads of a failure that lasted from struck to mended.
func newReport(name string, reads []chaosRead, struck, mended time.Time) *chaosReport {
	slices.SortFunc(reads, func(a, b chaosRead) int { return a.at.Compare(b.at) })
	r := &chaosReport{name: name, reads: reads, struck: struck, mended: mended}
	r.before, r.during, r.after = phaseOf(r.between(time.Time{}, struck)), phaseOf(r.between(struck, mended)), phaseOf(r.between(mended, time.Now()))
	for _, read := range reads {
		if read.wrong != "" {
			r.wrong = append(r.wrong, read.wrong)
		}
	}
	r.calm, r.calmAfter = r.calmFrom(struck, mended), r.calmFrom(mended, time.Now())
	return r
}

// between are the reads that were sent in that time, the end excluded.
func (r *chaosReport) between(from, to time.Time) []chaosRead {
	order := func(read chaosRead, t time.Time) int { return read.at.Compare(t) }
	first, _ := slices.BinarySearchFunc(r.reads, from, order)
	end, _ := slices.BinarySearchFunc(r.reads, to, order)
	return r.reads[first:max(first, end)]
}

// calmFrom is how long after from clients notice nothing; negative: not before
// to.
func (r *chaosReport) calmFrom(from, to time.Time) time.Duration {
	limit := calmTimes*r.before.p99 + calmSlack
	calm := 0
	for at := from; at.Before(to); at = at.Add(calmWindow) {
		p := phaseOf(r.between(at, at.Add(calmWindow)))
		if p.errors > 0 || p.p99 > limit || p.reads == 0 {
			calm = 0
			continue
		}
		if calm++; calm == calmWindows {
			return at.Add(-(calmWindows - 1) * calmWindow).Sub(from)
		}
	}
	return -1
}

// errors are the reads that failed.
func (r *chaosReport) errors() []chaosRead {
	var failed []chaosRead
	for _, read := range r.reads {
		if read.err != nil {
			failed = append(failed, read)
		}
	}
	return failed
}

// reportTable renders reports as the table of docs/OPERATIONS.md.
func reportTable(reports []*chaosReport) string {
	var b strings.Builder
	b.WriteString("| what happens | reads | errors | wrong | p99 before, ms | during | after | longest during, ms | fetches sent again | clients notice, s | all in use again after, s |\n")
	b.WriteString("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s | %s | %s | %s | %d | %s | %s |\n",
			r.name, len(r.reads), len(r.errors()), len(r.wrong), millis(r.before.p99), millis(r.during.p99), millis(r.after.p99),
			millis(r.during.longest), r.sentAgain, r.noticed(), seconds(r.whole))
	}
	return b.String()
}

// noticed says for how long clients notice the failure.
func (r *chaosReport) noticed() string {
	if r.calm >= 0 {
		return seconds(r.calm)
	}
	if r.calmAfter >= 0 {
		return "until its end, and " + seconds(r.calmAfter)
	}
	return "all the time"
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
