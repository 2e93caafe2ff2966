package demo

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPaceKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, p := time.Now(), newPace(1000)
		for range 101 {
			if !p.wait(t.Context(), 20) {
				t.Fatal("the pace has ended")
			}
		}
		// The first twenty need not wait, the hundred times twenty after them do.
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("2020 requests at 1000 a second took %v", took)
		}
	})
}

func TestAPaceMakesUpForNoMoreThanAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1000)
		time.Sleep(time.Minute)
		start, made := time.Now(), 0
		for time.Since(start) == 0 {
			p.wait(t.Context(), 1)
			made++
		}
		if most := int(maxDebt/time.Millisecond) + 2; made > most {
			t.Errorf("a burst of %d requests after a pause, at most %d expected", made, most)
		}
	})
}

func TestAPaceOfZeroDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, p := time.Now(), newPace(0)
		for range 1000 {
			p.wait(t.Context(), 20)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestAPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, 0.001, 1000} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start, p := time.Now(), newPace(rate)
			for rounds := 0; p.wait(ctx, 1); rounds++ {
				if rate == 0 {
					cancel()
				}
				if rounds > 2000 {
					t.Fatalf("rate %v goes on", rate)
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("rate %v: ended after %v", rate, took)
			}
			cancel()
		}
	})
}
