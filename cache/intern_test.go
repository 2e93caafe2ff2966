package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func TestOneIdentityForOneProjection(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b", "a")
	if r.mustProject("a", "b", "a") != p || r.mustProject("b", "a", "a") == p {
		t.Fatal("a projection is its exact list of fields")
	}
	if p.Header != "*3\r\n" || p.Wire != "$1\r\na\r\n$1\r\nb\r\n$1\r\na\r\n" || p.Len() != 3 ||
		p.Fields[0] != p.Fields[2] || p.Fields[1].Wire() != "$1\r\nb\r\n" {
		t.Fatalf("%q %q %d", p.Header, p.Wire, p.Len())
	}
	got := r.Size()
	if got.Features != 2 || got.Projections != 2 || got.Layouts != 1 {
		t.Fatalf("%+v", got)
	}
}

func TestNothingOfTheRequestIsKept(t *testing.T) {
	r := newRig(t, roomy)
	wire, field := []byte("$1\r\na\r\n"), []byte("a")
	p := r.Projection(wire, [][]byte{field})
	clear(wire)
	clear(field)
	if p.Wire != "$1\r\na\r\n" || p.Fields[0].Name != "a" || r.mustProject("a") != p {
		t.Fatalf("%q %q", p.Wire, p.Fields[0].Name)
	}
	entity := []byte("e1")
	frame, ends := frameOf([]string{"x"}, 2)
	r.Fill(entity, &Fetched{Projection: p, Positions: []int32{0}, Frame: frame, Ends: ends, Began: 1}, 2)
	clear(entity)
	clear(frame)
	r.want("e1", p, 1, "x")
}

func TestPastABoundProjectionsAreRefusedAndCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		bound func(*Config)
		want  Interned
	}{
		"projections": {func(c *Config) { c.MaxProjections = 2 }, Interned{Features: 4, Projections: 2, Layouts: 2}},
		"layouts":     {func(c *Config) { c.MaxLayouts = 2 }, Interned{Features: 4, Projections: 3, Layouts: 2}},
		"features":    {func(c *Config) { c.MaxFeatures = 5 }, Interned{Features: 4, Projections: 3, Layouts: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := roomy
			tt.bound(&cfg)
			r := newRig(t, cfg)
			first := r.mustProject("a", "b")
			r.mustProject("c", "d")
			r.project("b", "a") // the layout of the first
			refused := r.Refused.Load()
			for range 3 {
				if r.project("e", "f") != nil {
					t.Fatal("not refused")
				}
			}
			got := r.Size()
			if got.Features != tt.want.Features || got.Projections != tt.want.Projections || got.Layouts != tt.want.Layouts {
				t.Fatalf("interned %+v, want %+v", got, tt.want)
			}
			if n := r.Refused.Load(); n != refused+3 {
				t.Fatalf("%d refusals counted, want %d", n, refused+3)
			}
			if r.mustProject("a", "b") != first {
				t.Fatal("what was known is lost")
			}
		})
	}
}

func TestProjectionsOfTooManyFeaturesAreRefused(t *testing.T) {
	r := newRig(t, roomy)
	all := names(maxLayoutFeatures + 1)
	if p := r.mustProject(all[:maxLayoutFeatures]...); len(p.own.layout.features) != maxLayoutFeatures {
		t.Fatal("not all have a place")
	}
	if r.project(all...) != nil || r.Refused.Load() != 1 {
		t.Fatal("a projection too wide for any row was not refused")
	}
}

// TestInternedBytesAreBounded plays a client that sends names as long as it may.
func TestInternedBytesAreBounded(t *testing.T) {
	for _, long := range []int{10, 100, 100_000} {
		cfg := roomy
		cfg.MaxBytes = 64 << 20
		cfg.MaxFeatures, cfg.MaxProjections, cfg.MaxLayouts = 1<<24, 1<<24, 1<<24
		r := newRig(t, cfg)
		before := heap()
		n := 0
		for r.Refused.Load() == 0 {
			n++
			prefix := repeat("x", long)
			list := make([]string, 1+n%7)
			for i := range list {
				list[i] = fmt.Sprint(prefix, n, "-", i)
			}
			r.project(list...)
		}
		grown := heap() - before
		bound := cfg.MaxBytes / 8
		if got := r.Size().Bytes; got > bound || got < bound*9/10 {
			t.Errorf("names of %d: refused at %d bytes of %d", long, got, bound)
		}
		if float64(grown) > 1.2*float64(bound) || float64(grown) < 0.5*float64(bound) {
			t.Errorf("names of %d: the heap grew by %d bytes, %d were counted", long, grown, r.Size().Bytes)
		}
		runtime.KeepAlive(r)
	}
}

func TestNeverCachedFeaturesAreFetchedEachTime(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		never         bool
	}{
		{"_ts:*", "_ts:driver", true},
		{"_ts:*", "_ts:", true},
		{"_ts:*", "_ts:a/b", true}, // a name is no path
		{"_ts:*", "x_ts:driver", false},
		{"_ts:*", "_ts", false},
		{"", "", true},
		{"", "a", false},
		{"a/?", "a/b", true},
		{"a/?", "a/bc", false},
		{"[0-9]*", "7x", true},
		{"[0-9]*", "x7", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
	} {
		cfg := roomy
		cfg.NeverCache = []string{"other", tt.pattern}
		r := newRig(t, cfg)
		p := r.mustProject("kept", tt.name)
		r.fillAll("e", p, 1, "1", "2")
		r.fillAll("e", p, 1, "1", "2")
		f := r.Lookup([]byte("e"), p, 1)
		missing, _ := f.Missing(nil, p, 1)
		if never := slices.Equal(missing, []int32{1}); never != tt.never || f.Complete == tt.never {
			t.Errorf("%q, pattern %q: missing %v", tt.name, tt.pattern, missing)
		}
		r.want("e", r.mustProject("kept"), 1, "1")
	}
}

func TestAPatternThatCannotBeReadIsAnError(t *testing.T) {
	cfg := roomy
	cfg.NeverCache = []string{"a", "[a-"}
	if _, err := New(cfg, NewClock()); err == nil {
		t.Fatal("a pattern that excludes nothing although it was meant to")
	}
}

func TestAFillOfNothingToKeepLeavesTheRowAlone(t *testing.T) {
	cfg := roomy
	cfg.NeverCache = []string{"never"}
	r := newRig(t, cfg)
	p := r.mustProject("a", "never")
	r.fillAll("e", p, 5, "1", "x")
	before := r.Lookup([]byte("e"), p, 5).row
	r.at(6)
	r.fill("e", p, 6, []int32{1}, "y")
	if after := r.Lookup([]byte("e"), p, 6).row; after.bytes()[0] != before.bytes()[0] || &after.bytes()[0] != &before.bytes()[0] {
		t.Fatal("the row was rebuilt for nothing")
	}
}

func TestRowsGrowToWhatIsAskedOfThem(t *testing.T) {
	r := newRig(t, roomy)
	ab, bc, ca := r.mustProject("a", "b"), r.mustProject("b", "c"), r.mustProject("c", "a")
	r.fillAll("e", ab, 1, "1", "2")
	r.fill("e", bc, 1, []int32{1}, "3")
	r.want("e", ab, 1, "1", "2")
	r.want("e", bc, 1, "2", "3")
	r.want("e", ca, 1, "3", "1")
	if s := r.Stats(); s.Rows != 1 || s.Fields != 3 || s.Fills != 2 {
		t.Fatalf("%+v", s)
	}
	// Another entity on the same way takes the same layout.
	layouts := r.Size().Layouts
	r.fillAll("e2", bc, 1, "2", "3")
	r.fillAll("e2", ab, 1, "1", "2")
	r.want("e2", ca, 1, "3", "1")
	if n := r.Size().Layouts; n != layouts {
		t.Fatalf("%d layouts, %d before", n, layouts)
	}
}

func TestWhatIsAskedOfAllDoesNotWidenTheRowsOfAll(t *testing.T) {
	r := newRig(t, roomy)
	hub := r.mustProject("ts")
	for kind, first := range names(20) {
		p := r.mustProject(first, first+"x", first+"y")
		for i := range 10 {
			entity := fmt.Sprint(kind, "-", i)
			if i%2 == 0 {
				r.fillAll(entity, hub, 1, "0")
				r.fillAll(entity, p, 1, "1", "2", "3")
			} else {
				r.fillAll(entity, p, 1, "1", "2", "3")
				r.fillAll(entity, hub, 1, "0")
			}
			if w := r.Lookup([]byte(entity), p, 1).row.width(); w != 4 {
				t.Fatalf("entity %s: a row of %d positions holds 4 values", entity, w)
			}
		}
	}
}

// TestLayoutsAreLinearInProjections has entities asked in any order for what
// many projections name, some of it one by one.
func TestLayoutsAreLinearInProjections(t *testing.T) {
	for name, lists := range map[string]func(*rand.Rand) [][]string{
		"100 of one field": func(*rand.Rand) (lists [][]string) {
			for _, f := range names(100) {
				lists = append(lists, []string{f})
			}
			return lists
		},
		"40 overlapping": func(rnd *rand.Rand) (lists [][]string) {
			for range 40 {
				all := names(200)
				rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				lists = append(lists, all[:20+rnd.IntN(40)])
			}
			return lists
		},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 5))
			r := newRig(t, roomy)
			var all []*Projection
			for _, list := range lists(rnd) {
				all = append(all, r.mustProject(list...))
			}
			for e := range 400 {
				entity := fmt.Sprint("e", e)
				for range 1 + rnd.IntN(len(all)) {
					p := all[rnd.IntN(len(all))]
					values := make([]string, p.Len())
					for i, f := range p.Fields {
						values[i] = f.Name
					}
					r.fillAll(entity, p, 1, values...)
					r.want(entity, p, 1, values...)
				}
			}
			size := r.Size()
			if want := (2 + maxMerges) * len(all); size.Layouts > want || r.Replaced.Load() > 0 {
				t.Errorf("%d layouts of %d projections, want %d at most; %d rows replaced", size.Layouts, len(all), want, r.Replaced.Load())
			}
			longest := 0
			for _, l := range *r.layouts.Load() {
				n := 1
				for ; l.grown.Load() != nil; l = l.grown.Load() {
					n++
				}
				longest = max(longest, n)
			}
			if longest > 2*(maxMerges+2) {
				t.Errorf("a line of %d layouts", longest)
			}
			t.Logf("%d projections: %+v, longest line %d", len(all), size, longest)
		})
	}
}

func TestPastTheBoundOfLayoutsRowsAreReplacedNotGrown(t *testing.T) {
	cfg := roomy
	cfg.MaxLayouts = 2
	r := newRig(t, cfg)
	a, b := r.mustProject("a"), r.mustProject("b")
	r.fillAll("e", a, 1, "1")
	r.fillAll("e", b, 1, "2")
	r.want("e", b, 1, "2")
	r.want("e", a, 1)
	if s := r.Stats(); r.Replaced.Load() != 1 || s.Rows != 1 || s.Fields != 1 {
		t.Fatalf("%d replaced, %+v", r.Replaced.Load(), s)
	}
}

// TestTooMuchForOneRowTogetherIsStillKeptApart has more features in one line of
// growth than a row may have.
func TestTooMuchForOneRowTogetherIsStillKeptApart(t *testing.T) {
	r := newRig(t, roomy)
	all := names(3 * 900)
	hub := r.mustProject("ts")
	for i := range 3 {
		p := r.mustProject(all[900*i : 900*i+900]...)
		entity := fmt.Sprint("e", i)
		r.fillAll(entity, hub, 1, "0")
		r.fillAll(entity, p, 1, all[900*i:900*i+900]...)
		r.want(entity, hub, 1, "0")
		r.want(entity, p, 1, all[900*i:900*i+900]...)
	}
	parts := []*Projection{r.mustProject(all[:900]...), r.mustProject(all[900:1800]...), r.mustProject(all[1800:]...)}
	for i, p := range parts {
		r.fillAll("e", p, 1, all[900*i:900*i+900]...)
		r.want("e", p, 1, all[900*i:900*i+900]...)
	}
	r.want("e", parts[0], 1)
	if r.Replaced.Load() != 1 {
		t.Fatalf("%d rows replaced", r.Replaced.Load())
	}
}

func TestPlansPastTheirBoundAreRightAndKeptWhileLastUsed(t *testing.T) {
	r := newRig(t, roomy)
	a, b := r.mustProject("a", "b"), r.mustProject("c")
	r.fillAll("e", a, 1, "1", "2")
	r.plans = maxPlans
	r.fillAll("e", b, 1, "3")
	r.want("e", a, 1, "1", "2")
	if n := r.Size().Plans; n != maxPlans {
		t.Fatalf("%d plans", n)
	}
	if n := testing.AllocsPerRun(100, func() { r.Lookup([]byte("e"), a, 1) }); n != 0 {
		t.Fatalf("%v allocations a lookup", n)
	}
}

func TestNegativesOfAFieldAskedTwiceCountTwice(t *testing.T) {
	r := newRig(t, roomy)
	p := r.mustProject("a", "b", "a")
	r.fillAll("e", p, 1, "", "1", "")
	if f := r.Lookup([]byte("e"), p, 1); f.Negatives != 2 {
		t.Fatalf("%d negatives", f.Negatives)
	}
	r.want("e", p, 1, "", "1", "")
	b := r.mustProject("b", "b")
	if f := r.Lookup([]byte("e"), b, 1); f.Negatives != 0 {
		t.Fatalf("%d negatives of another field", f.Negatives)
	}
}
