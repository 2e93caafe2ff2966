package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// memory is a process's.
type memory struct {
	*cache.Cache
	clock *snapshot.Clock
	a     *cache.Projection
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	m := &memory{clock: snapshot.NewClock()}
	if m.clock.Boot == "" {
		t.Skip("this system does not tell when it was started")
	}
	var err error
	m.Cache, err = cache.New(cache.Config{
		MaxBytes: 64 << 20, MaxAge: time.Hour, NegativeMaxAge: time.Hour, Shards: 2, MaxRowBytes: 1 << 20,
		MaxFeatures: 100, MaxProjections: 100, MaxLayouts: 100,
	}, m.clock.Clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.a = m.Projection([]byte("$1\r\na\r\n"), [][]byte{[]byte("a")})
	return m
}

// held is how many of the entities that fill makes are in memory.
func (m *memory) held() (n int) {
	for i := range entities {
		if m.Lookup(fmt.Append(nil, "e", i), m.a, m.clock.Now()).Complete {
			n++
		}
	}
	return n
}

// entities have values of valueBytes that cannot be compressed away to one block.
const (
	entities   = 3000
	valueBytes = 1000
)

func (m *memory) fill() *memory {
	random, value := rand.NewChaCha8([32]byte{}), make([]byte, valueBytes)
	for i := range entities {
		_, _ = random.Read(value)
		frame := fmt.Appendf(nil, "*1\r\n$%d\r\n%s\r\n", valueBytes, value)
		m.Fill(fmt.Append(nil, "e", i), &cache.Fetched{
			Projection: m.a, Positions: []int32{0}, Frame: frame, Ends: []int{4, len(frame)}, Began: m.clock.Now(),
		}, resp.V2)
	}
	return m
}

func (m *memory) giver(change func(*GiverConfig)) *Giver {
	cfg := GiverConfig{
		Cache: m.Cache, Clock: m.clock, Ready: func() bool { return true }, MaxBytes: 1 << 30,
		Checkpoints: func() map[int][]byte { return map[int][]byte{0: []byte("here")} },
		Identity:    func() string { return "same" },
	}
	if change != nil {
		change(&cfg)
	}
	return NewGiver(cfg)
}

// serve answers as the admin address does.
func (g *Giver) serve(w http.ResponseWriter, r *http.Request) {
	gift, err := g.Begin(r.URL.Query().Get("identity"))
	if err != nil || r.URL.Path != api.PathRows || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, fmt.Sprint(err), http.StatusServiceUnavailable)
		return
	}
	defer gift.End()
	_ = gift.Send(r.Context(), flushed{w})
}

// flushed sends everything at once.
type flushed struct{ http.ResponseWriter }

func (f flushed) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	return n, errors.Join(err, http.NewResponseController(f.ResponseWriter).Flush())
}

// open opens what the warmer finds, and loads it.
func (m *memory) take(t *testing.T, w *Warmer) (Stats, error) {
	t.Helper()
	rows, err := w.Open(t.Context(), "same")
	if err != nil {
		return w.Stats(), err
	}
	if string(rows.Header.Checkpoints[0]) != "here" {
		t.Errorf("checkpoints %v", rows.Header.Checkpoints)
	}
	rows.Intern(m.Cache)
	rows.Load(t.Context(), 30*time.Second, m.Cache, m.clock, 1<<30)
	return w.Stats(), nil
}

func rowsWarmer(addresses ...string) *Warmer {
	w := warmer(&store{}, 1000, addresses...)
	w.cfg.MaxBytes = 1 << 30
	w.openOne, w.openAll = 30*time.Second, time.Minute // machines under test are slow
	return w
}

// Rows come from the one peer that gives them, past all that are of no use.
func TestRowsComeFromThePeerThatGivesThem(t *testing.T) {
	full := newMemory(t).fill()
	g := full.giver(nil)
	peers := []string{
		peerThat(t, g.serve), "127.0.0.1:1",
		peerThat(t, full.giver(func(c *GiverConfig) { c.Identity = func() string { return "other" } }).serve),
		peerThat(t, full.giver(func(c *GiverConfig) { c.Ready = func() bool { return false } }).serve),
		peerThat(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "rubbish") }),
		peerThat(t, func(http.ResponseWriter, *http.Request) {}),
	}
	m := newMemory(t)
	stats, err := m.take(t, rowsWarmer(peers...))
	if err != nil || stats.Outcome != OutcomeWhole || stats.Rows.Rows != entities || stats.Bytes == 0 || m.held() != entities {
		t.Fatalf("%v, %+v, %d held", err, stats, m.held())
	}
	// The peer counts when it has sent all, which is when we have it or a little later.
	for deadline := time.Now().Add(30 * time.Second); g.Stats().Results["whole"] == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if given := g.Stats(); given.Results["whole"] != 1 || given.Rows != entities || given.Bytes != stats.Bytes {
		t.Errorf("%+v", given)
	}
	stats, err = newMemory(t).take(t, rowsWarmer(peers[1:]...))
	if err == nil || stats.Outcome != OutcomeNo {
		t.Errorf("%v, %+v", err, stats)
	}
}

// However many peers hang, asking for rows is over when it was said to be: nothing
// begins before.
func TestPeersThatHangHoldNobodyUp(t *testing.T) {
	var peers []string
	for range 20 {
		peers = append(peers, peerThat(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "fsp-warm")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
	}
	began, w := time.Now(), rowsWarmer(peers...)
	w.openOne, w.openAll = openTimeout, openAll
	if _, err := w.Open(t.Context(), "same"); err == nil {
		t.Fatal("it went well")
	}
	// Each alone would be a second: it is no measure of speed.
	if took := time.Since(began); took >= 15*time.Second {
		t.Errorf("took %s", took)
	}
}

// A process gives its rows to one at a time: the other fetches.
func TestRowsAreGivenToOneAtATime(t *testing.T) {
	g := newMemory(t).giver(nil)
	first, err := g.Begin("same")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Begin("same"); !errors.Is(err, ErrBusy) {
		t.Errorf("the second: %v", err)
	}
	first.End()
	again, err := g.Begin("same")
	if err != nil {
		t.Fatal(err)
	}
	again.End()
}

// voiding does something to the giver when that much has been sent.
type voiding struct {
	bytes.Buffer
	at   int
	what func()
}

func (v *voiding) Write(b []byte) (int, error) {
	if v.at > 0 && v.Len()+len(b) > v.at {
		v.at = 0
		v.what()
	}
	return v.Buffer.Write(b)
}

// What was invalidated by hand while rows were sent is not served elsewhere, nor
// anything that was sent before it.
func TestRowsThatBecomeWrongOnTheirWayAreDropped(t *testing.T) {
	full := newMemory(t).fill()
	g := full.giver(nil)
	m := newMemory(t)
	w := rowsWarmer(peerThat(t, func(w http.ResponseWriter, r *http.Request) {
		gift, err := g.Begin("same")
		if err != nil {
			t.Error(err)
			return
		}
		defer gift.End()
		out := &voiding{at: 500_000, what: func() {
			full.InvalidateAll(0)
			g.Void()
		}}
		_ = http.NewResponseController(w).Flush() // it takes a while
		if err := gift.Send(r.Context(), out); !errors.Is(err, errVoid) {
			t.Errorf("sent: %v", err)
		}
		_, _ = w.Write(out.Bytes())
	}))
	if stats, err := m.take(t, w); err != nil || stats.Outcome != OutcomeCut || stats.Rows.Rows != 0 || m.held() != 0 {
		t.Errorf("%v, %+v, %d held", err, stats, m.held())
	}
}

// A process that is told to stop while it gives its rows makes an end, and what was
// sent is good.
func TestAPeerThatStopsMakesAnEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	g := newMemory(t).fill().giver(nil)
	gift, err := g.Begin("same")
	if err != nil {
		t.Fatal(err)
	}
	out := &voiding{at: 1_000_000, what: stop}
	if err := gift.Send(ctx, out); err != nil {
		t.Fatal(err)
	}
	gift.End()
	m := newMemory(t)
	stats, err := m.take(t, rowsWarmer(peerThat(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(out.Bytes()) })))
	if err != nil || stats.Outcome != OutcomeWhole || m.held() == 0 || m.held() == entities {
		t.Errorf("%v, %+v, %d held", err, stats, m.held())
	}
}

// A peer that hangs while it sends, or sends more than there is room for, is left;
// what came is good.
func TestATransferKeepsToItsBounds(t *testing.T) {
	g := newMemory(t).fill().giver(nil)
	gift, err := g.Begin("same")
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	if err := gift.Send(t.Context(), &sent); err != nil {
		t.Fatal(err)
	}
	gift.End()
	hangs := peerThat(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(sent.Bytes()[:sent.Len()-10])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for name, c := range map[string]struct {
		within  time.Duration
		room    int64
		bytes   int64
		outcome Outcome
	}{
		"time":  {time.Second, 1 << 30, 1 << 30, OutcomePart},
		"room":  {time.Hour, 200 * valueBytes, 1 << 30, OutcomePart},
		"bytes": {time.Hour, 1 << 30, int64(sent.Len() / 2), OutcomeCut},
	} {
		t.Run(name, func(t *testing.T) {
			patiently(t, c.within, func(within time.Duration) error {
				m, w := newMemory(t), rowsWarmer(hangs)
				w.cfg.MaxBytes = c.bytes
				rows, err := w.Open(t.Context(), "same")
				if err != nil {
					return err
				}
				rows.Intern(m.Cache)
				rows.Load(t.Context(), within, m.Cache, m.clock, c.room)
				if stats := w.Stats(); stats.Outcome != c.outcome || (m.held() > 0) != (c.outcome == OutcomePart) {
					return fmt.Errorf("%+v, %d held", stats, m.held())
				}
				return nil
			})
		})
	}
}

func TestAReasonIsReadWithinBounds(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"busy"}`: "busy", "": "it says no reason", strings.Repeat("x", 1<<20): "it says no reason",
	} {
		if got := reasonOf(strings.NewReader(body)); got != want {
			t.Errorf("%.20q: %q", body, got)
		}
	}
}
