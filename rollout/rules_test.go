package rollout

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
)

func mustRules(t *testing.T, mode config.Mode, rules ...config.Rule) *Rules {
	t.Helper()
	made, err := newRules(mode, rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func newCache(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.New(cache.Config{MaxBytes: 1 << 20, MaxAge: 1, NegativeMaxAge: 1, Shards: 1, MaxRowBytes: 1 << 10, MaxFeatures: 100, MaxProjections: 100, MaxLayouts: 100}, cache.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// An entity is in or out for ever and everywhere: whoever is within one per cent
// is within ten.
func TestAnEntityIsAlwaysInOrOut(t *testing.T) {
	p := intern(t, newCache(t), "f")
	var before map[string]bool
	for _, percent := range []float64{0, 0.1, 1, 10, 50, 99.9, 100} {
		in := map[string]bool{}
		rules := mustRules(t, config.ModeDryRun, config.Rule{Name: "canary", Mode: config.ModeLive, Percent: percent})
		again := mustRules(t, config.ModeDryRun, config.Rule{Name: "canary", Features: []string{"*"}, Mode: config.ModeLive, Percent: percent})
		for i := range 20000 {
			entity := fmt.Sprint("st_", i)
			mode, _ := rules.Decide(p, []byte(entity))
			if other, _ := again.Decide(p, []byte(entity)); other != mode {
				t.Fatalf("%s is under mode %d in one process and %d in another", entity, mode, other)
			}
			if in[entity] = mode == Live; before[entity] && !in[entity] {
				t.Fatalf("%s is out at %v %%, and was in at less", entity, percent)
			}
		}
		n := 0.0
		for _, is := range in {
			if is {
				n++
			}
		}
		want := 20000 * percent / 100
		if deviation := math.Sqrt(want * (1 - percent/100)); math.Abs(n-want) > 5*deviation {
			t.Errorf("%v of 20000 entities are within %v %%", n, percent)
		}
		before = in
	}
}

// The hash is part of what is promised: another one would move every entity.
func TestWhereAnEntityStandsNeverChanges(t *testing.T) {
	for entity, want := range map[string]uint64{"": 0xef46db37, "st_1426727": 0x96fd00d7} {
		if got := entityShare([]byte(entity)); got != want {
			t.Errorf("%q stands at %#x, want %#x", entity, got, want)
		}
	}
}

func TestTheFirstRuleThatTakesAReadDecides(t *testing.T) {
	rules := mustRules(t, config.ModeLive,
		config.Rule{Name: "never", Entities: []string{"secret/*"}, Mode: config.ModeOff, Percent: 100},
		config.Rule{Name: "stores", Features: []string{"saf_*"}, Entities: []string{"st_*"}, Mode: config.ModeLive, Percent: 100, Verify: 50},
		config.Rule{Name: "watch", Features: []string{"saf_*", "daf_*"}, Mode: config.ModeDryRun, Percent: 100},
		config.Rule{Name: "late", Features: []string{"saf_*"}, Mode: config.ModeLive, Percent: 100},
		config.Rule{Name: "rest", Mode: config.ModeOff, Percent: 100},
	)
	c := newCache(t)
	for _, test := range []struct {
		fields []string
		entity string
		mode   Mode
		verify uint64
	}{
		{[]string{"saf_a"}, "st_1", Live, wholeShare / 2},
		{[]string{"saf_a"}, "co_1", DryRun, 0},
		{[]string{"daf_a"}, "st_1", DryRun, 0},
		{[]string{"other"}, "st_1", Off, 0},
		{[]string{"saf_a"}, "secret/1", Off, 0},
		// The most careful of a projection's features holds for all of it.
		{[]string{"saf_a", "daf_a"}, "st_1", DryRun, wholeShare / 2},
		{[]string{"saf_a", "daf_a", "other"}, "st_1", Off, wholeShare / 2},
	} {
		p := intern(t, c, test.fields...)
		for range 2 { // worked out, and remembered
			if mode, verify := rules.Decide(p, []byte(test.entity)); mode != test.mode || mode == Live && verify != test.verify {
				t.Errorf("%v of %s: mode %d, verify %d, want %d, %d", test.fields, test.entity, mode, verify, test.mode, test.verify)
			}
		}
	}
	for field, want := range map[string]string{"saf_a": "never, stores, watch", "other": "never, rest"} {
		if got := rules.RuleOf(field); got != want {
			t.Errorf("%s is under %q, want %q", field, got, want)
		}
	}
}

// Whoever has to stop fsproxy needs to know no rule.
func TestModeOffStopsWhateverTheRulesSay(t *testing.T) {
	p := intern(t, newCache(t), "f")
	r := Fixed(config.ModeLive)
	live := config.Rule{Name: "live", Mode: config.ModeLive, Percent: 100}
	if err := r.SetRules(config.ModeDryRun, []config.Rule{live}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		mode config.Mode
		want Mode
	}{{config.ModeDryRun, Live}, {config.ModeOff, Off}, {config.ModeLive, Live}} {
		if err := r.SetMode(step.mode); err != nil {
			t.Fatal(err)
		}
		if mode, _ := r.Rules().Decide(p, []byte("e")); mode != step.want || r.Rules().Off() != (step.want == Off) {
			t.Errorf("mode %s: %d, want %d", step.mode, mode, step.want)
		}
		if got := r.Rules().List()[0]; got.Mode != config.ModeLive {
			t.Errorf("mode %s changed the rule's to %s", step.mode, got.Mode)
		}
	}
}

// Other rules hold for a projection that was asked for before, too.
func TestRulesThatChangeHoldForKnownProjections(t *testing.T) {
	p := intern(t, newCache(t), "f")
	r := Fixed(config.ModeLive)
	mode := func() Mode { m, _ := r.Rules().Decide(p, []byte("e")); return m }
	if mode() != Live || !r.Rules().Plain() {
		t.Fatal("not live")
	}
	if err := r.SetMode(config.ModeOff); err != nil || mode() != Off || !r.Rules().Off() {
		t.Errorf("mode %d, %v, want off", mode(), err)
	}
	if err := r.SetRules(config.ModeLive, []config.Rule{{Name: "a", Mode: config.ModeDryRun, Percent: 100}}); err != nil || mode() != DryRun {
		t.Errorf("mode %d, %v, want dry-run", mode(), err)
	}
	for name, bad := range map[string]config.Rule{
		"features": {Name: "b", Features: []string{"["}, Mode: config.ModeLive, Percent: 100},
		"entities": {Name: "b", Entities: []string{"["}, Mode: config.ModeLive, Percent: 100},
	} {
		if err := r.SetRules(config.ModeLive, []config.Rule{bad}); err == nil || mode() != DryRun || r.Mode() != config.ModeLive {
			t.Errorf("a bad pattern of %s: %v, mode %d", name, err, mode())
		}
	}
	if err := r.SetMode("fast"); err == nil {
		t.Error("an unknown mode is taken")
	}
	// The mode is the default rule's, and leaves the others alone.
	if err := r.SetMode(config.ModeLive); err != nil || mode() != DryRun || len(r.Rules().List()) != 2 {
		t.Errorf("mode %d, %v", mode(), err)
	}
}

// A read that no rule depends on the entity of costs a comparison.
func TestDecidingAllocatesNothing(t *testing.T) {
	p := intern(t, newCache(t), "f", "g")
	entity := []byte("st_1426727")
	for name, rules := range map[string]*Rules{
		"all":        mustRules(t, config.ModeLive, config.Rule{Name: "a", Features: []string{"f"}, Mode: config.ModeLive, Percent: 100, Verify: 1}),
		"percentage": mustRules(t, config.ModeDryRun, config.Rule{Name: "a", Mode: config.ModeLive, Percent: 50}),
		"entities":   mustRules(t, config.ModeDryRun, config.Rule{Name: "a", Entities: []string{"st_*"}, Mode: config.ModeLive, Percent: 100}),
	} {
		rules.Decide(p, entity)
		if n := testing.AllocsPerRun(100, func() { rules.Decide(p, entity) }); n > 1 || n > 0 && name != "entities" {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	c, err := cache.New(cache.Config{MaxBytes: 1 << 20, MaxAge: 1, NegativeMaxAge: 1, Shards: 1, MaxRowBytes: 1 << 10, MaxFeatures: 100, MaxProjections: 100, MaxLayouts: 100}, cache.NewClock())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	p := c.Projection([]byte("$1\r\nf\r\n"), [][]byte{[]byte("f")})
	for name, rule := range map[string]config.Rule{
		"all":        {Name: "a", Mode: config.ModeLive, Percent: 100, Verify: 1},
		"percentage": {Name: "a", Mode: config.ModeLive, Percent: 50},
		"entities":   {Name: "a", Entities: []string{"st_*"}, Mode: config.ModeLive, Percent: 100},
	} {
		rules, err := newRules(config.ModeDryRun, []config.Rule{rule}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rules.Decide(p, []byte("st_1426727"))
			}
		})
	}
}

func TestTheRuleOfAnEntitysFeatureIsTheOneThatDecides(t *testing.T) {
	rules := mustRules(t, config.ModeDryRun,
		config.Rule{Name: "never", Features: []string{"g"}, Mode: config.ModeOff, Percent: 100},
		config.Rule{Name: "canary", Entities: []string{"st_*"}, Mode: config.ModeLive, Percent: 10})
	c := newCache(t)
	f, g, seen := intern(t, c, "f"), intern(t, c, "g"), map[string]bool{}
	for i := range 1000 {
		entity := []byte(fmt.Sprint("st_", i))
		for field, p := range map[string]*cache.Projection{"f": f, "g": g} {
			name, mode := rules.Of(field, entity)
			if decided, _ := rules.Decide(p, entity); decided != modeOf(mode) {
				t.Fatalf("%s of %s is under %s, mode %s, and mode %d is decided", field, entity, name, mode, decided)
			}
			seen[field+" "+name] = true
		}
	}
	if len(seen) != 3 || !seen["f canary"] || !seen["f default"] || !seen["g never"] {
		t.Errorf("%v", seen)
	}
}

// Edits follow each other, and one that fails leaves all as it was.
func TestAnEditOfRulesIsWholeOrNothing(t *testing.T) {
	r, err := New(Config{Mode: config.ModeOff, Options: config.Rollout{Rules: []config.Rule{{Name: "a", Mode: config.ModeLive, Percent: 0}}}})
	if err != nil {
		t.Fatal(err)
	}
	const edits = 50
	var wg sync.WaitGroup
	for range edits {
		wg.Go(func() {
			if err := r.Edit(func(list []config.Rule) ([]config.Rule, error) {
				list[0].Percent++
				return list, nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	before := r.Rules()
	if got := before.List()[0].Percent; got != edits {
		t.Errorf("%v edits have taken effect", got)
	}
	refused := errors.New("refused")
	for _, fail := range []func(list []config.Rule) ([]config.Rule, error){
		func(list []config.Rule) ([]config.Rule, error) {
			list[0].Percent = 1
			return list, refused
		},
		func(list []config.Rule) ([]config.Rule, error) {
			list[0].Features = []string{"["}
			return list, nil
		},
	} {
		if r.Edit(fail) == nil || r.Rules() != before || before.List()[0].Percent != edits {
			t.Errorf("after an edit that failed: %+v", r.Rules().List())
		}
	}
}
