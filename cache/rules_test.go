package cache

import (
	"bytes"
	"testing"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

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

// A fetch that was in flight when a type changed is answered in the form that was
// asked for, which the value may not fit any more: it must be well formed still.
func TestAFetchOverAChangeOfTypeIsAnsweredWellFormed(t *testing.T) {
	r := newDecodingRig(t)
	var asked []*Projection
	for _, view := range []View{{Decoded: true, Arrays: true, Doubles: true}, byName} {
		asked = append(asked, r.mustProjectIn(view, "float-a", "ints-a", "bool-a", "emb-a"))
	}
	r.Repolicy(decodes(codec.Form{Type: codec.String, Encoding: codec.Text}))
	values := []string{"north", "south", "east", "west"}
	for _, p := range asked {
		f := fetched(p, 1, positions(len(values)), values...)
		var forms Forms
		f.Derive(&forms)
		for j, value := range values {
			if got, want := string(f.AppendValue(nil, j, resp.V3)), wireOf(resp.V3, value); got != want {
				t.Errorf("%v: %q, want %q", p.View, got, want)
			}
		}
	}
}
