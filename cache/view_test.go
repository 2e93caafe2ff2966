package cache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

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

// byName is the view of reads by name.
var byName = View{Decoded: true, Typed: true, Aside: true}

// What is asked for by the way is decoded once, of the entities that it was asked
// of, and changes nothing for others.
func TestWhatIsAskedForAsideIsHeldOfThatEntityAlone(t *testing.T) {
	r := newDecodingRig(t)
	value, typed := encoded(t, "emb", embedded), "*2\r\n,1\r\n,2\r\n"
	p := r.mustProject("emb-a")
	r.fillAll("e", p, 1, value)
	plain := len(r.rowOf("e"))
	aside := r.mustProjectIn(byName, "emb-a")
	found := r.Lookup([]byte("e"), aside, 2)
	if found.Complete || !r.DecodeHeld([]byte("e"), aside, &found, 2) {
		t.Fatal("what is held as stored was not decoded")
	}
	if got := r.get("e", aside, 2); got != typed {
		t.Fatalf("%q, want %q", got, typed)
	}
	r.want("e", p, 2, value)
	// Others that are filled hold nothing for its sake.
	r.fillAll("other", p, 3, value)
	if got := len(r.rowOf("other")); got != plain {
		t.Errorf("a row has %d bytes for what is asked aside of another, want %d", got, plain)
	}
	// Nor is it an older value than the one beside it.
	r.fillAll("e", p, 4, encoded(t, "emb", string(make([]byte, 8))))
	r.want("e", aside, 5)
	// What it fetches is fetched for all.
	r.fillAll("third", aside, 5, value)
	r.want("third", p, 6, value)
	if got := r.get("third", aside, 6); got != typed {
		t.Errorf("%q, want %q", got, typed)
	}
	r.at(9)
	r.Mark(cover("emb-a"))
	r.want("third", aside, 9)
}

// As long as nobody else wants it, nothing is decoded for what is asked aside.
func TestFillsDecodeNothingForWhatIsAskedAside(t *testing.T) {
	r := newDecodingRig(t)
	names := []string{"emb-a", "ints-a", "words-a"}
	p := r.mustProject(names...)
	r.mustProjectIn(byName, names...)
	f := fetched(p, 1, positions(len(names)), encoded(t, "emb", embedded), encoded(t, "ints", packedInts(1)), "x")
	var forms Forms
	if f.Derive(&forms); len(forms.all) != 0 {
		t.Fatalf("%d forms were made that nobody wants", len(forms.all))
	}
	r.mustProjectIn(View{Decoded: true, Arrays: true}, names...)
	if f.Derive(&forms); len(forms.all) != 2 {
		t.Fatalf("%d forms were made, want the arrays of ints and the embedding", len(forms.all))
	}
}

func TestTypedValuesAreWhatTheyAre(t *testing.T) {
	r := newDecodingRig(t)
	names := []string{"float-a", "pf-a", "int-a", "bool-a", "string-a", "emb-a", "ints-a", "words-a", "blob-a", "unlisted", "int-b", "emb-b"}
	values := []string{
		"0.10", encoded(t, "pf", "nan"), "07", "True", "zone", encoded(t, "emb", embedded), encoded(t, "ints", packedInts(-7)),
		encoded(t, "words", "\x01\x00\x00\x00a"), encoded(t, "blob", "x"), "1.0", "many", "12345678",
	}
	want := ",0.1\r\n,nan\r\n:7\r\n#t\r\n$4\r\nzone\r\n*2\r\n,1\r\n,2\r\n*1\r\n:-7\r\n*1\r\n$1\r\na\r\n$1\r\nx\r\n$3\r\n1.0\r\n" +
		"$4\r\nmany\r\n$8\r\n12345678\r\n" // what does not decode
	p := r.mustProjectIn(byName, names...)
	r.fillAll("e", p, 1, values...)
	if got := r.get("e", p, 2); got != want {
		t.Errorf("held: %q, want %q", got, want)
	}
	var past []byte
	for i, name := range names {
		past = r.AppendIn(past, byName, []byte(name), []byte(wireOf(resp.V2, values[i])), resp.V3)
	}
	if string(past) != want {
		t.Errorf("past the cache: %q, want %q", past, want)
	}
}
