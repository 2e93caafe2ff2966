//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// shownErrors bounds the errors that a failed test shows.
const shownErrors = 5

// chaosDrivers are the clients of other languages that read while something is
// wrong.
var chaosDrivers = []string{"redis-py", "hiredis"}

// What fails behind fsproxy, fails there: clients of a fleet see no error while
// any fetcher of each shard is left, and never a wrong value.
func TestChaosBehindFsproxyIsNotNoticed(t *testing.T) {
	times := chaosTiming(t)
	reports := make([]*chaosReport, len(failures))
	t.Run("failures", func(t *testing.T) {
		for i, f := range failures {
			t.Run(f.name, func(t *testing.T) {
				if !times.alone {
					t.Parallel()
				}
				reports[i] = f.try(t, times)
			})
		}
	})
	t.Logf("upstream.fetch_timeout %v, %d reads a second\n%s", times.fetch, chaosRate, reportTable(slices.DeleteFunc(reports, func(r *chaosReport) bool { return r == nil })))
}

// try has f happen to a fleet of its own.
func (f *failure) try(t *testing.T, times chaosTimes) *chaosReport {
	c := startChaos(t, times, f)
	time.Sleep(times.before)
	struck, again := time.Now(), c.sentAgain(t)
	if f.strike != nil {
		f.strike(t, c)
	}
	if f.fails == nil && f.stale == 0 { // they ask for what nobody asked for before
		c.readByOthers(t)
	}
	if f.hold != nil {
		f.hold(t, c)
	}
	time.Sleep(time.Until(struck.Add(times.during)))
	if f.shows != nil {
		if err := f.shows(c, t); err != nil {
			t.Error(err)
		}
	}
	refreshes := c.refreshes(t, "ok")
	again = c.sentAgain(t) - again
	mended := time.Now()
	if f.mend != nil {
		f.mend(t, c)
	}
	eventually(t, "fsproxy having all fetchers in use", func() error { return c.whole(t) })
	whole := time.Since(mended)
	if took := c.refreshes(t, "ok") - refreshes; took > mostRefreshes {
		t.Errorf("all fetchers were in use after %d readings of the topology, want %d at most", took, mostRefreshes)
	}
	time.Sleep(times.after)

	r := newReport(f.name, c.load.reads(), struck, mended)
	r.whole, r.sentAgain = whole, again
	f.judge(t, c, r)
	return r
}

// judge checks what clients saw.
func (f *failure) judge(t *testing.T, c *chaos, r *chaosReport) {
	t.Helper()
	if len(r.wrong) > 0 {
		t.Errorf("%d wrong answers:\n%s", len(r.wrong), strings.Join(r.wrong[:min(len(r.wrong), shownErrors)], "\n"))
	}
	shown := 0
	for _, read := range r.errors() {
		if f.fails != nil && f.fails(c, read) && read.at.After(r.struck.Add(-c.times.fetch)) && read.at.Before(r.mended.Add(r.whole+deadlineSlack)) {
			continue
		}
		if shown++; shown <= shownErrors {
			t.Errorf("%v after it began, HMGET %s failed (hot %v, shard %d): %v", read.at.Sub(r.struck), read.key, read.hot, c.fleet.shardOf(read.key), read.err)
		}
	}
	if shown > 0 {
		t.Errorf("%d reads failed that should not", shown)
	}
	if r.before.reads == 0 || r.during.reads == 0 || r.after.reads == 0 {
		t.Errorf("reads before, during, after: %d, %d, %d", r.before.reads, r.during.reads, r.after.reads)
	}
	if f.check != nil {
		f.check(t, c, r)
	}
}

// readByOthers has clients of other languages read, and checks what they get.
func (c *chaos) readByOthers(t *testing.T) {
	t.Helper()
	host, port, _ := strings.Cut(c.proxy.addr, ":")
	reads := writeReads(t)
	for _, name := range chaosDrivers {
		i := slices.IndexFunc(clientTable, func(l clientLibrary) bool { return l.name == name })
		library := clientTable[i]
		got, err := library.driver(t).run(t, name, host, port, "standalone", "2", reads)
		if err != nil {
			t.Errorf("%s: %v", library.title(), err)
			continue
		}
		library.checkIdentity(t, got, 2)
		want := readAnswers()
		for _, check := range library.missing(clientRun{"standalone", 2}) {
			delete(want, check)
		}
		checkAnswers(t, got, want)
	}
}
