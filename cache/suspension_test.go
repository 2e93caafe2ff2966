package cache

import (
	"testing"
	"time"
)

func TestASuspendedFeatureIsNeitherServedNorKept(t *testing.T) {
	for _, covers := range []string{"a", "a*", "*"} {
		r := newRig(t, roomy)
		p, b := r.mustProject("a", "b"), r.mustProject("b")
		r.at(10)
		r.fillAll("e", p, 10, "1", "2")
		r.at(20)
		s := r.Suspend(cover(covers))
		r.want("e", p, 20)
		r.fillAll("e", p, 20, "3", "4")
		r.want("e", p, 20)
		if covers != "*" {
			r.want("e", b, 20, "4")
		}
		if at := Tick(p.invalidated.Load()); at != never {
			t.Fatalf("the projection was invalidated at %d", at)
		}
		r.at(30)
		s.Resume(50 * time.Millisecond)
		if at := Tick(p.invalidated.Load()); at != 35 {
			t.Fatalf("the projection was invalidated at %d: its hits take the slow path", at)
		}
		s.Resume(time.Hour) // does nothing more
		r.want("e", p, 30)
		r.fillAll("e", p, 25, "missed", "6") // begun while nobody listened
		r.fillAll("e", p, 35, "not settled", "6")
		r.want("e", p, 35)
		r.fillAll("e", p, 36, "7", "8")
		r.want("e", p, 36, "7", "8")
	}
}

func TestAFeatureIsServedAgainWhenAllSuspensionsHaveEnded(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b")
	r.at(10)
	all, one := r.Suspend(cover("*")), r.Suspend(cover("a"))
	all.Resume(0)
	r.at(20)
	r.fillAll("e", p, 20, "1", "2")
	r.want("e", p, 20)
	r.want("e", r.mustProject("b"), 20, "2")
	one.Resume(0)
	r.at(30)
	r.fillAll("e", p, 30, "1", "2")
	r.want("e", p, 30, "1", "2")
}

func TestAFeatureFirstAskedForWhileItsCoverIsSuspendedIsSuspended(t *testing.T) {
	r := newRig(t, roomy)
	r.at(10)
	s := r.Suspend(cover("a*"))
	p, other := r.mustProject("a1"), r.mustProject("b1")
	r.at(20)
	r.fillAll("e", p, 20, "x")
	r.fillAll("e", other, 20, "y")
	r.want("e", p, 20)
	r.want("e", other, 20, "y")
	s.Resume(50 * time.Millisecond)
	late := r.mustProject("a2")
	r.fillAll("e", p, 25, "x")
	r.fillAll("e", late, 25, "x")
	r.want("e", p, 25)
	r.want("e", late, 25)
	r.fillAll("e", p, 26, "x")
	r.fillAll("e", late, 26, "z")
	r.want("e", p, 26, "x")
	r.want("e", late, 26, "z")
}

func TestAMarkerDuringASuspensionDoesNotEndIt(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	s := r.Suspend(cover("a"))
	r.at(11)
	r.Mark(cover("a"))
	r.Forget(cover("a"), 0)
	r.InvalidateAll(0)
	r.at(20)
	r.fillAll("e", p, 20, "x")
	r.want("e", p, 20)
	s.Resume(0)
	r.fillAll("e", p, 21, "x")
	r.want("e", p, 21, "x")
}

// Readers of a suspended feature share a fetch of the same tick, but none from
// before.
func TestAFetchOfASuspendedFeatureIsJoinedAtOnceOrNever(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	r.Suspend(cover("a"))
	if at := r.InvalidatedAt([]byte("e"), p, []int32{0}, 50); at != 49 {
		t.Fatalf("invalidated at %d, want 49", at)
	}
	r.at(50)
	r.Mark(cover("a"))
	if at := r.InvalidatedAt([]byte("e"), p, []int32{0}, 50); at != 50 {
		t.Fatalf("invalidated at %d, want 50", at)
	}
}

// What is suspended or invalidated and never asked for leaves others alone.
func TestAFeatureThatNothingCoversIsBornFree(t *testing.T) {
	r := newRig(t, roomy)
	r.at(10)
	r.Forget(cover("a*", "c"), time.Hour)
	r.Suspend(cover("d"))
	p := r.mustProject("b")
	r.fillAll("e", p, 10, "x")
	r.want("e", p, 10, "x")
}
