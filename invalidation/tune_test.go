package invalidation

import (
	"testing"
	"testing/synctest"
	"time"
)

// tune changes the terms of a guard that watch made.
func (w *watched) tune(change func(cfg *GuardConfig)) {
	cfg := *w.Config()
	change(&cfg)
	w.Tune(cfg)
	synctest.Wait()
}

// What fetchers answered under a settle that was too short is forgotten by the longer
// one, and a shorter one keeps nothing waiting.
func TestASettleThatIsChangedCountsForWhatWasToldBefore(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.each(10*time.Second, func() { w.healthy(0) })
		w.memory.take()
		w.tune(func(cfg *GuardConfig) { cfg.Settle = 5 * time.Second })
		w.each(10*time.Second, func() { w.healthy(0) })
		wantDone(t, w.memory, "15s forget rt_*")
		w.Gap("a test")
		w.after(time.Second)
		w.tune(func(cfg *GuardConfig) { cfg.Settle = 2 * time.Second })
		w.each(10*time.Second, func() { w.healthy(0) })
		wantDone(t, w.memory, "20s forget rt_*", "23s forget rt_*")
		w.tune(func(*GuardConfig) {})
		w.each(10*time.Second, func() { w.healthy(0) })
		wantDone(t, w.memory)
	})
}

func TestABoundThatIsChangedIsJudgedByAtOnce(t *testing.T) {
	watch(t, Bypass, 0, func(w *watched) {
		w.healthy(0)
		w.after(20 * time.Second)
		w.want(StateTrusted, false)
		w.tune(func(cfg *GuardConfig) { cfg.MaxLag = 10 * time.Second })
		w.want(StateLost, true)
	})
}

// In trouble, nothing is served from memory for longer than what is in force allows.
func TestWhatALossMeansIsChangedInTrouble(t *testing.T) {
	watch(t, Flush, 0, func(w *watched) {
		w.healthy(0)
		w.after(40 * time.Second)
		w.want(StateLost, false)
		w.tune(func(cfg *GuardConfig) { cfg.OnLoss = Bypass })
		w.want(StateLost, true)
	})
	watch(t, Serve, time.Hour, func(w *watched) {
		w.healthy(0)
		w.after(40 * time.Second)
		w.want(StateServing, false)
		w.tune(func(cfg *GuardConfig) { cfg.ServeFor = 20 * time.Second })
		w.want(StateServing, false)
		w.after(11 * time.Second)
		w.want(StateLost, true)
	})
	watch(t, Serve, time.Hour, func(w *watched) {
		w.healthy(0)
		w.after(40 * time.Second)
		w.tune(func(cfg *GuardConfig) { cfg.OnLoss, cfg.ServeFor = Bypass, 0 })
		w.want(StateLost, true)
	})
}

// With a shorter settle, a marker does not wait for one that came before it.
func TestMarksAreDueByTheSettleInForce(t *testing.T) {
	runMarks(t, func(marks *Marks, memory *recorder) {
		marks.Changed("a")
		time.Sleep(time.Second)
		cfg := *marks.guard.Config()
		cfg.Settle = 2 * time.Second
		marks.guard.tuned.Store(&cfg) // nothing runs that would judge
		marks.Changed("b")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantDone(t, memory, "0s mark a", "1s mark b", "3s mark a,b")
	})
}
