package cache

import (
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// importing is a rig at tick 1000 with the roster of a and b.
func importing(t *testing.T) (rig, *Roster, *Projection) {
	t.Helper()
	r := newRig(t, roomy)
	r.at(1000)
	names := [][]byte{[]byte("a"), []byte("b")}
	r.Know(names)
	ro := r.Roster([]Place{{names[0], "stored"}, {names[1], "stored"}})
	if ro == nil {
		t.Fatal("no roster")
	}
	return r, ro, r.mustProject("a", "b")
}

func (r rig) take(entity string, ro *Roster, at Tick, a, b string) (kept int) {
	kept, _ = r.Import([]byte(entity), ro, [][]byte{appendBulk(nil, a), appendBulk(nil, b)}, []Tick{at, at})
	return kept
}

func TestImportedValuesKeepTheirAge(t *testing.T) {
	r, ro, p := importing(t)
	r.at(1000 + Ticks(roomy.MaxAge))
	r.take("e", ro, 1010, "1", "2")
	r.want("e", p, 1009+Ticks(roomy.MaxAge), "1", "2")
	r.want("e", p, 1010+Ticks(roomy.MaxAge))
	if kept := r.take("old", ro, 1000, "1", "2"); kept != 0 {
		t.Errorf("%d values past their age were imported", kept)
	}
}

// Whatever came before a row, it is not imported against it: no invalidation of
// any kind since this process began is undone.
func TestNothingIsImportedAgainstAnInvalidation(t *testing.T) {
	for name, what := range map[string]func(r rig){
		"marker":       func(r rig) { r.Mark(cover("a")) },
		"forgotten":    func(r rig) { r.Forget(cover("a"), 0) },
		"update":       func(r rig) { r.Update([]byte("e"), [][]byte{[]byte("a")}, 0) },
		"applied":      func(r rig) { r.Apply([]byte("e"), []Value{{Feature: []byte("a"), Bytes: []byte("x")}}, 1, 0, 0) },
		"entity":       func(r rig) { r.Invalidate([]byte("e"), 0) },
		"everything":   func(r rig) { r.InvalidateAll(0) },
		"a suspension": func(r rig) { r.Suspend(cover("a")).Resume(0) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []bool{true, false} {
				r, ro, p := importing(t)
				if before {
					what(r)
				}
				r.at(1001)
				r.take("e", ro, 990, "old", "2")
				if !before {
					what(r)
				}
				r.at(1002)
				found := r.Lookup([]byte("e"), p, 1002)
				missing, _ := found.Missing(nil, p, 1002)
				if len(missing) > 0 && missing[0] == 0 {
					continue
				}
				if v := found.AppendValue(nil, 0, resp.V2); string(v) == string(appendBulk(nil, "old")) {
					t.Errorf("invalidated before %v: the old value of a is served", before)
				}
			}
		})
	}
}

func TestARowOfThisProcessIsNotReplacedByAnImportedOne(t *testing.T) {
	r, ro, p := importing(t)
	r.fillAll("e", p, 1000, "new", "new")
	if kept := r.take("e", ro, 999, "old", "old"); kept != 0 {
		t.Errorf("kept %d", kept)
	}
	r.want("e", p, 1001, "new", "new")
}

// A suspension that is lifted keeps what is held, but for what was changed
// meanwhile, and keeps no fetch that begins within hold of it.
func TestALiftedSuspensionKeepsWhatIsHeld(t *testing.T) {
	r, ro, p := importing(t)
	s := r.Suspend(cover("*"))
	for _, entity := range []string{"same", "updated", "applied", "gone", "filled"} {
		r.take(entity, ro, 990, "1", "2")
		r.want(entity, p, 1000)
	}
	r.Update([]byte("updated"), [][]byte{[]byte("a")}, 0)
	r.Apply([]byte("applied"), []Value{{Feature: []byte("a"), Bytes: []byte("new")}}, 1, 0, 0)
	r.Invalidate([]byte("gone"), 0)
	r.fillAll("filled", p, 1000, "x", "y")
	r.reclaimAll(func() bool { return true })
	r.at(1010)
	s.Lift(50 * time.Millisecond) // five ticks
	s.Resume(0)                   // does nothing more
	a, b := r.mustProject("a"), r.mustProject("b")
	r.want("same", p, 1010, "1", "2")
	for _, entity := range []string{"updated", "applied"} {
		r.want(entity, a, 1010)
		r.want(entity, b, 1010, "2")
	}
	r.want("gone", b, 1010)
	r.want("filled", p, 1010, "1", "2")
	r.fillAll("fetched", p, 1015, "too", "soon")
	r.want("fetched", p, 1016)
	r.fillAll("fetched", p, 1016, "3", "4")
	r.want("fetched", p, 1016, "3", "4")
	// Likewise of a feature that nobody had asked for.
	c := r.mustProject("c")
	r.fillAll("fetched", c, 1015, "too soon")
	r.want("fetched", c, 1016)
}

func TestAMarkerDuringASuspensionHoldsWhenItIsLifted(t *testing.T) {
	r, ro, p := importing(t)
	s := r.Suspend(cover("*"))
	r.take("e", ro, 990, "1", "2")
	r.Mark(cover("a"))
	s.Lift(0)
	r.want("e", r.mustProject("a"), 1001)
	r.want("e", r.mustProject("b"), 1001, "2")
	r.want("e", p, 1001)
	gap := r.Suspend(cover("*"))
	other := r.Suspend(cover("b"))
	other.Lift(0)
	r.want("e", r.mustProject("b"), 1001)
	gap.Resume(0)
	r.want("e", r.mustProject("b"), 1002)
}

// Every fresh row comes once, whoever writes meanwhile, and what is not fresh
// does not come.
func TestExportGivesOutEachRow(t *testing.T) {
	r, ro, _ := importing(t)
	const rows = 5000
	for i := range rows {
		r.take(string(rune('a'+i%26))+time.Duration(i).String(), ro, 990, "1", "2")
	}
	seen := map[string]int{}
	r.Export(func(e *Exported) bool {
		if v, at, ok := e.Value(0, 1000); !ok || string(v) != "$1\r\n1\r\n" || at != 990 || e.Features[0].Name != "a" {
			t.Fatalf("%q %d %v", v, at, ok)
		}
		seen[e.Entity]++
		return true
	})
	if len(seen) != rows {
		t.Errorf("%d of %d rows", len(seen), rows)
	}
	for entity, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", entity, n)
		}
	}
}

// What an earlier process wrote through itself is held down here: nothing that is
// fetched until then is kept, and what was imported is served.
func TestAHoldKeepsNoFetchThatBeganWithinIt(t *testing.T) {
	r, _, _ := importing(t)
	if r.Held() != 0 {
		t.Fatalf("held for %s, and nothing was written", r.Held())
	}
	r.Invalidate([]byte("e"), 50*time.Millisecond)
	held := r.Held()
	if held < 50*time.Millisecond || held > 70*time.Millisecond {
		t.Errorf("held for %s after a write that settles for 50ms", held)
	}
	next, ro, p := importing(t)
	next.Hold(held)
	next.take("other", ro, 990, "1", "2")
	next.fillAll("e", p, 1005, "old", "old")
	next.want("e", p, 1006)
	next.want("other", p, 1006, "1", "2")
	if next.Held() < 50*time.Millisecond {
		t.Errorf("the next process would hand on a hold of %s", next.Held())
	}
	last := 1000 + HoldTicks(held)
	next.fillAll("e", p, last, "old", "old")
	next.want("e", p, last)
	next.fillAll("e", p, last+1, "new", "new")
	next.want("e", p, last+1, "new", "new")
	for name, invalidate := range map[string]func(r rig){
		"a feature by hand": func(r rig) { r.Forget(cover("a"), time.Second) },
		"one to come":       func(r rig) { r.Forget(cover("unheard of"), time.Second) },
		"everything":        func(r rig) { r.InvalidateAll(time.Second) },
	} {
		if invalidate(r); r.Held() < time.Second {
			t.Errorf("%s: held for %s", name, r.Held())
		}
		r, _, _ = importing(t)
	}
}

// Which versions an earlier process saw is not known, so a record that comes again
// brings nothing back: for as long as one may be late, records evict.
func TestARecordThatComesAgainAfterARestartBringsNothingBack(t *testing.T) {
	r, ro, _ := importing(t)
	const late = 100 * time.Millisecond // ten ticks
	a := r.mustProject("a")
	s := r.Suspend(cover("*"))
	r.take("e", ro, 990, "version 2", "b")
	r.take("f", ro, 990, "version 2", "b")
	s.Lift(0)
	r.want("e", a, 1000, "version 2")
	r.at(1005)
	again := func(entity, value string, version int64) {
		r.Apply([]byte(entity), []Value{{Feature: []byte("a"), Bytes: []byte(value)}}, version, 0, late)
	}
	again("e", "version 1", 1)
	r.want("e", a, 1005)
	// Later than that, what comes is of after the restart.
	r.at(1011)
	again("f", "version 3", 3)
	r.want("f", a, 1012, "version 3")
}

// Whatever form a value is in, whatever invalidates its feature keeps it out.
func TestNothingDecodedIsImportedAgainstAnInvalidation(t *testing.T) {
	for name, what := range map[string]func(r rig){
		"marker": func(r rig) { r.Mark(cover("ints-a")) },
		"update": func(r rig) { r.Update([]byte("e"), [][]byte{[]byte("ints-a")}, 0) },
		"entity": func(r rig) { r.Invalidate([]byte("e"), 0) },
		"type":   func(r rig) { r.Repolicy(decodes(versions)) },
	} {
		r := newDecodingRig(t)
		r.at(1000)
		d := r.mustProjectIn(decodedView, "ints-a")
		ro := r.Roster([]Place{{[]byte("ints-a"), "decoded"}})
		what(r)
		r.Import([]byte("e"), ro, [][]byte{appendBulk(nil, packedInts(1))}, []Tick{990})
		r.at(1001)
		if got := r.get("e", d, 1001); got != "-" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
