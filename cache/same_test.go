package cache

import (
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

// Two lookups are of the same row only if nothing came between them, be it a
// fill with equal values.
func TestSameRowIsOneThatNothingReplaced(t *testing.T) {
	r := newRig(t, roomy)
	r.at(10)
	p := r.mustProject("a", "b")
	r.fillAll("e", p, 5, "1", "2")
	find := func() Found { return r.Lookup([]byte("e"), p, 10) }
	first, second := find(), find()
	if !second.Same(&first) {
		t.Error("two lookups in a row did not find the same row")
	}
	r.fillAll("e", p, 5, "1", "2")
	if third := find(); third.Same(&first) {
		t.Error("a row that was replaced by an equal one counts as the same")
	}
	third := find()
	r.Invalidate([]byte("e"), 0)
	r.at(20)
	r.fillAll("e", p, 15, "1", "2")
	if fourth := r.Lookup([]byte("e"), p, 20); !fourth.Complete || fourth.Same(&third) {
		t.Error("a row that was dropped and filled again counts as the same")
	}
}

// H25: what readers do with their replies, and fetchers' readers with theirs, is
// nothing to the row.
func TestNeitherReadersNorFetchersChangeARow(t *testing.T) {
	r := newRig(t, roomy)
	r.at(10)
	p := r.mustProject("a", "b", "c")
	brought := fetched(p, 5, positions(3), "1", "", "3")
	r.Fill([]byte("e"), brought, resp.V2)
	clear(brought.Frame)
	for _, v := range []resp.Version{resp.V2, resp.V3} { // copied in runs, and one by one
		f := r.Lookup([]byte("e"), p, 10)
		clear(f.Append(nil, v))
		clear(f.AppendValue(nil, 2, v))
	}
	r.want("e", p, 10, "1", "", "3")
}
