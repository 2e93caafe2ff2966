package cache

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func TestValuesAndNegativesHaveTheirOwnAges(t *testing.T) {
	cfg := roomy
	cfg.MaxAge, cfg.NegativeMaxAge = time.Second, 200*time.Millisecond
	r := newRig(t, cfg)
	p, a, b := r.mustProject("a", "b"), r.mustProject("a"), r.mustProject("b")
	r.fillAll("e", p, 5, "1", "")
	r.want("e", p, 24, "1", "")
	r.want("e", b, 24, "")
	r.want("e", p, 25)
	r.want("e", b, 25)
	r.want("e", a, 25, "1")
	f := r.Lookup([]byte("e"), p, 25)
	if missing, stale := f.Missing(nil, p, 25); len(missing) != 1 || missing[0] != 1 || stale != 1 {
		t.Fatalf("missing %v, %d stale", missing, stale)
	}
	r.want("e", a, 104, "1")
	r.want("e", a, 105)
}

func TestANegativeIsNeverServedLongerThanAValue(t *testing.T) {
	cfg := roomy
	cfg.MaxAge, cfg.NegativeMaxAge = 100*time.Millisecond, time.Hour
	r := newRig(t, cfg)
	p := r.mustProject("a")
	r.fillAll("e", p, 1, "")
	r.want("e", p, 10, "")
	r.want("e", p, 11)
}

func TestAgesBelowATickServeNothing(t *testing.T) {
	cfg := roomy
	cfg.MaxAge = TickLength - 1
	r := newRig(t, cfg)
	p := r.mustProject("a")
	r.fillAll("e", p, 1, "x")
	r.want("e", p, 1)
}

func TestConversionsToTicksErrOnTheSafeSide(t *testing.T) {
	for d, want := range map[time.Duration][2]Tick{
		0: {0, 0}, 1: {0, 1}, TickLength - 1: {0, 1}, TickLength: {1, 1}, TickLength + 1: {1, 2},
		time.Hour: {360_000, 360_000}, 1<<63 - 1: {922_337_203_685, 922_337_203_686},
	} {
		if got := [2]Tick{Ticks(d), HoldTicks(d)}; got != want {
			t.Errorf("%v: ticks of age and hold %v, want %v", d, got, want)
		}
	}
}

// running starts a clock and ends it with the test.
func running(t *testing.T) *Clock {
	clock := NewClock()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		clock.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return clock
}

// pass lets d go by, and the clock see it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestTheClockCountsTicksFromOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock := running(t)
		rnd := rand.New(rand.NewPCG(1, 1))
		for last := Tick(1); time.Since(start) < time.Minute; last = clock.Now() {
			if want := Tick(time.Since(start)/TickLength) + 1; clock.Now() != want || clock.Now() < last {
				t.Fatalf("tick %d after %v, want %d", clock.Now(), time.Since(start), want)
			}
			if at := clock.Time(clock.Now()); time.Since(at) < 0 || time.Since(at) >= TickLength {
				t.Fatalf("tick %d is said to have begun %v ago", clock.Now(), time.Since(at))
			}
			pass(time.Duration(rnd.Int64N(int64(4 * TickLength))))
		}
	})
}

// H11, H12: what the cache judges in ticks, measured in time, wherever within a
// tick a fetch begins and a reader comes.
func TestNothingIsServedLongerThanPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := roomy
		cfg.MaxAge, cfg.NegativeMaxAge = 95*time.Millisecond, 41*time.Millisecond
		c, err := New(cfg, running(t))
		if err != nil {
			t.Fatal(err)
		}
		r := rig{c, t}
		p := r.mustProject("a", "b")
		rnd := rand.New(rand.NewPCG(1, 2))
		values, negatives := 0, 0
		for range 2000 {
			pass(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
			began, tick := time.Now(), c.clock.Now()
			r.fillAll("e", p, tick, "1", "")
			pass(time.Duration(rnd.Int64N(int64(120 * time.Millisecond))))
			f := c.Lookup([]byte("e"), p, c.clock.Now())
			missing, _ := f.Missing(nil, p, c.clock.Now())
			age := time.Since(began)
			if len(missing) == 0 {
				negatives++
			}
			if len(missing) == 0 && age >= cfg.NegativeMaxAge || len(missing) < 2 && age >= cfg.MaxAge {
				t.Fatalf("missing %v at an age of %v", missing, age)
			}
			if len(missing) < 2 {
				values++
			} else if age < cfg.MaxAge-2*TickLength {
				t.Fatalf("a value of age %v was not served", age)
			}
		}
		if values < 100 || negatives < 100 {
			t.Fatalf("served %d values and %d negatives: the test tests nothing", values, negatives)
		}
	})
}

// TestNoFetchBegunWithinSettleIsKept does the same for the hold-down.
func TestNoFetchBegunWithinSettleIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(roomy, running(t))
		if err != nil {
			t.Fatal(err)
		}
		r := rig{c, t}
		p := r.mustProject("a")
		rnd := rand.New(rand.NewPCG(1, 3))
		kept := 0
		var settled time.Time // when the last of all invalidations has
		for range 2000 {
			pass(time.Duration(rnd.Int64N(int64(30 * time.Millisecond))))
			settle := time.Duration(rnd.Int64N(int64(60 * time.Millisecond)))
			if at := time.Now().Add(settle); at.After(settled) {
				settled = at
			}
			c.Invalidate([]byte("e"), settle)
			pass(time.Duration(rnd.Int64N(int64(100 * time.Millisecond))))
			since := time.Since(settled)
			r.fillAll("e", p, c.clock.Now(), "x")
			if r.get("e", p, c.clock.Now()) == "-" {
				if since > 2*TickLength {
					t.Fatalf("not kept %v after all invalidations had settled", since)
				}
				continue
			}
			kept++
			if since <= 0 {
				t.Fatalf("kept what was fetched %v before an invalidation had settled", -since)
			}
		}
		if kept < 100 {
			t.Fatalf("%d fills kept: the test tests nothing", kept)
		}
	})
}
