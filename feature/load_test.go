package feature

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature/codec"
)

const example = `
scheme: xxhash32
defaults:
  max_age: 1h
  source: batch
groups:
  store:
    max_age: 26h
    stale_if_error: 10m
  live: {source: realtime, max_age: 5m, negative_max_age: 30s}
features:
  - name: daf_cs_p6m_consumer2vec_emb
    type: embedding
    dimension: 4
    group: store
    default: 0
  - {name: daf_orders_7d, type: int, group: live, default: 0}
  - {name: daf_eta, type: float, max_age: 90s, stale_if_error: 0s, default: -1.50}
  - {name: recent, type: int_list, default: []}
  - {name: zone, type: string, encoding: snappy, default: 12}
  - {name: secret, type: bytes, cacheable: false}
`

func parsed(t *testing.T, content string) *Catalogue {
	t.Helper()
	catalogue, err := Parse("features.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func TestAFeatureHasItsOwnSettingsThenItsGroupsThenTheDefaults(t *testing.T) {
	c := parsed(t, example)
	for name, want := range map[string]Policy{
		"daf_cs_p6m_consumer2vec_emb": {Batch, true, 26 * time.Hour, 0, 10 * time.Minute, HoldAsStored},
		"daf_orders_7d":               {Realtime, true, 5 * time.Minute, 30 * time.Second, 0, HoldAsStored},
		"daf_eta":                     {Batch, true, 90 * time.Second, 0, -1, HoldAsStored},
		"secret":                      {Batch, false, time.Hour, 0, 0, HoldAsStored},
		"not listed":                  {Batch, true, time.Hour, 0, 0, HoldAsStored},
	} {
		if got := c.Policy(ID(name)); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if got := c.Group("store"); len(got) != 1 || got[0].Name != "daf_cs_p6m_consumer2vec_emb" {
		t.Errorf("the group store has %v", got)
	}
	if got := strings.Join(c.Groups(), " "); got != "live store" {
		t.Errorf("groups %q", got)
	}
}

func TestAFeatureIsFoundByFieldAndByName(t *testing.T) {
	c := parsed(t, example)
	d := c.Lookup("3842923820")
	if d == nil || d != c.Feature("daf_cs_p6m_consumer2vec_emb") || d.Type != codec.Embedding || d.Dimension != 4 {
		t.Fatalf("got %+v", d)
	}
	if name, ok := c.Name("3842923820"); !ok || name != d.Name || c.Field(name) != d.Field {
		t.Errorf("name %q, %v", name, ok)
	}
	if _, ok := c.Name("1"); ok || c.Lookup("1") != nil || c.Feature("x") != nil {
		t.Error("a feature that is not listed was found")
	}
	if c.Len() != 6 || c.Features()[1].Name != "daf_orders_7d" {
		t.Error("features are not in the order of the file")
	}
}

func TestEncodingsThatAreNotNamedAreThoseOfThePublishedStore(t *testing.T) {
	c := parsed(t, example)
	for name, want := range map[string]codec.Encoding{
		"daf_cs_p6m_consumer2vec_emb": codec.Protobuf, "daf_eta": codec.Text, "recent": codec.SnappyProtobuf, "secret": codec.Raw, "zone": codec.Snappy,
	} {
		if got := c.Feature(name).Encoding; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestDefaultsAreDecodedByType(t *testing.T) {
	c := parsed(t, example)
	for name, want := range map[string]string{
		"daf_cs_p6m_consumer2vec_emb": strings.Repeat("\x00", 16), "daf_orders_7d": "0", "daf_eta": "-1.5", "recent": "", "zone": "12",
	} {
		if got := c.Feature(name).Default; got == nil || string(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := c.Feature("secret").Default; got != nil {
		t.Errorf("a default out of nothing: %q", got)
	}
	nan := parsed(t, "features: [{name: a, type: embedding, dimension: 1, default: [0.5]}, {name: b, type: float, default: .nan}, {name: c, type: float, default: -.inf}, {name: d, type: string, default: 2026-01-02}, {name: e, type: float, default: null}]")
	if got := nan.Feature("a").Default; math.Float32frombits(binary.LittleEndian.Uint32(got)) != 0.5 {
		t.Errorf("a: %x", got)
	}
	for name, want := range map[string]string{"b": "nan", "c": "-inf", "d": "2026-01-02"} {
		if got := string(nan.Feature(name).Default); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if nan.Feature("e").Default != nil {
		t.Error("null became a default")
	}
}

func TestOfWhatIsNoFeatureNothingElseIsSaid(t *testing.T) {
	catalogue, problems := parse("f.yaml", []byte("features:\n- a\n-\n- [b]\n- {name: c, type: int}\n"))
	if len(problems) != 3 || catalogue.Len() != 1 {
		t.Errorf("%d features, problems %v", catalogue.Len(), problems)
	}
}

func TestEveryProblemIsToldWithLineFeatureAndFix(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"", "features.yaml: holds no catalogue; "},
		{"\tx", "features.yaml: is no YAML"},
		{"- a", "features.yaml:1: the catalogue is no mapping; "},
		{"scheme: xxhash23", `features.yaml:1: scheme "xxhash23" is unknown; did you mean xxhash32?`},
		{"schema: name", `features.yaml:1: "schema" is unknown in the catalogue; did you mean scheme?`},
		{"scheme: name\nscheme: name", `features.yaml:2: "scheme" stands twice in the catalogue, first in line 1; `},
		{"a: 1\n---\nb: 1", "features.yaml: holds more than one YAML document; "},
		{"features: {}", "features.yaml:1: features is no list; "},
		{"features:\n- a", "features.yaml:2: a feature is no mapping; "},
		{"features:\n- type: int", "features.yaml:2: a feature has no name; "},
		{"features:\n- name: a\n- name: b\n  type: int", "features.yaml:2: feature a: has no type; accepted: float, "},
		{"features:\n- {type: int, name: a, dimension: x}", `features.yaml:2: feature a: dimension "x" is no whole number`},
		{"features:\n- {name: a, type: embedding}", "features.yaml:2: feature a: an embedding needs its dimension; "},
		{"features:\n- {name: a, type: int, max_age: 5}", `features.yaml:2: feature a: max_age "5" is no duration from 1ms to 720h0m0s; write it with its unit`},
		{"features:\n- {name: a, type: int, max_age: 1s, negative_max_age: 2s}", "negative_max_age 2s is more than max_age 1s; "},
		{"features:\n- {name: a, type: int, cacheable: yes}", `cacheable "yes" is neither true nor false; `},
		{"features:\n- {name: a, type: int, group: g}", `features.yaml:2: feature a: group "g" is unknown; the catalogue has no groups: `},
		{"features:\n- {name: a, type: int, group: gruop}\ngroups: {group: {}}", `features.yaml:2: feature a: group "gruop" is unknown; did you mean group?`},
		{"features:\n- {name: a, type: int, source: }", "source has no value; "},
		{"features:\n- {name: a, type: int, source: [x]}", "source is no single value; "},
		{"features:\n- {name: a, type: int, default: 1.5}", "feature a: default: read int from JSON: not a whole decimal number; write a value of the type int"},
		{"features:\n- {name: a, type: embedding, dimension: 2, default: [1]}", "1 elements where the dimension is 2"},
		{"features:\n- {name: a, type: int}\n- {name: a, type: int}", "features.yaml:3: feature a: is listed twice, first in line 2; "},
		{"scheme: feast\nfeatures:\n- {name: a, type: int}", "features.yaml:3: feature a: no name of the form view:feature"},
		{"scheme: feast\nfeatures:\n- {name: '_ts:a', type: int}", "never cached; leave it out"},
		{"features:\n- {name: \"a\\n\", type: int}", "control characters; "},
		{"features:\n- {name: " + strings.Repeat("a", 2000) + ", type: int}", "a name of 2000 bytes; "},
	} {
		_, err := Parse("features.yaml", []byte(c.content))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.content, err, c.want)
		}
	}
}

func TestAllProblemsAreToldAtOnceByLine(t *testing.T) {
	_, err := Parse("f", []byte("scheme: x\nfeatures:\n- {name: a, type: x, colour: red}\n- {name: b, type: float, encoding: snappy}\n"))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "f:1:") || !strings.HasPrefix(lines[4], "f:4: feature b") {
		t.Errorf("%q", lines)
	}
}

func TestAliasesOfYAMLAreFollowed(t *testing.T) {
	c := parsed(t, "defaults: &d {max_age: 5m}\ngroups: {g: *d}\nfeatures:\n- {name: a, type: &t int, group: g}\n- {name: b, type: *t}\n")
	if c.Feature("a").MaxAge != 5*time.Minute || c.Feature("b").Type != codec.Int {
		t.Error("not followed")
	}
}

// Two names of one xxHash32, found by trying.
const colliding = "features:\n- {name: daf_feature_2467, type: float}\n- {name: x, type: int}\n- {name: daf_feature_176141, type: int}\n"

// H23
func TestOfNamesThatCollideNoneIsCachedOrDecoded(t *testing.T) {
	c := parsed(t, colliding)
	field := ID("daf_feature_2467")
	if field != ID("daf_feature_176141") {
		t.Fatal("they do not collide")
	}
	if c.Policy(field).Cacheable || c.Lookup(field) != nil {
		t.Error("a field of two features is cached or decoded")
	}
	for _, name := range []string{"daf_feature_2467", "daf_feature_176141"} {
		if d := c.Feature(name); d.Cacheable || len(d.Collides) != 1 {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if name, _ := c.Name(field); name != "daf_feature_2467 or daf_feature_176141" {
		t.Errorf("name %q", name)
	}
	if !c.Policy(ID("x")).Cacheable {
		t.Error("a feature that has nothing to do with it is not cached")
	}
	warnings := c.Warnings()
	if len(warnings) != 1 || !warnings[0].Warning {
		t.Fatalf("warnings %v", warnings)
	}
	if text := warnings[0].Error(); !strings.Contains(text, "features.yaml:2: feature daf_feature_2467") || !strings.Contains(text, "daf_feature_176141 (line 4)") || !strings.Contains(text, "rename") {
		t.Errorf("warning %q", text)
	}
}

func TestACoverTakesNamesByTheScheme(t *testing.T) {
	c := parsed(t, "scheme: feast\nfeatures:\n- {name: 'driver_stats:acc', type: float}\n- {name: 'other:acc', type: float}\n")
	for _, items := range []string{"driver_stats:acc", "driver_stats:*"} {
		cover, err := NewCover([]string{items}, c)
		if err != nil {
			t.Fatal(err)
		}
		if !cover.Has(Feast.Field("driver_stats:acc")) || cover.Has(Feast.Field("other:acc")) {
			t.Errorf("%s covers the wrong features", items)
		}
	}
}

func TestTheEmptyCatalogueCachesAllAndHashesNames(t *testing.T) {
	c := Empty()
	if c.Field("eta") != ID("eta") || !c.Policy("1").Cacheable || c.Len() != 0 || c.Lookup("1") != nil {
		t.Error("it does not")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(colliding))
	f.Add([]byte("defaults: &d {max_age: 5m}\ngroups: {g: *d}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := Parse("f", content)
		if err != nil {
			return
		}
		for _, d := range c.Features() {
			if err := d.Check(); err != nil {
				t.Fatalf("%s was taken: %v", d.Name, err)
			}
			if c.Feature(d.Name) != d || c.Field(d.Name) != d.Field {
				t.Fatalf("%s is not found", d.Name)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var file strings.Builder
	file.WriteString("groups: {g: {max_age: 1h}}\nfeatures:\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "- {name: daf_feature_%d, type: float, group: g}\n", i)
	}
	content := []byte(file.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("f", content); err != nil {
			b.Fatal(err)
		}
	}
}

func TestHoldIsForWhatIsCompressed(t *testing.T) {
	c := parsed(t, `
defaults: {hold: uncompressed}
features:
  - {name: list, type: int_list}
  - {name: other, type: int_list, hold: as_stored}
  - {name: number, type: int}
`)
	for name, want := range map[string]Hold{"list": HoldUncompressed, "other": HoldAsStored, "number": HoldUncompressed} {
		if got := c.Feature(name).Hold; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	_, err := Parse("f.yaml", []byte("features:\n  - {name: n, type: int, hold: uncompressed}\n"))
	if err == nil || !strings.Contains(err.Error(), "hold: uncompressed has no meaning with the encoding text") {
		t.Errorf("got %v", err)
	}
}

func TestACatalogueTakesOverAnother(t *testing.T) {
	c, later := parsed(t, example), parsed(t, "features:\n  - {name: daf_eta, type: int, max_age: 3s}\n")
	if c.Same(later) || !c.Same(parsed(t, example)) {
		t.Error("catalogues are not told apart by their text")
	}
	cover, err := NewCover([]string{"daf_e*"}, c)
	if err != nil {
		t.Fatal(err)
	}
	c.TakeOver(later)
	if !c.Same(later) || c.Len() != 1 || c.Feature("daf_eta").Type != codec.Int || c.Policy(ID("daf_eta")).MaxAge != 3*time.Second {
		t.Error("the catalogue says what it said before")
	}
	if !cover.Has(ID("daf_eta")) || cover.Has(ID("daf_orders_7d")) {
		t.Error("a cover goes by the names of before")
	}
}

func TestTheNearestNameIsOneLetterAway(t *testing.T) {
	c := parsed(t, example)
	for given, want := range map[string]string{"daf_etaa": "daf_eta", "DAF_ETA": "daf_eta", "daf_ate": "", "daf_eat": "daf_eta"} {
		if got := c.Nearest(given); got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}
