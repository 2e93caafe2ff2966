//go:build e2e

package e2e

import (
	"fmt"
	"sync"
	"time"
)

// cell is one value of the store.
type cell struct{ entity, field string }

// version is what a cell held, from a moment on.
type version struct {
	value  string    // empty: the store has none
	issued time.Time // when the store began to have it: no fetcher had it before
	told   time.Time // when its record or marker could be read everywhere; zero: not yet
	had    time.Time // when the last fetcher had it; zero: not yet
}

// chronicle knows what the store held, and when.
type chronicle struct {
	mu    sync.Mutex
	cells map[cell][]version // guarded by mu
}

// add appends a version to a cell and returns its number. The caller holds mu.
func (h *chronicle) add(c cell, value string, issued time.Time) int {
	h.cells[c] = append(h.cells[c], version{value: value, issued: issued})
	return len(h.cells[c]) - 1
}

// now returns what the store holds of a cell, empty for nothing. The caller holds
// mu.
func (h *chronicle) now(c cell) string {
	versions := h.cells[c]
	if len(versions) == 0 {
		return ""
	}
	return versions[len(versions)-1].value
}

// set calls change for a version of a cell.
func (h *chronicle) set(c cell, number int, change func(v *version)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.cells[c][number])
}

// verdict is what the history says of an answer.
type verdict struct {
	// age is how long before the request the value had ceased to be the store's
	// and its successor had been told of; at most 0: it had not.
	age time.Duration
	// excused: a fetcher had the successor later than the harness promises, so
	// that nothing follows from age.
	excused bool
}

// judge judges the answer of a cell, "" for none, to a request of that moment.
// lag is how late a fetcher may have a version. An answer that the store never
// held is an error; of a cell that was not there from the start it held none.
func (h *chronicle) judge(c cell, answer string, asked time.Time, lag time.Duration) (verdict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	versions := h.cells[c]
	number := len(versions) - 1
	for number >= 0 && versions[number].value != answer { // of the last such version
		number--
	}
	if number < 0 && (answer != "" || len(versions) > 0 && versions[0].issued.IsZero()) {
		return verdict{}, fmt.Errorf("%s %s was never %q", c.entity, c.field, answer)
	}
	v := verdict{age: -1}
	for _, next := range versions[number+1:] {
		known := next.told
		if known.IsZero() {
			continue
		}
		if next.issued.After(known) {
			known = next.issued
		}
		v.age = max(v.age, asked.Sub(known))
		had := next.had
		if had.IsZero() {
			had = time.Now()
		}
		v.excused = v.excused || had.Sub(next.issued) > lag
	}
	return v, nil
}

// complete returns nil when all that changed was told of, and all fetchers have it.
func (h *chronicle) complete() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	untold := 0
	for _, versions := range h.cells {
		last := versions[len(versions)-1]
		if !last.issued.IsZero() && (last.told.IsZero() || last.had.IsZero()) {
			untold++
		}
	}
	if untold > 0 {
		return fmt.Errorf("%d changes are not told of", untold)
	}
	return nil
}
