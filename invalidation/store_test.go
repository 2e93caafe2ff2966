package invalidation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// hashes is a store of one hash, on fetchers of which each has a copy of its
// own: a test says which of them answers next, and what it has.
type hashes struct {
	mu       sync.Mutex // protects what follows
	fetchers []map[string]string
	turn     int    // the fetcher that answers what is asked of any
	refuse   string // the error reply to everything; "": none
	err      error
	asked    []string // the commands
	script   []int    // the fetchers that answer next, whoever was asked
	moving   bool     // each request is answered by the next fetcher, whoever was asked
}

func newHashes(fetchers int) *hashes {
	h := &hashes{}
	for range fetchers {
		h.fetchers = append(h.fetchers, map[string]string{})
	}
	return h
}

// set sets field on some fetchers; on all, if none is named.
func (h *hashes) set(field, value string, on ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, f := range h.fetchers {
		switch {
		case len(on) > 0 && !slices.Contains(on, i):
		case value == "":
			delete(f, field)
		default:
			f[field] = value
		}
	}
}

func (h *hashes) answerBy(fetcher int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn = fetcher
}

func (h *hashes) fail(refuse string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse, h.err = refuse, err
}

func (h *hashes) takeAsked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func (h *hashes) Ask(_ context.Context, at string, _ uint16, args ...string) ([]byte, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, args[0])
	from := h.turn
	if at != "" {
		from, _ = strconv.Atoi(at)
	}
	if len(h.script) > 0 {
		from, h.script = h.script[0], h.script[1:]
	}
	if h.moving {
		h.turn = (h.turn + 1) % len(h.fetchers)
		from = h.turn
	}
	name := strconv.Itoa(from)
	if h.err != nil || h.refuse != "" {
		return []byte("-" + h.refuse + "\r\n"), name, h.err
	}
	return h.reply(h.fetchers[from], args), name, nil
}

func (h *hashes) reply(hash map[string]string, args []string) []byte {
	fields := make([]string, 0, len(hash))
	for f := range hash {
		fields = append(fields, f)
	}
	slices.Sort(fields)
	switch args[0] {
	case "HLEN":
		return fmt.Appendf(nil, ":%d\r\n", len(hash))
	case "HGET":
		if v, ok := hash[args[2]]; ok {
			return []byte(bulk(v))
		}
		return []byte("$-1\r\n")
	case "HGETALL":
		return pairs(hash, fields)
	case "HSCAN":
		from, _ := strconv.Atoi(args[2])
		n, _ := strconv.Atoi(args[4])
		to, cursor := min(from+n, len(fields)), strconv.Itoa(from+n)
		if to == len(fields) {
			cursor = "0"
		}
		return append([]byte("*2\r\n"+bulk(cursor)), pairs(hash, fields[from:to])...)
	}
	panic(errors.New("a command that the test does not know: " + args[0]))
}

func pairs(hash map[string]string, fields []string) []byte {
	out := fmt.Appendf(nil, "*%d\r\n", 2*len(fields))
	for _, f := range fields {
		out = append(out, bulk(f)+bulk(hash[f])...)
	}
	return out
}
