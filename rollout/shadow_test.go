package rollout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// withShadow runs a test with a second store, which every fetch is repeated at.
func withShadow(t *testing.T, test func(r *rig, second *fakeStore, fetch func())) {
	t.Helper()
	second := newFakeStore("x", "y")
	inBubble(t, func(cfg *Config) {
		cfg.Shadow, cfg.Options.Shadow.Percent, cfg.Options.Shadow.Settle = second, 100, within
	}, func(r *rig) {
		p := r.project("f", "g")
		test(r, second, func() {
			r.store.mu.Lock()
			frame := r.store.reply("a", "g")
			r.store.mu.Unlock()
			r.Shadow([]byte("e"), p, []int32{1}, frame, "a")
			synctest.Wait()
		})
	})
}

func TestASecondStoreIsComparedWithTheFirst(t *testing.T) {
	withShadow(t, func(r *rig, second *fakeStore, fetch func()) {
		r.store.set("g", "1")
		second.set("g", "1")
		fetch()
		r.wants(KindShadow, map[Class]uint64{Match: 1})
		// For ever otherwise.
		second.set("g", "2")
		fetch()
		time.Sleep(2 * within)
		r.wants(KindShadow, map[Class]uint64{Match: 1, Wrong: 1})
		// For a moment otherwise.
		fetch()
		second.set("g", "1")
		time.Sleep(2 * within)
		r.wants(KindShadow, map[Class]uint64{Match: 1, Wrong: 1, Stale: 1})
		// One of its fetchers lags.
		second.set("g", "0", "x")
		fetch()
		time.Sleep(2 * within)
		r.wants(KindShadow, map[Class]uint64{Match: 1, Wrong: 1, Stale: 1, Noise: 1})
		if len(r.Features()) != 2 || r.Stats().Compared[KindDryRun] != [Classes]uint64{} {
			t.Error("what a second store says is counted elsewhere")
		}
		if d := r.Differences(10); len(d) != 3 || d[0].Kind != "shadow" || d[2].Feature != "g" || d[2].Cached != "2" || d[2].Stored != "1" {
			t.Errorf("%+v", d)
		}
	})
}

func TestASecondStoreThatDoesNotAnswerIsCountedAndNoMore(t *testing.T) {
	withShadow(t, func(r *rig, second *fakeStore, fetch func()) {
		second.fails = true
		fetch()
		if n := r.Stats().Dropped[KindShadow][DropUnanswered]; n != 1 {
			t.Errorf("%d without an answer, want 1", n)
		}
	})
}

func TestTheShareOfFetchesThatIsRepeatedCanBeChanged(t *testing.T) {
	withShadow(t, func(r *rig, second *fakeStore, fetch func()) {
		r.SetShadow(0)
		for range 100 {
			fetch()
		}
		if second.asked != 0 {
			t.Errorf("the second store was asked %d times at 0 %%", second.asked)
		}
		r.SetShadow(50)
		for range 400 {
			fetch()
		}
		if second.asked < 100 || second.asked > 300 {
			t.Errorf("the second store was asked %d times of 400 at 50 %%", second.asked)
		}
	})
}

// The log has a line for each difference, and values only if that is switched on.
func TestDifferencesAreLoggedWithoutValuesUnlessThatIsSwitchedOn(t *testing.T) {
	for _, values := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "differences.json")
		inBubble(t, func(cfg *Config) { cfg.Options.Log, cfg.Options.LogValues = file, values }, func(r *rig) {
			r.store.set("f", "secret-old")
			p := r.project("f")
			r.read("e", p, "a")
			r.store.set("f", "secret-new")
			r.read("e", p, "a")
			time.Sleep(2 * within)
		})
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := string(text)
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, `"class":"wrong"`) || !strings.Contains(line, `"feature":"f"`) {
			t.Errorf("the log is %q", line)
		}
		if strings.Contains(line, "secret") != values {
			t.Errorf("log_values is %v, and the log is %q", values, line)
		}
	}
}

func TestALogThatCannotBeOpenedIsAnError(t *testing.T) {
	_, err := New(Config{Options: withLog(filepath.Join(t.TempDir(), "no", "such", "folder"))})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "rollout.log") {
		t.Errorf("%v", err)
	}
}

// A Rollout of one mode for all compares nothing, and may be asked all the same.
func TestAFixedRolloutComparesNothing(t *testing.T) {
	r := Fixed("dry-run")
	p := intern(t, newCache(t), "f")
	r.Consult([]byte("e"), p, 1, resp.V2).Answered([]byte("*1\r\n$1\r\n1\r\n"), "a")
	r.Shadow([]byte("e"), p, []int32{0}, []byte("*1\r\n$1\r\n1\r\n"), "a")
	if s := r.Stats(); s.Reads != 0 || len(r.Differences(1)) != 0 {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx)
}
