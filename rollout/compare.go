package rollout

import (
	"bytes"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// compare compares a read with the store's answer, and fills the cache with what
// live would have fetched.
func (w *worker) compare(read *Read) {
	if read.kind == KindShadow {
		w.compareShadow(read)
		return
	}
	if read.kind == KindVerify {
		var err error
		if read.frame, read.from, err = w.ask(w.cfg.Store, "", read.entity, w.names(read.projection, nil)); err != nil {
			w.counts.drop(read.kind, DropUnanswered)
			return
		}
	}
	p := read.projection
	ends, ok := resp.BulkArray(read.frame, p.Len(), w.ends[:0])
	if w.ends = ends; !ok {
		w.counts.drop(read.kind, DropUnanswered)
		return
	}
	stored := w.inView(p, nil, read.frame, ends)
	t, next, served := w.counts.of(p), 0, 0
	for i := range p.Len() {
		if !read.served && next < len(read.missing) && int(read.missing[next]) == i {
			next++
			continue
		}
		cached, began, ok := read.found.Value(i)
		if !ok {
			continue
		}
		if p.View.Decoded { // what the client would see may lie in pieces
			w.cached = read.found.AppendValue(w.cached[:0], i, resp.V2)
			cached = w.cached
		}
		served++
		w.compareValue(read, t, i, value{cached, began}, stored[i])
	}
	if read.kind == KindDryRun {
		w.project(p.Len(), served)
		w.fillMissing(read, ends)
	}
}

// value is one in memory, in wire form.
type value struct {
	wire  []byte
	began cache.Tick
}

// compareValue counts the comparison of a value with the store's, or has it
// judged later.
func (w *worker) compareValue(read *Read, t *tally, position int, cached value, stored []byte) {
	field := read.projection.Fields[position].Name
	class, same := w.same(read.projection, position, cached.wire, stored)
	if same && class == Match {
		w.counts.count(t, position, read.kind, Match, 1)
		return
	}
	d := &suspect{
		position: position, cached: bytes.Clone(cached.wire), stored: bytes.Clone(stored),
		began: cached.began, looked: read.at, seen: read.seen, from: read.from, times: 1,
	}
	if read.kind != KindShadow {
		d.age = time.Duration(read.at-cached.began) * cache.TickLength
	}
	if same {
		w.counts.count(t, position, read.kind, Spelling, 1)
		if w.spellings.first(field, read.seen) {
			w.remember(read.kind, string(read.entity), read.projection, d, Spelling, read.seen)
		}
		return
	}
	promise := w.promise(read.kind, field)
	d.source, d.due = promise.Source, read.seen.Add(promise.Within)
	if !w.suspects.add(key{read.kind, string(read.entity), read.projection}, d) {
		w.counts.drop(read.kind, DropPending)
	}
}

// promise is the bound on what a kind compares, patience included.
func (w *worker) promise(kind Kind, field string) Promise {
	if kind == KindShadow {
		return Promise{Within: w.options.Load().Shadow.Settle, Covered: true}
	}
	promise := w.cfg.Promise(field)
	promise.Within += w.options.Load().Patience
	return promise
}

// inView is what a fetcher answered for positions of p (nil: all) as clients that
// ask for p see it: as it is, or decoded.
func (w *worker) inView(p *cache.Projection, positions []int32, frame []byte, ends []int) [][]byte {
	all := make([][]byte, len(ends)-1)
	if !p.View.Decoded {
		for j := range all {
			all[j] = frame[ends[j]:ends[j+1]]
		}
		return all
	}
	fetched := cache.Fetched{Projection: p, Positions: positions, Frame: frame, Ends: ends}
	for i := 0; positions == nil && i < p.Len(); i++ {
		fetched.Positions = append(fetched.Positions, int32(i))
	}
	fetched.Derive(new(cache.Forms))
	for j := range all {
		all[j] = fetched.AppendValue(nil, j, resp.V2)
	}
	return all
}

// same tells whether two values of p's field at a position, as clients see them,
// are the same, and if so, whether their bytes are (Match) or only what they mean
// (Spelling).
func (r *Rollout) same(p *cache.Projection, position int, a, b []byte) (class Class, same bool) {
	if bytes.Equal(a, b) {
		return Match, true
	}
	if resp.IsNil(a) || resp.IsNil(b) {
		return Match, resp.IsNil(a) && resp.IsNil(b)
	}
	means := r.cfg.Catalogue().Lookup(p.Fields[position].Name)
	if means == nil || p.View.Decoded { // decoded, what means the same is the same
		return Match, false
	}
	one, ok := resp.Text(a)
	other, okToo := resp.Text(b)
	if !ok || !okToo {
		return Match, false
	}
	same, _ = means.Form.Equal(one, other)
	return Spelling, same
}

// project counts what live would have answered from memory, of so many values.
func (w *worker) project(values, served int) {
	w.counts.reads.Add(1)
	w.counts.values.Add(uint64(values))
	w.counts.servedValues.Add(uint64(served))
	switch served {
	case values:
		w.counts.served.Add(1)
	case 0:
	default:
		w.counts.partly.Add(1)
	}
}

// fillMissing fills the cache with what live would have fetched, and with no
// more: a value that is held must come of age, or its staleness would never show.
func (w *worker) fillMissing(read *Read, ends []int) {
	if len(read.missing) == 0 {
		return
	}
	fetched := cache.Fetched{Projection: read.projection, Positions: read.missing, Began: read.at}
	w.fill = w.fill[:0]
	fetched.Ends = append(fetched.Ends, 0)
	for _, i := range read.missing {
		w.fill = append(w.fill, read.frame[ends[i]:ends[i+1]]...)
		fetched.Ends = append(fetched.Ends, len(w.fill))
	}
	fetched.Frame = w.fill
	w.cfg.Cache.Fill(read.entity, &fetched, read.version)
	if cap(w.fill) > keptRead {
		w.fill = nil
	}
}

// names are the fields at positions of p; nil: all.
func (w *worker) names(p *cache.Projection, positions []int32) (names []string) {
	if positions == nil {
		for _, f := range p.Fields {
			names = append(names, f.Name)
		}
		return names
	}
	for _, i := range positions {
		names = append(names, p.Fields[i].Name)
	}
	return names
}

// ask has fields of entity read at the fetcher at an address, or any for "".
func (w *worker) ask(store Store, at string, entity []byte, fields []string) (reply []byte, from string, err error) {
	args := append([]string{"HMGET", string(entity)}, fields...)
	return store.Ask(w.ctx, at, cluster.Slot(entity), args...)
}
