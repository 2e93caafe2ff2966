package admin

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
)

// mostFeatures bounds an answer: about a megabyte.
const mostFeatures = 5000

func (s *Server) getFeatures(c *call) (any, error) {
	limit, err := c.limit(100, mostFeatures)
	if err != nil {
		return nil, err
	}
	views, match := s.sources.Cache.Features(), c.match()
	answer := api.Features{Total: len(views), Features: []api.Feature{}}
	views = slices.DeleteFunc(views, func(v cache.FeatureView) bool {
		return !strings.Contains(strings.ToLower(v.Name), match) && !strings.Contains(strings.ToLower(s.nameOf(v.Name)), match)
	})
	answer.Matched = len(views)
	sortByDemand(views)
	held := s.held.of(s.sources)
	for _, view := range views[:min(len(views), limit)] {
		answer.Features = append(answer.Features, s.feature(view, held[view.Name]))
	}
	return answer, nil
}

// sortByDemand puts those first that are asked for most.
func sortByDemand(views []cache.FeatureView) {
	slices.SortStableFunc(views, func(a, b cache.FeatureView) int { return cmp.Compare(b.Hits+b.Misses, a.Hits+a.Misses) })
}

func (s *Server) feature(view cache.FeatureView, held heldFeature) api.Feature {
	f := api.Feature{
		Field: fieldText(view.Name), Name: s.nameOf(view.Name), Hits: view.Hits, Misses: view.Misses,
		HitRate: ratio(view.Hits, view.Hits+view.Misses), Suspended: view.Suspended, Kept: view.Kept, Undecoded: view.Undecoded,
		Values: held.values, Bytes: held.bytes, Rule: s.sources.Rollout.RuleOf(view.Name),
	}
	if held.values > 0 {
		oldest := round(held.oldest.Seconds())
		f.OldestSeconds = &oldest
	}
	if !view.Invalidated.IsZero() {
		ago := sinceSeconds(view.Invalidated)
		f.InvalidatedSeconds = &ago
	}
	return f
}

// nameOf is the name of the feature that the store keeps in a field, where it is
// known.
func (s *Server) nameOf(field string) string { return nameOf(s.sources.Names, field) }

func nameOf(names feature.Names, field string) string {
	if names == nil {
		return ""
	}
	name, _ := names.Name(field)
	return name
}

// fieldText is a field as text: quoted where it is none.
func fieldText(field string) string {
	if utf8.ValidString(field) {
		return field
	}
	return feature.Quoted(field)
}

const (
	// sampledRows is how many rows are looked at to tell what is held of each
	// feature: the share of a feature is then right to a few percent, for some
	// milliseconds of work.
	sampledRows = 500
	// sampleFor is how long such a sample is good for, so that no number of
	// watchers makes for more than one.
	sampleFor = 5 * time.Second
)

// heldFeature is what is held of a feature, about.
type heldFeature struct {
	values, bytes int64
	oldest        time.Duration
}

// heldSample knows what is held of each feature, from a sample of the rows: to
// count it exactly would burden every fill.
type heldSample struct {
	mu    sync.Mutex // protects what follows
	taken time.Time
	held  map[string]heldFeature
}

func (h *heldSample) of(sources Sources) map[string]heldFeature {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil || time.Since(h.taken) > sampleFor {
		h.held, h.taken = sampleHeld(sources.Cache, sources.Clock.Now()), time.Now()
	}
	return h.held
}

func sampleHeld(c *cache.Cache, now cache.Tick) map[string]heldFeature {
	held, looked := map[string]heldFeature{}, int64(0)
	for _, entity := range c.Some(sampledRows) {
		view, ok := c.Look(entity, now)
		if !ok {
			continue
		}
		looked++
		for _, value := range view.Values {
			f := held[value.Feature]
			f.values++
			f.bytes += int64(value.Bytes)
			f.oldest = max(f.oldest, value.Age)
			held[value.Feature] = f
		}
	}
	rows := c.Stats().Rows
	if looked == 0 || rows <= looked {
		return held
	}
	for name, f := range held {
		f.values, f.bytes = f.values*rows/looked, f.bytes*rows/looked
		held[name] = f
	}
	return held
}
