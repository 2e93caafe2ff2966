package cache

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"
)

// RowView is what is held of an entity, for people.
type RowView struct {
	Bytes  int    // that the row takes, overhead included
	From   string // the fetcher that it was filled from last; "": not known
	Values []ValueView
	// Updated: an update or a write of the entity was so near that nothing fetched
	// now is kept.
	Updated bool
}

// ValueView is a value held of a feature, for people.
type ValueView struct {
	Feature  string
	Form     string // stored, decoded, array or double
	Bytes    int    // in wire form
	Negative bool
	Age      time.Duration
	State    ValueState
}

// ValueState says whether a value would be served, or why not.
type ValueState string

// The states of a value.
const (
	Fresh     ValueState = "fresh"
	PastAge   ValueState = "past its age"
	Marked    ValueState = "marker"           // an upload came
	Forgotten ValueState = "forgotten"        // invalidated by hand, or because invalidations were lost
	Suspended ValueState = "suspended"        // nobody vouches for the feature
	HeldDown  ValueState = "updated just now" // fetched and not kept, until the update has settled
)

// Look tells what is held of entity, as of tick now. False: nothing. To look is
// not to use: it does not keep the row from being evicted.
func (c *Cache) Look(entity []byte, now Tick) (RowView, bool) {
	hash := c.hash(entity)
	e, ok := c.shard(hash).GetEntryQuietly(string(entity))
	if !ok {
		return RowView{}, false
	}
	r := e.Value
	view := RowView{Bytes: int(weigh(string(entity), r)), From: c.origins.name(r.origin()), Updated: c.updates.entity(hash).holds(now)}
	for i, f := range c.layoutOf(r.layoutID()).features {
		if r.isAbsent(i) {
			continue
		}
		view.Values = append(view.Values, ValueView{
			Feature: f.Name, Form: formNames[f.form], Bytes: len(r.value(i)), Negative: r.isNil(i),
			Age: duration(now - r.tick(i)), State: c.state(hash, f, r.tick(i), r.isNil(i), now),
		})
	}
	return view, true
}

// state words what freshness.go decides.
func (c *Cache) state(hash uint64, f *Feature, t Tick, negative bool, now Tick) ValueState {
	_, marked, ok := f.wentStale(t, negative)
	switch {
	case f.suspended():
		return Suspended
	case f.freshAt(t, negative, now):
		return Fresh
	case c.updates.holdsField(hash, f, now):
		return HeldDown
	case !ok:
		return Forgotten
	case marked:
		return Marked
	}
	return PastAge
}

// FeatureView is what is known of a feature, for people. How many values of it
// are held is not: that would have to be counted at each fill.
type FeatureView struct {
	Name         string
	Hits, Misses uint64 // how often it was asked for and was in memory, or was fetched
	Kept         bool   // false: fetched each time, by configuration
	Suspended    bool
	Undecoded    uint64 // values that did not decode, and were served as stored
	// Invalidated is when the last marker came, or the last other invalidation of
	// the whole feature; zero: never, since it was first asked for.
	Invalidated time.Time
}

// Features tells of each feature that anybody asked for, by name.
func (c *Cache) Features() []FeatureView {
	c.mu.RLock()
	defer c.mu.RUnlock()
	requested := make(map[*field]uint64, len(c.features))
	for _, p := range c.projections {
		hits, misses := p.Asked()
		for _, f := range p.Fields {
			requested[f.field] += hits + misses
		}
	}
	views := make([]FeatureView, 0, len(c.features))
	for _, f := range c.features {
		// A connection tells its hits a moment later than its misses.
		misses := min(f.missed.Load(), requested[f.field])
		v := FeatureView{
			Name: f.Name, Hits: requested[f.field] - misses, Misses: misses,
			Kept: f.kept(), Suspended: f.suspended(), Undecoded: f.undecoded.Load(),
		}
		if at := f.past.Load().at; at > 0 {
			v.Invalidated = c.clock.Time(at)
		}
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b FeatureView) int { return cmp.Compare(a.Name, b.Name) })
	return views
}

// Hottest are n entities that the eviction policy would keep longest, the hottest
// first, more or less: each shard knows its own order, and they take turns.
func (c *Cache) Hottest(n int) [][]byte {
	share := n/len(c.shards) + 1
	lists := make([][]string, len(c.shards))
	for i, shard := range c.shards {
		lists[i] = first(shard.Hottest(), share)
	}
	var all [][]byte
	for rank := range share {
		for _, list := range lists {
			if rank < len(list) && len(all) < n {
				all = append(all, []byte(list[rank]))
			}
		}
	}
	return all
}

// first takes n keys. The iteration holds the policy's lock, so it ends early.
func first(entries iter.Seq[otter.Entry[string, row]], n int) (keys []string) {
	for e := range entries {
		if keys = append(keys, e.Key); len(keys) == n {
			break
		}
	}
	return keys
}
