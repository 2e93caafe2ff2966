package invalidation

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// recorder is a Memory that remembers what was done to it and when.
type recorder struct {
	began time.Time

	mu        sync.Mutex // protects what follows
	did       []string   // "10s mark a,b"
	suspended int
}

func newRecorder() *recorder { return &recorder{began: time.Now()} }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did = append(r.did, time.Since(r.began).String()+" "+fmt.Sprintf(format, args...))
}

// take returns what was done since the last time.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	did := r.did
	r.did = nil
	return did
}

func (r *recorder) isSuspended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.suspended > 0
}

func items(c *feature.Cover) string {
	return strings.Join(slices.Sorted(slices.Values(c.Items())), ",")
}

func (r *recorder) Update(entity []byte, features [][]byte, settle time.Duration) {
	r.note("update %s %s settle %s", entity, bytes.Join(features, []byte(",")), settle)
}

func (r *recorder) Apply(entity []byte, values []Value, version int64, settle, _ time.Duration) int {
	r.note("apply %s %d values of version %d settle %s", entity, len(values), version, settle)
	return len(values)
}

func (r *recorder) Invalidate(entity []byte, settle time.Duration) {
	r.note("invalidate %s settle %s", entity, settle)
}

func (r *recorder) InvalidateAll(settle time.Duration) { r.note("invalidate all settle %s", settle) }

func (r *recorder) Mark(c *feature.Cover) int {
	r.note("mark %s", items(c))
	return len(c.Items())
}

func (r *recorder) Forget(c *feature.Cover, _ time.Duration) int {
	r.note("forget %s", items(c))
	return len(c.Items())
}

func (r *recorder) Suspend(c *feature.Cover) Suspension {
	r.note("suspend %s", items(c))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspended++
	return &suspended{r, c}
}

type suspended struct {
	memory *recorder
	cover  *feature.Cover
}

func (s *suspended) Resume(time.Duration) {
	s.memory.note("resume %s", items(s.cover))
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.suspended--
}

func (s *suspended) Lift(hold time.Duration) {
	s.memory.note("lift %s hold=%s", items(s.cover), hold)
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.suspended--
}

func coverOf(t testing.TB, names ...string) *feature.Cover {
	t.Helper()
	c, err := feature.NewCover(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// take returns the lines since the last time.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(l.text.String())
	l.text.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func wantDone(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if did := r.take(); !slices.Equal(did, want) {
		t.Fatalf("done to memory:\n  %s\nwant:\n  %s", strings.Join(did, "\n  "), strings.Join(want, "\n  "))
	}
}
