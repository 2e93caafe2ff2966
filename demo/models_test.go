package demo

import (
	"slices"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

func TestModelsAskForTenToAHundredDistinctFieldsAndOverlap(t *testing.T) {
	d := NewData(1)
	if d.Models() != 12 {
		t.Errorf("%d models", d.Models())
	}
	askers := make(map[string]int) // by field
	for i, m := range d.models {
		for _, a := range m.asks {
			distinct := slices.Compact(slices.Sorted(slices.Values(a.fields)))
			if len(distinct) != len(a.fields) || len(distinct) < 10 || len(distinct) > 100 {
				t.Errorf("%s: %d fields, %d of them distinct", modelTable[i].name, len(a.fields), len(distinct))
			}
			for _, f := range distinct {
				askers[f]++
			}
		}
	}
	shared := 0
	for _, n := range askers {
		if n > 1 {
			shared++
		}
	}
	if shared < len(askers)/2 {
		t.Errorf("%d of %d fields are asked for by more than one model", shared, len(askers))
	}
}

func TestAnAskIsAnHMGETOfItsFieldsInOrder(t *testing.T) {
	a := newAsk(store, 1, []string{"724956825", "1", "3842923820"})
	got := a.append([]byte("+before\r\n"), "st_1")
	want := "+before\r\n" + string(resp.AppendCommand(nil, "HMGET", "st_1", "724956825", "1", "3842923820"))
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
