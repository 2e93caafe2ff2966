package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

var decodedView = View{Decoded: true}

// decodes has all features be of one form.
func decodes(form codec.Form) func(string) Policy {
	return decodesEach(func(string) *feature.Definition { return &feature.Definition{Form: form} })
}

func decodesEach(definition func(string) *feature.Definition) func(string) Policy {
	return func(name string) Policy {
		return Policy{MaxAge: roomy.MaxAge, NegativeMaxAge: roomy.NegativeMaxAge, Keep: true, Definition: definition(name)}
	}
}

// listed has features be of the form that their name begins with.
var listed = decodesEach(func(name string) *feature.Definition {
	kind, _, _ := strings.Cut(name, "-")
	d, ok := map[string]feature.Definition{
		"float":  {Form: codec.Form{Type: codec.Float, Encoding: codec.Text}, Default: []byte("0.5")},
		"int":    {Form: codec.Form{Type: codec.Int, Encoding: codec.Text}},
		"bool":   {Form: codec.Form{Type: codec.Bool, Encoding: codec.Text}},
		"string": {Form: codec.Form{Type: codec.String, Encoding: codec.Text}, Default: []byte("none")},
		"emb":    {Form: codec.Form{Type: codec.Embedding, Encoding: codec.Protobuf, Dimension: 2}, Default: make([]byte, 8)},
		"ints":   {Form: codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}, Default: []byte{}},
		"words":  {Form: codec.Form{Type: codec.StringList, Encoding: codec.Protobuf}},
		"pf":     {Form: codec.Form{Type: codec.Float, Encoding: codec.Protobuf}},
		"feast":  {Form: codec.Form{Type: codec.Int, Encoding: codec.Feast}},
		"blob":   {Form: codec.Form{Type: codec.Bytes, Encoding: codec.Snappy}},
	}[kind]
	if !ok {
		return nil
	}
	return &d
})

func newDecodingRig(t testing.TB) rig {
	cfg := roomy
	cfg.Decodes, cfg.Policy = true, listed
	cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Minute, time.Minute
	return newRig(t, cfg)
}

func (r rig) projectIn(view View, names ...string) *Projection {
	var wire []byte
	fields := make([][]byte, len(names))
	for i, name := range names {
		fields[i] = []byte(name)
		wire = appendBulk(wire, name)
	}
	return r.ProjectionIn(view, wire, fields)
}

func (r rig) mustProjectIn(view View, names ...string) *Projection {
	r.t.Helper()
	p := r.projectIn(view, names...)
	if p == nil {
		r.t.Fatal("refused")
	}
	return p
}

// encoded is a decoded value as the store has it.
func encoded(t testing.TB, name, decoded string) string {
	t.Helper()
	value, err := listed(name).Definition.Encode(nil, []byte(decoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func packedInts(list ...int64) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return string(b)
}

const embedded = "\x00\x00\x80\x3f\x00\x00\x00\x40" // 1, 2

func TestOneFetchAnswersBothForms(t *testing.T) {
	for _, asksFirst := range []string{"stored", "decoded"} {
		t.Run(asksFirst, func(t *testing.T) {
			r := newDecodingRig(t)
			names := []string{"float-a", "emb-a", "ints-a", "unlisted"}
			p := r.mustProject(names...)
			d := r.mustProjectIn(decodedView, names...)
			values := []string{"0.25", encoded(t, "emb", embedded), encoded(t, "ints", packedInts(3, -4)), "as it is"}
			fetchedBy := p
			if asksFirst == "decoded" {
				fetchedBy = d
			}
			r.fillAll("e", fetchedBy, 1, values...)
			r.want("e", p, 2, values...)
			r.want("e", d, 2, "0.25", embedded, packedInts(3, -4), "as it is")
		})
	}
}

func TestWhatOneListenerFetchedIsDecodedForAnother(t *testing.T) {
	r := newDecodingRig(t)
	p := r.mustProject("emb-a", "float-a", "ints-a")
	r.fillAll("e", p, 1, encoded(t, "emb", embedded), "0.50", "")
	d := r.mustProjectIn(decodedView, "emb-a", "float-a", "ints-a")
	found := r.Lookup([]byte("e"), d, 2)
	if found.Complete || !r.DecodeHeld([]byte("e"), d, &found, 2) {
		t.Fatalf("complete %v, and nothing was decoded", found.Complete)
	}
	found = r.Lookup([]byte("e"), d, 2)
	want := wireOf(resp.V2, embedded, "0.5", "")
	if got := string(found.Append(nil, resp.V2)); !found.Complete || got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if r.DecodeHeld([]byte("e"), d, &found, 2) {
		t.Fatal("decoded again")
	}
	r.Mark(cover("emb-a"))
	if found = r.Lookup([]byte("e"), d, 2); found.Complete || r.DecodeHeld([]byte("e"), d, &found, 2) {
		t.Fatal("a stale value was decoded")
	}
}

func TestDecodedAnswersByViewAndVersion(t *testing.T) {
	names := []string{"float-a", "pf-a", "ints-a", "words-a", "float-b", "emb-b", "ints-b", "int-b", "feast-n"}
	values := []string{
		"0.10", encoded(t, "pf", "1.5"), encoded(t, "ints", packedInts(7, 8)),
		encoded(t, "words", "\x01\x00\x00\x00a\x00\x00\x00\x00"), "", "", "", "", "\x00",
	}
	values[8] = string(nullOfFeast)
	packed := "$3\r\n0.1\r\n$3\r\n1.5\r\n$16\r\n" + packedInts(7, 8) + "\r\n$9\r\n\x01\x00\x00\x00a\x00\x00\x00\x00\r\n"
	arrays := "*2\r\n:7\r\n:8\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n"
	nils := strings.Repeat("$-1\r\n", 5)
	for _, c := range []struct {
		view View
		v    resp.Version
		want string
	}{
		{decodedView, resp.V2, packed + nils},
		{decodedView, resp.V3, packed + strings.Repeat("_\r\n", 5)},
		{View{Decoded: true, Arrays: true}, resp.V2, "$3\r\n0.1\r\n$3\r\n1.5\r\n" + arrays + nils},
		{View{Decoded: true, Doubles: true, Arrays: true}, resp.V3, ",0.1\r\n,1.5\r\n" + arrays + strings.Repeat("_\r\n", 5)},
		{View{Decoded: true, Defaults: true}, resp.V2, packed + "$3\r\n0.5\r\n$8\r\n" + string(make([]byte, 8)) + "\r\n$0\r\n\r\n$-1\r\n$-1\r\n"},
		{View{Decoded: true, Defaults: true, Arrays: true, Doubles: true}, resp.V3, ",0.1\r\n,1.5\r\n" + arrays + ",0.5\r\n$8\r\n" + string(make([]byte, 8)) + "\r\n*0\r\n_\r\n_\r\n"},
	} {
		t.Run(fmt.Sprint(c.view, c.v), func(t *testing.T) {
			r := newDecodingRig(t)
			p := r.mustProjectIn(c.view, names...)
			f := fetched(p, 1, positions(len(names)), values...)
			var forms Forms
			f.Derive(&forms)
			var fresh []byte
			for j := range names {
				fresh = f.AppendValue(fresh, j, c.v)
			}
			if string(fresh) != c.want {
				t.Errorf("fetched: %q, want %q", fresh, c.want)
			}
			r.Fill([]byte("e"), f, c.v)
			found := r.Lookup([]byte("e"), p, 2)
			if got := string(found.Append(nil, c.v)); !found.Complete || got != c.want {
				t.Errorf("held: %q, want %q", got, c.want)
			}
			var single []byte
			for i := range names {
				single = found.AppendValue(single, i, c.v)
			}
			if string(single) != c.want {
				t.Errorf("one by one: %q, want %q", single, c.want)
			}
			if found.Negatives != 5 {
				t.Errorf("%d nils, want 5", found.Negatives)
			}
		})
	}
}

// nullOfFeast is an empty Value, Feast's null.
var nullOfFeast = []byte{0x98, 0x01, 0x00}

func TestFormsOfTheSameBytesAreHeldOnce(t *testing.T) {
	r := newDecodingRig(t)
	names := []string{"float-a", "int-a", "bool-a", "string-a", "unlisted"}
	p := r.mustProject(names...)
	r.fillAll("e", p, 1, "0.125", "-3", "1", "zone", "any")
	bytes := r.rowOf("e")
	d := r.mustProjectIn(decodedView, names...)
	r.want("e", d, 2, "0.125", "-3", "1", "zone", "any")
	r.fillAll("e", d, 3, "0.125", "-3", "1", "zone", "any")
	r.want("e", p, 4, "0.125", "-3", "1", "zone", "any")
	if again := r.rowOf("e"); len(again) != len(bytes) {
		t.Fatalf("the row has %d bytes with both forms, %d with one", len(again), len(bytes))
	}
}

func (r rig) rowOf(entity string) row {
	e, _ := r.shard(r.Cache.hash([]byte(entity))).GetEntryQuietly(entity)
	return e.Value
}

func TestASpellingOfTheStoresIsKeptForThoseWhoWantIt(t *testing.T) {
	r := newDecodingRig(t)
	p := r.mustProject("float-a", "bool-a", "int-a", "float-b", "unlisted")
	d := r.mustProjectIn(decodedView, "unlisted", "float-b", "int-a", "bool-a", "float-a")
	r.fillAll("e", p, 1, "0.10", "True", "5", "1.0", "True")
	r.want("e", p, 2, "0.10", "True", "5", "1.0", "True")
	r.want("e", d, 2, "True", "1", "5", "1", "0.1")
	// A fill of one leaves the others as they are, and one in the usual spelling
	// replaces what was apart.
	r.fill("e", p, 3, []int32{0}, "0.2")
	r.want("e", d, 4, "True", "1", "5", "1", "0.2")
	r.fillAll("e", r.mustProject("float-0", "another"), 4, "2.0", "x")
	r.want("e", d, 5, "True", "1", "5", "1", "0.2")
	r.want("e", r.mustProjectIn(decodedView, "float-0"), 5, "2")
	r.Update([]byte("e"), [][]byte{[]byte("bool-a")}, 0)
	r.want("e", r.mustProjectIn(decodedView, "float-b", "float-a"), 5, "1", "0.2")
	r.want("e", d, 5)
}

func TestWhatDoesNotDecodeIsServedAsStoredAndCounted(t *testing.T) {
	r := newDecodingRig(t)
	names := []string{"float-a", "emb-a", "ints-a"}
	p, d := r.mustProject(names...), r.mustProjectIn(View{Decoded: true, Arrays: true, Doubles: true}, names...)
	values := []string{"much", "no message", "no block"}
	r.fillAll("e", d, 1, values...)
	r.want("e", d, 2, values...)
	r.want("e", p, 2, values...)
	for _, f := range r.Features() {
		if f.Undecoded != 1 {
			t.Errorf("%s: %d values that did not decode are counted, want 1", f.Name, f.Undecoded)
		}
	}
}

// Whatever invalidates a feature does so in every form.
func TestEveryInvalidationCoversEveryForm(t *testing.T) {
	all := []string{"emb-a", "ints-a", "float-a"}
	for name, invalidate := range map[string]func(r rig){
		"a marker":      func(r rig) { r.Mark(cover(all...)) },
		"a loss":        func(r rig) { r.Forget(cover("*"), 0) },
		"a suspension":  func(r rig) { r.Suspend(cover(all...)) },
		"an update":     func(r rig) { r.Update([]byte("e"), [][]byte{[]byte(all[0]), []byte(all[1]), []byte(all[2])}, 0) },
		"a write":       func(r rig) { r.Invalidate([]byte("e"), 0) },
		"everything":    func(r rig) { r.InvalidateAll(0) },
		"another type":  func(r rig) { r.Repolicy(decodes(codec.Form{Type: codec.String, Encoding: codec.Protobuf})) },
		"no definition": func(r rig) { r.Repolicy(decodesEach(func(string) *feature.Definition { return nil })) },
		"a shorter age": func(r rig) {
			r.Repolicy(func(name string) Policy {
				p := listed(name)
				p.MaxAge -= time.Second
				return p
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDecodingRig(t)
			views := []View{{}, decodedView, {Decoded: true, Arrays: true}, {Decoded: true, Doubles: true}}
			var projections []*Projection
			for _, view := range views {
				for _, feature := range all {
					projections = append(projections, r.mustProjectIn(view, feature))
				}
				projections = append(projections, r.mustProjectIn(view, all...))
			}
			r.at(5)
			r.fillAll("e", projections[3], 5, encoded(t, "emb", embedded), encoded(t, "ints", packedInts(1)), "1.0")
			for i, p := range projections {
				if r.get("e", p, 6) == "-" {
					t.Fatalf("projection %d is not held", i)
				}
			}
			r.at(6)
			invalidate(r)
			for i, p := range projections {
				if got := r.get("e", p, 6); got != "-" {
					t.Errorf("projection %d is answered %q", i, got)
				}
			}
		})
	}
}

func TestARecordsValueIsPutInPlaceInEveryForm(t *testing.T) {
	r := newDecodingRig(t)
	names := []string{"ints-a", "float-a"}
	p, d := r.mustProject(names...), r.mustProjectIn(View{Decoded: true, Arrays: true}, names...)
	r.at(50)
	r.fillAll("e", p, 50, encoded(t, "ints", packedInts(1)), "1")
	r.at(100)
	applied := r.Apply([]byte("e"), []Value{
		{Feature: []byte("ints-a"), Bytes: []byte(encoded(t, "ints", packedInts(9)))},
		{Feature: []byte("float-a"), Bytes: []byte("2.0")},
	}, 7, 0, 0)
	if applied != 2 {
		t.Fatalf("%d values put in place, want 2", applied)
	}
	r.want("e", p, 101, encoded(t, "ints", packedInts(9)), "2.0")
	if got := r.get("e", d, 101); got != "*1\r\n:9\r\n$1\r\n2\r\n" {
		t.Fatalf("decoded: %q", got)
	}
}

func TestRepolicyTakesOverAgesAndForgetsNothingWithoutNeed(t *testing.T) {
	r := newDecodingRig(t)
	p, d := r.mustProject("emb-a"), r.mustProjectIn(decodedView, "emb-a")
	r.fillAll("e", p, 1, encoded(t, "emb", embedded))
	generation := r.Generation()
	longer := func(name string) Policy {
		policy := listed(name)
		policy.MaxAge *= 2
		return policy
	}
	r.Repolicy(longer)
	last := Ticks(2 * roomy.MaxAge)
	r.want("e", p, last, encoded(t, "emb", embedded))
	r.want("e", d, last, embedded)
	r.want("e", d, last+1)
	if r.Generation() != generation || r.projectIn(decodedView, "emb-a") != d {
		t.Fatal("projections are given out anew although no type changed")
	}
	r.Repolicy(decodes(codec.Form{Type: codec.Float, Encoding: codec.Text}))
	if r.Generation() == generation || r.projectIn(decodedView, "emb-a") == d {
		t.Fatal("a type changed, and projections stay as they were")
	}
	r.at(20)
	r.fillAll("e", r.mustProjectIn(decodedView, "emb-a"), 20, "3.50")
	r.want("e", r.mustProjectIn(decodedView, "emb-a"), 21, "3.5")
	r.want("e", p, 21, "3.50")
}

func TestAValueIsHeldUncompressedWhereThatIsAsked(t *testing.T) {
	cfg := roomy
	cfg.Policy = func(name string) Policy {
		p := listed(name)
		p.HoldPlain = name == "ints-plain"
		return p
	}
	r := newRig(t, cfg)
	p := r.mustProject("ints-plain", "ints-as-it-is")
	list := packedInts(make([]int64, 100)...)
	value := encoded(t, "ints", list)
	r.fillAll("e", p, 1, value, value)
	found := r.Lookup([]byte("e"), p, 2)
	plain, _ := bulkValue(found.AppendValue(nil, 0, resp.V2))
	asIs, _ := bulkValue(found.AppendValue(nil, 1, resp.V2))
	if asIs != value || len(plain) <= len(value) {
		t.Fatalf("held: %d and %d bytes of %d", len(plain), len(asIs), len(value))
	}
	decoded, err := listed("ints").Definition.Decode(nil, []byte(plain))
	if err != nil || !bytes.Equal(decoded, []byte(list)) {
		t.Fatalf("%v: %q", err, decoded)
	}
}

// What is asked for by the way is answered, and changes nothing for others.
func TestProjectionsAsideWidenNoRow(t *testing.T) {
	r := newDecodingRig(t)
	d := r.mustProjectIn(decodedView, "emb-a")
	aside := r.mustProjectIn(View{Aside: true}, "emb-a")
	r.fillAll("e", d, 1, encoded(t, "emb", embedded))
	r.want("e", aside, 2)
	r.fillAll("e", aside, 2, encoded(t, "emb", embedded))
	r.want("e", aside, 3, encoded(t, "emb", embedded))
	r.want("e", d, 3, embedded)
	r.fillAll("other", d, 3, encoded(t, "emb", embedded))
	r.want("other", aside, 4)
	r.at(9)
	r.Mark(cover("emb-a"))
	r.want("e", aside, 9)
}

// naming is a catalogue of one name, which may change.
type naming struct{ field, name string }

func (n *naming) Name(field string) (string, bool) { return n.name, field == n.field }

func TestASuspensionCoversWhatIsNamedLater(t *testing.T) {
	r := newDecodingRig(t)
	names := &naming{field: "emb-a", name: "old"}
	covers, err := feature.NewCover([]string{"new*"}, names)
	if err != nil {
		t.Fatal(err)
	}
	p := r.mustProject("emb-a")
	s := r.Suspend(covers)
	r.fillAll("e", p, 1, "x")
	r.want("e", p, 2, "x")
	names.name = "new one"
	r.Repolicy(listed)
	r.want("e", p, 2)
	r.at(3)
	s.Resume(0)
	r.fillAll("e", p, 4, "y")
	r.want("e", p, 5, "y")
}

// Whatever is spelled apart, missing, repeated or in another order: both kinds of
// reader get theirs, through fills and merges.
func TestRandomSpellingsAreGivenToThoseWhoWantThem(t *testing.T) {
	rounds(t, 30, func(t *testing.T, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		r := newDecodingRig(t)
		r.at(100)
		var all []string
		for i := range 1 + rnd.IntN(90) {
			all = append(all, fmt.Sprint([]string{"float-", "string-", "unlisted-", "pf-"}[rnd.IntN(4)], i))
		}
		held := map[string][2]string{} // stored and decoded
		for round := range 12 {
			var names, values []string
			for range 1 + rnd.IntN(40) {
				names = append(names, all[rnd.IntN(len(all))])
			}
			view := []View{{}, decodedView, {Decoded: true, Defaults: true}}[rnd.IntN(3)]
			p := r.mustProjectIn(view, names...)
			for _, name := range all { // so that every fill makes both forms
				r.mustProjectIn(decodedView, name)
				r.mustProject(name)
			}
			fresh := map[string][2]string{}
			for _, name := range names {
				forms, ok := fresh[name]
				if !ok {
					text := strconv.Itoa(rnd.IntN(1000))
					forms = [2]string{text, text}
					switch kind, _, _ := strings.Cut(name, "-"); {
					case rnd.IntN(5) == 0:
						forms = [2]string{}
					case kind == "float" && rnd.IntN(2) == 0:
						forms[0] += ".0"
					case kind == "pf":
						forms[0] = encoded(t, "pf", text)
						if forms[0] == "" {
							forms = [2]string{}
						}
					}
					fresh[name] = forms
				}
				values = append(values, forms[0])
			}
			r.fillAll("e", p, Tick(100+round), values...)
			maps.Copy(held, fresh)
			for _, view := range []View{{}, decodedView, {Decoded: true, Defaults: true}} {
				var want []byte
				for _, name := range names {
					value := held[name][min(1, len(view.key()))]
					missing := r.mustProjectIn(view, name).Fields[0].missing.Load()
					switch {
					case value == "" && view.Defaults && missing != nil:
						want = append(want, *missing...)
					case value == "":
						want = resp.AppendNil(want, resp.V3)
					default:
						want = appendBulk(want, value)
					}
				}
				q := r.mustProjectIn(view, names...)
				found := r.Lookup([]byte("e"), q, 120)
				if got := string(found.Append(nil, resp.V3)); !found.Complete || got != string(want) {
					t.Fatalf("%v %v: %q, want %q", view, names, got, want)
				}
				var single []byte
				for i := range names {
					single = found.AppendValue(single, i, resp.V3)
				}
				if string(single) != string(want) {
					t.Fatalf("one by one: %q, want %q", single, want)
				}
			}
		}
	})
}

// A form that is asked for while a fetch is being filled is not mistaken for one
// that was made of it.
func TestAFormAskedForMeanwhileIsNotTakenForMade(t *testing.T) {
	r := newDecodingRig(t)
	value := encoded(t, "emb", embedded)
	p := r.mustProject("emb-a")
	early := fetched(p, 1, positions(1), value)
	var forms Forms
	early.Derive(&forms)
	d := r.mustProjectIn(decodedView, "emb-a")
	r.Fill([]byte("e"), early, resp.V2)
	r.want("e", p, 2, value)
	r.want("e", d, 2)
	r.fillAll("e", p, 2, value)
	r.want("e", d, 3, embedded)

	r.at(50)
	fields := []Value{{Feature: []byte("emb-a"), Bytes: []byte(value)}}
	late := r.newRecord(r.hash("e"), fields, 7, 0, 0)
	arrays := r.mustProjectIn(View{Decoded: true, Arrays: true, Doubles: true}, "pf-a", "emb-a")
	r.fillAll("e", arrays, 60, "", value)
	r.at(70)
	r.put([]byte("e"), r.hash("e"), late)
	if got := r.get("e", d, 70); got != "-" && got != wireOf(resp.V2, embedded) {
		t.Fatalf("decoded: %q", got)
	}
}
