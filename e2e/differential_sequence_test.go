//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
)

// untilClosed is, as the number of replies to raw bytes, all that come until
// the server hangs up.
const untilClosed = -1

// ask is one request of a sequence.
type ask struct {
	args    []string // sent as an array of bulk strings
	raw     string   // or this, as it is, where args is empty
	replies int      // to raw; untilClosed is one of its values

	executes []ask // of an EXEC under way: what it carries out
}

// turn is what one connection sends, in one pipeline, before another
// connection has its turn.
type turn struct {
	connection int
	rest       bool  // the cache may keep what is read from here on: see restTime
	unread     bool  // its replies are left for the connection's next turn: it may block
	cuts       []int // offsets, in bytes, at which the pipeline is cut into writes
	asks       []ask
}

// sequence is what a differential test sends to both sides.
type sequence []turn

// bytes returns the turn as it is sent.
func (t turn) bytes() []byte {
	var b []byte
	for _, a := range t.asks {
		if len(a.args) == 0 {
			b = append(b, a.raw...)
			continue
		}
		b = appendCommand(b, a.args...)
	}
	return b
}

// String is the text of a kept file:
//
//	turn CONNECTION [rest] [unread] [cuts OFFSET …]
//	WORD …                  a request; a word is quoted as in Go where it must be
//	raw REPLIES "BYTES"     bytes as they are; * replies: until the server hangs up
//
// Lines that begin with # are comments.
func (s sequence) String() string {
	var b strings.Builder
	for _, t := range s {
		fmt.Fprintf(&b, "turn %d", t.connection)
		if t.rest {
			b.WriteString(" rest")
		}
		if t.unread {
			b.WriteString(" unread")
		}
		if len(t.cuts) > 0 {
			b.WriteString(" cuts")
			for _, c := range t.cuts {
				fmt.Fprintf(&b, " %d", c)
			}
		}
		b.WriteByte('\n')
		for _, a := range t.asks {
			b.WriteString(a.String())
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (a ask) String() string {
	if len(a.args) == 0 {
		replies := strconv.Itoa(a.replies)
		if a.replies == untilClosed {
			replies = "*"
		}
		return "raw " + replies + " " + strconv.Quote(a.raw)
	}
	quoted := make([]string, len(a.args))
	for i, word := range a.args {
		quoted[i] = quoteWord(word)
	}
	return strings.Join(quoted, " ")
}

// quoteWord quotes what would not be read back as one word.
func quoteWord(word string) string {
	plain := word != "" && word != "turn" && word != "raw"
	for i := range len(word) {
		plain = plain && word[i] > ' ' && word[i] <= '~' && word[i] != '"' && word[i] != '#' && word[i] != '\\'
	}
	if plain {
		return word
	}
	return strconv.Quote(word)
}

// parseSequence reads what String wrote.
func parseSequence(text string) (sequence, error) {
	var s sequence
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		quoted := line[0] == '"'
		words, err := splitWords(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		switch {
		case words[0] == "turn" && !quoted:
			var t turn
			if t, err = parseTurn(words[1:]); err == nil {
				s = append(s, t)
			}
		case len(s) == 0:
			err = fmt.Errorf("%q stands before the first turn", line)
		default:
			var a ask
			if a, err = parseAsk(words, quoted); err == nil {
				last := &s[len(s)-1]
				last.asks = append(last.asks, a)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, nil
}

func parseTurn(words []string) (t turn, err error) {
	if len(words) == 0 {
		return t, fmt.Errorf("a turn without its connection")
	}
	if t.connection, err = strconv.Atoi(words[0]); err != nil {
		return t, fmt.Errorf("the connection of a turn: %w", err)
	}
	cuts := false
	for _, word := range words[1:] {
		switch {
		case word == "rest":
			t.rest = true
		case word == "unread":
			t.unread = true
		case word == "cuts":
			cuts = true
		case cuts:
			n, err := strconv.Atoi(word)
			if err != nil {
				return t, fmt.Errorf("a cut: %w", err)
			}
			t.cuts = append(t.cuts, n)
		default:
			return t, fmt.Errorf("a turn that is %q", word)
		}
	}
	return t, nil
}

func parseAsk(words []string, quoted bool) (a ask, err error) {
	if words[0] != "raw" || quoted {
		return ask{args: words}, nil
	}
	if len(words) != 3 {
		return a, fmt.Errorf("raw takes a number of replies and bytes, not %q", words[1:])
	}
	a.raw, a.replies = words[2], untilClosed
	if words[1] != "*" {
		a.replies, err = strconv.Atoi(words[1])
	}
	return a, err
}

func splitWords(line string) ([]string, error) {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		prefix, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("a quote without its end in %q", line)
		}
		word, err := strconv.Unquote(prefix)
		if err != nil {
			return nil, fmt.Errorf("unquoting %s: %w", prefix, err)
		}
		words, line = append(words, word), line[len(prefix):]
	}
	return words, nil
}
