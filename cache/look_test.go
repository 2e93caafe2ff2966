package cache

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// H31
func TestRowsOfWhichNothingCanBeServedAreReclaimed(t *testing.T) {
	r := staleRig(t)
	p, b := r.mustProject("a", "b"), r.mustProject("b")
	r.at(10)
	for i := range 5000 {
		r.fillAll(fmt.Sprint("dead", i), p, 10, "1", "2")
	}
	r.fillAll("alive", p, 10, "1", "2")
	r.at(20)
	r.fill("alive", p, 21, []int32{1}, "2")
	r.Mark(cover("a", "b"))
	pass := func(now Tick) Stats {
		r.at(now)
		pauses := 0
		if !r.reclaimAll(func() bool { pauses++; return true }) {
			t.Fatal("ended early")
		}
		if now == 30 && pauses != 5001/reclaimStep {
			t.Fatalf("%d pauses: not in bounded steps", pauses)
		}
		return r.settled()
	}
	if s := pass(30); s.Rows != 5001 || s.Reclaimed != 0 || s.StaleBytes < 5000*2*7 {
		t.Fatalf("what may yet be served is gone, or not counted: %+v", s)
	}
	if s := pass(1020); s.Rows != 1 || s.Reclaimed != 5000 || s.Fields != 2 || s.StaleBytes != 7 {
		t.Fatalf("what nobody may see is still there: %+v", s)
	}
	r.want("alive", b, 1020, "2")
}

func TestReclaimGoesOnUntilItIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, roomy)
		p := r.mustProject("a")
		r.fillAll("e", p, 1, "x")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Reclaim(ctx) }()
		time.Sleep(2 * reclaimRest)
		synctest.Wait()
		if r.settled().Rows != 1 {
			t.Fatal("a row of use is gone")
		}
		r.at(1 + Ticks(roomy.MaxAge))
		time.Sleep(2 * reclaimRest)
		synctest.Wait()
		if r.settled().Rows != 0 {
			t.Fatal("a row of no use is still there")
		}
		cancel()
		<-done
		r.Close()
	})
}

func TestLookTellsWhyAValueIsServedOrNot(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("fresh", "marked", "forgotten", "suspended", "aged", "held")
	r.at(10)
	r.fillAll("e", p, 10, "1", "22", "333", "4", "", "6")
	r.at(20)
	r.Mark(cover("marked"))
	r.Forget(cover("forgotten"), 0)
	r.Suspend(cover("suspended"))
	r.updates.stampField(r.updates.field(r.hash("e"), r.hash("held")), 20, 1<<40)
	r.Mark(cover("held"))
	now := 10 + Ticks(roomy.NegativeMaxAge)
	view, ok := r.Look([]byte("e"), now)
	if !ok || len(view.Values) != 6 || view.Bytes == 0 || view.Updated {
		t.Fatalf("%+v", view)
	}
	for _, v := range view.Values {
		want := map[string]ValueState{
			"fresh": Fresh, "marked": Marked, "forgotten": Forgotten, "suspended": Suspended, "aged": PastAge, "held": HeldDown,
		}[v.Feature]
		if v.State != want || v.Negative != (v.Feature == "aged") || v.Age < roomy.NegativeMaxAge {
			t.Errorf("%+v, want %q", v, want)
		}
	}
	if _, ok := r.Look([]byte("none"), now); ok {
		t.Error("nothing is held of it")
	}
}

func TestFeaturesCountTheirHitsAndMisses(t *testing.T) {
	r := newRig(t, roomy)
	ab, bb := r.mustProject("a", "b"), r.mustProject("b", "b")
	for who := range 10 {
		ab.CountHits(3, who)
	}
	ab.CountMiss([]int32{1})
	bb.CountHits(2, 1)
	bb.CountMiss([]int32{0, 1})
	r.at(10)
	r.Mark(cover("b"))
	r.Suspend(cover("a"))
	views := r.Features()
	if len(views) != 2 {
		t.Fatalf("%+v", views)
	}
	a, b := views[0], views[1]
	if a.Name != "a" || a.Hits != 31 || a.Misses != 0 || !a.Suspended || !a.Invalidated.IsZero() {
		t.Errorf("%+v", a)
	}
	if b.Name != "b" || b.Hits != 34 || b.Misses != 3 || b.Suspended || !b.Invalidated.Equal(r.clock.Time(10)) {
		t.Errorf("%+v", b)
	}
}

func TestHottestAreHeld(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	for i := range 100 {
		r.fillAll(fmt.Sprint("e", i), p, 1, "x")
	}
	seen := map[string]bool{}
	for _, e := range r.Hottest(20) {
		if _, ok := r.Look(e, 1); !ok || seen[string(e)] {
			t.Fatalf("%q", e)
		}
		seen[string(e)] = true
	}
	if len(seen) != 20 {
		t.Fatalf("%d of 20", len(seen))
	}
}

func TestTheOldestValueServedIsKnown(t *testing.T) {
	r := newRig(t, roomy)
	p, b := r.mustProject("a", "b"), r.mustProject("b")
	r.at(10)
	r.fillAll("e", p, 10, "1", "2")
	r.fill("e", p, 50, []int32{1}, "3")
	want := func(what string, got time.Duration, ticks Tick) {
		t.Helper()
		if got != duration(ticks) {
			t.Fatalf("%s: %v, want %v", what, got, duration(ticks))
		}
	}
	want("nothing served", r.OldestServed(), 0)
	r.want("e", b, 70, "3")
	r.at(70)
	want("not what else is in the row", r.OldestServed(), 20)
	want("since then", r.OldestServed(), 0)
	want("for others", r.OldestServedLately(), 20)
	r.want("e", p, 110, "1", "3")
	r.want("e", b, 111, "3")
	want("the oldest of all", r.OldestServed(), 100)
	// In part.
	abc := r.mustProject("b", "c")
	f := r.Lookup([]byte("e"), abc, 250)
	f.Missing(nil, abc, 250)
	r.NoteServed(&f, 250)
	r.at(250)
	want("in part", r.OldestServed(), 200)
	r.at(250 + 5*oldestSpanTick)
	want("within a minute", r.OldestServedLately(), 200)
	r.at(250 + 8*oldestSpanTick)
	want("a minute later", r.OldestServedLately(), 0)
}
