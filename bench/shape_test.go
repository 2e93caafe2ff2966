package bench

import (
	"strings"
	"testing"
)

func TestAValueHistogramReadsBackAsItIsWritten(t *testing.T) {
	for _, text := range []string{"6", "0", "6:80,40:15,512:5", "1:1,2:1"} {
		sizes, err := ParseSizes(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := sizes.String(); got != text {
			t.Errorf("%q is written as %q", text, got)
		}
	}
}

func TestABrokenValueHistogramIsRefusedByName(t *testing.T) {
	for text, named := range map[string]string{
		"": `""`, "six": `"six"`, "6:": `""`, "6:0": `"0"`, "-1": `"-1"`, "6:80,,7": `""`, "6:80:1": `"80:1"`,
		"99999999999": `"99999999999"`, "6:2000000": `"2000000"`,
	} {
		if _, err := ParseSizes(text); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%q: the error %v does not name %s", text, err, named)
		}
	}
}

func TestValueSizesOccurAsTheHistogramSays(t *testing.T) {
	sizes, err := ParseSizes("6:80,40:15,512:5")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	const draws = 100 * 1000
	for random := range uint64(draws) {
		counts[sizes.pick(random)]++ // consecutive numbers go round the weights exactly
	}
	if counts[6] != draws*80/100 || counts[40] != draws*15/100 || counts[512] != draws*5/100 {
		t.Errorf("drawn %v", counts)
	}
	if mean := sizes.Mean(); mean != 36 { // 4.8 + 6 + 25.6
		t.Errorf("the mean is %d", mean)
	}
}

func TestAnImpossibleShapeIsRefusedByOption(t *testing.T) {
	for option, change := range map[string]func(*Shape){
		"fields":       func(s *Shape) { s.Fields = 51 },
		"entities":     func(s *Shape) { s.Entities = 0 },
		"pipeline":     func(s *Shape) { s.Pipeline = -1 },
		"projections":  func(s *Shape) { s.Projections = s.Entities + 1 },
		"overlap":      func(s *Shape) { s.Overlap, s.Projections = true, 2 },
		"misses":       func(s *Shape) { s.Misses = 1.5 },
		"zipf":         func(s *Shape) { s.Zipf = -1 },
		"window":       func(s *Shape) { s.Window = -1 },
		"delay":        func(s *Shape) { s.Delay = -1 },
		"connections":  func(s *Shape) { s.Connections = 0 },
		"value-bytes":  func(s *Shape) { s.Values = nil },
		"entity-field": func(s *Shape) { s.EntityFields = 0 },
	} {
		shape := DefaultShape()
		change(&shape)
		if err := shape.Validate(); err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%s: the error is %v", option, err)
		}
	}
	for _, s := range Scenarios() {
		if err := s.Shape.Validate(); err != nil {
			t.Errorf("scenario %s: %v", s.Name, err)
		}
	}
}
