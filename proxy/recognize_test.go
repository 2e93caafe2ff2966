package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
)

func newTestCache(t testing.TB, maxAge time.Duration) *cache.Cache {
	t.Helper()
	c, err := cache.New(cache.Config{
		MaxBytes: 1 << 30, MaxAge: maxAge, NegativeMaxAge: maxAge, Shards: 1, MaxRowBytes: 1 << 20,
		MaxFeatures: 1 << 16, MaxProjections: 1 << 16, MaxLayouts: 1 << 16,
	}, cache.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// intern makes the projection of fields.
func intern(c *cache.Cache, fields ...string) *cache.Projection {
	var names [][]byte
	for _, f := range fields {
		names = append(names, []byte(f))
	}
	return c.Projection(canonical(nil, names), names)
}

func hmget(entity string, fields ...string) []byte {
	return resp.AppendCommand(nil, append([]string{"HMGET", entity}, fields...)...)
}

// What the short path takes for a known request is that very request to the
// general parser; what it says is incomplete, is.
func agree(t *testing.T, known *recognizer, input []byte) {
	t.Helper()
	h, ok := readHead(input)
	if !ok {
		return
	}
	parser := resp.NewParser(resp.DefaultLimits)
	n, err := parser.Next(input)
	if err != nil {
		// Only what lies behind the head can be wrong.
		if p, _ := known.find(input[h.rest:], h.fields); p != nil {
			t.Fatalf("%q: the short path takes it, the parser says %v", input, err)
		}
		return
	}
	p, short := known.find(input[h.rest:], h.fields)
	args := parser.Args()
	switch {
	case short && n != 0:
		t.Fatalf("%q: the short path takes it for incomplete, the parser for %q", input, args)
	case p == nil:
		return
	case n != h.rest+len(p.Wire):
		t.Fatalf("%q: the short path reads %d bytes, the parser %d", input, h.rest+len(p.Wire), n)
	}
	name := strings.ToLower(string(args[0]))
	if want := map[bool]string{true: "hget", false: "hmget"}[h.single]; name != want {
		t.Fatalf("%q: the short path reads %s, the parser %s", input, want, name)
	}
	if entity := input[h.key:h.keyEnd]; string(args[1]) != string(entity) {
		t.Fatalf("%q: entity %q, the parser has %q", input, entity, args[1])
	}
	if len(args)-2 != p.Len() {
		t.Fatalf("%q: %d fields, the parser has %d", input, p.Len(), len(args)-2)
	}
	for i, f := range p.Fields {
		if f.Name != string(args[i+2]) {
			t.Fatalf("%q: field %d is %q, the parser has %q", input, i, f.Name, args[i+2])
		}
	}
}

// knowing returns a recognizer of random projections, and the fields of each.
func knowing(t testing.TB, c *cache.Cache, rng *rand.Rand, count int) (*recognizer, [][]string) {
	t.Helper()
	var known recognizer
	var lists [][]string
	for range count {
		var fields []string
		for range 1 + rng.IntN(12) {
			// Names alike in length and content, empty ones, some with line ends.
			name := []string{"", "a", "b", "ab", "10", "$1\r\na", "\r\n"}[rng.IntN(7)]
			if rng.IntN(2) == 0 {
				name = fmt.Sprint(rng.Uint32())
			}
			fields = append(fields, name)
		}
		known.remember(intern(c, fields...))
		lists = append(lists, fields)
	}
	return &known, lists
}

// FuzzFastPathAgrees holds the short path to the general parser on any bytes.
func FuzzFastPathAgrees(f *testing.F) {
	c := newTestCache(f, time.Hour)
	known, lists := knowing(f, c, rand.New(rand.NewPCG(1, 1)), 40)
	for _, fields := range lists {
		f.Add(hmget("st_1", fields...))
	}
	for _, s := range []string{
		"*3\r\n$4\r\nHGET\r\n$1\r\ne\r\n$1\r\na\r\n", "*3\r\n$5\r\nhMgEt\r\n$0\r\n\r\n$1\r\na\r\n",
		"*3\r\n$50\nHMGET\r\n$1\r\ne\r\n$1\r\na\r\n", "*3\r\n$55\rHMGET\r\n$1\r\ne\r\n$1\r\na\r\n",
		"*3\r\n$5\r\nHMGET\r\n$01\r\ne\r\n$1\r\na\r\n", "*03\r\n$5\r\nHMGET\r\n$1\r\ne\r\n$1\r\na\r\n",
		"*3\r\n$4\r\nHGET\r\n$1\r\nexx$1\r\na\r\n", "*999999\r\n$5\r\nHMGET\r\n$1\r\ne\r\n", "*3\r\n$5\r\nHMGET\r\n$4096\r\n",
		"*2\r\n$5\r\nHMGET\r\n$1\r\ne\r\n", "*-1\r\n", "*3\r\n$5\r\nHMGET\r\n$-1\r\n$1\r\na\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) { agree(t, known, input) })
}

// The same for known requests, cut short and with a byte changed, which random
// bytes hardly ever come to.
func TestFastPathAgreesOnMutatedRequests(t *testing.T) {
	c := newTestCache(t, time.Hour)
	rng := rand.New(rand.NewPCG(2, 2))
	found := 0
	for range 50 {
		known, lists := knowing(t, c, rng, 1+rng.IntN(300))
		for range 200 {
			request := hmget(strings.Repeat("e", rng.IntN(20)), lists[rng.IntN(len(lists))]...)
			if h, ok := readHead(request); ok {
				if p, _ := known.find(request[h.rest:], h.fields); p != nil {
					found++
				}
			}
			agree(t, known, request)
			agree(t, known, request[:rng.IntN(len(request)+1)])
			changed := append(append([]byte(nil), request...), "*1\r\n"...)
			changed[rng.IntN(len(changed))] = "0123456789*$\r\na"[rng.IntN(15)]
			agree(t, known, changed)
		}
	}
	if found < 1000 {
		t.Fatalf("only %d requests were known: nothing is tried", found)
	}
}

// The last projection, and many others, are known by their bytes, and one that
// is asked for again stays known while others come and go.
func TestKnownProjectionsAreFound(t *testing.T) {
	c := newTestCache(t, time.Hour)
	var known recognizer
	kept := intern(c, "kept", "1", "2")
	for i := range 1000 {
		known.remember(kept)
		other := intern(c, fmt.Sprint("f", i), "x", "y")
		known.remember(other)
		for _, p := range []*cache.Projection{other, kept, other} {
			if got, short := known.find([]byte(p.Wire+"*3\r\n"), p.Len()); got != p || short {
				t.Fatalf("%q was not found after %d others", p.Wire, i)
			}
		}
	}
}

// However few fields or bytes there are, fingerprint reads within them: it says
// so or gives a number that what follows does not change.
func TestFingerprintReadsWithinBounds(t *testing.T) {
	for n := range 20 {
		for size := range 6*n + 40 {
			exact := make([]byte, size) // beyond its end there is nothing to read
			for i := range exact {
				exact[i] = byte(i * 7)
			}
			h, ok := fingerprint(exact[:size:size], n)
			if want := n > 0 && size >= 6*n; ok != want {
				t.Fatalf("%d fields in %d bytes: %v, want %v", n, size, ok, want)
			}
			if more, okMore := fingerprint(append(exact[:size:size], "more"...), n); ok && (!okMore || more != h) {
				t.Fatalf("%d fields in %d bytes: what follows changes the fingerprint", n, size)
			}
		}
	}
}
