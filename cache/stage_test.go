package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

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
	version     int64
	revalidated int // reads that stale values may answer
	onError     int
	put         int  // values that records put in place
	exact       bool // the cache has room for all that the model has
	decodes     bool // projections are in views of both kinds, and every value is other bytes decoded
}

// newStage projects random lists of fields: overlapping, permuted, with repeats.
func newStage(t *testing.T, seed uint64, cfg Config, exact bool) *stage {
	s := &stage{rnd: rand.New(rand.NewPCG(seed, 1)), now: 1, exact: exact}
	s.entities = []string{"st_1", "st_2", "", "cx\r\n\x00\xff", repeat("long", 100)}
	if s.rnd.IntN(2) == 0 {
		s.features = names([]int{3, 12, 70, 150}[s.rnd.IntN(4)])
	} else {
		s.features = append(names(1+s.rnd.IntN(40)), "", "a/b", "_ts:x", "_ts:x/y", "\xff\x00")
	}
	cfg.NeverCache = []string{"_ts:*"}
	if s.decodes = seed%3 == 0; s.decodes {
		cfg.Decodes = true
		cfg.Policy = func(string) Policy {
			return Policy{
				MaxAge: cfg.MaxAge, NegativeMaxAge: cfg.NegativeMaxAge, StaleIfError: cfg.StaleIfError, Keep: true,
				Definition: &feature.Definition{Form: wrapped},
			}
		}
	}
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
	for _, f := range s.features {
		if s.decodes && s.exact { // every fill makes both forms, as the model has it
			s.intern(View{}, f)
			s.intern(decodedView, f)
		}
	}
	for range 1 + s.rnd.IntN(12) {
		s.addProjection()
	}
	return s
}

// wrapped is how the store holds values on a stage that decodes.
var wrapped = codec.Form{Type: codec.String, Encoding: codec.Protobuf}

// stored is a value as the store holds it; empty: nil.
func (s *stage) stored(value string) string {
	if !s.decodes || value == "" {
		return value
	}
	stored, err := wrapped.Encode(nil, []byte(value))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(stored)
}

// seen is a value as a projection has it.
func (s *stage) seen(p *Projection, value string) string {
	if p.View.Decoded {
		return value
	}
	return s.stored(value)
}

func (s *stage) intern(view View, names ...string) {
	if p := s.projectIn(view, names...); p != nil {
		s.projections = append(s.projections, p)
		s.interned(p)
	}
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
	s.intern(View{Decoded: s.decodes && s.rnd.IntN(2) == 0}, list...)
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
	case n < 550:
		// read only
	case n < 600:
		entity := s.pick(s.entities)
		s.Invalidate([]byte(entity), settle)
		s.entity[entity] = max(s.entity[entity], until)
		delete(s.held, entity)
	case n < 700:
		s.stepUpdate(settle, until)
	case n < 800:
		s.stepApply(settle, until)
	case n < 830:
		c := s.cover()
		s.Mark(c)
		s.endAll(c, ended{s.now, true})
	case n < 840:
		c := s.cover()
		s.Forget(c, settle)
		s.endAll(c, ended{until, false})
	case n < 845:
		s.InvalidateAll(settle)
		s.endAll(cover("*"), ended{until, false})
		clear(s.held)
	case n < 855:
		c := s.cover()
		s.suspended[s.Suspend(c)] = c
	case n < 870:
		for suspension, c := range s.suspended { // any
			delete(s.suspended, suspension)
			if s.rnd.IntN(2) == 0 {
				suspension.Lift(settle)
				s.lifted(c, until)
				break
			}
			suspension.Resume(settle)
			s.endAll(c, ended{until, false})
			break
		}
	case n < 885:
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

// cover is one of a few names, or of a pattern.
func (s *stage) cover() *feature.Cover {
	switch s.rnd.IntN(6) {
	case 0:
		return cover("*")
	case 1:
		return cover(fmt.Sprint(s.rnd.IntN(10), "*"), s.pick(s.features))
	case 2:
		return cover(s.pick(s.features), s.pick(s.features))
	}
	return cover(s.pick(s.features))
}

func (s *stage) endAll(c *feature.Cover, e ended) {
	for _, f := range s.features {
		if c.Has(f) {
			s.end(f, e)
		}
	}
}

// lifted has nothing kept of c that is fetched until then, and forgets nothing.
func (s *stage) lifted(c *feature.Cover, until Tick) {
	for _, f := range s.features {
		if _, asked := s.feature[f]; !c.Has(f) {
			continue
		} else if !asked {
			s.end(f, ended{until, false})
		} else {
			s.unkept[f] = max(s.unkept[f], until)
		}
	}
}

// interned takes over from the cache since when values of new features may be
// served: not too early, and without need not later than now.
func (s *stage) interned(p *Projection) {
	for _, f := range p.Fields {
		if _, ok := s.feature[f.Name]; ok {
			continue
		}
		gone := f.past.Load().gone
		if gone < s.pending[f.Name] || gone > max(s.pending[f.Name], s.now-1) {
			s.t.Fatalf("%q is born at %d, invalidated until %d, now %d", f.Name, gone, s.pending[f.Name], s.now)
		}
		if s.isSuspended(f.Name) != f.suspended() {
			s.t.Fatalf("%q is born suspended: %v", f.Name, f.suspended())
		}
		s.feature[f.Name] = []ended{{gone, false}}
	}
}

func (s *stage) slotOf(entity string) func(feature string) *fieldUpdates {
	return func(feature string) *fieldUpdates { return s.updates.field(s.hash(entity), s.hash(feature)) }
}

// someFeatures are up to three, each once.
func (s *stage) someFeatures() []string {
	some := make([]string, 1+s.rnd.IntN(3))
	for i := range some {
		some[i] = s.pick(s.features)
	}
	slices.Sort(some)
	return slices.Compact(some)
}

func (s *stage) stepUpdate(settle time.Duration, until Tick) {
	entity, list := s.pick(s.entities), s.someFeatures()
	var names [][]byte
	row := s.usable(entity, s.now)
	before := len(row)
	for _, f := range list {
		names = append(names, []byte(f))
		slot := s.slotOf(entity)(f)
		c := s.slots[slot]
		s.slots[slot] = change{max(c.until, until), max(c.unversioned, until), c.version}
		delete(s.applied, pair{entity, f})
		s.model.updated[pair{entity, f}] = max(s.model.updated[pair{entity, f}], until)
		delete(row, f)
	}
	s.Update([]byte(entity), names, settle)
	s.replace(entity, row, len(row) < before)
}

func (s *stage) replace(entity string, row map[string]known, changed bool) {
	if !changed {
		return
	}
	s.held[entity] = row
	if len(row) == 0 {
		delete(s.held, entity)
	}
}

func (s *stage) stepApply(settle time.Duration, until Tick) {
	entity, list := s.pick(s.entities), s.someFeatures()
	lag := time.Duration(s.rnd.Int64N(int64(100 * time.Millisecond)))
	began := s.now - HoldTicks(lag)
	version := s.rnd.Int64N(3)
	if s.rnd.IntN(2) == 0 {
		s.version++
		version = s.version - s.rnd.Int64N(3) // now and then late, or once more
	}
	version = max(version, 0)
	row := s.usable(entity, s.now)
	changed, applied := false, 0
	var values []Value
	newest := map[string]bool{}
	for _, f := range list {
		slot := s.slotOf(entity)(f)
		c := s.slots[slot]
		newest[f] = version > c.version
		if version == 0 {
			c.unversioned = max(c.unversioned, until)
		}
		s.slots[slot] = change{max(c.until, until), c.unversioned, max(c.version, version)}
	}
	for _, f := range list {
		text := s.value()
		values = append(values, Value{Feature: []byte(f), Bytes: []byte(s.stored(text)), Nil: text == ""})
		delete(s.applied, pair{entity, f})
		s.model.updated[pair{entity, f}] = max(s.model.updated[pair{entity, f}], until)
		k := known{text, began}
		dead := slices.ContainsFunc(s.feature[f], func(e ended) bool { return began <= e.until })
		admitted := newest[f] && !dead && began > s.unkept[f] && began > s.entity[entity] && began > s.slots[s.slotOf(entity)(f)].unversioned
		if admitted {
			s.filled[offer{entity, f, k}] = true
			s.applied[pair{entity, f}] = k
		}
		old, ok := row[f]
		if !ok {
			continue
		}
		changed = true
		delete(row, f)
		if admitted && s.mayServe(entity, f, old, s.now) {
			row[f] = k
			applied++
		}
	}
	got := s.Apply([]byte(entity), values, version, settle, lag)
	for _, v := range values {
		clear(v.Feature)
		clear(v.Bytes)
	}
	s.put += got
	s.replace(entity, row, changed)
	if s.exact && got != applied {
		s.t.Fatalf("%d of %d values put in place, want %d", got, len(values), applied)
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
	if len(at) == 0 {
		return
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
	var stored []string
	for _, value := range values {
		stored = append(stored, s.stored(value))
	}
	frame, ends := frameOf(stored, resp.Version(2+s.rnd.IntN(2)))
	s.Fill([]byte(entity), &Fetched{Projection: p, Positions: at, Frame: frame, Ends: ends, Began: began},
		resp.Version(2+s.rnd.IntN(2)))
	clear(frame) // nothing of it may be kept
	s.model.fill(s.slotOf(entity), entity, fields, values, began, s.now)
}
