package cache

import "testing"

func TestTheSameRowIsNotMerelyAnEqualOne(t *testing.T) {
	r := newRig(t, roomy)
	p, q := r.mustProject("a"), r.mustProject("a", "a")
	r.fillAll("e", p, 1, "1")
	first, again := r.Lookup([]byte("e"), p, 1), r.Lookup([]byte("e"), q, 1)
	if !first.Same(&again) || !again.Same(&first) {
		t.Fatal("nothing happened between")
	}
	r.Invalidate([]byte("e"), 0)
	none := r.Lookup([]byte("e"), p, 1)
	r.fillAll("e", p, 2, "1")
	r.fillAll("e2", p, 1, "1")
	equal, other := r.Lookup([]byte("e"), p, 2), r.Lookup([]byte("e2"), p, 2)
	if first.Same(&none) || first.Same(&equal) || equal.Same(&other) {
		t.Fatal("another row")
	}
}
