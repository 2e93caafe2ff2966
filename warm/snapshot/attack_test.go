package snapshot

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// Cut off at each byte, and with each bit of each byte changed, a file is found
// out without a row of it.
func TestNoByteOfAFileIsUnchecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newDecodingProcess(t, cache.View{}, packed)
	p.in(packed, "ints-a")
	p.fill("e", p.in(cache.View{}, "ints-a", "b"), storedAs(t, "ints", integers(1, 2)), "2")
	p.write(path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, content []byte) {
		s := &Snapshot{}
		err := s.readKnown(bytes.NewReader(content))
		if err == nil {
			err = verify(t.Context(), bytes.NewReader(content))
		}
		if !errors.As(err, new(*Broken)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range whole {
		refused(fmt.Sprint("cut off at ", n), whole[:n])
		for bit := range 8 {
			changed := bytes.Clone(whole)
			changed[n] ^= 1 << bit
			refused(fmt.Sprintf("byte %d, bit %d", n, bit), changed)
		}
	}
	for _, v := range []uint32{0, 1, version - 1, version + 1, math.MaxUint32} {
		other := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(other[len(magic):], v)
		refused(fmt.Sprint("format ", v), other)
	}
}

// made is a file of blocks that are whole, whatever is in them.
func made(t testing.TB, header Header, blocks ...string) []byte {
	return unended(t, header, append(blocks, "e{}")...)
}

func unended(t testing.TB, header Header, blocks ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := &blockWriter{out: &b}
	text, err := json.Marshal(header)
	if err == nil {
		err = errors.Join(w.begin(), w.block(kindHeader, text))
	}
	for _, block := range blocks {
		err = errors.Join(err, w.block(block[0], []byte(block[1:])))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func record(kind byte, numbers ...uint64) string {
	b := []byte{kind}
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return string(b)
}

// A file whose checksums are right and whose counts are not is refused before room
// is made for what it says.
func TestHugeCountsTakeNoMemory(t *testing.T) {
	h := Header{Tick: 1, Forms: cache.FormNames()}
	const huge = math.MaxUint64
	feature := record(recordFeature, 1) + "a"
	lead := "r" + feature + record(recordRoster, 1, 0, 0)
	many := strings.Repeat(record(recordFeature, 0), maxBlock/4)
	for name, file := range map[string][]byte{
		"a name":                 made(t, h, "k"+record(recordFeature, huge)),
		"a name past its bound":  made(t, h, "k"+record(recordFeature, maxName+1)+strings.Repeat("x", maxName+1)),
		"a roster":               made(t, h, "r"+feature+record(recordRoster, huge)),
		"a roster past a row":    made(t, h, "r"+feature+record(recordRoster, maxPlaces+1)+strings.Repeat("\x00", 2*maxPlaces+2)),
		"a form":                 made(t, h, "r"+feature+record(recordRoster, 1, 0, uint64(len(cache.FormNames())))),
		"a feature":              made(t, h, "r"+feature+record(recordRoster, 1, 1, 0)),
		"a projection":           made(t, h, "k"+feature+record(recordProjection, 0, 0, huge)),
		"a view":                 made(t, h, "k"+feature+record(recordProjection, 0, maxView+1, 0)),
		"an entity":              made(t, h, lead+record(recordRow, huge)),
		"a value":                made(t, h, lead+record(recordRow, 0, 0, 1, 2*maxBlock-2)),
		"a value in wire form":   made(t, h, lead+record(recordRow, 0, 0, 1, 2*maxBlock-1)),
		"half a reply":           made(t, h, lead+record(recordRow, 0, 0, 1, 2*4+valueWire)+"*1\r\n\x00"),
		"two replies":            made(t, h, lead+record(recordRow, 0, 0, 1, 2*8+valueWire)+":1\r\n:2\r\n\x00"),
		"a reply of no value":    made(t, h, lead+record(recordRow, 0, 0, 1, 2*5+valueWire)+"-ERR\r\n\x00"),
		"a tick":                 made(t, h, lead+record(recordRow, 0, 0, huge)),
		"a row of no roster":     made(t, h, "r"+record(recordRow, 0, 0, 1)),
		"features without end":   made(t, h, "k"+many, "k"+many, "k"+many, "k"+many),
		"no forms":               made(t, Header{Tick: 1}),
		"forms without end":      made(t, Header{Tick: 1, Forms: make([]string, maxForms+1)}),
		"a hold for ever":        made(t, Header{Tick: 1, Forms: h.Forms, Held: math.MaxInt64}),
		"a hold of long ago":     made(t, Header{Tick: 1, Forms: h.Forms, Saved: 5, Held: 4}),
		"times below none":       made(t, Header{Tick: 1, Forms: h.Forms, Epoch: -1}),
		"a tick of no time":      made(t, Header{Forms: h.Forms}),
		"a block of 4 GiB":       append(unended(t, h), "r\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"...),
		"a block that is longer": append(unended(t, h), "r\x01\x00\x00\x00\xff\xff\xff\x00\x00\x00\x00\x00"...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s := &Snapshot{}
		err := s.readKnown(bytes.NewReader(file))
		if err == nil {
			err = s.eachOf(bytes.NewReader(file), func(*row) bool { return true })
		}
		runtime.ReadMemStats(&after)
		if !errors.As(err, new(*Broken)) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4*(maxKept+maxBlock) {
			t.Errorf("%s took %d MiB", name, took>>20)
		}
	}
}

// A writer leaves out what its reader would refuse.
func TestWhatIsWrittenCanBeRead(t *testing.T) {
	w := newWriter(Options{}, io.Discard, newProcess(t).Cache, nil)
	w.kept = maxKept - kept(9)
	if !w.afford(9) || w.afford(0) || w.kept != maxKept {
		t.Errorf("%d of %d taken", w.kept, maxKept)
	}
}

func (p *process) keeper(path string, change func(*Config)) *Keeper {
	cfg := Config{
		Path: path, Identity: func() string { return "same" }, WrittenBy: "test", MaxBytes: 1 << 30, Writes: func() int64 { return 0 },
		Room: func() int64 { return 1 << 30 }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return NewKeeper(cfg, p.Cache, p.clock, &scripted{})
}

// restarted is the process after p, which wrote a snapshot, and what became of it.
func (p *process) restarted(path string, change func(*Config)) (*process, *Keeper) {
	k := p.keeper(path, nil)
	k.Load(p.t.Context(), time.Minute)
	k.Save(p.t.Context())
	next := newProcess(p.t)
	k = next.keeper(path, change)
	k.Open()
	k.Load(p.t.Context(), time.Minute)
	return next, k
}

// What was written through a process is held down in the next one for as long as a
// fetcher may not have it, even where the rows are of no use to that.
func TestAHoldOutlivesTheProcess(t *testing.T) {
	for _, identity := range []string{"same", "other"} {
		p := newProcess(t)
		a := p.projection("a")
		p.fill("other", a, "1")
		p.Invalidate([]byte("e"), time.Hour)
		next, _ := p.restarted(filepath.Join(t.TempDir(), "warm"), func(c *Config) { c.Identity = func() string { return identity } })
		a = next.projection("a")
		next.fill("e", a, "before the write")
		if got := next.get("e", a); got != "-" {
			t.Errorf("%s: what may be from before the write is kept: %q", identity, got)
		}
		if got := next.get("other", a); identity == "same" && got != "1" {
			t.Errorf("what was loaded: %q", got)
		}
		if left := next.Held(); left > time.Hour+time.Second || left < time.Hour-time.Minute {
			t.Errorf("%s: held for %s of an hour", identity, left)
		}
	}
}

// A file that no write could take away again is not loaded: it would be served
// after the write, too.
func TestAFileThatCannotBeRemovedIsNotLoaded(t *testing.T) {
	p := newProcess(t)
	p.fill("e", p.projection("a"), "1")
	next, k := p.restarted(filepath.Join(t.TempDir(), "warm"), func(c *Config) {
		c.writable = func(string) error { return syscall.EROFS }
	})
	if got := next.get("e", next.projection("a")); got != "-" || !strings.Contains(k.Stats().Refused, "could not be removed") {
		t.Errorf("%q, refused: %q", got, k.Stats().Refused)
	}
}
