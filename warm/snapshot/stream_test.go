package snapshot

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// send is what a process sends that is asked for its rows.
func (p *process) send() []byte {
	p.t.Helper()
	var sent bytes.Buffer
	header := Header{WrittenBy: "test", Identity: "same"}
	if _, err := Send(p.t.Context(), Options{MaxBytes: 1 << 30}, header, p.Cache, p.clock, &sent); err != nil {
		p.t.Fatal(err)
	}
	return sent.Bytes()
}

// receive takes over what was sent, which was asked for at asked.
func (p *process) receive(sent []byte, asked int64) (Loaded, error) {
	p.t.Helper()
	s, err := Receive(bytes.NewReader(sent), asked)
	if err != nil {
		return Loaded{}, err
	}
	if err := s.Check("same"); err != nil {
		return Loaded{}, err
	}
	s.Build, s.Wanted = cmp.Or(p.build, "test"), p.views
	s.Intern(p.Cache)
	return s.Load(p.t.Context(), p.Cache, p.clock, 1<<30)
}

// ways are those in which a process takes over what another holds.
var ways = map[string]func(t *testing.T, from *process, next func() *process) (*process, Loaded, error){
	"file": func(t *testing.T, from *process, next func() *process) (*process, Loaded, error) {
		path := filepath.Join(t.TempDir(), "warm")
		from.write(path)
		p := next()
		loaded, err := p.read(path)
		return p, loaded, err
	},
	"peer": func(_ *testing.T, from *process, next func() *process) (*process, Loaded, error) {
		p, asked := next(), Asked()
		loaded, err := p.receive(from.send(), asked)
		return p, loaded, err
	},
}

func TestRowsComeFromAnotherProcessAsTheyWere(t *testing.T) {
	peer := newProcess(t)
	ab := peer.projection("a", "b")
	for i := range 3000 {
		peer.fill(fmt.Sprint("e", i), ab, fmt.Sprint(i), "")
	}
	asked := Asked()
	sent := peer.send()
	p := newProcess(t)
	if loaded, err := p.receive(sent, asked); err != nil || loaded.Rows != 3000 || loaded.Values != 6000 || loaded.Cut {
		t.Fatalf("%+v, %v", loaded, err)
	}
	for entity, want := range map[string]string{"e0": "0 ", "e2999": "2999 ", "e3000": "- -"} {
		if got := p.get(entity, p.projection("a", "b")); got != want {
			t.Errorf("%s: %q, want %q", entity, got, want)
		}
	}
	// What it took it gives on, as old as it is.
	third := newProcess(t)
	asked = Asked()
	if loaded, err := third.receive(p.send(), asked); err != nil || loaded.Rows != 3000 {
		t.Fatalf("%+v, %v", loaded, err)
	}
}

// Whoever asks before its sources of invalidations begin knows of all features
// before they are through: a feature that comes up later is born forgotten.
func TestFeaturesAreKnownBeforeRowsCome(t *testing.T) {
	peer := newProcess(t)
	peer.fill("e", peer.projection("a"), "1")
	p := newProcess(t)
	suspended := p.Suspend(cover(t, "*"))
	s, err := Receive(bytes.NewReader(peer.send()), Asked())
	if err != nil {
		t.Fatal(err)
	}
	s.Intern(p.Cache)
	suspended.Lift(0)
	if loaded, err := s.Load(t.Context(), p.Cache, p.clock, 1<<30); err != nil || loaded.Rows != 1 {
		t.Fatalf("%+v, %v", loaded, err)
	}
	if got := p.get("e", p.projection("a")); got != "1" {
		t.Errorf("%q", got)
	}
}

// However machines' clocks stand, and as far as they drift: no value is taken for
// younger than it is, nor for fetched since this process began, nor for much older
// than it is and its way took.
func TestNoValueGetsYoungerOnItsWay(t *testing.T) {
	const tick = int64(cache.TickLength)
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		// Real time, in which this process began at 0, asked, and was answered.
		asked := r.Int64N(int64(10 * time.Second))
		answered := asked + r.Int64N(int64(2*time.Second))
		fetched := answered - r.Int64N(int64(24*time.Hour))
		if r.IntN(4) == 0 {
			fetched = answered + r.Int64N(int64(30*time.Second)) // while it is sent
		}
		// What the peer's clock shows at a real time, and ours.
		drift := 1 + (r.Float64()-0.5)/1000
		began := answered - r.Int64N(int64(100*24*time.Hour))
		theirs := func(real int64) int64 { return int64(1e18) + int64(float64(real-began)*drift) }
		zero := r.Int64N(int64(1e18))
		ours := &Clock{Boot: "b", earliest: zero, latest: zero + 1000}

		h := &Header{First: int64(ahead), Tick: tick, Epoch: theirs(began), Saved: theirs(answered), asked: zero + asked}
		at := int64(ahead) + (theirs(fetched)-h.Epoch)/tick
		if theirs(fetched) < h.Epoch {
			at-- // taken over by the peer itself
		}
		carried := ours.carry(h, at)
		if carried == 0 || carried >= ahead {
			t.Fatalf("fetched at %s, carried %d ticks from the beginning", time.Duration(fetched), carried-ahead)
		}
		// When the tick that it got began.
		said := int64(carried-ahead) * tick
		if said > fetched {
			t.Fatalf("fetched at %s, and taken for fetched at %s", time.Duration(fetched), time.Duration(said))
		}
		if earliest := min(fetched-(answered-asked), 0) - (answered-min(fetched, answered))/500 - 4*tick; said < earliest {
			t.Fatalf("fetched at %s, and taken for fetched at %s, %s too early", time.Duration(fetched), time.Duration(said), time.Duration(earliest-said))
		}
	}
}

// A stream that is cut or changed anywhere leaves nothing behind that is served.
func TestAStreamThatIsNotWholeLeavesNothing(t *testing.T) {
	peer := newProcess(t)
	random := rand.NewChaCha8([32]byte{})
	value := make([]byte, 1000)
	for i := range 2000 {
		_, _ = random.Read(value)
		peer.fill(fmt.Sprint("e", i), peer.projection("a"), string(value))
	}
	sent := peer.send()
	try := func(name string, sent []byte) {
		p := newProcess(t)
		if _, err := p.receive(sent, Asked()); !errors.As(err, new(*Broken)) {
			t.Errorf("%s: %v", name, err)
		}
		for i := range 2000 {
			if got := p.get(fmt.Sprint("e", i), p.projection("a")); got != "-" {
				t.Fatalf("%s: e%d is served", name, i)
			}
		}
	}
	for _, to := range []int{0, 5, prefixBytes, prefixBytes + 20, len(sent) / 2, len(sent) - 100, len(sent) - 1} {
		try(fmt.Sprint("cut at ", to), sent[:to])
		changed := bytes.Clone(sent)
		changed[to] ^= 1
		try(fmt.Sprint("changed at ", to), changed)
	}
	other := bytes.Clone(sent)
	binary.LittleEndian.PutUint32(other[len(magic):], version+1)
	try("another version", other)
}

// What is whole and nonsense, or of others, is refused within bounds.
func TestAStreamThatLiesIsRefused(t *testing.T) {
	header := func(change func(*Header)) []byte {
		h := Header{Identity: "same", Forms: cache.FormNames(), Epoch: 1, First: 1, Tick: int64(cache.TickLength), Saved: 2}
		change(&h)
		text, _ := json.Marshal(h)
		return text
	}
	right := header(func(*Header) {})
	stream := func(blocks ...[]byte) []byte { // kind, payload, kind, …
		var b bytes.Buffer
		w := &blockWriter{out: &b}
		_ = w.begin()
		for i := 0; i < len(blocks); i += 2 {
			_ = w.block(blocks[i][0], blocks[i+1])
		}
		return b.Bytes()
	}
	var features []byte
	for range 100 {
		features = appendBytes(append(features, recordFeature), []byte(strings.Repeat("x", 60_000)))
	}
	roster := appendNumbers([]byte{recordRoster}, make([]uint32, 1<<20))
	one := appendBytes([]byte{recordFeature}, []byte("a"))
	known, rows := []byte{kindKnown}, []byte{kindRows}
	for name, sent := range map[string][]byte{
		"another store":        stream([]byte{kindHeader}, header(func(h *Header) { h.Identity = "other" }), rows, nil),
		"no header":            stream(rows, nil),
		"two headers":          stream([]byte{kindHeader}, right, []byte{kindHeader}, right),
		"a clock of ages":      stream([]byte{kindHeader}, header(func(h *Header) { h.Saved = 1 << 62 }), rows, nil),
		"a clock that is back": stream([]byte{kindHeader}, header(func(h *Header) { h.Saved = 0 }), rows, nil),
		"features without end": stream([]byte{kindHeader}, right, known, features, known, features, known, features, rows, nil),
		"rosters without end":  stream([]byte{kindHeader}, right, known, one, rows, bytes.Repeat(roster, 9), []byte{kindEnd}, []byte("{}")),
		"a row of no roster":   stream([]byte{kindHeader}, right, known, one, rows, []byte{recordRow, 1, 'e', 7, 1}),
		"known after rows":     stream([]byte{kindHeader}, right, rows, nil, known, one),
	} {
		if _, err := newProcess(t).receive(sent, Asked()); !errors.As(err, new(*Broken)) && !errors.As(err, new(*Foreign)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newProcess(t).receive(stream([]byte{kindHeader}, right, rows, nil, []byte{kindEnd}, []byte("{}")), 0); !errors.As(err, new(*Foreign)) {
		t.Errorf("without a clock: %v", err)
	}
}
