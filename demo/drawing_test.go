package demo

import (
	"math"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

func TestPopularityFollowsTheZipfLaw(t *testing.T) {
	d := newDrawing(NewData(1), 0)
	for kind, k := range d.data.kinds {
		const draws = 200_000
		counts := make([]float64, k.population)
		for range draws {
			counts[d.popular[kind].Uint64()]++
		}
		weight, total := make([]float64, k.population), 0.0
		for i := range weight {
			weight[i] = math.Pow(float64(headLength+i), -k.skew)
			total += weight[i]
		}
		for _, run := range [][2]int{{0, 1}, {1, 3}, {3, 10}, {10, 100}, {100, k.population}} {
			var got, want float64
			for i := run[0]; i < run[1]; i++ {
				got += counts[i]
				want += draws * weight[i] / total
			}
			if deviation := math.Sqrt(want); math.Abs(got-want) > 6*deviation {
				t.Errorf("%s, entities %v: drawn %.0f times, the law says %.0f ± %.0f", k.prefix, run, got, want, deviation)
			}
		}
	}
}

func TestAPredictionIsAPipelineOfHMGETsForDistinctEntities(t *testing.T) {
	d := newDrawing(newTestData(1, 30), 0)
	for range 200 {
		pipeline, n := d.prediction(nil)
		parser := resp.NewParser(resp.Limits{Arguments: 200, BulkBytes: 100, InlineBytes: 100, RequestBytes: 1 << 16})
		entities := make(map[string]bool)
		for len(pipeline) > 0 {
			used, err := parser.Next(pipeline)
			if err != nil || used == 0 || string(parser.Args()[0]) != "HMGET" {
				t.Fatalf("%q: %v", pipeline, err)
			}
			entities[string(parser.Args()[1])] = true
			pipeline = pipeline[used:]
		}
		if len(entities) != n {
			t.Errorf("%d HMGETs for %d entities", n, len(entities))
		}
	}
}

func TestPredictionsFollowFromSeedAndThread(t *testing.T) {
	first := func(seed, thread uint64) string {
		d := newDrawing(NewData(seed), thread)
		var b []byte
		for range 10 {
			b, _ = d.prediction(b)
		}
		return string(b)
	}
	one, again := first(1, 0), first(1, 0)
	if one != again {
		t.Error("one seed and thread give different predictions")
	}
	if one == first(1, 1) || one == first(2, 0) {
		t.Error("another seed or thread gives the same predictions")
	}
}
