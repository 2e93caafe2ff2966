package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

const lag = 50 * time.Millisecond // five ticks

func (r rig) apply(entity string, version int64, settle time.Duration, name, value string) bool {
	v := Value{Feature: []byte(name), Bytes: []byte(value), Nil: value == ""}
	return r.Apply([]byte(entity), []Value{v}, version, settle, lag) == 1
}

// applied is a rig that holds a and b of e since tick 100, at tick 120.
func applied(t *testing.T) (r rig, p *Projection) {
	r = newRig(t, roomy)
	p = r.mustProject("a", "b")
	r.at(100)
	r.fillAll("e", p, 100, "a0", "b0")
	r.at(120)
	return r, p
}

func TestANewerRecordIsPutInPlaceWithoutAFetch(t *testing.T) {
	r, p := applied(t)
	if !r.apply("e", 1, 0, "a", "a1") {
		t.Fatal("not put in place")
	}
	r.want("e", p, 120, "a1", "b0")
	if !r.apply("e", 2, 0, "a", "") {
		t.Fatal("the value's end was not put in place")
	}
	r.want("e", p, 120, "", "b0")
	if f := r.Lookup([]byte("e"), p, 120); f.Negatives != 1 {
		t.Fatalf("%d nils", f.Negatives)
	}
	if s := r.settled(); s.Fields != 2 {
		t.Fatalf("%d values", s.Fields)
	}
}

// H5
func TestLateAndRepeatedRecordsBringBackNothing(t *testing.T) {
	for name, versions := range map[string][]int64{
		"twice":             {7, 7},
		"the wrong order":   {8, 7},
		"no version":        {7, 0},
		"none, then older":  {7, 0, 6},
		"twice, in between": {7, 8, 7},
		"below zero":        {7, -8},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := applied(t)
			for i, v := range versions {
				r.apply("e", v, 0, "a", fmt.Sprint("record ", i))
			}
			r.want("e", p, 120)
			r.want("e", r.mustProject("b"), 120, "b0")
			// Nor does it once the field was fetched.
			r.at(140)
			r.fillAll("e", p, 140, "store", "b0")
			r.at(150)
			if r.apply("e", 7, 0, "a", "once more") {
				t.Fatal("an old record was put in place")
			}
			r.want("e", p, 150)
		})
	}
}

func TestARecordIsPutInPlaceOnlyWhereItIsSureToBeNewer(t *testing.T) {
	for name, before := range map[string]func(r rig){
		"a marker":               func(r rig) { r.Mark(cover("a")) },
		"an order":               func(r rig) { r.Forget(cover("a"), 0) },
		"a gap":                  func(r rig) { r.Suspend(cover("*")).Resume(0) },
		"a write":                func(r rig) { r.Invalidate([]byte("e"), 0) },
		"an unversioned update":  func(r rig) { r.update("e", 0, "a") },
		"an unversioned record":  func(r rig) { r.apply("e", 0, 0, "a", "x") },
		"an order about all":     func(r rig) { r.InvalidateAll(0) },
		"a write that settles":   func(r rig) { r.Invalidate([]byte("e"), 20*time.Millisecond) },
		"an order that settles":  func(r rig) { r.Forget(cover("a"), 20*time.Millisecond) },
		"an update that settles": func(r rig) { r.update("e", 20*time.Millisecond, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			for after := Tick(0); after < 12; after++ {
				r, p := applied(t)
				before(r)
				r.at(120 + after)
				r.fillAll("e", p, 120+after, "fetched", "b")
				held := r.get("e", p, 120+after) != "-"
				r.at(121 + after)
				put := r.apply("e", 9, 0, "a", "of before")
				if put && (!held || after+1 <= 5) {
					t.Fatalf("a record that may be %v old was put in place %d ticks after", lag, after+1)
				}
				if after == 11 && !put {
					t.Fatal("no record is ever put in place")
				}
			}
		})
	}
}

func TestARecordOfWhatIsNotServedIsNotKept(t *testing.T) {
	r, p := applied(t)
	if r.apply("e", 1, 0, "c", "x") || r.apply("none", 1, 0, "a", "x") {
		t.Fatal("nobody asked for it")
	}
	r.want("e", p, 120, "a0", "b0")
	s := r.Suspend(cover("a"))
	if r.apply("e", 2, 0, "a", "x") {
		t.Fatal("the feature is suspended")
	}
	s.Resume(0)
	r.want("e", p, 120)
}

func TestARecordsValueIsAsOldAsTheRecordMayBe(t *testing.T) {
	r, p := applied(t)
	r.apply("e", 1, 0, "a", "a1")
	if f := r.Lookup([]byte("e"), p, 120); f.row.tick(0) != 115 {
		t.Fatalf("its tick is %d", f.row.tick(0))
	}
	r.want("e", p, 100+Ticks(roomy.MaxAge)-1, "a1", "b0")
	r.want("e", r.mustProject("a"), 115+Ticks(roomy.MaxAge)-1, "a1")
	r.want("e", r.mustProject("a"), 115+Ticks(roomy.MaxAge))
	r.at(130)
	r.Mark(cover("a"))
	r.want("e", p, 130)
}

func TestAFetchBegunBeforeARecordHasSettledDoesNotUndoIt(t *testing.T) {
	r, p := applied(t)
	r.apply("e", 1, 20*time.Millisecond, "a", "a1")
	for began := Tick(115); began <= 122; began++ {
		r.at(max(began, 120))
		r.fillAll("e", p, began, "a0", "b1")
		r.want("e", r.mustProject("a"), 122, "a1")
	}
	r.at(123)
	r.fillAll("e", p, 123, "a2", "b2")
	r.want("e", p, 123, "a2", "b2")
}

func TestRecordsThatShareASlotCostAFetchAndNoMore(t *testing.T) {
	r, p := applied(t)
	// Whatever shares a's slot raised its version.
	r.updates.field(r.hash("e"), r.hash("a")).version.Store(50)
	if r.apply("e", 50, 0, "a", "x") || r.apply("e", 7, 0, "a", "x") {
		t.Fatal("put in place although it is not known to be newer")
	}
	r.want("e", p, 120)
	r.at(130)
	r.fillAll("e", p, 130, "a1", "b1")
	r.at(140)
	if !r.apply("e", 51, 0, "a", "a2") {
		t.Fatal("a newer one was not put in place")
	}
	r.want("e", p, 140, "a2", "b1")
}

// A record that another overtakes between its stamp and its row.
func TestARecordThatIsOvertakenIsNotPutInPlace(t *testing.T) {
	r, p := applied(t)
	hash := r.hash("e")
	slow := r.newRecord(hash, []Value{{Feature: []byte("a"), Bytes: []byte("a5")}}, 5, 0, lag)
	if !r.apply("e", 6, 0, "a", "a6") {
		t.Fatal("the newer was not put in place")
	}
	r.want("e", p, 120, "a6", "b0")
	if r.put([]byte("e"), hash, slow) != 0 {
		t.Fatal("the older was put in place")
	}
	r.want("e", p, 120)
}

// Records of one entity that come through several goroutines at once leave the
// newest, or nothing.
func TestRecordsAtOnceLeaveTheNewestOrNothing(t *testing.T) {
	r, p := applied(t)
	version := int64(0)
	for round := range 2000 {
		r.fillAll("e", p, r.clock.Now(), "a0", "b0")
		r.at(r.clock.Now() + 20)
		var wg sync.WaitGroup
		for range 4 {
			version++
			v := version
			wg.Go(func() { r.apply("e", v, 0, "a", fmt.Sprint("a", v)) })
		}
		wg.Wait()
		if got := r.get("e", p, r.clock.Now()); got != "-" && got != wireOf(2, fmt.Sprint("a", version), "b0") {
			t.Fatalf("round %d: left is %q, the newest is %d", round, got, version)
		}
		r.at(r.clock.Now() + 1)
	}
}

func TestARecordThatMakesTheRowTooLongLeavesNothingOld(t *testing.T) {
	cfg := roomy
	cfg.MaxRowBytes = 100
	r := newRig(t, cfg)
	p := r.mustProject("a")
	r.at(100)
	r.fillAll("e", p, 100, "old")
	r.at(120)
	r.apply("e", 1, 0, "a", repeat("x", 200))
	r.want("e", p, 120)
	if s := r.settled(); s.Rows != 0 || s.Fields != 0 {
		t.Fatalf("%+v", s)
	}
}
