package snapshot

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

// The features of these tests, by the beginning of their names, and how the store
// has them.
var definitions = map[string]*feature.Definition{
	"emb":   {Form: codec.Form{Type: codec.Embedding, Encoding: codec.Protobuf, Dimension: 2}},
	"ints":  {Form: codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}},
	"float": {Form: codec.Form{Type: codec.Float, Encoding: codec.Text}},
	"plain": {Form: codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}},
}

var (
	packed  = cache.View{Decoded: true}
	arrays  = cache.View{Decoded: true, Arrays: true}
	doubles = cache.View{Decoded: true, Doubles: true}
)

// newDecodingProcess is a process whose clients may want values in those views.
func newDecodingProcess(t testing.TB, views ...cache.View) *process {
	t.Helper()
	p := &process{t: t, clock: NewClock(), views: views}
	if p.clock.Boot == "" {
		t.Skip("this system does not tell when it was started")
	}
	var err error
	p.Cache, err = cache.New(cache.Config{
		MaxBytes: 64 << 20, MaxAge: time.Hour, NegativeMaxAge: time.Hour, Shards: 2, MaxRowBytes: 1 << 20,
		MaxFeatures: 1000, MaxProjections: 100, MaxLayouts: 100,
		Decodes: slices.ContainsFunc(views, func(v cache.View) bool { return v.Decoded }),
		Policy: func(name string) cache.Policy {
			kind, _, _ := strings.Cut(name, "-")
			return cache.Policy{
				MaxAge: time.Hour, NegativeMaxAge: time.Hour, Keep: true, Definition: definitions[kind], HoldPlain: kind == "plain",
			}
		},
	}, p.clock.Clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (p *process) in(view cache.View, names ...string) *cache.Projection {
	p.t.Helper()
	fields := make([][]byte, len(names))
	for i, name := range names {
		fields[i] = []byte(name)
	}
	of := p.ProjectionIn(view, wireOf(fields), fields)
	if of == nil {
		p.t.Fatal("no projection")
	}
	return of
}

// answer is what is answered from memory, what is held as stored decoded where that
// is wanted; "-": something has to be fetched.
func (p *process) answer(entity string, of *cache.Projection) string {
	now := p.clock.Now()
	found := p.Lookup([]byte(entity), of, now)
	if !found.Complete && p.DecodeHeld([]byte(entity), of, &found, now) {
		found = p.Lookup([]byte(entity), of, now)
	}
	if !found.Complete {
		return "-"
	}
	return string(found.Append(nil, resp.V3))
}

func storedAs(t testing.TB, kind, decoded string) string {
	t.Helper()
	stored, err := definitions[kind].Encode(nil, []byte(decoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(stored)
}

func integers(list ...int64) string {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return string(b)
}

func floats(list ...float32) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

// Whatever listeners there were and are: what is answered from memory after a
// restart, or of a peer, is what the process before it would have answered, and what
// both serve needs no fetch.
func TestEveryFormComesBackForThoseWhoWantIt(t *testing.T) {
	names := []string{"emb-a", "ints-a", "float-a", "plain-a", "emb-none", "ints-wrong"}
	values := []string{
		storedAs(t, "emb", floats(0.5, -2)), storedAs(t, "ints", integers(7, 8)), "0.10",
		storedAs(t, "plain", integers(make([]int64, 100)...)), "", "no list",
	}
	all := map[string]cache.View{"stored": {}, "packed": packed, "arrays": arrays, "doubles": doubles}
	for before, was := range map[string][]string{
		"stored alone": {"stored"}, "decoded alone": {"packed"}, "arrays": {"arrays"}, "doubles": {"doubles"}, "all": {"stored", "packed", "arrays", "doubles"},
	} {
		for after, is := range map[string][]string{
			"stored alone": {"stored"}, "decoded alone": {"packed"}, "arrays": {"arrays"}, "both": {"stored", "packed"},
		} {
			for name, way := range ways {
				t.Run(before+" then "+after+" by "+name, func(t *testing.T) {
					old := newDecodingProcess(t, viewsOf(all, was)...)
					for _, name := range was {
						old.in(all[name], names...)
					}
					old.fill("e", old.in(all[was[0]], names...), values...)
					p, _, err := way(t, old, func() *process { return newDecodingProcess(t, viewsOf(all, is)...) })
					if err != nil {
						t.Fatal(err)
					}
					for _, name := range is {
						// What the store has, asked of a process that fetched it just now.
						fresh := newDecodingProcess(t, all[name])
						fresh.fill("e", fresh.in(all[name], names...), values...)
						want := fresh.answer("e", fresh.in(all[name], names...))
						got := p.answer("e", p.in(all[name], names...))
						held := slices.Contains(was, name) || slices.Contains(was, "stored")
						if got != want && (held || got != "-") {
							t.Errorf("%s: %q, want %q", name, got, want)
						}
					}
				})
			}
		}
	}
}

func viewsOf(all map[string]cache.View, names []string) (views []cache.View) {
	for _, name := range names {
		views = append(views, all[name])
	}
	return views
}

// A form that nobody asks for any more takes no memory, where another is there that
// somebody does.
func TestFormsThatNobodyWantsAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	old := newDecodingProcess(t, cache.View{}, packed, arrays)
	for _, view := range old.views {
		old.in(view, "ints-a")
	}
	old.fill("e", old.in(packed, "ints-a"), storedAs(t, "ints", integers(1, 2, 3)))
	old.write(path)
	for _, c := range []struct {
		wanted cache.View
		form   string
	}{{cache.View{}, "stored"}, {packed, "decoded"}, {arrays, "array"}} {
		p := newDecodingProcess(t, c.wanted)
		if _, err := p.read(path); err != nil {
			t.Fatal(err)
		}
		row, _ := p.Look([]byte("e"), p.clock.Now())
		if len(row.Values) != 1 || row.Values[0].Form != c.form {
			t.Errorf("%+v is held where %s is wanted", row.Values, c.form)
		}
	}
}

// Another build may decode otherwise, so nothing that one decoded is taken over
// from it; what is as the store has it is.
func TestDecodedValuesOfAnotherBuildAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	old := newDecodingProcess(t, packed)
	both := old.in(packed, "ints-a", "float-a")
	old.fill("e", both, storedAs(t, "ints", integers(1)), "0.50")
	old.write(path)
	p := newDecodingProcess(t, packed)
	p.build = "another"
	if _, err := p.read(path); err != nil {
		t.Fatal(err)
	}
	if got := p.answer("e", p.in(packed, "ints-a")); got != "-" {
		t.Errorf("a list that another build decoded: %q", got)
	}
	if got := p.answer("e", p.in(packed, "float-a")); got != "$3\r\n0.5\r\n" {
		t.Errorf("a number as stored: %q", got)
	}
}
