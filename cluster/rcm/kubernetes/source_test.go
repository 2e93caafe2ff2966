package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

// testTiming is quick, but long enough for the order of things.
var testTiming = timing{
	quiet: time.Millisecond, first: time.Millisecond, longest: 20 * time.Millisecond, gap: time.Millisecond,
	page: 10 * time.Second, idle: 10 * time.Second, watchSeconds: 300,
}

// rig is a source that follows a fake server.
type rig struct {
	*fakeAPI
	source *Source
	fleets chan string // addresses of each fleet installed
	last   string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T, prepare func(*fakeAPI), adjust func(*Source)) *rig {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	r := &rig{log: new(lockedBuffer), fleets: make(chan string, 1000)}
	// Cleanups run in reverse: the source stops before the server, and then no
	// goroutine is left.
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	r.fakeAPI = newFakeAPI(t)
	r.put(podObject("a", "10.0.0.1", "0-8191"))
	r.put(podObject("b", "10.0.0.2", "8192-16383"))
	if prepare != nil {
		prepare(r.fakeAPI)
	}
	source, err := New(Config{
		Server: r.server.URL, Namespaces: []string{"features"}, Selector: "app=fetcher",
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	source.timing = testTiming
	if adjust != nil {
		adjust(source)
	}
	r.source = source
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		source.Run(ctx, func(shards []fleet.Shard) {
			var addresses []string
			for _, s := range shards {
				for _, n := range s.Nodes {
					addresses = append(addresses, strings.TrimSuffix(n.Address, ":6379"))
				}
			}
			slices.Sort(addresses)
			r.fleets <- strings.Join(addresses, " ")
		})
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return r
}

// expect waits until the fleet is want. Whatever came before must be in
// between, if named.
func (r *rig) expect(want string, between ...string) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for r.last != want {
		select {
		case r.last = <-r.fleets:
			if len(between) > 0 && r.last != want && !slices.Contains(between, r.last) {
				r.t.Fatalf("the fleet was %q on its way to %q", r.last, want)
			}
		case <-deadline:
			r.t.Fatalf("the fleet is %q, want %q\nasked: %s\n%s", r.last, want, r.requests(), r.log)
		}
	}
}

// await waits for something that the server sees.
func (r *rig) await(what string, reached func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("%s: not reached\n%s", what, r.log)
		}
	}
}

const both = "10.0.0.1 10.0.0.2"

func TestTheFleetFollowsPods(t *testing.T) {
	r := newRig(t, nil, nil)
	r.expect(both)
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.expect(both + " 10.0.0.3")
	r.put(podObject("c", "10.0.0.3", "0-8191").unready())
	r.expect(both)
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.expect(both + " 10.0.0.3")
	ending := podObject("c", "10.0.0.3", "0-8191")
	ending.meta()["deletionTimestamp"] = "2030-01-01T00:00:00Z"
	r.put(ending)
	r.expect(both)
	r.remove("c")
	r.remove("a")
	r.expect("10.0.0.2")
	if n := r.count("list"); n != 1 {
		t.Errorf("%d lists, want one: %q", n, r.requests())
	}
}

// Nothing that happens between two watches is lost, and what is not lost is not
// listed again.
func TestAWatchIsResumedWhereItEnded(t *testing.T) {
	for name, fault := range map[string]func(*fakeAPI){
		"closed at once":         func(f *fakeAPI) { f.closeAtOnce = 2 },
		"cut within an event":    func(f *fakeAPI) { f.cutAfter = 1 },
		"an error event":         func(f *fakeAPI) { f.errorEvent = []int{500, 504} },
		"an event of no version": func(f *fakeAPI) { f.unversioned = 1 },
		"refused":                func(f *fakeAPI) { f.closeAtOnce, f.refuse = 1, nil },
		"unknown events":         func(f *fakeAPI) { f.strange = true },
		"events in small pieces": func(f *fakeAPI) { f.slow = true },
		"each event twice":       func(f *fakeAPI) { f.twice = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, fault, nil)
			r.expect(both)
			r.put(podObject("c", "10.0.0.3", "0-8191"))
			r.remove("b")
			r.put(podObject("d", "10.0.0.4", "8192-16383"))
			r.expect("10.0.0.1 10.0.0.3 10.0.0.4")
			if n := r.count("list"); n != 1 {
				t.Errorf("%d lists, want one: %q", n, r.requests())
			}
		})
	}
}

func TestAVersionThatIsGoneIsListedAnew(t *testing.T) {
	for name, fault := range map[string]func(*rig){
		"as a status": func(r *rig) { r.stop(); r.with(func() { r.goneOnWatch = 1 }) },
		"as an event": func(r *rig) { r.stop(); r.with(func() { r.errorEvent = []int{410} }) },
		"by a compaction": func(r *rig) {
			r.stop()
			r.put(podObject("x", "10.0.0.9", "0-8191"))
			r.remove("x")
			r.compact()
		},
		"by fruitless tries": func(r *rig) { r.stop(); r.with(func() { r.errorEvent = []int{500, 500, 500} }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, nil)
			r.expect(both)
			r.await("a watch", func() bool { return r.count("watch") > 0 })
			fault(r)
			r.remove("a") // no watch will tell of this
			r.with(func() { r.history = nil })
			r.put(podObject("c", "10.0.0.3", "0-8191"))
			r.start()
			// What was last known stays until the list is whole.
			r.expect("10.0.0.2 10.0.0.3", both, both+" 10.0.0.3")
			if r.source.Status().Relists == 0 && name != "by fruitless tries" {
				t.Error("no relist was counted")
			}
		})
	}
}

func TestListsArePagedAndBegunAnewWhenAPageExpires(t *testing.T) {
	r := newRig(t, func(f *fakeAPI) {
		for i := range 10 {
			f.put(podObject(fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.1.%d", i), "0-8191"))
		}
		f.pageSize, f.expirePages = 3, 3
	}, nil)
	r.await("a list", func() bool { return r.count("watch") > 0 })
	r.expect(both + " 10.0.1.0 10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4 10.0.1.5 10.0.1.6 10.0.1.7 10.0.1.8 10.0.1.9")
	if n := r.count("list whole"); n != 1 {
		t.Errorf("after two that expired a list is asked for whole: %q", r.requests())
	}
}

func TestBookmarksMoveTheVersion(t *testing.T) {
	r := newRig(t, nil, nil)
	r.expect(both)
	r.await("a watch", func() bool { return r.count("watch") > 0 })
	r.with(func() { r.version = 5000 }) // others' objects
	r.await("a bookmark", func() (sent bool) {
		r.with(func() { sent = r.bookmarks > 0 })
		return sent
	})
	// The server forgets, and cuts all connections: only who heard the bookmark
	// can go on.
	r.stop()
	r.with(func() { r.oldest = 4000 })
	r.start()
	r.await("a watch from the bookmark", func() bool { return r.count("watch 5000") > 0 })
	if n := r.count("list"); n != 1 {
		t.Errorf("%d lists: %q", n, r.requests())
	}
}

func TestTheLastFleetStaysWhileTheServerIsAway(t *testing.T) {
	r := newRig(t, nil, nil)
	r.expect(both)
	r.stop()
	r.await("failures", func() bool { return r.source.Status().Errors > 5 })
	if err := r.source.Status().Err; err == nil {
		t.Error("no error is told")
	}
	r.with(func() { r.rubbish = 3 })
	r.start()
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.expect(both+" 10.0.0.3", both)
	r.await("recovery", func() bool { return r.source.Status().Err == nil })
	if n := strings.Count(r.log.String(), "answers again"); n == 0 {
		t.Error("the recovery is not logged")
	}
}

func TestAWatchThatDiesSilentlyIsBegunAnew(t *testing.T) {
	r := newRig(t, func(f *fakeAPI) { f.hang = 1 }, func(s *Source) { s.timing.idle = 30 * time.Millisecond })
	r.expect(both)
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.expect(both + " 10.0.0.3")
	if r.source.Status().Err != nil {
		t.Error("silence alone is no error")
	}
}

func TestARenewedTokenIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	r := newRig(t, func(f *fakeAPI) { f.token = "first" }, func(s *Source) { s.api.tokenFile = file })
	r.expect(both)
	write("") // being replaced
	r.stop()
	r.start()
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.expect(both + " 10.0.0.3")
	write("second")
	r.stop()
	r.with(func() { r.token = "second" })
	r.start()
	r.put(podObject("d", "10.0.0.4", "0-8191"))
	r.expect(both + " 10.0.0.3 10.0.0.4")
	if strings.Contains(r.log.String(), "second") || strings.Contains(r.log.String(), "first=") && strings.Contains(r.log.String(), "Bearer") {
		t.Error("a token was logged")
	}
}

func TestTheServersWishForPeaceIsHeeded(t *testing.T) {
	w := &watcher{source: &Source{timing: testTiming}}
	for range 100 {
		if d := w.pause(&statusError{code: http.StatusTooManyRequests, after: time.Second}); d < 500*time.Millisecond {
			t.Fatalf("asked again after %s of a second", d)
		}
	}
	w = &watcher{source: &Source{timing: usualTiming}}
	longest := time.Duration(0)
	for range 100 {
		longest = max(longest, w.pause(fmt.Errorf("down")))
	}
	if longest > usualTiming.longest || longest < usualTiming.longest/2 {
		t.Errorf("the back-off ends at %s", longest)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	r := newRig(t, func(f *fakeAPI) { f.refuse = []int{403, 401, 429, 500} }, nil)
	r.expect(both)
	for _, says := range []string{"RoleBinding", "service account token", "answers 429", "answers 500"} {
		if !strings.Contains(r.log.String(), says) {
			t.Errorf("the log does not say %q:\n%s", says, r.log)
		}
	}
}

// A server that lists but never watches, whatever version is asked for, is not
// asked for everything all the time: a list that succeeds is no reason to think
// that it is well.
func TestListsThatLeadToNoWatchBackOff(t *testing.T) {
	for name, fault := range map[string]func(*fakeAPI){
		"gone at once":   func(f *fakeAPI) { f.goneOnWatch = 1 << 30 },
		"closed at once": func(f *fakeAPI) { f.closeAtOnce = 1 << 30 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t)
			f.put(podObject("a", "10.0.0.1", "0-16383"))
			f.with(func() { fault(f) })
			source, err := New(Config{
				Server: f.server.URL, Namespaces: []string{"features"}, Selector: "app=fetcher", Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer source.api.close()
			source.timing = testTiming
			w := &watcher{source: source, namespace: "features"}
			for f.count("list") < 7 {
				w.step(t.Context())
			}
			if w.failures < 5 {
				t.Errorf("after %d lists of no use it waits as after %d failures", f.count("list"), w.failures)
			}
			// One event shows that it is well again.
			f.with(func() { f.goneOnWatch, f.closeAtOnce, f.cutAfter = 0, 0, 2 })
			if w.version == "" {
				w.step(t.Context())
			}
			f.put(podObject("b", "10.0.0.2", "0-16383"))
			f.put(podObject("c", "10.0.0.3", "0-16383"))
			if w.step(t.Context()); w.failures != 1 { // that of the cut
				t.Errorf("after an event it waits as after %d failures", w.failures)
			}
		})
	}
}

// A list whose pages never end is given up, and what was known stays.
func TestAListWithoutEndIsGivenUp(t *testing.T) {
	r := newRig(t, nil, nil)
	r.expect(both)
	r.await("a watch", func() bool { return r.count("watch") > 0 })
	r.stop()
	r.with(func() { r.endless, r.goneOnWatch = true, 1 })
	r.start()
	r.await("it is said", func() bool { return strings.Contains(r.log.String(), "pages") })
	r.put(podObject("c", "10.0.0.3", "0-8191"))
	r.with(func() { r.endless = false })
	r.expect(both+" 10.0.0.3", both)
}

// What a Pod says of itself may be of any length: the log is told the beginning.
func TestRubbishInAPodIsToldShortly(t *testing.T) {
	rubbish := strings.Repeat("9-1,", 50_000)
	r := newRig(t, func(f *fakeAPI) {
		for i, text := range []string{rubbish, "x" + strings.Repeat("1", 200_000), "0-100," + rubbish} {
			f.put(podObject(fmt.Sprintf("r%d", i), fmt.Sprintf("10.0.2.%d", i), text))
		}
	}, nil)
	r.expect(both)
	if said := r.log.String(); len(said) > 5000 || r.source.Status().LeftOut != 3 {
		t.Errorf("%d bytes are logged, %d left out", len(said), r.source.Status().LeftOut)
	}
}
