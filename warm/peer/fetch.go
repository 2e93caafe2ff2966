package peer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/pause"
)

const (
	// mostInFlight bounds the fetches that are not answered yet: enough to keep
	// any rate, and little for a store that is slow.
	mostInFlight = 64
	// pace is how often the rate is looked at.
	pace = 5 * time.Millisecond
)

// Fetch has everything fetched that wanted gives out, at the rate, until ctx ends,
// and waits for the last.
func (w *Warmer) Fetch(ctx context.Context, wanted func(yield func(Wanted) bool)) {
	w.fetchAll(ctx, sourceFile, func(yield func(Wanted) bool, _ func()) { wanted(yield) })
	w.counts.endFetching()
}

// fetchAll is Fetch for a source, in which landed waits for what was given out.
func (w *Warmer) fetchAll(ctx context.Context, source string, wanted func(yield func(Wanted) bool, landed func())) {
	began := time.Now()
	w.counts.beginFetching(began, source)
	sent := 0.0
	free := make(chan struct{}, mostInFlight)
	var flying sync.WaitGroup
	defer flying.Wait()
	give := func(of Wanted) bool {
		w.counts.entities.Add(1)
		for _, list := range of.Lists {
			// A pause is not made up for later.
			allowed := time.Since(began).Seconds() * float64(w.cfg.Rate)
			sent = max(sent, allowed-float64(w.cfg.Rate)*10*pace.Seconds())
			for sent >= allowed {
				if !pause.For(ctx, pace) {
					return false
				}
				allowed = time.Since(began).Seconds() * float64(w.cfg.Rate)
			}
			select {
			case <-ctx.Done():
				return false
			case free <- struct{}{}:
			}
			flying.Add(1)
			asked := w.cfg.Fetch(w.viewFor(list.View), of.Entity, list.Fields, func(failed bool) {
				if failed {
					w.counts.failed.Add(1)
				}
				<-free
				flying.Done()
			})
			if asked { // what is in memory costs the store nothing
				sent++
				w.counts.fetches.Add(1)
			}
		}
		return true
	}
	wanted(give, flying.Wait)
}

// viewFor is the view in which is fetched what others ask for in view asked: one in
// which clients may ask here, that one, if they may, else as stored, of which all
// others are made.
func (w *Warmer) viewFor(asked cache.View) cache.View {
	switch views := w.cfg.Views; {
	case slices.Contains(views, asked):
		return asked
	case len(views) == 0 || slices.Contains(views, cache.View{}):
		return cache.View{}
	default:
		return views[0]
	}
}
