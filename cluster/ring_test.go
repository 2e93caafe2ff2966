package cluster

import (
	"math/rand/v2"
	"testing"
)

// The ring does what a slice would do, through growth and wrap-around.
func TestRingIsAQueue(t *testing.T) {
	var r ring
	var model []*Fetch
	for step := range 20_000 {
		switch {
		case rand.IntN(1000) == 0:
			all := r.takeAll()
			if len(all) != len(model) {
				t.Fatalf("step %d: took %d of %d", step, len(all), len(model))
			}
			for i, e := range all {
				if e.fetch != model[i] {
					t.Fatalf("step %d: entry %d out of order", step, i)
				}
			}
			model = nil
		case rand.IntN(100) < 52:
			f := new(Fetch)
			r.push(entry{fetch: f})
			model = append(model, f)
		case len(model) > 0:
			if r.front().fetch != model[0] {
				t.Fatalf("step %d: the front is not the oldest", step)
			}
			r.pop()
			model = model[1:]
		}
		if r.len() != len(model) || (r.front() == nil) != (len(model) == 0) {
			t.Fatalf("step %d: holds %d, want %d", step, r.len(), len(model))
		}
		if n := len(model); n > 0 && r.at(n-1).fetch != model[n-1] {
			t.Fatalf("step %d: the newest is out of place", step)
		}
	}
}

// What was popped must not be kept from the garbage collector.
func TestRingForgetsWhatWasPopped(t *testing.T) {
	var r ring
	for range 100 {
		r.push(entry{fetch: new(Fetch)})
	}
	for r.len() > 0 {
		r.pop()
	}
	for i := range r.entries {
		if r.entries[i].fetch != nil {
			t.Fatalf("slot %d still refers to a fetch", i)
		}
	}
}
