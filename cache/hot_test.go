package cache

import (
	"slices"
	"testing"
)

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
