package fleet

import (
	"reflect"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
)

func TestSlotsCompareEqualHoweverTheyAreWritten(t *testing.T) {
	want := []cluster.SlotRange{{First: 0, Last: 10}, {First: 20, Last: 20}}
	for _, text := range []string{"0-10,20", "20,0-10", " 0 - 5 , 6-10, 20-20 ", "6-10,20,0-5"} {
		got, err := ParseSlots(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"": "no range", "1-": "no range", "5-1": "no range", "0-16384": "no range", "-1": "no range", "a": "no range", "1,,2": "no range",
		"0-5,5-9": "slot 5 is named twice", "3,3": "slot 3 is named twice",
	} {
		if _, err := ParseSlots(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestEvenSharesCoverEverySlotOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 16, 1000, cluster.Slots} {
		next := 0
		for i := range n {
			r := Even(i, n)
			if int(r.First) != next || r.Last < r.First {
				t.Fatalf("share %d of %d is %v, want it to begin at %d", i, n, r, next)
			}
			next = int(r.Last) + 1
		}
		if next != cluster.Slots {
			t.Errorf("%d shares end at %d", n, next)
		}
	}
}

func TestATopologyIsTheSameInWhateverOrderItWasFound(t *testing.T) {
	low := []cluster.SlotRange{{First: 0, Last: 99}}
	high := []cluster.SlotRange{{First: 100, Last: 200}}
	a, err := Topology("7.2.4", []Shard{
		{Slots: low, Nodes: []Node{{"a:1", "x"}, {"b:1", ""}}}, {Slots: high, Nodes: []Node{{"c:1", "y"}}}, {Slots: nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Topology("7.2.4", []Shard{
		{Slots: high, Nodes: []Node{{"c:1", "y"}}}, {Slots: low, Nodes: []Node{{"b:1", ""}, {"a:1", "x"}}},
	})
	if err != nil || !a.Equal(b) {
		t.Errorf("%+v and %+v, %v", a.Shards, b.Shards, err)
	}
	if a.Zone("a:1") != "x" || a.Zone("b:1") != "" || a.Covered() != 201 {
		t.Error("zones or slots are lost")
	}
}

func FuzzParseSlots(f *testing.F) {
	for _, seed := range []string{"0-8191", "0-100,200-300", "7", " 1 - 2 ,5", "0-16383", "-,-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := ParseSlots(text)
		if err != nil {
			return
		}
		next := -1
		for _, r := range ranges {
			if int(r.First) <= next || r.Last < r.First || r.Last >= cluster.Slots {
				t.Fatalf("%q: %v", text, ranges)
			}
			next = int(r.Last) + 1 // a neighbour would have been joined
		}
		again, err := ParseSlots(FormatSlots(ranges))
		if err != nil || !reflect.DeepEqual(again, ranges) {
			t.Fatalf("%q: %v, then %v, %v", text, ranges, again, err)
		}
	})
}
