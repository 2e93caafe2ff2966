package cache

import (
	"fmt"
	"testing"
	"time"
)

// staleRig may serve 100 ticks after a marker, and 1000 after a failed fetch.
func staleRig(t *testing.T) rig {
	cfg := roomy
	cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Second, 10*time.Second
	return newRig(t, cfg)
}

// revalidates tells whether p is answered with stale values at tick now, and
// with which.
func (r rig) revalidates(entity string, p *Projection, now Tick) (values string, due, ok bool) {
	f := r.Lookup([]byte(entity), p, now)
	if f.Complete {
		r.t.Fatal("all is fresh")
	}
	got, ok := r.Revalidate(&f, []byte(entity), p, now)
	if !ok {
		return "", false, false
	}
	return string(f.Append(nil, 2)), got.Due, true
}

func (r rig) onError(entity string, p *Projection, now Tick) bool {
	f := r.Lookup([]byte(entity), p, now)
	missing, _ := f.Missing(nil, p, now)
	_, ok := r.OnError(&f, p, missing, now)
	return ok
}

// H22
func TestAValueIsServedForTheWindowAfterAMarkerAndNoLonger(t *testing.T) {
	r := staleRig(t)
	p := r.mustProject("a", "b")
	r.at(10)
	r.fillAll("e", p, 10, "1", "2")
	r.at(50)
	r.Mark(cover("a"))
	for now := Tick(50); now < 150; now++ {
		if got, _, ok := r.revalidates("e", p, now); !ok || got != wireOf(2, "1", "2") {
			t.Fatalf("tick %d: %q, %v", now, got, ok)
		}
	}
	if _, _, ok := r.revalidates("e", p, 150); ok {
		t.Fatal("served past the window")
	}
}

func TestASecondMarkerDoesNotExtendTheWindowOfTheFirst(t *testing.T) {
	r := staleRig(t)
	p := r.mustProject("a")
	r.at(10)
	r.fillAll("e1", p, 10, "before")
	r.fillAll("e2", p, 10, "before")
	r.at(50)
	r.Mark(cover("a"))
	r.at(100)
	r.fillAll("e2", p, 100, "between") // from a fetcher that may not have loaded the upload
	r.at(120)
	r.Mark(cover("a")) // settle has passed
	for now := Tick(120); now < 230; now++ {
		_, _, ok := r.revalidates("e1", p, now)
		if want := now < 150; ok != want {
			t.Fatalf("tick %d: from before the marker: served %v", now, ok)
		}
		_, _, ok = r.revalidates("e2", p, now)
		if want := now < 220; ok != want {
			t.Fatalf("tick %d: from between: served %v", now, ok)
		}
	}
}

func TestManyMarkersNeverExtendAWindow(t *testing.T) {
	for n := range Tick(3 * maxMarks) {
		r := staleRig(t)
		p := r.mustProject("a")
		r.at(10)
		r.fillAll("e", p, 10, "old")
		for i := range n + 1 {
			r.at(50 + i)
			r.Mark(cover("a"))
		}
		_, _, ok := r.revalidates("e", p, 51+n)
		if want := n+1 <= maxMarks; ok != want {
			t.Fatalf("after %d markers: served %v", n+1, ok)
		}
		if _, _, ok := r.revalidates("e", p, 150); ok {
			t.Fatalf("after %d markers: served past the first one's window", n+1)
		}
	}
}

func TestOnlyAMarkerLeavesValuesToServe(t *testing.T) {
	eachInvalidation(t, func(t *testing.T, invalidate func(rig, string, string, time.Duration)) {
		for _, marked := range []bool{false, true} {
			r := staleRig(t)
			p := r.mustProject("a")
			r.at(10)
			r.fillAll("e", p, 10, "old")
			r.at(20)
			if marked {
				r.Mark(cover("a"))
			}
			invalidate(r, "e", "a", 0)
			if !marked {
				r.Mark(cover("a"))
			}
			if _, _, ok := r.revalidates("e", p, 20); ok {
				t.Fatal("served while it is fetched anew")
			}
			if r.onError("e", p, 20) {
				t.Fatal("served as the fetch failed")
			}
		}
	})
}

func TestASuspendedFeatureIsNotServedStale(t *testing.T) {
	r := staleRig(t)
	p := r.mustProject("a")
	r.at(10)
	r.fillAll("e", p, 10, "old")
	r.at(20)
	r.Mark(cover("a"))
	s := r.Suspend(cover("a"))
	for range 2 {
		if _, _, ok := r.revalidates("e", p, 20); ok || r.onError("e", p, 20) {
			t.Fatal("served")
		}
		s.Resume(0)
	}
}

func TestAMarkerLeavesAgesAsTheyAre(t *testing.T) {
	cfg := roomy
	cfg.MaxAge, cfg.StaleWhileRevalidate = time.Second, time.Hour
	r := newRig(t, cfg)
	p := r.mustProject("a")
	r.at(10)
	r.fillAll("e", p, 10, "x")
	r.at(60)
	r.Mark(cover("a"))
	if _, _, ok := r.revalidates("e", p, 109); !ok {
		t.Fatal("not served")
	}
	if _, _, ok := r.revalidates("e", p, 110); ok {
		t.Fatal("served past its age")
	}
}

func TestNothingStaleIsServedWhereThatIsNotAllowed(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	r.fillAll("e", p, 10, "x")
	r.at(20)
	r.Mark(cover("a"))
	if _, _, ok := r.revalidates("e", p, 20); ok || r.onError("e", p, 20) {
		t.Fatal("served")
	}
}

// Refreshes are spread over the window, and all are due before its end.
func TestRefreshesAfterAMarkerAreSpreadOverTheWindow(t *testing.T) {
	const entities = 4000
	r := staleRig(t)
	p := r.mustProject("a")
	r.at(10)
	for i := range entities {
		r.fillAll(fmt.Sprint("e", i), p, 10, "x")
	}
	r.at(50)
	r.Mark(cover("a"))
	var due [100]int
	before := 0
	for now := range Tick(100) {
		n := 0
		for i := range entities {
			if _, d, ok := r.revalidates(fmt.Sprint("e", i), p, 50+now); ok && d {
				n++
			}
		}
		if n < before {
			t.Fatal("what was due is not any more")
		}
		due[now], before = n-before, n
	}
	if before != entities {
		t.Fatalf("%d of %d were ever due", before, entities)
	}
	for i, n := range due {
		if n > 2*entities/75 {
			t.Errorf("%d of %d become due in tick %d", n, entities, i)
		}
		if n > 0 && i >= 76 {
			t.Errorf("due only at tick %d of the window", i)
		}
	}
}

func TestOneRefreshOfAnEntityAtATime(t *testing.T) {
	r := staleRig(t)
	if !r.BeginRefresh([]byte("e")) || r.BeginRefresh([]byte("e")) {
		t.Fatal("the first alone may")
	}
	r.EndRefresh([]byte("e"))
	if !r.BeginRefresh([]byte("e")) {
		t.Fatal("when it is over, the next may")
	}
}

func TestOnErrorAValueIsServedForAWhileAfterItWentStale(t *testing.T) {
	r := staleRig(t)
	p := r.mustProject("a", "b")
	r.at(10)
	r.fillAll("marked", p, 10, "1", "2")
	r.fillAll("aged", p, 10, "1", "")
	r.at(50)
	r.Mark(cover("a"))
	for _, now := range []Tick{50, 1049} {
		if !r.onError("marked", p, now) {
			t.Fatalf("tick %d: not served", now)
		}
	}
	if r.onError("marked", p, 1050) {
		t.Fatal("served too long after the marker")
	}
	b, old := r.mustProject("b"), 10+Ticks(roomy.NegativeMaxAge)
	if !r.onError("aged", b, old+999) || r.onError("aged", b, old+1000) {
		t.Fatal("a lack is served for as long as it came of age")
	}
	if r.onError("none", p, 50) || r.onError("marked", r.mustProject("a", "c"), 50) {
		t.Fatal("what is not held was served")
	}
}

// A row that is filled again keeps the stale values that may be needed yet, and
// only those.
func TestAFillKeepsStaleValuesWhileTheyMayBeServed(t *testing.T) {
	r := staleRig(t)
	p := r.mustProject("a", "b", "c")
	r.at(10)
	r.fillAll("e", p, 10, "1", "2", "3")
	r.at(50)
	r.Mark(cover("a", "b"))
	r.at(60)
	r.fill("e", p, 60, []int32{1}, "new")
	if got, _, ok := r.revalidates("e", p, 60); !ok || got != wireOf(2, "1", "new", "3") {
		t.Fatalf("%q, %v", got, ok)
	}
	if s := r.settled(); s.Fields != 3 {
		t.Fatalf("%d values held", s.Fields)
	}
	r.at(1050)
	r.fill("e", p, 1050, []int32{1}, "newer")
	if s := r.settled(); s.Fields != 2 {
		t.Fatalf("%d values held: the one that nobody may see is not let go", s.Fields)
	}
}

func TestAPolicyIsThatOfItsFeature(t *testing.T) {
	cfg := roomy
	cfg.NeverCache = []string{"_ts:*"}
	cfg.Policy = func(field string) Policy {
		p := Policy{MaxAge: time.Second, NegativeMaxAge: time.Hour, StaleIfError: time.Second, Keep: true}
		switch field {
		case "never":
			p.Keep = false
		case "long":
			p.MaxAge = time.Minute
		}
		return p
	}
	r := newRig(t, cfg)
	r.at(10)
	for _, name := range []string{"never", "long", "short", "none", "_ts:x"} {
		value := "x"
		if name == "none" {
			value = ""
		}
		r.fillAll("e", r.mustProject(name), 10, value)
	}
	r.want("e", r.mustProject("never"), 10)
	r.want("e", r.mustProject("_ts:x"), 10)
	r.want("e", r.mustProject("short"), 110)
	r.want("e", r.mustProject("none"), 110) // never longer than a value's age
	r.want("e", r.mustProject("long"), 110, "x")
	if !r.onError("e", r.mustProject("short"), 209) || r.onError("e", r.mustProject("short"), 210) {
		t.Fatal("its own time on errors")
	}
}
