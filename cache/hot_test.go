package cache

import (
	"fmt"
	"slices"
	"testing"
)

// What is held is named in the view in which it was asked for, and once: in stored
// form where somebody wants it so. What is asked for in passing is not named.
func TestWhatIsHotIsNamedInItsView(t *testing.T) {
	r := newDecodingRig(t)
	decoded := r.mustProjectIn(decodedView, "pf-1", "float-1")
	both, bothStored := r.mustProjectIn(decodedView, "pf-2"), r.mustProject("pf-2")
	aside := r.mustProjectIn(View{Decoded: true, Typed: true, Aside: true}, "pf-3")
	both.CountHits(9, 0)
	r.fillAll("decoded", decoded, 1, encoded(t, "pf-1", "1.5"), "1.50")
	r.fillAll("both", both, 1, encoded(t, "pf-2", "2.5"))
	r.fillAll("aside", aside, 1, encoded(t, "pf-3", "3.5"))
	r.settled()
	named := make(map[string]*Projection)
	r.Hot(10, func(entity []byte, projections []*Projection) bool {
		if len(projections) != 1 {
			t.Errorf("%s is named in %d projections", entity, len(projections))
		}
		named[string(entity)] = projections[0]
		return true
	})
	if len(named) != 2 || named["decoded"] != decoded || named["both"] != bothStored {
		t.Errorf("named %s", fmt.Sprint(named))
	}
}

func TestWhatCoversAsksForNothingThatIsNotHeld(t *testing.T) {
	asked := [][]int{{1, 2}, {2, 1}, {1, 9}, {2, 3}, {3}, {}, {4}}
	for _, c := range []struct{ held, want []int }{
		{[]int{1, 2, 3, 4}, []int{0, 3, 6}},
		{[]int{1}, nil},
		{[]int{3}, []int{4}},
		{nil, nil},
	} {
		if got := Covering(c.held, asked); !slices.Equal(got, c.want) {
			t.Errorf("held %v: %v, want %v", c.held, got, c.want)
		}
	}
}
