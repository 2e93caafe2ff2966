package cache

import (
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

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
