package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
)

const (
	// maxLine bounds a line of a peer's, in bytes.
	maxLine = 4 << 20
	// maxProjections bounds what a peer may name, and maxNamed the bytes of it.
	maxProjections = 1 << 16
	maxNamed       = 32 << 20
	// maxLists bounds in how many projections one entity may be asked for: each is
	// a fetch.
	maxLists = 256
	// maxReason bounds what is read of a refusal, in bytes.
	maxReason = 1 << 10
)

// Wanted is an entity and what is asked for of it.
type Wanted struct {
	Entity []byte
	Lists  []List
}

// List is what somebody asked for at once.
type List struct {
	Fields [][]byte
	View   cache.View // in which they wanted it
}

// Ask asks the peers what is hot, in random order, until one knows something, and
// fetches what of that is not in memory. hot is called when all that is there or has
// taken too long; what the peer's clients ask for from then on is fetched until Ask
// returns. An error: none told anything.
func (w *Warmer) Ask(ctx context.Context, hot func()) error {
	within, cancel := context.WithTimeout(ctx, w.cfg.Within)
	defer cancel()
	addresses, err := w.resolve(within)
	var failures []error
	if err != nil {
		failures = append(failures, err)
	}
	for _, address := range addresses {
		n, err := w.askOne(ctx, within, address, hot)
		if ctx.Err() != nil {
			return nil // the process ends
		}
		if n > 0 {
			w.cfg.Log.Info("fetched what a peer's clients ask for", "peer", address, "entities", n,
				"fetches", w.counts.fetches.Load(), "failed", w.counts.failed.Load(), "cut", err != nil)
			return nil
		}
		if err == nil {
			err = errors.New("it knows of nothing")
		}
		failures = append(failures, fmt.Errorf("peer %s: %w", address, err))
		if within.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// errOver is why a list is read no further.
var errOver = errors.New("it took too long")

// askOne fetches what one peer names: what is hot until within ends, and what its
// clients ask for as long as was agreed.
func (w *Warmer) askOne(ctx, within context.Context, address string, hot func()) (entities int, err error) {
	query := url.Values{"limit": {strconv.Itoa(w.cfg.Entities)}}
	if w.cfg.Follow > 0 {
		query.Set("follow", w.cfg.Follow.String())
	}
	// One that follows outlives within, which bounds what comes before.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := context.AfterFunc(within, func() { cancel(errOver) })
	defer late()
	response, err := w.ask(ctx, address, api.PathWarm, query)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	told, enough := false, false
	var readErr error
	var over *time.Timer
	defer func() {
		if over != nil {
			over.Stop()
		}
	}()
	w.fetchAll(ctx, sourcePeer, func(yield func(Wanted) bool, landed func()) {
		readErr = read(response.Body, func(wanted Wanted) bool {
			entities++
			if !told && entities > w.cfg.Entities {
				enough = true // more than was asked for
				return false
			}
			return yield(wanted)
		}, func() bool {
			if told = entities > 0; !told {
				return false // another may know more
			}
			late()
			landed()
			w.counts.endFetching()
			hot()
			over = time.AfterFunc(w.cfg.Follow, func() { cancel(errOver) })
			return w.cfg.Follow > 0
		})
	})
	if !told {
		w.counts.endFetching()
	}
	if !told && entities > 0 {
		hot()
	}
	if enough || told {
		readErr = nil
	}
	return entities, readErr
}

// read reads lines to the end, or until yield returns false, or told does, which is
// called when all that is hot was told.
func read(from io.Reader, yield func(Wanted) bool, told func() bool) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var lists []List
	named := 0
	for lines.Scan() {
		var line api.WarmLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("read what it named: %w", err)
		}
		switch {
		case line.Told:
			if !told() {
				return nil
			}
			continue
		case len(line.Fields) > 0:
			named += len(lines.Bytes())
			if len(lists) == maxProjections || named > maxNamed {
				return errors.New("it names too many projections")
			}
			lists = append(lists, List{line.Fields, cache.ViewOf(line.View)})
			continue
		case len(line.Projections) > maxLists:
			return errors.New("it names too many projections of an entity")
		}
		wanted := Wanted{Entity: line.Entity}
		for _, n := range line.Projections {
			if n < 0 || n >= len(lists) {
				return errors.New("it names a projection that it did not tell")
			}
			wanted.Lists = append(wanted.Lists, lists[n])
		}
		if !yield(wanted) {
			return nil
		}
	}
	return lines.Err()
}

// reasonOf is what a refusal says.
func reasonOf(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, maxReason))
	var said api.Error
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		return said.Message
	}
	return "it says no reason"
}
