package cache

import (
	"fmt"
	"testing"
	"time"
)

// invalidations are all the ways to invalidate feature name of entity.
var invalidations = map[string]func(r rig, entity, name string, settle time.Duration){
	"entity":  func(r rig, entity, _ string, settle time.Duration) { r.Invalidate([]byte(entity), settle) },
	"feature": func(r rig, _, name string, settle time.Duration) { r.Forget(cover(name), settle) },
	"pattern": func(r rig, _, name string, settle time.Duration) { r.Forget(cover(name+"*"), settle) },
	"update": func(r rig, entity, name string, settle time.Duration) {
		r.Update([]byte(entity), [][]byte{[]byte(name)}, settle)
	},
	"record": func(r rig, entity, name string, settle time.Duration) {
		r.Apply([]byte(entity), []Value{{Feature: []byte(name), Bytes: []byte("never shown")}}, 0, settle, time.Hour)
	},
	"suspension": func(r rig, _, name string, settle time.Duration) { r.Suspend(cover(name)).Resume(settle) },
	"all":        func(r rig, _, _ string, settle time.Duration) { r.InvalidateAll(settle) },
}

func eachInvalidation(t *testing.T, run func(t *testing.T, invalidate func(r rig, entity, name string, settle time.Duration))) {
	for name, invalidate := range invalidations {
		t.Run(name, func(t *testing.T) { run(t, invalidate) })
	}
}

func TestAValueReadBeforeAnInvalidationIsNotServedWhicheverComesFirst(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		for _, fillFirst := range []bool{true, false} {
			r := newRig(t, roomy)
			p := r.mustProject("a", "b")
			r.at(10)
			began := r.clock.Now()
			r.at(12)
			if fillFirst {
				r.fillAll("e", p, began, "old", "")
				r.want("e", p, 12, "old", "")
				invalidate(r, "e", "a", 0)
			} else {
				invalidate(r, "e", "a", 0)
				r.fillAll("e", p, began, "old", "")
			}
			r.want("e", p, 12)
			r.want("e", p, 1000)
			r.at(13)
			r.fillAll("e", p, 13, "new", "")
			r.want("e", p, 13, "new", "")
		}
	})
}

func TestEqualTicksAreStale(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		for _, fillFirst := range []bool{true, false} {
			r := newRig(t, roomy)
			p := r.mustProject("a")
			r.at(10)
			if fillFirst {
				r.fillAll("e", p, 10, "x")
			}
			invalidate(r, "e", "a", 0)
			if !fillFirst {
				r.fillAll("e", p, 10, "x")
			}
			r.want("e", p, 10)
			r.fillAll("e", p, 11, "x")
			r.want("e", p, 11, "x")
		}
	})
}

func TestNothingFetchedWithinSettleIsKept(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		r := newRig(t, roomy)
		p := r.mustProject("a")
		r.at(10)
		invalidate(r, "e", "a", 95*time.Millisecond) // to tick 20
		invalidate(r, "e", "a", 0)                   // a later one does not shorten it
		for began := Tick(9); began <= 20; began++ {
			r.at(began + 1)
			r.fillAll("e", p, began, "x")
			r.want("e", p, began+1)
		}
		r.fillAll("e", p, 21, "x")
		r.want("e", p, 21, "x")
	})
}

func TestAnInvalidationHoldsForFeaturesThatNobodyAskedForYet(t *testing.T) {
	for _, name := range []string{"feature", "pattern", "update", "record", "suspension", "all"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, roomy)
			r.at(10)
			invalidations[name](r, "e", "a", 50*time.Millisecond)
			p := r.mustProject("a")
			r.fillAll("e", p, 10, "old") // a fetcher that is behind
			r.fillAll("e", p, 15, "old")
			r.want("e", p, 15)
			r.fillAll("e", p, 16, "new")
			r.want("e", p, 16, "new")
		})
	}
}

func TestMarkAndForgetTellHowManyFeaturesTheyMeant(t *testing.T) {
	r := newRig(t, roomy)
	r.mustProject("a1", "a2", "b")
	if n := r.Mark(cover("a1")); n != 1 {
		t.Fatal(n)
	}
	if n := r.Forget(cover("a*", "c"), 0); n != 2 {
		t.Fatal(n)
	}
}

func TestAFeaturesInvalidationLeavesOthersAlone(t *testing.T) {
	r := newRig(t, roomy)
	ab, a, ba := r.mustProject("a", "b"), r.mustProject("a"), r.mustProject("b", "a", "b")
	r.fillAll("e", ab, 5, "1", "2")
	r.at(7)
	r.Mark(cover("b"))
	r.want("e", a, 7, "1")
	r.want("e", ab, 7)
	r.want("e", ba, 7)
	f := r.Lookup([]byte("e"), ba, 7)
	missing, stale := f.Missing(nil, ba, 7)
	if fmt.Sprint(missing) != "[0 2]" || stale != 2 || !f.Any() {
		t.Fatalf("missing %v, %d stale", missing, stale)
	}
	r.fill("e", ab, 8, []int32{1}, "3")
	r.want("e", ab, 8, "1", "3")
	r.want("e", ba, 8, "3", "1", "3")
}

func TestAnEntitysInvalidationLeavesOthersAlone(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.fillAll("e1", p, 5, "1")
	r.fillAll("e2", p, 5, "2")
	r.at(6)
	r.Invalidate([]byte("e1"), time.Second)
	r.want("e1", p, 6)
	r.want("e2", p, 6, "2")
}

func TestASettlingInvalidationOutlivesALaterOneOfAnotherFeature(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b")
	r.at(10)
	r.Forget(cover("a"), time.Second)
	r.at(12)
	r.Forget(cover("b"), 0)
	r.at(110)
	r.fillAll("e", p, 110, "1", "2")
	r.want("e", p, 110)
	r.fillAll("e", p, 111, "1", "2")
	r.want("e", p, 111, "1", "2")
}

func TestTheLaterFetchWins(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b")
	r.at(20)
	r.fill("e", p, 9, []int32{0}, "later")
	r.fillAll("e", p, 5, "earlier", "b")
	r.want("e", p, 20, "later", "b")
	r.fill("e", p, 9, []int32{0, 1}, "again", "again")
	r.want("e", p, 20, "again", "again")
}

// event is one step of a schedule.
type event func(w *race)

// race is a store, one entity of it in a cache, and what schedules do to them.
type race struct {
	rig
	entity, name string
	projection   *Projection
	invalidate   func(r rig, entity, name string, settle time.Duration)
	settle       Tick

	now          Tick
	primary      string    // the store's value
	replica      string    // what fetchers answer
	began        [2]Tick   // of the fetches
	read         [2]string // by them
	invalidated  Tick      // 0: not yet
	late         bool      // the replica took longer than settle: not promised
	servedUpdate bool
}

func fetchEvents(i int) []event {
	return []event{
		func(w *race) { w.began[i] = w.now },
		func(w *race) { w.read[i] = w.replica },
		func(w *race) { w.fillAll(w.entity, w.projection, w.began[i], w.read[i]) },
	}
}

var (
	updateEvents = []event{
		func(w *race) { w.primary = "new" },
		func(w *race) {
			w.invalidate(w.rig, w.entity, w.name, time.Duration(w.settle)*TickLength)
			w.invalidated = w.now
		},
	}
	replicaEvents = []event{func(w *race) { w.replica = w.primary }}
	tickEvents    = []event{advance, advance, advance}
)

func advance(w *race) {
	w.now++
	w.at(w.now)
}

// interleave calls visit with each order of the events of all lines in which
// each line keeps its own.
func interleave(lines [][]event, order []event, visit func([]event)) {
	done := true
	for i, line := range lines {
		if len(line) == 0 {
			continue
		}
		done = false
		lines[i] = line[1:]
		interleave(lines, append(order, line[0]), visit)
		lines[i] = line
	}
	if done {
		visit(order)
	}
}

// TestEveryOrderOfFillsAndInvalidationServesNoOldValue walks all schedules of
// two fetches, an update that invalidates, a replica that follows within
// settle, and the clock. No reader that comes after the invalidation sees what
// was there before the update.
func TestEveryOrderOfFillsAndInvalidationServesNoOldValue(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		for settle := range Tick(3) {
			cfg := roomy
			cfg.MaxAge = 24 * time.Hour
			r := newRig(t, cfg)
			p := r.mustProject("f")
			schedules, served, base := 0, 0, Tick(1)
			lines := [][]event{fetchEvents(0), fetchEvents(1), updateEvents, tickEvents[:1+settle]}
			if settle > 0 {
				lines[1] = nil // the other fetch is left out to keep schedules few
				lines = append(lines, replicaEvents)
			}
			interleave(lines, nil, func(order []event) {
				schedules++
				base += 10 // behind all that the schedule before did
				w := &race{rig: r, projection: p, invalidate: invalidate, settle: settle, name: "f", now: base, primary: "old", replica: "old"}
				w.entity = fmt.Sprint("e", schedules)
				r.at(base)
				for _, step := range order {
					step(w)
					if settle == 0 {
						w.replica = w.primary
					}
					w.look(t, schedules)
				}
				if w.servedUpdate {
					served++
				}
			})
			if schedules < 100 || served == 0 {
				t.Fatalf("settle %d: %d schedules, of which %d served the update: the test tests nothing", settle, schedules, served)
			}
		}
	})
}

// look is a reader at any time.
func (w *race) look(t *testing.T, schedule int) {
	t.Helper()
	w.late = w.late || w.invalidated != 0 && w.now > w.invalidated+w.settle && w.replica != "new"
	switch got := w.get(w.entity, w.projection, w.now); {
	case got == "-":
	case got == wireOf(2, "new"):
		w.servedUpdate = true
	case w.invalidated != 0 && !w.late:
		t.Fatalf("schedule %d: %q at tick %d after the invalidation at tick %d (fetches of %v, settle %d)",
			schedule, got, w.now, w.invalidated, w.began, w.settle)
	}
}
