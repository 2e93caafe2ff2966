package sampling

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// Burst is how many lines of a message are written in each Window: enough to
	// see whether it is one client or many.
	Burst = 10
	// Window is a minute: what a person reads at a time.
	Window = time.Minute
	// maxMessages bounds how many messages are known. A program has some dozens;
	// past it the messages of which nothing was heard for a Window are forgotten.
	maxMessages = 1000
)

// suppressedKey is the attribute that says how many lines were not written since
// the last of the same message.
const suppressedKey = "suppressed"

// Handler is a slog.Handler that passes on a part of what it is given.
type Handler struct {
	to     slog.Handler
	counts *counts // shared by all that come of one Handler
}

// counts are the lines of each message in its window.
type counts struct {
	mu       sync.Mutex
	messages map[message]*count // protected by mu
}

type message struct {
	level slog.Level
	text  string
}

type count struct {
	since             time.Time // when its window began
	written, withheld int
}

// New returns a Handler that writes to to.
func New(to slog.Handler) *Handler {
	return &Handler{to, &counts{messages: make(map[message]*count)}}
}

// Without is a logger that writes all that it is given to where log writes: for
// lines that must not be missing, such as who changed something.
func Without(log *slog.Logger) *slog.Logger {
	if h, ok := log.Handler().(*Handler); ok {
		return slog.New(h.to)
	}
	return log
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.to.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	withheld, write := h.counts.note(message{r.Level, r.Message}, time.Now())
	if !write {
		return nil
	}
	if withheld > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(suppressedKey, withheld))
	}
	return h.to.Handle(ctx, r)
}

// note counts a line. It tells whether to write it, and how many were not written
// before.
func (c *counts) note(m message, now time.Time) (withheld int, write bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.messages[m]
	if n == nil {
		c.forget(now)
		n = &count{since: now}
		c.messages[m] = n
	}
	if now.Sub(n.since) >= Window {
		n.since, n.written = now, 0
	}
	if n.written >= Burst {
		n.withheld++
		return 0, false
	}
	n.written++
	withheld, n.withheld = n.withheld, 0
	return withheld, true
}

// forget makes room for a message.
func (c *counts) forget(now time.Time) {
	if len(c.messages) < maxMessages {
		return
	}
	for m, n := range c.messages {
		if now.Sub(n.since) >= Window {
			delete(c.messages, m)
		}
	}
	if len(c.messages) >= maxMessages {
		clear(c.messages)
	}
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.to.WithAttrs(attrs), h.counts}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.to.WithGroup(name), h.counts}
}
