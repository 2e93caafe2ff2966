package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

func TestARowTellsTheFetcherThatItWasFilledFromLast(t *testing.T) {
	r := newRig(t, roomy)
	r.at(10)
	from := func() string {
		view, _ := r.Look([]byte("e"), r.clock.Now())
		return view.From
	}
	fill := func(fetcher, field string) {
		r.Fill([]byte("e"), &Fetched{
			Projection: r.mustProject(field), Positions: []int32{0}, Frame: []byte("$1\r\n1\r\n"), Ends: []int{0, 7},
			Began: r.clock.Now(), From: fetcher,
		}, resp.V2)
	}
	fill("10.0.0.1:6379", "a")
	if got := from(); got != "10.0.0.1:6379" {
		t.Errorf("filled from %q", got)
	}
	fill("10.0.0.2:6379", "b")
	if got := from(); got != "10.0.0.2:6379" {
		t.Errorf("filled from %q after a second fill", got)
	}
	r.Update([]byte("e"), [][]byte{[]byte("b")}, time.Second)
	if got := from(); got != "10.0.0.2:6379" {
		t.Errorf("filled from %q after an update took a value out", got)
	}
}

func TestMoreFetchersThanNumbersTakeTheOldestOnes(t *testing.T) {
	var o origins
	for i := range mostOrigins + 2 {
		name := fmt.Sprint("fetcher ", i)
		n := o.number(name)
		if o.name(n) != name || o.number(name) != n {
			t.Fatalf("%s has number %d, which is %q's", name, n, o.name(n))
		}
	}
	if len(o.numbers) != mostOrigins || o.number("") != 0 || o.name(0) != "" {
		t.Errorf("%d numbers given", len(o.numbers))
	}
}
