package cache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

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
