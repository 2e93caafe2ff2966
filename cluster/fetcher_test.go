package cluster

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// drive sends n fetches of distinct keys, width at a time.
func drive(t *testing.T, u *Upstream, n, width int) {
	t.Helper()
	var wg sync.WaitGroup
	for g := range width {
		wg.Go(func() {
			for i := range n / width {
				if got := get(t, u, fmt.Sprintf("k%d-%d", g, i)); got.err != nil {
					t.Error(got.err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// All nodes of a shard are equals, whatever their rank in the reply. How equal
// their shares are is TestEqualsGetEqualSharesWhateverTheirOrder's to tell; here
// their latencies differ by what the machine does just then.
func TestReadsSpreadOverAllNodesOfAShard(t *testing.T) {
	for _, width := range []int{1, 32} {
		t.Run(fmt.Sprint(width, " at a time"), func(t *testing.T) {
			noLeaks(t)
			fakes := []*fake{startFake(t), startFake(t), startFake(t), startFake(t), startFake(t)}
			slots := slotsOf(fakes)
			for _, f := range fakes {
				f.slots.Store(&slots)
			}
			u := lookingFor(t, nil, fakes[0])
			found(t, u)
			// However unequal the first second of a busy machine makes them, they
			// come to be equal; those of a choice that favours one never do.
			until(t, "all have about the same share", func() bool {
				drive(t, u, 2000, width)
				var all []float64
				for _, f := range fakes {
					all = append(all, float64(f.reads.Load()))
				}
				return slices.Min(all)*2 > slices.Max(all)
			})
		})
	}
}

func TestSlowNodeGetsASmallerShare(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t), startFake(t)}
	for i, f := range fakes {
		f.will(after(time.Duration(1+9*(i/2))*2*time.Millisecond, echo)) // 2, 2 and 20 ms
	}
	u := upstreamOf(t, nil, fakes...)
	drive(t, u, 800, 16)
	slow, fast := fakes[2].reads.Load(), (fakes[0].reads.Load()+fakes[1].reads.Load())/2
	if slow*2 > fast {
		t.Errorf("the slow node answered %d, the others %d each", slow, fast)
	}
	if slow == 0 {
		t.Error("the slow node was never asked, so nobody would notice its recovery")
	}
}

// What a node took before its connections were lost says nothing of it when it is
// there again.
func TestNodeThatWasSlowAndLostIsUsedAgainWhenItIsBack(t *testing.T) {
	inParallel(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) {
		c.ConnectTimeout, c.FetchTimeout = 200*time.Millisecond, 20*time.Second
	}, fakes...)
	drive(t, u, 20, 1)
	// Not so slow that it is set aside for it.
	u.fetcherAt(fakes[1].addr).latency.set(time.Second, clock(time.Now()))
	silent := behaviour(hang)
	fakes[1].greet.Store(&silent)
	fakes[1].cut()
	until(t, "it is lost", func() bool { get(t, u, "x"); return stateOf(u, fakes[1].addr) == connDown })
	fakes[1].greet.Store(nil)
	reads := fakes[1].reads.Load()
	until(t, "it is used again", func() bool { get(t, u, "k"); return fakes[1].reads.Load() > reads+5 })
}

// A node that is being tried again after a failure gets fetches when it has
// shown that it lives, not before.
func TestFailedNodeIsProbedWithoutFetches(t *testing.T) {
	inParallel(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) {
		c.ConnectTimeout, c.FetchTimeout = 200*time.Millisecond, 250*time.Millisecond
	}, fakes...)
	drive(t, u, 20, 1)
	silent := behaviour(hang)
	fakes[1].greet.Store(&silent)
	fakes[1].will(hang)
	fakes[1].cut()
	until(t, "its end is noticed", func() bool { return stateOf(u, fakes[1].addr) != connUp })
	get(t, u, "last") // may be lost with it, where it was closed idle
	until(t, "it is set aside", func() bool { get(t, u, "x"); return stateOf(u, fakes[1].addr) == connDown })
	probes := fakes[1].saw("PING")
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got := get(t, u, "k"); got.err != nil {
			t.Fatalf("a fetch failed for a probe: %v", got.err)
		}
	}
	if fakes[1].saw("PING") == probes {
		t.Error("it was not probed")
	}
	fakes[1].greet.Store(nil)
	fakes[1].will(echo)
	reads := fakes[1].reads.Load()
	until(t, "it is used again", func() bool { get(t, u, "k"); return fakes[1].reads.Load() > reads+5 })
}
