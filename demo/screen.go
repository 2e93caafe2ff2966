package demo

import (
	"io"
	"os"
	"sync"
	"time"
)

// How often a line is shown anew: on a terminal, where it replaces the one
// before, and elsewhere, where it is added to a log.
const (
	terminalInterval = 500 * time.Millisecond
	logInterval      = 2 * time.Second
)

// What terminals understand. A line that is too long for the window is cut
// rather than wrapped: a wrapped one could not be replaced.
const (
	wipe    = "\r\x1b[K"
	noWrap  = "\x1b[?7l"
	wrapped = "\x1b[?7h"
)

// Screen writes text, and a line that is replaced in place where the output is
// a terminal. Its methods may be called from any goroutine.
type Screen struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex // protects out and what follows
	shown bool       // a line that can be replaced is the last thing on the screen
}

// NewScreen writes to out.
func NewScreen(out io.Writer) *Screen { return &Screen{out: out, terminal: isTerminal(out)} }

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Interval is how often a new line is worth showing.
func (s *Screen) Interval() time.Duration {
	if s.terminal {
		return terminalInterval
	}
	return logInterval
}

// Show writes a line in place of the one shown before.
func (s *Screen) Show(line string) {
	if !s.terminal {
		s.Print(line + "\n")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(s.out, wipe+noWrap+line+wrapped)
	s.shown = true
}

// Print writes text below what was shown, which stays.
func (s *Screen) Print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		text = "\n" + text
		s.shown = false
	}
	s.put(s.out, text)
}

// Beside is a writer to other, such as a log on the same terminal, that removes
// the line shown first. The next Show brings it back.
func (s *Screen) Beside(other io.Writer) io.Writer { return beside{s, other} }

type beside struct {
	screen *Screen
	other  io.Writer
}

func (b beside) Write(p []byte) (int, error) {
	b.screen.mu.Lock()
	defer b.screen.mu.Unlock()
	if b.screen.shown {
		b.screen.put(b.screen.out, wipe)
		b.screen.shown = false
	}
	return b.other.Write(p)
}

// put does without its error: a reader who has gone is told nothing, and the
// demo goes on until it is ended.
func (s *Screen) put(out io.Writer, text string) { _, _ = io.WriteString(out, text) }
