package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/resp"
)

// What is held comes of age in dry-run as it would in live: a read that memory
// would answer fills nothing.
func TestDryRunFillsWhatLiveWouldFetchAndNoMore(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.store.set("f", "1")
		r.store.set("g", "1")
		one, both := r.project("f"), r.project("f", "g")
		r.read("e", one, "a")
		filled := r.began("e", one, 0)
		time.Sleep(time.Second)
		r.store.set("f", "2")
		r.store.set("g", "2")
		r.read("e", both, "a")
		if again := r.began("e", one, 0); again != filled {
			t.Errorf("a value of tick %d was fetched anew at tick %d", filled, again)
		}
		if g := r.began("e", both, 1); g <= filled {
			t.Errorf("the other value is of tick %d, want that of the second read", g)
		}
		got, want := r.Stats(), Stats{Reads: 2, Partly: 1, Values: 3, ServedValues: 1}
		if got.Reads != want.Reads || got.Partly != want.Partly || got.Served != 0 || got.Values != want.Values || got.ServedValues != want.ServedValues || got.Bytes == 0 {
			t.Errorf("projected %+v, want %+v", got, want)
		}
	})
}

// A feature of which rules take some entities each counts for each of them.
func TestComparisonsAreCountedByRule(t *testing.T) {
	rules := func(cfg *Config) {
		cfg.Mode = config.ModeDryRun
		cfg.Options.Rules = []config.Rule{{Name: "some", Features: []string{"f"}, Mode: config.ModeDryRun, Percent: 1}, {Name: "none", Features: []string{"x"}, Percent: 100}}
	}
	inBubble(t, rules, func(r *rig) {
		r.store.set("f", "1")
		r.store.set("g", "1")
		p := r.project("f", "g")
		r.read("e", p, "a")
		r.read("e", p, "a")
		by := r.ByRule()
		if len(by) != 2 || by["some"][KindDryRun][Match] != 1 || by[config.RuleDefault][KindDryRun][Match] != 2 {
			t.Errorf("%+v", by)
		}
	})
}

// began is when the fetch began of the value held.
func (r *rig) began(entity string, p *cache.Projection, position int) cache.Tick {
	r.t.Helper()
	found := r.cache.Lookup([]byte(entity), p, r.clock.Now())
	_, began, ok := found.Value(position)
	if !ok {
		r.t.Fatal("nothing is held")
	}
	return began
}

// Nothing that the proxy calls waits for workers: what there is no room for is
// dropped and counted.
func TestWorkersThatAreStuckCostComparisonsAndNothingElse(t *testing.T) {
	small := func(cfg *Config) { cfg.Options.Queue, cfg.Options.Workers = 4, 1 }
	inBubble(t, small, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f")
		r.read("e", p, "a")
		r.store.mu.Lock()
		r.store.blocked = make(chan struct{})
		r.store.mu.Unlock()
		found := r.cache.Lookup([]byte("e"), p, r.clock.Now())
		const reads = 100
		began := time.Now()
		for range reads {
			r.Verify([]byte("e"), p, &found, r.clock.Now())
			if read := r.Consult([]byte("e"), p, r.clock.Now(), resp.V2); read != nil {
				read.Answered([]byte("*1\r\n$1\r\n1\r\n"), "a")
			}
			r.Shadow([]byte("e"), p, []int32{0}, []byte("*1\r\n$1\r\n1\r\n"), "a")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the proxy waited %v", took)
		}
		s := r.Stats()
		if n := s.Dropped[KindVerify][DropQueue] + s.Dropped[KindDryRun][DropQueue]; n < 2*reads-6 || n > 2*reads {
			t.Errorf("%d of %d dropped, with room for 4 and one under way", n, 2*reads)
		}
		close(r.store.blocked)
	})
}

// Differences that wait to be judged are bounded too.
func TestDifferencesBeyondTheBoundAreDroppedAndCounted(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f")
		const entities = maxSuspects + 100
		for i := range entities {
			r.read(fmt.Sprint("e", i), p, "a")
		}
		r.store.set("f", "2")
		for i := range entities {
			r.read(fmt.Sprint("e", i), p, "a")
		}
		time.Sleep(2 * within)
		r.wants(KindDryRun, map[Class]uint64{Wrong: maxSuspects})
		if n := r.Stats().Dropped[KindDryRun][DropPending]; n != 100 {
			t.Errorf("%d dropped, want 100", n)
		}
		if n := len(r.Differences(1000)); n != options().Differences {
			t.Errorf("%d differences are remembered, want %d", n, options().Differences)
		}
	})
}

// A thousand harmless differences do not push out the one that matters.
func TestEachClassOfDifferencesHasItsOwnRoom(t *testing.T) {
	r := ring{most: 3}
	r.add(Wrong, Difference{Feature: "wrong"})
	for i := range 10 {
		r.add(Stale, Difference{Feature: fmt.Sprint(i)})
	}
	got := r.latest(10)
	if len(got) != 4 || got[0].Feature != "9" || got[2].Feature != "7" || got[3].Feature != "wrong" {
		t.Errorf("%+v", got)
	}
	if got := r.latest(1); len(got) != 1 || got[0].Feature != "9" {
		t.Errorf("the latest is %+v", got)
	}
}

// Stale values that live would serve are compared, and refreshed in their turn by
// one read at a time.
func TestDryRunRefreshesWhatAMarkerMadeStaleAsLiveWould(t *testing.T) {
	const window = 10 * time.Second
	inBubbleThatRevalidates(t, window, nil, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f")
		r.read("e", p, "a")
		filled := r.began("e", p, 0)
		time.Sleep(time.Second)
		r.cache.Mark(covered(t))
		time.Sleep(window * 8 / 10) // whose turn it is for every entity
		first := r.Consult([]byte("e"), p, r.clock.Now(), resp.V2)
		second := r.Consult([]byte("e"), p, r.clock.Now(), resp.V2)
		if !first.refresh || second.refresh || !first.served || !second.served {
			t.Fatalf("refresh %v and %v, served %v and %v", first.refresh, second.refresh, first.served, second.served)
		}
		first.Answered(nil, "") // nothing comes of it
		second.Answered([]byte("*1\r\n$1\r\n1\r\n"), "a")
		time.Sleep(10 * time.Millisecond)
		r.wants(KindDryRun, map[Class]uint64{Match: 1})
		if r.began("e", p, 0) != filled {
			t.Fatal("a read fills what is another's to refresh")
		}
		r.read("e", p, "a")
		if r.began("e", p, 0) == filled {
			t.Error("a refresh that got no answer was never taken up again")
		}
	})
}

func TestReadsThatTheStoreDoesNotAnswerAreCounted(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		p := r.project("f")
		r.Consult([]byte("e"), p, r.clock.Now(), resp.V2).Answered(nil, "")
		r.Consult([]byte("e"), p, r.clock.Now(), resp.V2).Answered([]byte("-ERR no\r\n"), "a")
		time.Sleep(time.Second)
		if n := r.Stats().Dropped[KindDryRun][DropUnanswered]; n != 2 {
			t.Errorf("%d reads without an answer, want 2", n)
		}
	})
}
