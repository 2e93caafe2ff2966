package invalidation

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a guard under test, with a bound of 30 s and a settle of 2 s.
type watched struct {
	*Guard
	t      *testing.T
	memory *recorder
	log    *lines
}

// watch runs test with a guard whose clock runs, in fake time.
func watch(t *testing.T, onLoss OnLoss, serveFor time.Duration, test func(w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, memory: newRecorder(), log: new(lines)}
		w.Guard = NewGuard(GuardConfig{
			Name: "updates", Kind: "kafka", Cover: coverOf(t, "rt_*"),
			Settle: 2 * time.Second, MaxLag: 30 * time.Second, OnLoss: onLoss, ServeFor: serveFor,
		}, w.memory, w.log.logger())
		w.Start()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		test(w)
		cancel()
		wg.Wait()
	})
}

var errDown = errors.New("the broker is down")

func (w *watched) healthy(lag time.Duration) { w.Report(Health{Positioned: true, Lag: lag}) }

func (w *watched) failing() { w.Report(Health{Positioned: true, Err: errDown}) }

// each reports once a second for so long.
func (w *watched) each(d time.Duration, report func()) {
	for range d / time.Second {
		time.Sleep(time.Second)
		report()
	}
	synctest.Wait()
}

// after lets time pass in silence.
func (w *watched) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *watched) want(state State, suspended bool) {
	w.t.Helper()
	s := w.Status()
	if s.State != state || s.Suspended != suspended || w.memory.isSuspended() != suspended {
		w.t.Fatalf("after %s: %s, suspended %v (memory: %v); want %s, %v",
			time.Since(w.memory.began), s.State, s.Suspended, w.memory.isSuspended(), state, suspended)
	}
}

// wantLog wants one line for each, with that text.
func (w *watched) wantLog(want ...string) {
	w.t.Helper()
	got := w.log.take()
	if len(got) != len(want) {
		w.t.Fatalf("%d lines of log, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, line := range got {
		if !strings.Contains(line, want[i]) {
			w.t.Fatalf("line %q has no %q", line, want[i])
		}
	}
}

// H8
func TestNothingIsServedFromMemoryBeforeTheSourceIsPositioned(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.want(StateStarting, true)
		w.each(5*time.Second, func() { w.Report(Health{Err: errDown}) })
		w.want(StateStarting, true)
		wantDone(t, w.memory, "0s suspend rt_*")
		w.healthy(0)
		w.want(StateTrusted, false)
		wantDone(t, w.memory, "5s resume rt_*")
		w.wantLog(`level=INFO msg="source of invalidations: trusted" source=updates kind=kafka state=trusted before=starting`)
	})
}

// H4: what a fetcher that is behind answered in the first moments is forgotten.
func TestWhatWasFetchedWithinSettleOfTrustIsForgotten(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.each(10*time.Second, func() { w.healthy(0) })
		wantDone(t, w.memory, "0s suspend rt_*", "0s resume rt_*", "2s forget rt_*")
	})
}

func TestASourceThatStartsNearItsBoundIsWatchedForAsLongAsThat(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.after(10 * time.Second)
		w.each(29*time.Second, func() { w.healthy(20 * time.Second) })
		w.want(StateStarting, true)
		w.each(3*time.Second, func() { w.healthy(20 * time.Second) })
		w.want(StateTrusted, false)
		w.wantLog("state=trusted before=starting")
	})
}

func TestASourceThatIsNotFoundIsLostAfterItsBound(t *testing.T) {
	for onLoss, suspended := range map[OnLoss]bool{Bypass: true, Flush: false, Serve: false} {
		watch(t, onLoss, time.Hour, func(w *watched) {
			w.each(29*time.Second, func() { w.Report(Health{Err: errDown}) })
			w.want(StateStarting, true)
			w.after(time.Second)
			state := StateLost
			if onLoss == Serve {
				state = StateServing
			}
			w.want(state, suspended)
			w.wantLog("before=starting")
		})
	}
}

// H10
func TestSilenceIsNotHealth(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.after(29 * time.Second)
		w.want(StateTrusted, false)
		w.after(time.Second)
		w.want(StateLost, true)
		w.wantLog("state=trusted", "fetched each time")
		w.each(time.Hour, w.failing)
		w.want(StateLost, true)
		w.wantLog()
	})
}

func TestFailuresAreLossOnlyPastTheBound(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.each(29*time.Second, w.failing)
		w.want(StateTrusted, false)
		w.each(time.Second, w.failing)
		w.want(StateLost, true)
		w.wantLog("state=trusted", errDown.Error())
		w.healthy(0)
		w.want(StateTrusted, false)
		w.wantLog("before=lost")
	})
}

// H6: lag and silence add up, so that together they are never more than the
// bound.
func TestLagAndSilenceTogetherAreBounded(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.healthy(20 * time.Second)
		w.after(9 * time.Second)
		w.want(StateTrusted, false)
		w.after(time.Second)
		w.want(StateLagging, true)
		w.after(20 * time.Second)
		w.want(StateLost, true)
		w.wantLog("state=trusted", "state=lagging", "state=lost")
	})
}

func TestALagAboveTheBoundIsNotTrusted(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.each(time.Minute, func() { w.healthy(0) })
		w.memory.take()
		w.healthy(31 * time.Second)
		w.want(StateLagging, true)
		if s := w.Status(); s.Lag != 31*time.Second {
			t.Errorf("the status has a lag of %s", s.Lag)
		}
		w.each(10*time.Second, func() { w.healthy(29 * time.Second) })
		w.want(StateLagging, true) // on the edge
		w.healthy(10 * time.Second)
		w.want(StateTrusted, false)
		w.wantLog("before=starting", "state=lagging", "before=lagging")
		wantDone(t, w.memory, "1m0s suspend rt_*", "1m10s resume rt_*")
	})
}

func TestALostPositionIsLostAtOnce(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.Report(Health{Err: errDown})
		w.want(StateLost, true)
	})
}

func TestServeGoesOnForTheStatedTimeAndThenBypasses(t *testing.T) {
	watch(t, Serve, 5*time.Minute, func(w *watched) {
		w.healthy(0)
		w.each(time.Minute, func() { w.healthy(0) })
		w.memory.take()
		w.each(30*time.Second, w.failing)
		w.want(StateServing, false)
		w.each(5*time.Minute-time.Second, w.failing)
		w.want(StateServing, false)
		wantDone(t, w.memory)
		w.each(time.Second, w.failing)
		w.want(StateLost, true)
		w.wantLog("before=starting", "served from memory for 5m0s", "state=lost before=serving")
		w.healthy(0)
		w.want(StateTrusted, false)
	})
}

func TestServeForgetsNothingIfTheSourceComesBackInTime(t *testing.T) {
	watch(t, Serve, 5*time.Minute, func(w *watched) {
		w.healthy(0)
		w.each(time.Minute, func() { w.healthy(0) })
		w.memory.take()
		w.each(time.Minute, w.failing)
		w.healthy(0)
		w.want(StateTrusted, false)
		w.each(time.Hour, func() { w.healthy(0) })
		wantDone(t, w.memory)
	})
}

func TestFlushForgetsAtTheLossAndAtTheEndAndServesBetween(t *testing.T) {
	watch(t, Flush, 0, func(w *watched) {
		w.healthy(0)
		w.each(time.Minute, func() { w.healthy(0) })
		w.memory.take()
		w.each(time.Minute, w.failing)
		w.want(StateLost, false)
		wantDone(t, w.memory, "1m30s forget rt_*", "1m32s forget rt_*")
		w.healthy(0)
		w.want(StateTrusted, false)
		w.each(10*time.Second, func() { w.healthy(0) })
		wantDone(t, w.memory, "2m0s forget rt_*", "2m2s forget rt_*")
		w.wantLog("before=starting", "by age alone", "before=lost")
	})
}

// H9
func TestAGapForgetsWhatIsCoveredAndIsCounted(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.after(10 * time.Second)
		w.memory.take()
		w.log.take()
		for range 64 {
			w.Gap("offset 7 is no longer there")
		}
		w.each(20*time.Second, func() { w.healthy(0) })
		w.want(StateTrusted, false)
		w.wantLog("offset 7 is no longer there")
		did := w.memory.take()
		if len(did) != 65 || did[63] != "10s forget rt_*" || did[64] != "12s forget rt_*" {
			t.Errorf("%d things done, the last of which %q", len(did), did[len(did)-1])
		}
		if s := w.Status(); s.Gaps != 64 || s.Counts[WhatForget] != 64 {
			t.Errorf("%d gaps, %d forgotten", s.Gaps, s.Counts[WhatForget])
		}
		w.Gap("again")
		w.wantLog("not_logged=63")
	})
}

// H9: what a fetcher that is behind answered after a second gap is forgotten when
// the first one has settled.
func TestAGapWithinSettleOfAnotherPostponesNothing(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.after(10 * time.Second)
		w.memory.take()
		w.Gap("one")
		w.after(1500 * time.Millisecond)
		w.Gap("two")
		w.after(5 * time.Second)
		wantDone(t, w.memory, "10s forget rt_*", "11.5s forget rt_*", "12s forget rt_*", "13.5s forget rt_*")
	})
}

func TestAFlappingSourceIsTrustedAfterItsBoundInHealthAndFloodsNoLog(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.each(time.Minute, func() { w.healthy(0) })
		w.log.take()
		const flaps = 300
		for range flaps {
			w.Report(Health{Err: errDown}) // loses its place, and has it back at once
			w.each(time.Second, func() { w.healthy(0) })
		}
		if n := len(w.log.take()); n > 4 {
			t.Errorf("%d lines of log for %d flaps", n, flaps)
		}
		if n := len(w.memory.take()); n > 10 {
			t.Errorf("memory was acted on %d times for %d flaps", n, flaps)
		}
		w.want(StateLost, true)
		w.each(28*time.Second, func() { w.healthy(0) })
		w.want(StateLost, true)
		w.each(2*time.Second, func() { w.healthy(0) })
		w.want(StateTrusted, false)
		w.wantLog("state=trusted before=lost")
	})
}

func TestASourceThatFailsEveryOtherCheckFloodsNoLog(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.after(time.Second)
		w.log.take()
		n := 0
		w.each(5*time.Minute, func() {
			if n++; n%2 == 0 {
				w.Report(Health{Positioned: true, Err: errDown})
			} else {
				w.healthy(time.Minute)
			}
		})
		if got := w.log.take(); len(got) > 40 {
			t.Errorf("%d lines of log in five minutes", len(got))
		}
		w.each(time.Minute, func() { w.healthy(time.Minute) })
		w.want(StateLagging, true)
	})
}

func TestCheckTimesCountFromTheirBeginning(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		began := time.Now()
		w.after(20 * time.Second)
		w.Report(Health{At: began, Positioned: true})
		w.after(9 * time.Second)
		w.want(StateTrusted, false)
		w.after(time.Second)
		w.want(StateLost, true)
	})
}

func TestAStatusSaysWhatIsKnown(t *testing.T) {
	watch(t, Serve, time.Minute, func(w *watched) {
		w.Report(Health{Positioned: true, Lag: time.Second, LagRecords: 7, Position: "3 partitions"})
		w.after(time.Second)
		w.failing()
		s := w.Status()
		if s.Name != "updates" || s.Kind != "kafka" || s.Lag != 2*time.Second || s.LagRecords != 7 || s.Position != "3 partitions" ||
			time.Since(s.LastHeard) != time.Second || s.OnLoss != Serve || s.Covers[0] != "rt_*" || s.Error != errDown.Error() {
			t.Errorf("%+v", s)
		}
	})
}
