package cache

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

func (r rig) update(entity string, settle time.Duration, names ...string) {
	var list [][]byte
	for _, name := range names {
		list = append(list, []byte(name))
	}
	r.Update([]byte(entity), list, settle)
}

// H1
func TestAFillOfAnUpdatedFieldIsRefusedAndOfTheOthersKept(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b")
	b := r.mustProject("b")
	r.at(10)
	r.update("e", 0, "a")
	r.at(11)
	r.fillAll("e", p, 10, "old", "b")
	r.want("e", p, 11)
	r.want("e", b, 11, "b")
	if s := r.Stats(); s.HeldDownFields != 1 || s.HeldDown != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestAnUpdateTakesItsFieldsOutOfTheRowAndNoOthers(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b", "c")
	r.fillAll("e", p, 5, "1", "", "3")
	r.fillAll("e2", p, 5, "1", "2", "3")
	r.at(10)
	r.update("e", 0, "c", "unknown", "a")
	r.want("e", r.mustProject("b"), 10, "")
	r.want("e2", p, 10, "1", "2", "3")
	f := r.Lookup([]byte("e"), p, 10)
	if missing, stale := f.Missing(nil, p, 10); fmt.Sprint(missing) != "[0 2]" || stale != 0 {
		t.Fatalf("missing %v, %d of them held", missing, stale)
	}
	r.update("e", 0, "b")
	if f := r.Lookup([]byte("e"), p, 10); f.Any() {
		t.Fatal("a row without values is held")
	}
	if s := r.settled(); s.Rows != 1 || s.Fields != 3 {
		t.Fatalf("%d rows of %d values", s.Rows, s.Fields)
	}
}

// H4
func TestAnUpdatedFieldIsHeldDownUntilItHasSettled(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	r.update("e", 95*time.Millisecond, "a")
	for began := Tick(10); began <= 20; began++ {
		r.at(began)
		r.fillAll("e", p, began, "a replica that is behind")
		r.want("e", p, began)
	}
	r.fillAll("e", p, 21, "new")
	r.want("e", p, 21, "new")
}

// H2
func TestAReaderAfterAnInvalidationJoinsNoFetchBegunBeforeIt(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		r := newRig(t, roomy)
		p := r.mustProject("a", "b")
		r.at(10)
		invalidate(r, "e", "a", time.Second)
		r.at(50)
		at := r.InvalidatedAt([]byte("e"), p, []int32{0, 1}, 50)
		if at < 10 {
			t.Fatalf("a fetch begun at 10 or before may be joined: invalidated at %d", at)
		}
		// One begun later may be, or nobody could join anybody until all has settled.
		if at != 10 {
			t.Fatalf("a fetch begun at 11 may not be joined: invalidated at %d", at)
		}
	})
}

func TestOnlyWhatIsFetchedDecidesWhoMayJoin(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b")
	r.at(10)
	r.Mark(cover("a"))
	r.at(12)
	r.update("e", 0, "b")
	if at := r.InvalidatedAt([]byte("e"), p, []int32{0}, 20); at != 10 {
		t.Fatalf("the fetch of a may be joined from %d on", at)
	}
	if at := r.InvalidatedAt([]byte("e"), p, []int32{1}, 20); at != 12 {
		t.Fatalf("the fetch of b may be joined from %d on", at)
	}
}

// H13
func TestAKnownLackEndsWithTheUpdateThatFillsIt(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		r := newRig(t, roomy)
		p := r.mustProject("a")
		r.at(5)
		r.fillAll("e", p, 5, "")
		r.want("e", p, 5, "")
		r.at(10)
		invalidate(r, "e", "a", 0)
		r.want("e", p, 10)
	})
}

// H14: a write through the proxy invalidates before it is forwarded and after
// its reply.
func TestWhatIsFetchedWhileAWriteIsOnItsWayIsNotKept(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	r.Invalidate([]byte("e"), 0)
	r.at(11)
	r.fillAll("e", p, 11, "old") // the store has not seen the write yet
	r.at(12)
	r.Invalidate([]byte("e"), 20*time.Millisecond)
	r.want("e", p, 12)
	r.fillAll("e", p, 14, "from a replica")
	r.want("e", p, 14)
}

// A fill that has seen no stamp may be about to make the row when an update
// comes and finds none: the update has to wait for it.
func TestAnUpdateWaitsForTheFillThatMakesTheRow(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	for i := range 3000 {
		entity := fmt.Sprint("e", i)
		began := r.clock.Now()
		var wg sync.WaitGroup
		wg.Go(func() { r.fillAll(entity, p, began, "old") })
		wg.Go(func() {
			runtime.Gosched()
			r.update(entity, 0, "a")
		})
		wg.Wait()
		r.want(entity, p, r.clock.Now())
	}
}
