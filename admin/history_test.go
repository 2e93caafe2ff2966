package admin

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/histogram"
)

func TestASampleIsWhatHappenedSinceTheReadingBefore(t *testing.T) {
	start := time.Unix(1000, 0)
	first := reading{
		at: start, reads: map[string]uint64{"hit": 100, "miss": 10}, fields: map[string]uint64{"hit": 1000, "miss": 100},
		fetches: 10, cpu: time.Second,
		latency: map[string]histogram.Histogram{"hit": {Bounds: []float64{1, 2}, Counts: []uint64{100, 0, 0}}},
	}
	now := reading{
		at: start.Add(2 * time.Second), reads: map[string]uint64{"hit": 300, "mixed": 10, "miss": 20, "bypass": 40}, errors: 4,
		fields: map[string]uint64{"hit": 1600, "negative_hit": 200, "stale_hit": 100, "miss": 150, "stale": 50}, fetches: 30, cpu: 3 * time.Second,
		latency:    map[string]histogram.Histogram{"hit": {Bounds: []float64{1, 2}, Counts: []uint64{100, 100, 0}}, "mixed": {Bounds: []float64{1, 2}, Counts: []uint64{4, 0, 0}}},
		cacheBytes: 7, connections: 3,
	}
	s := sample([]reading{first}, now)
	for name, got := range map[string][2]float64{
		"hit rate": {*s.HitRate, 0.9}, "reads": {s.Reads, 130}, "hits": {s.Hits, 100}, "fields": {s.Fields, 500}, "fetches": {s.Fetches, 10},
		"bypassed": {s.Bypassed, 20}, "errors": {s.Errors, 2}, "cpu": {s.CPU, 1}, "hit p50": {*s.HitP50, 1.5}, "miss p50": {*s.MissP50, 0.5},
		"cache": {float64(s.CacheBytes), 7}, "connections": {float64(s.Connections), 3},
	} {
		if math.Abs(got[0]-got[1]) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got[0], got[1])
		}
	}
	idle := sample([]reading{now}, reading{at: now.at.Add(time.Second), reads: now.reads, fields: now.fields, latency: now.latency, errors: 4, fetches: 30, cpu: 3 * time.Second})
	if idle.HitRate != nil || idle.HitP50 != nil || idle.MissP99 != nil || idle.Reads != 0 {
		t.Errorf("a second in which nothing happened: %+v", idle)
	}
}

func TestHistoryKeepsTheLatestAndGivesWhatIsNewer(t *testing.T) {
	h := newHistory(gauges{})
	for i := range 5 * historyLength {
		h.add(api.Sample{Time: int64(i)})
	}
	samples, newer := h.since(0)
	if len(samples) != historyLength || samples[0].ID != 4*historyLength+1 || samples[historyLength-1].Time != 5*historyLength-1 {
		t.Fatalf("%d samples, from %d to %d", len(samples), samples[0].ID, samples[len(samples)-1].ID)
	}
	last := h.latest().ID
	if samples, _ := h.since(last); len(samples) != 0 {
		t.Errorf("newer than the newest: %+v", samples)
	}
	if samples, _ := h.since(last - 2); len(samples) != 2 || samples[0].ID != last-1 {
		t.Errorf("the last two: %+v", samples)
	}
	h.add(api.Sample{Time: 7})
	select {
	case <-newer:
	default:
		t.Error("nobody was told of a new sample")
	}
	if got := h.last(3); len(got) != 3 || got[2].Time != 7 {
		t.Errorf("the last three: %+v", got)
	}
}

// Few hits are timed: the latency of now is the last that is known, for a while.
func TestALatencyOfShortlyBeforeStandsInForTheOneOfNow(t *testing.T) {
	h, latency := newHistory(gauges{}), 0.001
	h.add(api.Sample{HitP50: &latency})
	for range sparse - 1 {
		h.add(api.Sample{Reads: 5})
	}
	if now := h.recent(); now.HitP50 == nil || *now.HitP50 != latency || now.Reads != 5 || now.MissP50 != nil {
		t.Errorf("%+v", now)
	}
	h.add(api.Sample{})
	if now := h.recent(); now.HitP50 != nil || h.latest().HitP50 != nil {
		t.Errorf("a latency of too long ago: %+v", now)
	}
}

func TestRoundKeepsWhatPeopleSee(t *testing.T) {
	for in, want := range map[float64]float64{
		0: 0, 1: 1, 12345.678: 12350, 0.000123456: 0.0001235, 0.5: 0.5, 0.9998765: 0.9998765, math.Inf(1): 0, -3.14159: -3.142,
	} {
		if got := round(in); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v becomes %v, want %v", in, got, want)
		}
	}
}

func TestRecordTakesASampleASecondUntilItsEnd(t *testing.T) {
	r := newRig(t, "", nil)
	sources := r.sources
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(gauges{sources})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.record(ctx); close(done) }()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if n := len(h.all().Samples); n != 10 {
			t.Errorf("%d samples after ten seconds", n)
		}
		if lag := h.latest().Lag; lag == nil || *lag != 1 {
			t.Errorf("lag %v, want that of the source", lag)
		}
		cancel()
		<-done
	})
}
