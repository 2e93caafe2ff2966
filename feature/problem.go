package feature

import "fmt"

// Problem is one thing wrong with a catalogue: where, what, and what to do.
type Problem struct {
	File    string
	Line    int    // from 1; 0: the file as a whole
	Feature string // "": none in particular
	Text    string
	Warning bool // the catalogue works without it being mended
}

// Error is one line.
func (p Problem) Error() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Feature != "" {
		return fmt.Sprintf("%s: feature %s: %s", at, p.Feature, p.Text)
	}
	return at + ": " + p.Text
}
