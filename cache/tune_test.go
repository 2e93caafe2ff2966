package cache

import (
	"testing"
	"time"
)

// Ages that are shorter now count at once for rows that are held, longer ones too.
func TestAnAgeThatIsChangedCountsForRowsThatAreHeld(t *testing.T) {
	cfg := roomy
	cfg.MaxAge, cfg.NegativeMaxAge = time.Minute, time.Minute
	r := newRig(t, cfg)
	p := r.mustProject("a", "b")
	r.at(10)
	r.fillAll("e", p, 10, "1", "2")
	r.want("e", p, 11, "1", "2")
	cfg.MaxAge = time.Hour
	r.Tune(cfg)
	r.want("e", p, 10+Ticks(30*time.Minute), "1", "2")
	r.at(10 + Ticks(time.Second))
	cfg.MaxAge = 500 * time.Millisecond
	r.Tune(cfg)
	r.want("e", p, 10+Ticks(time.Second))
	r.at(20 + Ticks(time.Second))
	r.fillAll("e", p, 20+Ticks(time.Second), "3", "4")
	r.want("e", p, 21+Ticks(time.Second), "3", "4")
	r.want("e", p, 20+Ticks(1500*time.Millisecond))
}

// For how long stale values are served is changed without anything being forgotten.
func TestForHowLongStaleValuesAreServedIsChangedForRowsThatAreHeld(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a")
	r.at(10)
	r.fillAll("e", p, 10, "1")
	stale := func(now Tick) bool {
		f := r.Lookup([]byte("e"), p, now)
		_, ok := r.Revalidate(&f, []byte("e"), p, now)
		return ok
	}
	onError := func(now Tick) bool {
		f := r.Lookup([]byte("e"), p, now)
		_, ok := r.OnError(&f, p, []int32{0}, now)
		return ok
	}
	r.at(20)
	r.Mark(cover("a"))
	if stale(21) || onError(21) {
		t.Fatal("a stale value is served although nothing allows it")
	}
	cfg := roomy
	cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Second, time.Minute
	r.Tune(cfg)
	if !stale(21) || !onError(21) || stale(21+Ticks(time.Second)) || !onError(21+Ticks(time.Second)) {
		t.Error("the longer times do not count")
	}
	cfg.StaleIfError = 2 * time.Second
	r.Tune(cfg)
	if !onError(21+Ticks(time.Second)) || onError(21+Ticks(3*time.Second)) || !stale(21) {
		t.Error("the shorter time does not count")
	}
}

func TestBoundsThatAreChangedCountForWhatComes(t *testing.T) {
	cfg := roomy
	cfg.MaxFeatures = 1
	r := newRig(t, cfg)
	p := r.mustProject("a")
	if r.project("a", "b") != nil {
		t.Fatal("two features are known where one may be")
	}
	cfg.MaxFeatures, cfg.MaxRowBytes, cfg.NeverCache = 2, 1, []string{"b"}
	r.Tune(cfg)
	both := r.mustProject("a", "b")
	r.at(10)
	r.fillAll("e", p, 10, "1")
	r.want("e", p, 11)
	cfg.MaxRowBytes = roomy.MaxRowBytes
	r.Tune(cfg)
	r.fillAll("e", p, 12, "1")
	r.want("e", p, 13, "1")
	r.fillAll("e", both, 12, "1", "2")
	r.want("e", both, 13)
}
