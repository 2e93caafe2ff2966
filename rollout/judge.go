package rollout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

const (
	// maxAsked bounds the fetchers that one judgement asks: of a shard that has
	// more, so many say enough.
	maxAsked = 8
	// maxTries is how often a judgement is tried while the store does not answer.
	maxTries = 3
	// tryAgain is the time between two of these.
	tryAgain = 2 * time.Second
	// warnEvery is how often at most a wrong answer is a line of log.
	warnEvery = time.Minute
)

// judge says what the differences of an entity are whose time has come. The
// others go on waiting.
func (w *worker) judge(p *pending) {
	now := time.Now()
	var due []*suspect
	for _, s := range p.values {
		if s.tries == 0 {
			// The source may have got into trouble since, and its bound be another.
			s.due = s.seen.Add(w.promise(p.kind, p.projection.Fields[s.position].Name).Within)
		}
		if s.due.After(now) {
			w.wait(p.key, s)
			continue
		}
		due = append(due, s)
	}
	if len(due) == 0 {
		return
	}
	if p.kind == KindShadow {
		w.judgeShadow(p.key, due)
		return
	}
	left, asked := w.unconfirmed(p.key, due)
	for _, s := range left {
		switch {
		case asked == 0:
			w.tryAgain(p.key, s)
		case w.mayBeStale(p.key, s):
			w.conclude(p.kind, p.entity, p.projection, s, Stale, now)
		default:
			w.conclude(p.kind, p.entity, p.projection, s, Wrong, now)
		}
	}
}

// wait has a value go on waiting.
func (w *worker) wait(k key, s *suspect) {
	if !w.suspects.add(k, s) {
		w.counts.drop(k.kind, DropPending)
	}
}

// tryAgain has a value wait that could not be judged, or gives up.
func (w *worker) tryAgain(k key, s *suspect) {
	if s.tries++; s.tries == maxTries {
		w.counts.drop(k.kind, DropUnjudged)
		return
	}
	s.due = time.Now().Add(tryAgain)
	w.wait(k, s)
}

// unconfirmed asks the fetcher that gave the store's value, and then the others
// of its shard, until each value in memory is found at one of them: then the
// store disagrees with itself. It returns the values that no fetcher gives, and
// how many fetchers answered.
func (w *worker) unconfirmed(k key, due []*suspect) (left []*suspect, asked int) {
	left = slices.Clone(due)
	for _, at := range order(w.cfg.Store.Peers(cluster.Slot([]byte(k.entity))), due[0].from) {
		values, ok := w.read(w.cfg.Store, at, k, left)
		if !ok {
			continue
		}
		asked++
		var still []*suspect
		for i, s := range left {
			if _, same := w.same(k.projection, s.position, s.cached, values[i]); same {
				w.conclude(k.kind, k.entity, k.projection, s, Noise, time.Now())
				continue
			}
			still = append(still, s)
		}
		if left = still; len(left) == 0 {
			break
		}
	}
	return left, asked
}

// order has first before the others, which come as chance will have it, and at
// most maxAsked of all. First need not be among them: it may have left.
func order(peers []string, first string) []string {
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	if i := slices.Index(peers, first); i > 0 {
		peers[0], peers[i] = peers[i], peers[0]
	}
	if len(peers) == 0 {
		return []string{""}
	}
	return peers[:min(len(peers), maxAsked)]
}

// read asks a fetcher for the fields of values. It returns them in wire form.
func (w *worker) read(store Store, at string, k key, of []*suspect) (values [][]byte, ok bool) {
	positions := make([]int32, len(of))
	for i, s := range of {
		positions[i] = int32(s.position)
	}
	frame, _, err := w.ask(store, at, []byte(k.entity), w.names(k.projection, positions))
	if err != nil {
		return nil, false
	}
	ends, ok := resp.BulkArray(frame, len(of), nil)
	if !ok {
		return nil, false
	}
	return w.inView(k.projection, positions, frame, ends), true
}

// mayBeStale tells whether the promise allows for a value that no fetcher gives
// any more: nothing was to tell of its change, or something has told since.
func (w *worker) mayBeStale(k key, s *suspect) bool {
	if !w.cfg.Promise(k.projection.Fields[s.position].Name).Covered {
		return true
	}
	held, entity, now := w.cfg.Cache, []byte(k.entity), w.cfg.Clock.Now()
	if w.stillServed(entity, k.projection, s, now) {
		return false
	}
	return held.InvalidatedAt(entity, k.projection, []int32{int32(s.position)}, now) >= s.looked
}

// stillServed tells whether memory would answer with that very value now.
func (w *worker) stillServed(entity []byte, p *cache.Projection, s *suspect, now cache.Tick) bool {
	found := w.cfg.Cache.Lookup(entity, p, now)
	cached, began, ok := found.Value(s.position)
	if !ok || began != s.began {
		return false
	}
	if p.View.Decoded {
		cached = found.AppendValue(nil, s.position, resp.V2)
	}
	if string(cached) != string(s.cached) {
		return false
	}
	if found.Complete {
		return true
	}
	missing, _ := found.Missing(nil, p, now)
	return !slices.Contains(missing, int32(s.position))
}

// conclude counts, remembers and logs a difference of a class.
func (w *worker) conclude(kind Kind, entity string, p *cache.Projection, s *suspect, class Class, now time.Time) {
	w.counts.count(w.counts.of(p), s.position, kind, class, s.times)
	w.remember(kind, entity, p, s, class, now)
}

// remember shows a difference to people.
func (w *worker) remember(kind Kind, entity string, p *cache.Projection, s *suspect, class Class, now time.Time) {
	field := p.Fields[s.position].Name
	name, _ := w.cfg.Catalogue().Name(field)
	d := Difference{
		Time: s.seen, Kind: kind.String(), Class: class.String(), Entity: readable(entity), Feature: readable(field), Name: name,
		Age: s.age.Seconds(), Lasted: now.Sub(s.seen).Seconds(), Times: s.times, Source: s.source, Fetcher: s.from,
		CachedHash: hashOf(s.cached), StoredHash: hashOf(s.stored),
	}
	if w.options.Load().LogValues {
		d.Cached, d.Stored = shown(s.cached), shown(s.stored)
	}
	w.ring.add(class, d)
	if first, err := w.journal.write(d); first {
		w.cfg.Log.Error("differences cannot be written to rollout.log", "error", err)
	}
	if class == Wrong && kind != KindShadow {
		w.warn(d, now)
	}
}

// warn tells of a wrong answer, now and then.
func (w *worker) warn(d Difference, now time.Time) {
	last := w.warned.Load()
	if now.UnixNano()-last < int64(warnEvery) || !w.warned.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	w.cfg.Log.Warn("memory has what the store does not: a change of this feature was not told, or not yet; see the differences, and docs/ROLLOUT.md",
		"feature", d.Feature, "name", d.Name, "entity", d.Entity, "age_seconds", d.Age, "source", d.Source, "kind", d.Kind,
		"wrong_so_far", w.counts.compared[KindDryRun][Wrong].Load()+w.counts.compared[KindVerify][Wrong].Load())
}

// readable is text as it is, and anything else quoted.
func readable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strconv.Quote(text)
}

// missing stands where a value would.
const missingValue = "missing"

// hashOf tells values apart without showing them.
func hashOf(wire []byte) string {
	if resp.IsNil(wire) {
		return missingValue
	}
	text, _ := resp.Text(wire)
	return fmt.Sprintf("%016x", xxhash.Sum64(text))
}

// maxShown bounds a value in a difference, in bytes.
const maxShown = 1024

func shown(wire []byte) string {
	if resp.IsNil(wire) {
		return missingValue
	}
	text, _ := resp.Text(wire)
	return readable(string(text[:min(len(text), maxShown)]))
}
