package invalidation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// polled is a poller under test: every 5 s, with a settle of 10 s.
type polled struct {
	*Markers
	t      *testing.T
	store  *hashes
	memory *recorder
	log    *lines
}

// poll runs test beside a poller, in fake time.
func poll(t *testing.T, store *hashes, change func(*MarkersConfig), test func(p *polled)) {
	synctest.Test(t, func(t *testing.T) {
		p := &polled{t: t, store: store, memory: newRecorder(), log: new(lines)}
		cfg := MarkersConfig{
			Guard: GuardConfig{
				Name: "fs:markers", Kind: "markers", Cover: coverOf(t, "*"),
				Settle: 10 * time.Second, MaxLag: time.Minute, OnLoss: Bypass,
			},
			Key: "fs:markers", Interval: 5 * time.Second,
		}
		if change != nil {
			change(&cfg)
		}
		p.Markers = NewMarkers(cfg, store, p.memory, nil, p.log.logger())
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.Run(ctx) })
		synctest.Wait()
		test(p)
		cancel()
		wg.Wait()
	})
}

// polls lets so many polls pass.
func (p *polled) polls(n int) {
	time.Sleep(time.Duration(n) * p.cfg.Interval * 6 / 5)
	synctest.Wait()
}

// marked are the marks since the last time, in order, without their times.
func (p *polled) marked() []string {
	var names []string
	for _, did := range p.memory.take() {
		if _, name, ok := strings.Cut(did, " mark "); ok {
			names = append(names, name)
		}
	}
	return names
}

func (p *polled) wantMarked(names ...string) {
	p.t.Helper()
	if got := p.marked(); !slices.Equal(got, names) {
		p.t.Fatalf("marked %q, want %q", got, names)
	}
}

func (p *polled) wantState(state State) {
	p.t.Helper()
	if s := p.Statuses()[0]; s.State != state {
		p.t.Fatalf("%s (%s), want %s", s.State, s.Error, state)
	}
}

// H8
func TestTheFirstPollIsABaselineTakenBeforeTheFirstFill(t *testing.T) {
	store := newHashes(1)
	store.set("age", "1")
	synctest.Test(t, func(t *testing.T) {
		memory := newRecorder()
		NewMarkers(MarkersConfig{Guard: GuardConfig{Cover: coverOf(t, "*")}}, store, memory, nil, new(lines).logger())
		if !memory.isSuspended() {
			t.Fatal("a fill could come before the baseline")
		}
	})
	poll(t, store, nil, func(p *polled) {
		p.wantState(StateTrusted)
		if p.memory.isSuspended() {
			t.Fatal("suspended with a baseline")
		}
		p.polls(10)
		p.wantMarked()
	})
}

// H3
func TestAChangedMarkerCountsAtOnceAndOnceMoreOneSettleLater(t *testing.T) {
	store := newHashes(1)
	for _, name := range []string{"age", "2496559762", "group:*", "gone"} {
		store.set(name, "1")
	}
	poll(t, store, func(c *MarkersConfig) { c.Guard.Settle = 23 * time.Second }, func(p *polled) {
		p.polls(1)
		store.set("age", "2")
		store.set("2496559762", "2")
		store.set("group:*", "2")
		store.set("new", "1")
		store.set("gone", "")
		p.memory.take()
		p.polls(1)
		const all = "2496559762,age,gone,group:*,new"
		did := p.memory.take()
		if len(did) != 1 || !strings.HasSuffix(did[0], " mark "+all) {
			t.Fatalf("done: %q", did)
		}
		first, _, _ := strings.Cut(did[0], " ")
		at, _ := time.ParseDuration(first)
		p.polls(10)
		for _, again := range p.memory.take() {
			if again == (at+23*time.Second).String()+" mark "+all {
				return
			}
		}
		t.Fatal("not marked again one settle later")
	})
}

// H27
func TestAFetcherThatHasNotHeardOfTheUploadIsNoNewUpload(t *testing.T) {
	store := newHashes(2)
	store.set("age", "1")
	poll(t, store, nil, func(p *polled) {
		store.set("age", "2", 0)
		store.answerBy(0)
		p.polls(1)
		p.wantMarked("age")
		store.answerBy(1)
		time.Sleep(5 * time.Second)
		store.answerBy(0)
		p.polls(5)
		p.wantMarked("age") // the second time of the upload
	})
}

func TestAStoreThatFailedOverToAnOlderCopyIsAChange(t *testing.T) {
	store := newHashes(2)
	store.set("age", "1")
	poll(t, store, nil, func(p *polled) {
		store.set("age", "2", 0)
		p.polls(5)
		p.wantMarked("age", "age")
		store.answerBy(1)
		p.polls(5)
		p.wantMarked("age", "age")
	})
}

func TestAMarkerThatIsSetBackWithinSettleIsSeenAfterIt(t *testing.T) {
	for _, versionField := range []string{"", "_version"} {
		store := newHashes(1)
		store.set("age", "1")
		store.set("_version", "1")
		poll(t, store, func(c *MarkersConfig) { c.VersionField = versionField }, func(p *polled) {
			store.set("age", "2")
			store.set("_version", "2")
			p.polls(1)
			store.set("age", "1")
			store.set("_version", "3")
			p.polls(8)
			got := p.marked()
			if n := len(slices.DeleteFunc(got, func(name string) bool { return !strings.Contains(name, "age") })); n != 4 {
				t.Errorf("version field %q: marked %q, want the change, the change back, and each again", versionField, got)
			}
		})
	}
}

func TestAPollCostsOneFieldWhileTheVersionStaysTheSame(t *testing.T) {
	store := newHashes(1)
	for i := range 5000 {
		store.set(fmt.Sprint(i), "1")
	}
	store.set("_version", "1")
	poll(t, store, func(c *MarkersConfig) { c.VersionField = "_version" }, func(p *polled) {
		store.takeAsked()
		p.polls(10)
		if asked := slices.Compact(store.takeAsked()); !slices.Equal(asked, []string{"HGET"}) {
			t.Fatalf("asked %q", asked)
		}
		store.set("4711", "2")
		store.set("_version", "2")
		p.polls(1)
		p.wantMarked("4711")
		if s := p.Statuses()[0]; s.Position != "5000 markers" {
			t.Errorf("the position is %q", s.Position)
		}
	})
}

// A fetcher that is ahead may have told of the version, and one that is behind
// of the markers.
func TestAVersionOfOneFetcherIsNotTakenForTheMarkersOfAnother(t *testing.T) {
	for _, fields := range []int{1, 1200} {
		store := newHashes(2)
		for i := range fields {
			store.set(fmt.Sprint(i), "1")
		}
		store.set("_version", "1")
		poll(t, store, func(c *MarkersConfig) { c.VersionField = "_version" }, func(p *polled) {
			store.set("0", "2", 0)
			store.set("_version", "2", 0)
			store.mu.Lock()
			store.script = []int{0, 1, 1, 1, 1} // HGET, HLEN, HGETALL or HSCAN
			if fields == 1 {
				store.script = store.script[:3]
			}
			store.mu.Unlock()
			p.polls(1)
			p.wantMarked()
			p.polls(6)
			p.wantMarked("0", "0")
		})
	}
}

func TestAScanThatAnotherFetcherAnswersIsNoReading(t *testing.T) {
	store := newHashes(2)
	for i := range 3000 {
		store.set(fmt.Sprint(i), "1")
	}
	poll(t, store, nil, func(p *polled) {
		store.mu.Lock()
		store.moving = true
		store.mu.Unlock()
		p.polls(3)
		p.wantMarked()
		if s := p.Statuses()[0]; !strings.Contains(s.Error, "HSCAN") {
			t.Errorf("the error is %q", s.Error)
		}
	})
}

func TestAKeyThatIsNotThereHasNoMarkersYet(t *testing.T) {
	store := newHashes(1)
	poll(t, store, nil, func(p *polled) {
		p.wantState(StateTrusted)
		store.set("first", "1")
		p.polls(1)
		p.wantMarked("first")
	})
}

func TestBinaryNamesAndValuesAndThoseThatReadLikeBrokenPatterns(t *testing.T) {
	store := newHashes(1)
	poll(t, store, nil, func(p *polled) {
		store.set("\x00\xff\r\n", "\r\n\x00")
		store.set("a[b", "1")
		p.polls(1)
		got := p.marked()
		slices.Sort(got)
		if !slices.Equal(got, []string{"\x00\xff\r\n", "*"}) {
			t.Errorf("marked %q, want the binary name, and all that is covered for the one that cannot be read", got)
		}
	})
}

func TestWhatTheStoreRefusesIsALossWithTheFixInOneLine(t *testing.T) {
	for refuse, fix := range map[string]string{
		"WRONGTYPE Operation against a key holding the wrong kind of value": "name the hash of markers in invalidation.markers",
		"NOPERM this user has no permissions to run the 'hlen' command":     "ACL SETUSER",
		"NOAUTH Authentication required.":                                   "upstream.password_file",
	} {
		store := newHashes(1)
		store.fail(refuse, nil)
		poll(t, store, nil, func(p *polled) {
			p.polls(15)
			p.wantState(StateLost)
			said := 0
			for _, line := range p.log.take() {
				if strings.Contains(line, "markers cannot be read") {
					said++
					if !strings.Contains(line, fix) || !strings.Contains(line, "level=WARN") {
						t.Errorf("%s: %s", refuse, line)
					}
				}
			}
			if said == 0 || said > 3 {
				t.Errorf("%s: said %d times", refuse, said)
			}
			store.fail("", nil)
			p.polls(25)
			p.wantState(StateTrusted)
		})
	}
}

func TestAStoreThatIsNotFoundYetIsTriedSoonAgain(t *testing.T) {
	store := newHashes(1)
	store.fail("", errors.New("the store cannot be reached yet"))
	poll(t, store, nil, func(p *polled) {
		p.wantState(StateStarting)
		store.fail("", nil)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		p.wantState(StateTrusted)
		if lines := p.log.take(); len(lines) != 1 {
			t.Errorf("%d lines of log for a start: %q", len(lines), lines)
		}
	})
}

func TestPollsThatFailAreALossAfterTheLongestSilence(t *testing.T) {
	store := newHashes(1)
	poll(t, store, nil, func(p *polled) {
		store.fail("", errors.New("no answer within 50ms"))
		time.Sleep(54 * time.Second)
		synctest.Wait()
		p.wantState(StateTrusted)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		p.wantState(StateLost)
		store.set("age", "2")
		store.fail("", nil)
		p.memory.take()
		p.polls(1)
		p.wantState(StateTrusted)
		did := p.memory.take()
		if len(did) != 2 || !strings.HasSuffix(did[0], " mark age") || !strings.HasSuffix(did[1], " resume *") {
			t.Errorf("done %q: what changed meanwhile has to be marked, and what is covered served again", did)
		}
	})
}

// runMarks runs test beside marks with a settle of 10 s, in fake time.
func runMarks(t *testing.T, test func(marks *Marks, memory *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		memory := newRecorder()
		guard := NewGuard(GuardConfig{Cover: coverOf(t, "*"), Settle: 10 * time.Second}, memory, new(lines).logger())
		marks := NewMarks(guard, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { marks.Run(ctx) })
		test(marks, memory)
		cancel()
		wg.Wait()
	})
}

// H3: what a fetcher without the first upload answered after the second is not
// kept until the second has settled.
func TestAMarkerThatChangesAgainPostponesNothing(t *testing.T) {
	runMarks(t, func(marks *Marks, memory *recorder) {
		marks.Changed("a")
		time.Sleep(9 * time.Second)
		marks.Changed("a", "b")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantDone(t, memory, "0s mark a", "9s mark a,b", "10s mark a", "19s mark a,b")
	})
}

func TestMarksOfOneNameAreBoundedHoweverOftenItChanges(t *testing.T) {
	runMarks(t, func(marks *Marks, memory *recorder) {
		for range 30_000 {
			marks.Changed("a")
			time.Sleep(time.Millisecond)
		}
		marks.mu.Lock()
		if n := marks.due.Len(); n > 2*duesPerSettle+2 {
			t.Errorf("%d marks wait", n)
		}
		marks.mu.Unlock()
		memory.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		did := memory.take()
		if last := did[len(did)-1]; last != "39.999s mark a" {
			t.Errorf("the last of all: %s", last)
		}
		marks.mu.Lock()
		defer marks.mu.Unlock()
		if len(marks.byName) != 0 || marks.due.Len() != 0 {
			t.Errorf("%d names and %d marks are left", len(marks.byName), marks.due.Len())
		}
	})
}

func TestNamesThatCannotBeReadFloodNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lines)
		guard := NewGuard(GuardConfig{Cover: coverOf(t, "*")}, newRecorder(), log.logger())
		marks := NewMarks(guard, nil)
		for range 1000 {
			marks.Changed("a[b")
		}
		time.Sleep(warnInterval)
		marks.Changed("a[b")
		if got := log.take(); len(got) != 2 || !strings.Contains(got[1], "not_logged=999") {
			t.Errorf("%d lines of log, the last: %q", len(got), got[len(got)-1])
		}
	})
}
