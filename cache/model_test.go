package cache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// known is a value that the model holds; empty: nil.
type known struct {
	value string
	tick  Tick
}

// offer is a value that was filled.
type offer struct {
	entity, feature string
	known
}

// model is the cache as one would write it without a thought to its cost.
type model struct {
	cfg     Config
	never   map[string]bool
	held    map[string]map[string]known // by entity and feature
	feature map[string]Tick             // last invalidation
	entity  map[string]Tick
	all     Tick
	filled  map[offer]bool // every value ever offered
}

func newModel(cfg Config, never ...string) *model {
	m := &model{
		cfg: cfg, never: map[string]bool{}, held: map[string]map[string]known{},
		feature: map[string]Tick{}, entity: map[string]Tick{}, filled: map[offer]bool{},
	}
	for _, name := range never {
		m.never[name] = true
	}
	return m
}

// mayServe is the promise: later than every invalidation, younger than its age.
func (m *model) mayServe(entity, feature string, k known, now Tick) bool {
	age := m.cfg.MaxAge
	if k.value == "" {
		age = min(age, m.cfg.NegativeMaxAge)
	}
	return k.tick > m.feature[feature] && k.tick > m.entity[entity] && k.tick > m.all && !m.never[feature] &&
		time.Duration(now-k.tick+1)*TickLength <= age
}

func (m *model) fill(entity string, fields []string, values []string, began, now Tick) {
	if began <= m.entity[entity] {
		return
	}
	row := maps.Clone(m.held[entity])
	maps.DeleteFunc(row, func(f string, k known) bool { return !m.mayServe(entity, f, k, now) })
	if row == nil {
		row = map[string]known{}
	}
	taken := false
	for i, f := range fields {
		m.filled[offer{entity, f, known{values[i], began}}] = true
		if m.never[f] || began <= m.feature[f] || began <= m.all {
			continue
		}
		if old, ok := row[f]; ok && old.tick > began {
			continue
		}
		row[f], taken = known{values[i], began}, true
	}
	if taken {
		m.held[entity] = row
	}
}

// stage is a cache and a model that are given the same.
type stage struct {
	rig
	*model
	rnd         *rand.Rand
	now         Tick
	entities    []string
	features    []string
	projections []*Projection
	next        int // of values, each given once
}

// newStage projects random lists of fields: overlapping, permuted, with repeats.
func newStage(t *testing.T, seed uint64, cfg Config) *stage {
	s := &stage{rnd: rand.New(rand.NewPCG(seed, 1)), now: 1}
	s.entities = []string{"st_1", "st_2", "", "cx\r\n\x00\xff", repeat("long", 100)}
	if s.rnd.IntN(2) == 0 {
		s.features = names([]int{3, 12, 70, 150}[s.rnd.IntN(4)])
	} else {
		s.features = append(names(1+s.rnd.IntN(40)), "", "a/b", "_ts:x", "_ts:x/y", "\xff\x00")
	}
	cfg.NeverCache = []string{"_ts:*"}
	s.rig = newRig(t, cfg)
	s.model = newModel(cfg, "_ts:x", "_ts:x/y")
	hashes := map[uint64]bool{}
	for _, e := range s.entities {
		slot := s.hash(e) % updateSlots
		if hashes[slot] {
			t.Skip("two entities share a slot of updates")
		}
		hashes[slot] = true
	}
	for range 1 + s.rnd.IntN(12) {
		s.addProjection()
	}
	return s
}

func (s *stage) addProjection() {
	var list []string
	switch s.rnd.IntN(4) {
	case 0: // neighbours, as one model has them
		from := s.rnd.IntN(len(s.features))
		list = s.features[from : from+1+s.rnd.IntN(len(s.features)-from)]
	case 1: // one
		list = []string{s.pick(s.features)}
	case 2: // any, in any order
		list = slices.Clone(s.features)
		s.rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:1+s.rnd.IntN(len(list))]
	default: // any, again and again
		for range 1 + s.rnd.IntN(2*len(s.features)) {
			list = append(list, s.pick(s.features))
		}
	}
	if p := s.project(list...); p != nil {
		s.projections = append(s.projections, p)
	}
}

func (s *stage) pick(from []string) string { return from[s.rnd.IntN(len(from))] }

// value is one that was never given before, or nil.
func (s *stage) value() string {
	if s.rnd.IntN(4) == 0 {
		return ""
	}
	s.next++
	long := 0
	if s.rnd.IntN(200) == 0 {
		long = 70_000
	} else if s.rnd.IntN(3) == 0 {
		long = s.rnd.IntN(30)
	}
	return fmt.Sprintf("%d%s", s.next, repeat("x", long))
}

// step does one random thing to both.
func (s *stage) step() {
	settle := time.Duration(0)
	if s.rnd.IntN(4) == 0 {
		settle = time.Duration(s.rnd.Int64N(int64(200 * time.Millisecond)))
	}
	until := s.now + Tick((settle+TickLength-1)/TickLength)
	switch n := s.rnd.IntN(1000); {
	case n < 300:
		s.stepFill()
	case n < 700:
		// read only
	case n < 800:
		entity := s.pick(s.entities)
		s.Invalidate([]byte(entity), settle)
		s.entity[entity] = max(s.entity[entity], until)
		delete(s.held, entity)
	case n < 850:
		feature := s.pick(s.features)
		if s.InvalidateFeature([]byte(feature), settle) {
			s.feature[feature] = max(s.feature[feature], until)
		} else {
			// Nobody asked for it, so all that nobody asked for yet is meant.
			s.invalidateUnseen(until)
		}
	case n < 855:
		s.InvalidateAll(settle)
		s.all = max(s.all, until)
		clear(s.held)
	case n < 870:
		s.addProjection()
	case n < 960:
		s.now += Tick(s.rnd.Int64N(3))
	case n < 999:
		s.now += Tick(s.rnd.Int64N(int64(20 * time.Second / TickLength)))
	default:
		s.now += Tick(s.rnd.Int64N(int64(2 * time.Hour / TickLength)))
	}
	s.at(s.now)
}

func (s *stage) invalidateUnseen(until Tick) {
	asked := map[string]bool{}
	for _, p := range s.projections {
		for _, f := range p.Fields {
			asked[f.Name] = true
		}
	}
	for _, f := range s.features {
		if !asked[f] {
			s.feature[f] = max(s.feature[f], until)
		}
	}
}

// stepFill fills what is missing, or anything, as of a tick now or a while ago.
func (s *stage) stepFill() {
	p := s.projections[s.rnd.IntN(len(s.projections))]
	entity := s.pick(s.entities)
	f := s.Lookup([]byte(entity), p, s.now)
	at, _ := f.Missing(nil, p, s.now)
	if len(at) == 0 || s.rnd.IntN(3) == 0 {
		at = at[:0]
		for i := range p.Len() {
			if s.rnd.IntN(2) == 0 {
				at = append(at, int32(i))
			}
		}
	}
	began := s.now
	if s.rnd.IntN(2) == 0 {
		began = max(1, s.now-Tick(s.rnd.Int64N(12)))
	}
	// One reply has one value for one field, however often it names it.
	once := map[string]string{}
	var fields, values []string
	for _, i := range at {
		name := p.Fields[i].Name
		if _, ok := once[name]; !ok {
			once[name] = s.value()
		}
		fields, values = append(fields, name), append(values, once[name])
	}
	frame, ends := frameOf(values, resp.Version(2+s.rnd.IntN(2)))
	s.Fill([]byte(entity), &Fetched{Projection: p, Positions: at, Frame: frame, Ends: ends, Began: began},
		resp.Version(2+s.rnd.IntN(2)))
	clear(frame) // nothing of it may be kept
	s.model.fill(entity, fields, values, began, s.now)
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
		values = append(values, k.value)
	}
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
		k := known{value, found.row.tick(int(found.plan.index[i]))}
		if !ok || !s.filled[offer{entity, f.Name, k}] || !s.mayServe(entity, f.Name, k, s.now) {
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
	rounds(t, 40, func(t *testing.T, seed uint64) {
		s := newStage(t, seed, roomy)
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
		s := newStage(t, seed, tight)
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
