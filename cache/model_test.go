package cache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/resp"
)

// known is a value that the model holds; empty: nil.
type known struct {
	value string
	tick  Tick
}

// offer is a value that was filled, or brought by a record.
type offer struct {
	entity, feature string
	known
}

// pair is a feature of an entity.
type pair struct{ entity, feature string }

// ended is an invalidation of a feature: values of that tick or earlier are
// stale, and gone unless it was soft.
type ended struct {
	until Tick
	soft  bool
}

// change is what the model knows of the updates that share a slot.
type change struct {
	until, unversioned Tick
	version            int64
}

// model is the cache as one would write it without a thought to its cost.
type model struct {
	cfg       Config
	never     map[string]bool
	held      map[string]map[string]known // by entity and feature
	feature   map[string][]ended          // of features that were asked for
	pending   map[string]Tick             // of those that were not yet: gone until then
	suspended map[*Suspension]*feature.Cover
	unkept    map[string]Tick // by feature: what is fetched until then is not kept
	entity    map[string]Tick
	slots     map[*fieldUpdates]change
	updated   map[pair]Tick  // until when what is fetched may be older
	applied   map[pair]known // the last record's, if it was put in place
	filled    map[offer]bool // every value ever offered
}

func newModel(cfg Config, never ...string) *model {
	m := &model{
		cfg: cfg, never: map[string]bool{}, held: map[string]map[string]known{},
		feature: map[string][]ended{}, pending: map[string]Tick{}, suspended: map[*Suspension]*feature.Cover{}, unkept: map[string]Tick{},
		entity: map[string]Tick{}, slots: map[*fieldUpdates]change{}, updated: map[pair]Tick{}, applied: map[pair]known{}, filled: map[offer]bool{},
	}
	for _, name := range never {
		m.never[name] = true
	}
	return m
}

func (m *model) age(k known) Tick {
	if k.value == "" {
		return Ticks(min(m.cfg.MaxAge, m.cfg.NegativeMaxAge))
	}
	return Ticks(m.cfg.MaxAge)
}

func (m *model) isSuspended(feature string) bool {
	for _, c := range m.suspended {
		if c.Has(feature) {
			return true
		}
	}
	return false
}

// mayServe is the promise: later than every invalidation, younger than its age.
func (m *model) mayServe(entity, feature string, k known, now Tick) bool {
	return !m.isSuspended(feature) && m.holds(entity, feature, k, now)
}

// holds is the promise but for suspensions, which may be lifted.
func (m *model) holds(entity, feature string, k known, now Tick) bool {
	for _, e := range m.feature[feature] {
		if k.tick <= e.until {
			return false
		}
	}
	return k.tick > m.entity[entity] && !m.never[feature] && now-k.tick < m.age(k)
}

// stale is when a value that may not be served as fresh went stale, and whether
// by a marker. Not ok: it is gone.
func (m *model) stale(feature string, k known) (since Tick, marked, ok bool) {
	if m.isSuspended(feature) {
		return 0, false, false
	}
	since = k.tick + m.age(k)
	for _, e := range m.feature[feature] {
		switch {
		case k.tick > e.until:
		case !e.soft:
			return 0, false, false
		case e.until < since:
			since, marked = e.until, true
		}
	}
	return since, marked, true
}

func (m *model) mayRevalidate(feature string, k known, now Tick) bool {
	since, marked, ok := m.stale(feature, k)
	return ok && marked && now-since < Ticks(m.cfg.StaleWhileRevalidate) && now-k.tick < m.age(k)
}

func (m *model) mayServeOnError(feature string, k known, now Tick) bool {
	since, _, ok := m.stale(feature, k)
	return ok && now-since < Ticks(m.cfg.StaleIfError)
}

// usable is what a row keeps when it is written anew.
func (m *model) usable(entity string, now Tick) map[string]known {
	row := maps.Clone(m.held[entity])
	maps.DeleteFunc(row, func(f string, k known) bool {
		return !(m.isSuspended(f) && m.holds(entity, f, k, now)) && !m.mayServe(entity, f, k, now) && !m.mayRevalidate(f, k, now) && !m.mayServeOnError(f, k, now)
	})
	return row
}

func (m *model) fill(slot func(feature string) *fieldUpdates, entity string, fields []string, values []string, began, now Tick) {
	if began <= m.entity[entity] {
		return
	}
	row := m.usable(entity, now)
	if row == nil {
		row = map[string]known{}
	}
	taken := false
	for i, f := range fields {
		k := known{values[i], began}
		m.filled[offer{entity, f, k}] = true
		late := slices.ContainsFunc(m.feature[f], func(e ended) bool { return began <= e.until })
		if late || m.never[f] || m.isSuspended(f) || began <= m.unkept[f] || began <= m.slots[slot(f)].until {
			continue
		}
		if old, ok := row[f]; ok && old.tick > began {
			continue
		}
		row[f], taken = k, true
	}
	if taken {
		m.held[entity] = row
	}
}

// end makes values of a feature stale, or gone.
func (m *model) end(feature string, e ended) {
	all, asked := m.feature[feature]
	if !asked {
		m.pending[feature] = max(m.pending[feature], e.until)
		return
	}
	for _, known := range all {
		if e.soft && known.until >= e.until {
			return // nothing that it would end is left
		}
	}
	all = append(slices.Clone(all), e)
	soft := 0
	for i, e := range slices.Backward(all) {
		if gone := slices.ContainsFunc(all, func(g ended) bool { return !g.soft && g.until >= e.until }); e.soft && !gone {
			if soft++; soft > maxMarks {
				all[i].soft = false // more than are remembered
			}
		}
	}
	m.feature[feature] = all
}

// checkExact wants what the model has, no more and no less.
func (s *stage) checkExact(t *testing.T, entity string, p *Projection) {
	t.Helper()
	var missing []int32
	var values []string
	negatives, stale := 0, 0
	for i, f := range p.Fields {
		k, ok := s.held[entity][f.Name]
		if !ok || !s.mayServe(entity, f.Name, k, s.now) {
			missing = append(missing, int32(i))
			if ok {
				stale++
			}
			values = append(values, "-")
			continue
		}
		if k.value == "" {
			negatives++
		}
		values = append(values, s.seen(p, k.value))
	}
	s.checkStale(t, entity, p)
	found := s.Lookup([]byte(entity), p, s.now)
	gotMissing, gotStale := found.Missing(nil, p, s.now)
	if !slices.Equal(gotMissing, missing) || gotStale != stale || found.Complete != (len(missing) == 0) {
		t.Fatalf("%.20q tick %d: missing %v (%d stale, complete %v), want %v (%d)",
			entity, s.now, gotMissing, gotStale, found.Complete, missing, stale)
	}
	if _, ok := s.held[entity]; found.Any() != ok {
		t.Fatalf("%.20q: any row: %v, want %v", entity, found.Any(), ok)
	}
	for _, v := range []resp.Version{resp.V2, resp.V3} {
		if found.Complete {
			got, want := string(found.Append([]byte("before"), v)), "before"+wireOf(v, values...)
			if got != want || found.Negatives != negatives {
				t.Fatalf("%.20q tick %d version %d: %.200q with %d nils, want %.200q with %d", entity, s.now, v, got, found.Negatives, want, negatives)
			}
		}
		for i, value := range values {
			if slices.Contains(missing, int32(i)) {
				continue
			}
			if got, want := string(found.AppendValue(nil, i, v)), wireOf(v, value); got != want || found.IsNegative(i) != (value == "") {
				t.Fatalf("%.20q field %d of version %d: %.80q (nil %v), want %.80q", entity, i, v, got, found.IsNegative(i), want)
			}
		}
	}
}

// checkStale wants stale values to be served exactly where that is allowed.
func (s *stage) checkStale(t *testing.T, entity string, p *Projection) {
	t.Helper()
	revalidate, onError := true, true
	fresh, stale, nils := 0, 0, 0
	for _, f := range p.Fields {
		k, ok := s.held[entity][f.Name]
		if ok && s.mayServe(entity, f.Name, k, s.now) {
			fresh++
			if k.value == "" {
				nils++
			}
			continue
		}
		stale++
		revalidate = revalidate && ok && s.mayRevalidate(f.Name, k, s.now)
		onError = onError && ok && s.mayServeOnError(f.Name, k, s.now)
	}
	found := s.Lookup([]byte(entity), p, s.now)
	if found.Complete {
		return
	}
	missing, _ := found.Missing(nil, p, s.now)
	if n, ok := s.OnError(&found, p, missing, s.now); ok != onError || ok && n != stale {
		t.Fatalf("%.20q tick %d: served on error: %v (%d stale), want %v (%d)", entity, s.now, ok, n, onError, stale)
	}
	got, ok := s.Revalidate(&found, []byte(entity), p, s.now)
	if ok != revalidate || ok && (got.Stale != stale || found.Negatives != nils) {
		t.Fatalf("%.20q tick %d: served while revalidating: %v %+v, want %v with %d stale", entity, s.now, ok, got, revalidate, stale)
	}
	if ok {
		s.revalidated++
	}
	if onError {
		s.onError++
	}
}

// checkSound wants nothing that the promise forbids: all that is served was
// filled, and is fresh.
func (s *stage) checkSound(t *testing.T, entity string, p *Projection) {
	t.Helper()
	found := s.Lookup([]byte(entity), p, s.now)
	missing, _ := found.Missing(nil, p, s.now)
	for i, f := range p.Fields {
		if slices.Contains(missing, int32(i)) {
			continue
		}
		value, ok := bulkValue(found.AppendValue(nil, i, resp.V2))
		if s.decodes && !p.View.Decoded && value != "" {
			decoded, err := wrapped.Decode(nil, []byte(value))
			value, ok = string(decoded), ok && err == nil
		}
		k := known{value, found.row.tick(int(found.plan.index[i]))}
		at := pair{entity, f.Name}
		updated := k.tick <= s.model.updated[at] && s.applied[at] != k
		if !ok || updated || !s.filled[offer{entity, f.Name, k}] || !s.mayServe(entity, f.Name, k, s.now) {
			t.Fatalf("%.20q %q at tick %d: served %.40q, of tick %d", entity, f.Name, s.now, value, k.tick)
		}
	}
	if found.Complete != (len(missing) == 0) {
		t.Fatalf("complete %v with %d missing", found.Complete, len(missing))
	}
}

// bulkValue is what b, a value in version 2, holds; empty: nil.
func bulkValue(b []byte) (string, bool) {
	if string(b) == resp.Nil2 {
		return "", true
	}
	_, value, ok := strings.Cut(string(b), "\r\n")
	value, ended := strings.CutSuffix(value, "\r\n")
	return value, ok && ended && string(appendBulk(nil, value)) == string(b)
}

func (s *stage) checkCounts(t *testing.T) {
	t.Helper()
	s.settled()
	rows, fields := int64(0), int64(0)
	for _, shard := range s.shards {
		for _, r := range shard.All() {
			rows++
			fields += int64(r.present())
		}
	}
	if got := s.settled(); got.Rows != rows || got.Fields != fields {
		t.Fatalf("%d rows of %d values are counted, %d of %d are there", got.Rows, got.Fields, rows, fields)
	}
}

// rounds runs a test with seed after seed.
func rounds(t *testing.T, n int, run func(t *testing.T, seed uint64)) {
	end := time.Now().Add(*soak)
	for seed := uint64(1); seed <= uint64(n) || time.Now().Before(end); seed++ {
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { run(t, seed) })
		if !ok {
			return
		}
	}
}

func TestRandomUseIsAsTheModelHasIt(t *testing.T) {
	put, revalidated, onError := 0, 0, 0
	t.Cleanup(func() {
		if put < 50 || revalidated < 50 || onError < 50 {
			t.Errorf("%d values put in place, %d reads answered with stale values, %d on error: the test tests little", put, revalidated, onError)
		}
	})
	rounds(t, 40, func(t *testing.T, seed uint64) {
		cfg := roomy
		if seed%4 != 0 {
			cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Minute, 10*time.Minute
		}
		s := newStage(t, seed, cfg, true)
		for range 400 {
			s.step()
			s.checkExact(t, s.pick(s.entities), s.projections[s.rnd.IntN(len(s.projections))])
		}
		for _, e := range s.entities {
			for _, p := range s.projections {
				s.checkExact(t, e, p)
			}
		}
		s.checkCounts(t)
		put, revalidated, onError = put+s.put, revalidated+s.revalidated, onError+s.onError
		for _, l := range *s.layouts.Load() {
			for i, f := range l.features[1:] {
				if f.index <= l.features[i].index {
					t.Fatal("a layout whose features do not ascend strictly")
				}
			}
		}
		if n := s.Replaced.Load() + s.settled().Evictions; n != 0 {
			t.Fatalf("%d rows were replaced or evicted although there is room", n)
		}
		s.InvalidateAll(0)
		if got := s.settled(); got.Rows != 0 || got.Fields != 0 || got.Bytes != 0 {
			t.Fatalf("left after all was dropped: %+v", got)
		}
	})
}

// TestRandomUseWithinTightBoundsServesNothingStale has rows evicted, replaced
// and refused all the time.
func TestRandomUseWithinTightBoundsServesNothingStale(t *testing.T) {
	rounds(t, 40, func(t *testing.T, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		tight := roomy
		tight.MaxBytes, tight.Shards = 2000+rnd.Int64N(20_000), 1+rnd.IntN(4)
		tight.MaxRowBytes = 200 + rnd.IntN(4000)
		tight.MaxFeatures, tight.MaxProjections = 10+rnd.IntN(100), 2+rnd.IntN(10)
		tight.MaxLayouts = 1 + rnd.IntN(12)
		tight.MaxAge = time.Duration(rnd.Int64N(int64(time.Hour)))
		s := newStage(t, seed, tight, false)
		if len(s.projections) == 0 {
			t.Skip("no projection fits")
		}
		for range 400 {
			s.step()
			s.checkSound(t, s.pick(s.entities), s.projections[s.rnd.IntN(len(s.projections))])
		}
		if got := s.settled(); got.Bytes > got.MaxBytes {
			t.Fatalf("%d bytes of at most %d", got.Bytes, got.MaxBytes)
		}
		s.checkCounts(t)
	})
}
