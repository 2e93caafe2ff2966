package rollout

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

func TestAValueThatTheStoreHasTooIsAMatch(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f", "missing")
		r.read("e", p, "a")
		r.wants(KindDryRun, nil) // nothing was in memory
		r.read("e", p, "b")
		r.wants(KindDryRun, map[Class]uint64{Match: 2})
		if d := r.Differences(10); len(d) != 0 {
			t.Errorf("differences: %+v", d)
		}
	})
}

// A change that a source tells of within its bound is what the promise allows.
func TestAValueIsStaleWithinThePromiseIfItsChangeIsToldInTime(t *testing.T) {
	tell := map[string]func(r *rig){
		"marker": func(r *rig) { r.cache.Mark(covered(r.t)) },
		"update": func(r *rig) { r.cache.Update([]byte("e"), [][]byte{[]byte("f")}, time.Millisecond) },
		"write":  func(r *rig) { r.cache.Invalidate([]byte("e"), time.Millisecond) },
	}
	for name, tell := range tell {
		for _, readAfter := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, nil, func(r *rig) {
					p := r.differ()
					r.wants(KindDryRun, nil) // not judged yet
					time.Sleep(within / 2)
					tell(r)
					time.Sleep(within / 4)
					if readAfter {
						r.read("e", p, "a") // the new value is in memory again
					}
					time.Sleep(within)
					r.wants(KindDryRun, map[Class]uint64{Stale: 1})
					d := r.Differences(1)[0]
					if d.Class != "stale_within_promise" || d.Entity != "e" || d.Feature != "f" || d.Source != "markers" || d.Cached != "1" || d.Stored != "2" || d.Fetcher != "a" {
						t.Errorf("%+v", d)
					}
				})
			})
		}
	}
}

// A change that nobody tells of is wrong, once the bound is over and not before.
func TestAValueIsWrongIfNobodyTellsOfItsChange(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f")
		r.read("e", p, "a")
		time.Sleep(10 * time.Second)
		r.store.set("f", "2")
		for range 3 {
			r.read("e", p, "a")
		}
		time.Sleep(within - 10*time.Millisecond)
		r.wants(KindDryRun, nil)
		time.Sleep(20 * time.Millisecond)
		r.wants(KindDryRun, map[Class]uint64{Wrong: 3})
		differences := r.Differences(10)
		if len(differences) != 1 || differences[0].Times != 3 || differences[0].Age < 9.9 || differences[0].Age > 10.1 {
			t.Errorf("%+v", differences)
		}
		if n := r.Features()["f"][KindDryRun][Wrong]; n != 3 {
			t.Errorf("%d wrong answers counted of the feature, want 3", n)
		}
	})
}

// A missing value that is there now, and the other way round, are differences.
func TestAMissingValueIsComparedLikeAnyOther(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		p := r.project("f")
		r.read("e", p, "a")
		r.store.set("f", "1")
		r.read("e", p, "a")
		time.Sleep(2 * within)
		r.wants(KindDryRun, map[Class]uint64{Wrong: 1})
		if d := r.Differences(1)[0]; d.CachedHash != "missing" || d.StoredHash == "missing" {
			t.Errorf("%+v", d)
		}
	})
}

// Where fetchers differ, and one of them says what memory says, the store
// disagrees with itself.
func TestAValueThatAnyFetcherGivesIsReplicaNoise(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"the other fetcher has the old value": func(r *rig) { r.store.set("f", "2", "a") },
		"a lagging fetcher gave a still older one": func(r *rig) {
			r.store.set("f", "0", "a")
			go func() { time.Sleep(within / 2); r.store.set("f", "1") }()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(r *rig) {
				r.store.set("f", "1")
				p := r.project("f")
				r.read("e", p, "b")
				change(r)
				r.read("e", p, "a")
				time.Sleep(2 * within)
				r.wants(KindDryRun, map[Class]uint64{Noise: 1})
			})
		})
	}
}

// What nothing but its age bounds is not wrong because it is old.
func TestAValueThatNoSourceCoversIsBoundByItsAge(t *testing.T) {
	uncovered := func(cfg *Config) {
		cfg.Promise = func(string) Promise { return Promise{Source: SourceAge} }
	}
	inBubble(t, uncovered, func(r *rig) {
		r.differ()
		time.Sleep(time.Second)
		r.wants(KindDryRun, map[Class]uint64{Stale: 1})
		if d := r.Differences(1)[0]; d.Source != "max_age" {
			t.Errorf("%+v", d)
		}
	})
}

// Patience is for the time between an upload's first value and its marker.
func TestPatienceAddsToThePromise(t *testing.T) {
	patient := func(cfg *Config) { cfg.Options.Patience = time.Minute }
	inBubble(t, patient, func(r *rig) {
		r.differ()
		time.Sleep(time.Minute)
		r.wants(KindDryRun, nil)
		r.cache.Mark(covered(t))
		time.Sleep(time.Minute)
		r.wants(KindDryRun, map[Class]uint64{Stale: 1})
	})
}

// A source that gets into trouble promises less, and is judged by that.
func TestTheBoundIsThatOfTheMomentOfJudgement(t *testing.T) {
	var bound atomic.Int64
	bound.Store(int64(within))
	failing := func(cfg *Config) {
		cfg.Promise = func(string) Promise {
			return Promise{Source: "markers", Within: time.Duration(bound.Load()), Covered: true}
		}
	}
	inBubble(t, failing, func(r *rig) {
		r.differ()
		bound.Store(int64(10 * within))
		time.Sleep(5 * within)
		r.wants(KindDryRun, nil)
		r.cache.Forget(covered(t), time.Millisecond)
		time.Sleep(6 * within)
		r.wants(KindDryRun, map[Class]uint64{Stale: 1})
	})
}

// One number in two spellings is no difference, for features that the catalogue
// knows.
func TestWhatDiffersInSpellingAloneIsAClassOfItsOwn(t *testing.T) {
	catalogue, err := feature.Parse("test", []byte("scheme: name\nfeatures:\n  - {name: f, type: float}\n"))
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(cfg *Config) { cfg.Catalogue = func() *feature.Catalogue { return catalogue } }, func(r *rig) {
		r.store.set("f", "0.1")
		r.store.set("g", "0.1")
		p := r.project("f", "g")
		r.read("e", p, "a")
		r.store.set("f", "0.10")
		r.store.set("g", "0.10")
		r.read("e", p, "a")
		r.read("e", p, "a")
		r.wants(KindDryRun, map[Class]uint64{Spelling: 2})
		time.Sleep(2 * within)
		r.wants(KindDryRun, map[Class]uint64{Spelling: 2, Wrong: 2}) // nobody knows what g means
		if n := len(r.Differences(10)); n != 2 {
			t.Errorf("%d differences are remembered, want one of each feature", n)
		}
	})
}

func TestAStoreThatDoesNotAnswerIsNoReasonForAVerdict(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.differ()
		r.store.mu.Lock()
		r.store.fails = true
		r.store.mu.Unlock()
		time.Sleep(time.Minute)
		r.wants(KindDryRun, nil)
		if n := r.Stats().Dropped[KindDryRun][DropUnjudged]; n != 1 {
			t.Errorf("%d differences given up, want 1", n)
		}
	})
}

func TestAnAnswerThatIsVerifiedIsComparedWithTheStore(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.store.set("f", "1")
		p := r.project("f")
		r.read("e", p, "a")
		verify := func() {
			found := r.cache.Lookup([]byte("e"), p, r.clock.Now())
			r.Verify([]byte("e"), p, &found, r.clock.Now())
			synctest.Wait()
		}
		verify()
		r.wants(KindVerify, map[Class]uint64{Match: 1})
		r.store.set("f", "2")
		verify()
		time.Sleep(2 * within)
		r.wants(KindVerify, map[Class]uint64{Match: 1, Wrong: 1})
		r.wants(KindDryRun, nil)
		if s := r.Stats(); s.Reads != 1 {
			t.Errorf("%d reads are projected, want that in dry-run alone", s.Reads)
		}
	})
}
