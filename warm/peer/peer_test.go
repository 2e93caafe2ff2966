package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store notes what is fetched.
type store struct {
	mu      sync.Mutex
	fetched []string
}

func (s *store) fetch(view cache.View, entity []byte, fields [][]byte, done func(bool)) bool {
	var names []string
	for _, f := range fields {
		names = append(names, string(f))
	}
	in := ""
	if view != (cache.View{}) {
		in = fmt.Sprintf(" in %d", view.Bits())
	}
	s.mu.Lock()
	s.fetched = append(s.fetched, fmt.Sprintf("%s %s%s", entity, strings.Join(names, ","), in))
	s.mu.Unlock()
	done(false)
	return string(entity) != held
}

// held is an entity that is in memory.
const held = "held"

func peerThat(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func warmer(s *store, rate int, addresses ...string) *Warmer {
	return New(Config{Addresses: addresses, Token: "secret", Entities: 10, Rate: rate, Within: 30 * time.Second, Fetch: s.fetch, Log: slog.New(slog.DiscardHandler)})
}

// The first peer that knows something is asked, with the token, and all that it
// names is fetched.
func TestWhatAPeerNamesIsFetched(t *testing.T) {
	knows := peerThat(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != api.PathWarm || r.URL.Query().Get("limit") != "10" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("asked %s with %q", r.URL, r.Header)
		}
		lines := json.NewEncoder(w)
		for _, line := range []api.WarmLine{
			{Fields: [][]byte{[]byte("a"), []byte("b")}},
			{Entity: []byte("e1"), Projections: []int{0}},
			{Fields: [][]byte{[]byte("\xff")}},
			{Entity: []byte("e2"), Projections: []int{0, 1}},
			{Entity: []byte(held), Projections: []int{1}},
			{Told: true},
		} {
			_ = lines.Encode(line)
		}
	})
	empty := peerThat(t, func(http.ResponseWriter, *http.Request) {})
	refuses := peerThat(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	s, hot := &store{}, 0
	w := warmer(s, 100_000, knows, empty, refuses, "127.0.0.1:1")
	if err := w.Ask(t.Context(), func() { hot++ }); err != nil || hot != 1 {
		t.Fatalf("%v, hot %d times", err, hot)
	}
	if got := strings.Join(s.fetched, "; "); got != "e1 a,b; e2 a,b; e2 \xff; held \xff" {
		t.Errorf("fetched %q", got)
	}
	if stats := w.Stats(); stats.Fetches != 3 || stats.Entities != 3 || stats.Failed != 0 {
		t.Errorf("%+v", stats)
	}
}

// What a peer's clients ask for is fetched in the view in which they do, if clients may
// ask in that here, and never in one in which they may not.
func TestWhatIsFetchedIsInAViewThatSomebodyMayAskIn(t *testing.T) {
	decoded, doubles := cache.View{Decoded: true}, cache.View{Decoded: true, Doubles: true}
	knows := peerThat(t, func(w http.ResponseWriter, _ *http.Request) {
		lines := json.NewEncoder(w)
		for _, line := range []api.WarmLine{
			{Fields: [][]byte{[]byte("a")}},
			{Fields: [][]byte{[]byte("b")}, View: decoded.Bits()},
			{Fields: [][]byte{[]byte("c")}, View: doubles.Bits()},
			{Entity: []byte("e"), Projections: []int{0, 1, 2}},
			{Told: true},
			{Entity: []byte("followed"), Projections: []int{2}},
		} {
			_ = lines.Encode(line)
		}
	})
	for _, c := range []struct {
		views []cache.View
		want  string
	}{
		{nil, "e a; e b; e c; followed c"},
		{[]cache.View{{}}, "e a; e b; e c; followed c"},
		{[]cache.View{doubles, {}}, "e a; e b; e c in 5; followed c in 5"},
		{[]cache.View{decoded, doubles}, "e a in 1; e b in 1; e c in 5; followed c in 5"},
		{[]cache.View{decoded}, "e a in 1; e b in 1; e c in 1; followed c in 1"},
	} {
		s := &store{}
		w := warmer(s, 100_000, knows)
		w.cfg.Views, w.cfg.Follow = c.views, time.Minute
		if err := w.Ask(t.Context(), func() {}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.fetched, "; "); got != c.want {
			t.Errorf("views %v: fetched %q, want %q", c.views, got, c.want)
		}
	}
}

// What a peer answers is read within bounds, and nonsense is an error.
func TestNonsenseOfAPeerIsAnError(t *testing.T) {
	many, long := strings.Repeat("0,", maxLists)+"0", strings.Repeat("eA", maxLine/3)
	for _, answer := range []string{
		`{"fields":["YQ=="]}` + "\n" + `{"entity":"ZQ==","projections":[` + many + `]}`,
		strings.Repeat(`{"fields":["`+long+`=="]}`+"\n", 1+maxNamed/len(long)),
		"nonsense", `{"entity":"ZQ==","projections":[0]}`, `{"entity":"ZQ==","projections":[-1]}`, strings.Repeat("x", maxLine+1),
	} {
		address := peerThat(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, answer) })
		s := &store{}
		if err := warmer(s, 1000, address).Ask(t.Context(), func() { t.Error("hot") }); err == nil || len(s.fetched) > 0 {
			t.Errorf("%.40q: %v, fetched %q", answer, err, s.fetched)
		}
	}
}

// A process does not ask itself.
func TestItselfIsNoPeer(t *testing.T) {
	address := peerThat(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	w := warmer(&store{}, 1000, address)
	w.cfg.Own = func(ip net.IP, port string) bool { return net.JoinHostPort(ip.String(), port) == address }
	if err := w.Ask(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
}

// However much is wanted, no more is fetched than the rate allows, and a pause is
// not made up for.
func TestFetchesKeepToTheRate(t *testing.T) {
	const rate = 200
	s := &store{}
	w := warmer(s, rate)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	w.Fetch(ctx, func(yield func(Wanted) bool) {
		for i := 0; yield(Wanted{Entity: fmt.Append(nil, i), Lists: []List{{Fields: [][]byte{[]byte("a")}}}}); i++ {
			if i == 10 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
	if most := int(time.Since(began).Seconds()*rate) + 1; len(s.fetched) > most || len(s.fetched) == 0 {
		t.Errorf("%d fetches, at most %d are allowed", len(s.fetched), most)
	}
}

// endless writes entities until nobody reads.
func endless(w http.ResponseWriter, r *http.Request) {
	lines := json.NewEncoder(w)
	_ = lines.Encode(api.WarmLine{Fields: [][]byte{[]byte("a")}})
	for i := 0; r.Context().Err() == nil; i++ {
		if lines.Encode(api.WarmLine{Entity: fmt.Append(nil, i), Projections: []int{0}}) != nil {
			return
		}
	}
}

// Whoever waits for what is hot waits until it is there, and for no peer that knows
// nothing: whichever is asked first.
func TestHotIsWhenAllIsThere(t *testing.T) {
	tells := func(lines ...api.WarmLine) string {
		return peerThat(t, func(w http.ResponseWriter, _ *http.Request) {
			for _, line := range append(lines, api.WarmLine{Told: true}) {
				_ = json.NewEncoder(w).Encode(line)
			}
		})
	}
	empty, another := tells(), tells()
	knows := tells(api.WarmLine{Fields: [][]byte{[]byte("a")}}, api.WarmLine{Entity: []byte("e"), Projections: []int{0}})
	for range 20 {
		var there atomic.Bool
		w := warmer(&store{}, 1000, empty, knows, another)
		w.cfg.Fetch = func(_ cache.View, _ []byte, _ [][]byte, done func(bool)) bool {
			time.AfterFunc(5*time.Millisecond, func() {
				there.Store(true)
				done(false)
			})
			return true
		}
		hot := 0
		err := w.Ask(t.Context(), func() {
			if hot++; !there.Load() {
				t.Error("nothing is there yet")
			}
		})
		if err != nil || hot != 1 {
			t.Fatalf("%v, hot %d times", err, hot)
		}
	}
	hot := 0
	if err := warmer(&store{}, 1000, empty, another).Ask(t.Context(), func() { hot++ }); err == nil || hot != 0 {
		t.Errorf("%v, hot %d times", err, hot)
	}
}

// No more is fetched than was asked for, whatever a peer tells.
func TestNoMoreIsFetchedThanWasAskedFor(t *testing.T) {
	s, hot := &store{}, 0
	w := warmer(s, 100_000, peerThat(t, endless))
	if err := w.Ask(t.Context(), func() { hot++ }); err != nil || hot != 1 || len(s.fetched) != 10 {
		t.Errorf("%v, hot %d times, %d fetched", err, hot, len(s.fetched))
	}
}

// stuck answers with some lines, and nothing more.
func stuck(lines ...api.WarmLine) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, line := range lines {
			_ = json.NewEncoder(w).Encode(line)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// A peer that hangs, at whatever point, holds nobody up for longer than was said,
// followed or not.
func TestAPeerThatHangsIsLeft(t *testing.T) {
	some := []api.WarmLine{{Fields: [][]byte{[]byte("a")}}, {Entity: []byte("e"), Projections: []int{0}}}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		hot    int
	}{
		"before its answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0},
		"before its list":   {stuck(), 0},
		"within its list":   {stuck(some...), 1},
	} {
		t.Run(name, func(t *testing.T) {
			patiently(t, 200*time.Millisecond, func(within time.Duration) error {
				s, hot := &store{}, 0
				w := warmer(s, 100_000, peerThat(t, c.answer))
				w.cfg.Within, w.cfg.Follow = within, time.Hour
				err := w.Ask(t.Context(), func() { hot++ })
				if hot != c.hot || len(s.fetched) != c.hot || (err == nil) != (c.hot > 0) {
					return fmt.Errorf("%w, hot %d times, fetched %q", err, hot, s.fetched)
				}
				return nil
			})
		})
	}
}

// While a peer is followed the process is ready, for as long as was said.
func TestFollowingBeginsWhenTheListIsOver(t *testing.T) {
	fields := api.WarmLine{Fields: [][]byte{[]byte("a")}}
	entity := func(name string) api.WarmLine { return api.WarmLine{Entity: []byte(name), Projections: []int{0}} }
	patiently(t, 200*time.Millisecond, func(follow time.Duration) error {
		hot := make(chan struct{})
		address := peerThat(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("follow") == "" {
				t.Error("it was not asked to be followed")
			}
			lines := json.NewEncoder(w)
			for _, line := range []api.WarmLine{fields, entity("hot"), {Told: true}} {
				_ = lines.Encode(line)
			}
			_ = http.NewResponseController(w).Flush()
			<-hot
			stuck(entity("later"))(w, r)
		})
		s := &store{}
		w := warmer(s, 100_000, address)
		w.cfg.Follow = follow
		if err := w.Ask(t.Context(), func() { close(hot) }); err != nil {
			return err
		}
		if got := strings.Join(s.fetched, "; "); got != "hot a; later a" {
			return fmt.Errorf("fetched %q", got)
		}
		return nil
	})
}

// The token is presented to a peer, and to nobody that it names.
func TestAPeerSendsNobodyElsewhere(t *testing.T) {
	other := peerThat(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	address := peerThat(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+other, http.StatusFound) })
	if err := warmer(&store{}, 1000, address).Ask(t.Context(), func() {}); err == nil {
		t.Error("it went well")
	}
}

// patiently tries what is given some time to do: on a slow machine, more of it.
func patiently(t *testing.T, within time.Duration, try func(within time.Duration) error) {
	t.Helper()
	for {
		err := try(within)
		if err == nil {
			return
		}
		if within *= 4; within > 30*time.Second {
			t.Fatal(err)
		}
	}
}
