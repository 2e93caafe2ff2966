package demo

import "testing"

func TestTheCatalogueReadsWhatTheFleetHolds(t *testing.T) {
	data := newTestData(1, 30)
	catalogue, err := data.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	if len(catalogue.Warnings()) > 0 {
		t.Errorf("%v", catalogue.Warnings())
	}
	for kind, entities := range data.entities {
		for i := range entities {
			for pairs := data.values(kind, i); len(pairs) > 0; pairs = pairs[2:] {
				definition := catalogue.Lookup(pairs[0])
				if definition == nil {
					t.Fatalf("field %s is not listed", pairs[0])
				}
				if _, err := definition.Decode(nil, []byte(pairs[1])); err != nil {
					t.Fatalf("%s: %v", definition.Name, err)
				}
			}
		}
	}
}
