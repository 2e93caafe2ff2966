package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/resp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is what one process has of the matter.
type process struct {
	*cache.Cache
	t     testing.TB
	clock *Clock
	views []cache.View // that its clients may want
	build string       // "": that of all
}

func newProcess(t testing.TB) *process {
	t.Helper()
	p := &process{t: t, clock: NewClock()}
	if p.clock.Boot == "" {
		t.Skip("this system does not tell when it was started")
	}
	var err error
	p.Cache, err = cache.New(cache.Config{
		MaxBytes: 64 << 20, MaxAge: time.Hour, NegativeMaxAge: 10 * time.Minute, Shards: 2, MaxRowBytes: 1 << 20,
		MaxFeatures: 1000, MaxProjections: 100, MaxLayouts: 100,
	}, p.clock.Clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (p *process) projection(names ...string) *cache.Projection {
	fields := make([][]byte, len(names))
	for i, name := range names {
		fields[i] = []byte(name)
	}
	return p.Projection(wireOf(fields), fields)
}

// fill has values fetched at the present tick; "" is the lack of one.
func (p *process) fill(entity string, of *cache.Projection, values ...string) {
	var frame []byte
	ends := []int{0}
	frame = fmt.Appendf(frame, "*%d\r\n", len(values))
	ends[0] = len(frame)
	positions := make([]int32, len(values))
	for i, v := range values {
		positions[i] = int32(i)
		if v == "" {
			frame = append(frame, resp.Nil2...)
		} else {
			frame = appendBulk(frame, []byte(v))
		}
		ends = append(ends, len(frame))
	}
	p.Fill([]byte(entity), &cache.Fetched{Projection: of, Positions: positions, Frame: frame, Ends: ends, Began: p.clock.Now()}, resp.V2)
}

// get is the values held, with "-" for each that would have to be fetched.
func (p *process) get(entity string, of *cache.Projection) string {
	now := p.clock.Now()
	found := p.Lookup([]byte(entity), of, now)
	missing, _ := found.Missing(nil, of, now)
	var out []string
	for i := range of.Len() {
		if slices.Contains(missing, int32(i)) {
			out = append(out, "-")
			continue
		}
		text, _ := resp.Text(found.AppendValue(nil, i, resp.V2))
		out = append(out, string(text))
	}
	return strings.Join(out, " ")
}

func (p *process) write(path string) {
	p.t.Helper()
	header := Header{WrittenBy: "test", Identity: "same", Saved: sinceBoot()}
	if _, err := Write(p.t.Context(), Options{Path: path, MaxBytes: 1 << 30}, header, p.Cache, p.clock); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) read(path string) (Loaded, error) {
	p.t.Helper()
	s, err := Open(path)
	if err != nil {
		return Loaded{}, err
	}
	if err := s.Check("same", p.clock); err != nil {
		return Loaded{}, err
	}
	s.Build, s.Wanted = cmp.Or(p.build, "test"), p.views
	s.Intern(p.Cache)
	return s.Load(p.t.Context(), p.Cache, p.clock, 1<<30)
}

func cover(t testing.TB, names ...string) *feature.Cover {
	t.Helper()
	c, err := feature.NewCover(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	before := newProcess(t)
	ab, bc, wide := before.projection("a", "b"), before.projection("b", "c"), before.projection("x", "y", "z")
	big := strings.Repeat("long ", 20_000)
	for i := range 3000 {
		before.fill(fmt.Sprint("e", i), ab, fmt.Sprint(i), "")
	}
	before.fill("e1", bc, "b", "c")
	before.fill("bytes\x00\r\n\xff", wide, "\x00\r\n", big, "z")
	before.write(path)

	after := newProcess(t)
	loaded, err := after.read(path)
	if err != nil || loaded.Rows != 3001 || loaded.Cut {
		t.Fatalf("%+v, %v", loaded, err)
	}
	for entity, want := range map[string]string{"e0": "0 ", "e2999": "2999 ", "e1": "1 b", "e3000": "- -"} {
		if got := after.get(entity, after.projection("a", "b")); got != want {
			t.Errorf("%s: %q, want %q", entity, got, want)
		}
	}
	if got := after.get("e1", after.projection("b", "c")); got != "b c" {
		t.Errorf("e1: %q", got)
	}
	if got := after.get("bytes\x00\r\n\xff", after.projection("x", "y", "z")); got != "\x00\r\n "+big+" z" {
		t.Errorf("bytes: %.40q", got)
	}
	found := after.Lookup([]byte("e0"), after.projection("a", "b"), after.clock.Now())
	if !found.Complete || found.Negatives != 1 {
		t.Errorf("a nil did not come back as one: %+v", found)
	}
}

// What is not fresh where it is written is not written, whatever the reason.
func TestOnlyFreshValuesAreWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	before := newProcess(t)
	names := []string{"marked", "forgotten", "suspended", "updated", "fresh"}
	all := before.projection(names...)
	before.fill("e", all, "1", "2", "3", "4", "5")
	before.fill("gone", all, "1", "2", "3", "4", "5")
	before.Mark(cover(t, "marked"))
	before.Forget(cover(t, "forgotten"), 0)
	before.Suspend(cover(t, "suspended"))
	before.Update([]byte("e"), [][]byte{[]byte("updated")}, 0)
	before.Invalidate([]byte("gone"), 0)
	before.write(path)
	after := newProcess(t)
	if _, err := after.read(path); err != nil {
		t.Fatal(err)
	}
	if got := after.get("e", after.projection(names...)); got != "- - - - 5" {
		t.Errorf("e: %q", got)
	}
	if got := after.get("gone", after.projection(names...)); got != "- - - - -" {
		t.Errorf("gone: %q", got)
	}
}

// The clock of the wall has no part in it: nothing of it is in the file, and the
// clock of the boot is another.
func TestSettingTheClockChangesNothing(t *testing.T) {
	before := sinceBoot()
	if before == 0 {
		t.Skip("this system does not tell when it was started")
	}
	if wall := time.Now().UnixNano(); before > wall/2 {
		t.Fatalf("the clock of the boot reads %d, like that of the wall", before)
	}
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	p.fill("e", p.projection("a"), "1")
	p.write(path)
	// As if somebody had set the date meanwhile.
	for _, at := range []time.Time{time.Unix(0, 0), time.Now().AddDate(50, 0, 0)} {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		after := newProcess(t)
		if loaded, err := after.read(path); err != nil || loaded.Rows != 1 {
			t.Errorf("a file of %v: %+v, %v", at, loaded, err)
		}
	}
}

func TestAFileOfAnotherBootOrConfigurationIsForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	p.fill("e", p.projection("a"), "1")
	p.write(path)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	other := *p.clock
	other.Boot = "another"
	unknown := *p.clock
	unknown.Boot = ""
	early := *p.clock
	early.latest = 0
	for name, err := range map[string]error{
		"identity": s.Check("other", p.clock), "boot": s.Check("same", &other), "no boot": s.Check("same", &unknown), "future": s.Check("same", &early),
	} {
		if foreign := (*Foreign)(nil); !errors.As(err, &foreign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What was hot is told all the same.
	hot := 0
	if err := s.Hot(func(entity []byte, features []uint32) bool {
		hot++
		return string(entity) == "e" && string(s.Names[features[0]]) == "a"
	}); err != nil || hot != 1 {
		t.Errorf("%d hot, %v", hot, err)
	}
}

// Every file that is cut off, and every one with a changed byte, is found out
// before the first row is taken over.
func TestNothingIsTakenFromABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	ab := p.projection("a", "b")
	for i := range 20 {
		p.fill(fmt.Sprint("e", i), ab, "1", "2")
	}
	p.write(path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		after := newProcess(t)
		_, err := after.read(path)
		if broken := (*Broken)(nil); !errors.As(err, &broken) {
			t.Errorf("%s: %v", name, err)
		}
		if rows := after.Stats().Rows; rows != 0 {
			t.Errorf("%s: %d rows", name, rows)
		}
	}
	for n := range whole {
		if n%7 == 0 || len(whole)-n < 20 {
			try(fmt.Sprint("cut off at ", n), whole[:n])
		}
	}
	for n := range whole {
		if n%5 != 0 {
			continue
		}
		changed := bytes.Clone(whole)
		changed[n] ^= 1 << (n % 8)
		try(fmt.Sprint("changed at ", n), changed)
	}
	try("followed by something", append(bytes.Clone(whole), 0))
}

// full is a disk with room for so many bytes.
type full struct {
	file
	room int
}

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n, _ := f.file.Write(b[:f.room])
		f.room = 0
		return n, syscall.ENOSPC
	}
	f.room -= len(b)
	return f.file.Write(b)
}

// A disk that is full, or may not be written to, costs the new snapshot, not the
// old one, and leaves nothing lying about.
func TestAFullDiskLeavesTheLastSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	ab := p.projection("a", "b")
	p.fill("e", ab, "1", "2")
	p.write(path)
	for i := range 50_000 {
		p.fill(fmt.Sprint("e", i), ab, fmt.Sprint(i), fmt.Sprint(-i))
	}
	for _, room := range []int{0, 100, 100_000} {
		_, err := Write(t.Context(), Options{Path: path, MaxBytes: 1 << 30, create: func(path string) (file, error) {
			f, err := create(path)
			return &full{f, room}, err
		}}, Header{Identity: "same", Saved: sinceBoot()}, p.Cache, p.clock)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
			t.Fatalf("with room for %d: %v", room, err)
		}
	}
	_, err := Write(t.Context(), Options{Path: path, MaxBytes: 1 << 30, create: func(string) (file, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EROFS}
	}}, Header{}, p.Cache, p.clock)
	if !errors.Is(err, syscall.EROFS) {
		t.Fatalf("a read-only file system: %v", err)
	}
	left, _ := filepath.Glob(path + "*")
	if !slices.Equal(left, []string{path}) {
		t.Errorf("left behind: %v", left)
	}
	after := newProcess(t)
	if loaded, err := after.read(path); err != nil || loaded.Rows != 1 {
		t.Errorf("the last snapshot: %+v, %v", loaded, err)
	}
}

// The file stays within its bound, and when the time is over it is ended as it
// should be.
func TestWhatIsTooMuchIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	a := p.projection("a")
	for i := range 5000 {
		p.fill(fmt.Sprint("e", i), a, strings.Repeat(fmt.Sprint(i*i), 200))
	}
	const bound = 200 << 10
	saved, err := Write(t.Context(), Options{Path: path, MaxBytes: bound}, Header{Identity: "same", Saved: sinceBoot()}, p.Cache, p.clock)
	if err != nil || !saved.Cut || saved.Bytes > bound+blockSize || saved.Rows == 0 {
		t.Fatalf("%+v, %v", saved, err)
	}
	if loaded, err := newProcess(t).read(path); err != nil || loaded.Rows != saved.Rows {
		t.Fatalf("%+v, %v", loaded, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if saved, err = Write(over, Options{Path: path, MaxBytes: 1 << 30}, Header{Identity: "same", Saved: sinceBoot()}, p.Cache, p.clock); err != nil || !saved.Cut {
		t.Fatalf("%+v, %v", saved, err)
	}
	if _, err := newProcess(t).read(path); err != nil {
		t.Fatal(err)
	}
	p.write(path)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	small := newProcess(t)
	if loaded, err := s.Load(t.Context(), small.Cache, small.clock, 1<<20); err != nil || !loaded.Cut || loaded.Bytes > 2<<20 {
		t.Fatalf("loaded into little room: %+v, %v", loaded, err)
	}
}

// scripted are sources that say what a test wants.
type scripted struct{ resumed map[int][]byte }

func (*scripted) Checkpoints() map[int][]byte { return map[int][]byte{0: []byte("here")} }
func (s *scripted) ResumeFrom(c map[int][]byte, _ time.Duration) error {
	s.resumed = c
	return nil
}

// A change that nobody tells of again takes the file away, and keeps one that was
// begun before it from taking its place.
func TestWhatIsVoidIsNotLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warm")
	p := newProcess(t)
	a := p.projection("a")
	p.fill("e", a, "1")
	writes := int64(0)
	log := slog.New(slog.DiscardHandler)
	cfg := Config{Path: path, Identity: func() string { return "same" }, MaxBytes: 1 << 30, Writes: func() int64 { return writes }, Room: func() int64 { return 1 << 30 }, Log: log}
	k := NewKeeper(cfg, p.Cache, p.clock, &scripted{})
	there := func() bool { _, err := os.Stat(path); return err == nil }
	k.Save(t.Context())
	if there() {
		t.Fatal("written before it was loaded")
	}
	k.Open()
	k.Load(t.Context(), time.Minute)
	k.Save(t.Context())
	if !there() {
		t.Fatal("not written")
	}
	k.Void()
	if there() {
		t.Fatal("a void snapshot is there")
	}
	writes = 1
	k.Save(t.Context())
	if there() {
		t.Fatal("written while a write is on its way")
	}
	writes = 0
	if err := k.commit(k.generation-1, func() error { t.Error("put in its place"); return nil }); !errors.Is(err, errVoid) {
		t.Fatal(err)
	}
	k.Save(t.Context())
	sources := &scripted{}
	next := newProcess(t)
	k = NewKeeper(cfg, next.Cache, next.clock, sources)
	k.Open()
	k.Load(t.Context(), time.Minute)
	if got := next.get("e", next.projection("a")); got != "1" || string(sources.resumed[0]) != "here" {
		t.Errorf("%q, resumed from %q", got, sources.resumed[0])
	}
}

func FuzzReader(f *testing.F) {
	p := newProcess(f)
	ab := p.projection("a", "b")
	p.fill("e", ab, "1", "")
	p.fill("f", p.projection("b", "c"), "22", "333")
	path := filepath.Join(f.TempDir(), "warm")
	p.write(path)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:40], false)
	f.Add([]byte{recordFeature, 1, 'a', recordRoster, 1, 0, 0, recordRow, 1, 'e', 0, 5, valueBulk + 2*2, 'v', 'v', 0}, true)
	f.Add(append([]byte{recordFeature, 1, 'a', recordRoster, 1, 0, 2, recordRow, 1, 'e', 0, 5, valueWire + 2*8}, "*1\r\n:7\r\n\x00"...), true)
	f.Add([]byte{recordProjection, 9, 1, 1, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, records bool) {
		s := &Snapshot{Header: Header{Forms: cache.FormNames()}}
		if records { // behind the checksums, which would keep everything out
			var made [][]byte
			_ = s.records(b, func(r *row) bool {
				if len(r.values) != len(s.rosters[r.roster].places) || len(r.ticks) != len(r.values) {
					t.Fatalf("%d values and %d ticks of %d features", len(r.values), len(r.ticks), len(s.rosters[r.roster].places))
				}
				for _, v := range r.values {
					if n, err := resp.NewFramer(maxBlock).Next(v); v != nil && (err != nil || n != len(v)) {
						t.Fatalf("not a value: %q", v)
					}
				}
				made = append(made, r.values...)
				return len(made) < 1000
			})
			return
		}
		if s.readKnown(bytes.NewReader(b)) != nil || verify(t.Context(), bytes.NewReader(b)) != nil {
			return
		}
		_ = s.eachOf(bytes.NewReader(b), func(*row) bool { return true })
	})
}
