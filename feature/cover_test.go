package feature

import "testing"

type namesOf map[string]string

func (n namesOf) Name(field string) (string, bool) { name, ok := n[field]; return name, ok }

func TestCoverHasNamesFieldsAndPatternsOfEither(t *testing.T) {
	names := namesOf{ID("daf_orders/7d"): "daf_orders/7d"}
	for _, test := range []struct {
		items []string
		field string
		want  bool
	}{
		{nil, "x", false},
		{[]string{"*"}, "anything/at all", true},
		{[]string{"eta"}, "eta", true},
		{[]string{"eta"}, ID("eta"), true},
		{[]string{"eta"}, "eta2", false},
		{[]string{ID("eta")}, ID("eta"), true},
		{[]string{"_ts:*"}, "_ts:a/b", true},
		{[]string{"daf_orders*"}, ID("daf_orders/7d"), true},
		{[]string{"daf_orders*"}, ID("daf_orders/8d"), false},
		{[]string{"a", "b?"}, "bc", true},
	} {
		cover, err := NewCover(test.items, names)
		if err != nil {
			t.Fatal(err)
		}
		if got := cover.Has(test.field); got != test.want {
			t.Errorf("cover of %q has %q: %v, want %v", test.items, test.field, got, test.want)
		}
	}
}

func TestABrokenPatternIsNamedWithTheWayOut(t *testing.T) {
	if _, err := NewCover([]string{"a["}, nil); err == nil {
		t.Error("no error for a[")
	}
}
