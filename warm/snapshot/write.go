package snapshot

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/pause"
)

// Options say how a snapshot is written.
type Options struct {
	Path     string
	MaxBytes int64 // of the file; the coldest rows are left out
	// Rest is for how long to rest after each block, as a multiple of what it
	// took: 9 makes a tenth of a CPU. 0: not at all.
	Rest float64
	// Commit puts the file in its place with rename, unless something came up that
	// makes it wrong. Nil: rename is called.
	Commit func(rename func() error) error

	// create makes the file, for tests; nil: os.OpenFile.
	create func(path string) (file, error)
}

// file is what a snapshot is written to.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// Saved says what was written.
type Saved struct {
	Rows  int64
	Bytes int64
	Took  time.Duration
	// Cut: rows were left out, because the file or the time would have become too
	// much.
	Cut bool
}

// Write writes the fresh values that c holds, the hottest rows first. When ctx
// ends it makes an end with what it has. The checkpoints of header are from before
// the call.
func Write(ctx context.Context, o Options, header Header, c *cache.Cache, clock *Clock) (Saved, error) {
	began := time.Now()
	if o.Commit == nil {
		o.Commit = func(rename func() error) error { return rename() }
	}
	if o.create == nil {
		o.create = create
	}
	temporary := o.Path + ".tmp"
	f, err := o.create(temporary)
	if err != nil {
		return Saved{}, fmt.Errorf("write the snapshot: %w", err)
	}
	saved, err := write(ctx, o, f, header, c, clock)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = o.Commit(func() error { return replace(temporary, o.Path) })
	}
	if err != nil {
		_ = os.Remove(temporary)
		return saved, fmt.Errorf("write the snapshot %s: %w", o.Path, err)
	}
	saved.Took = time.Since(began)
	return saved, nil
}

func create(path string) (file, error) {
	// What it holds is for nobody else's eyes.
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// replace renames, and has the directory remember it.
func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	directory, err := os.Open(filepath.Dir(to))
	if err != nil {
		return nil // the file is in its place; only a crash of the machine could undo it
	}
	defer directory.Close()
	_ = directory.Sync()
	return nil
}

// writer is a snapshot under construction.
type writer struct {
	options Options
	blocks  blockWriter
	cache   *cache.Cache
	clock   *Clock
	pending []byte // records of the block at hand
	began   time.Time
	// numbers are those of features that were written, by the cache's own; rosters
	// likewise, by layout.
	numbers map[uint32]uint32
	rosters map[uint32]uint32
	forms   map[string]uint32
	kept    int // what a reader keeps of it, as kept counts
	rows    int64
}

func write(ctx context.Context, o Options, f file, header Header, c *cache.Cache, clock *Clock) (Saved, error) {
	buffered := bufio.NewWriterSize(f, blockSize)
	saved, err := newWriter(o, buffered, c, clock).all(ctx, header)
	if err == nil {
		err = buffered.Flush()
	}
	return saved, err
}

func newWriter(o Options, out io.Writer, c *cache.Cache, clock *Clock) *writer {
	forms := make(map[string]uint32)
	for i, name := range cache.FormNames() {
		forms[name] = uint32(i)
	}
	return &writer{
		forms: forms, options: o, blocks: blockWriter{out: out}, cache: c, clock: clock, began: time.Now(),
		numbers: make(map[uint32]uint32), rosters: make(map[uint32]uint32),
	}
}

// all writes the whole snapshot, but for what is in buffers of out.
func (w *writer) all(ctx context.Context, header Header) (Saved, error) {
	header.Boot, header.Epoch = w.clock.Boot, w.clock.earliest
	header.First, header.Tick = int64(ahead), int64(cache.TickLength)
	header.Forms = cache.FormNames()
	err := w.blocks.begin()
	if err == nil {
		err = w.blocks.json(kindHeader, header)
	}
	if err == nil {
		err = w.known()
	}
	if err == nil {
		err = w.blocks.block(kindRows, nil) // says that all is known, to one who waits for that
	}
	cut := false
	if err == nil {
		w.cache.Export(func(e *cache.Exported) bool {
			if ctx.Err() != nil || w.blocks.written+int64(len(w.pending)) > w.options.MaxBytes {
				cut = true
				return false
			}
			err = w.row(ctx, e)
			return err == nil
		})
	}
	if err == nil {
		err = w.flush(context.WithoutCancel(ctx), kindRows)
	}
	if err == nil {
		err = w.blocks.json(kindEnd, end{w.rows})
	}
	return Saved{Rows: w.rows, Bytes: w.blocks.written, Cut: cut}, err
}

// known writes the features and projections, those asked for most first.
func (w *writer) known() error {
	for _, f := range w.cache.Known() {
		if !w.afford(len(f.Name)) {
			break
		}
		w.feature(f)
	}
	projections := w.cache.Projections()
	slices.SortFunc(projections, func(a, b *cache.Projection) int { return cmp.Compare(asked(b), asked(a)) })
	for _, p := range projections {
		if p.View.Aside || !w.allKnown(p.Fields) || !w.afford(len(p.Fields)) {
			continue
		}
		numbers := make([]uint32, len(p.Fields))
		for i, f := range p.Fields {
			numbers[i] = w.feature(f)
		}
		w.pending = binary.AppendUvarint(append(w.pending, recordProjection), asked(p))
		w.pending = appendNumbers(append(w.pending, p.View.Bits()), numbers)
		if err := w.spill(context.Background(), kindKnown); err != nil {
			return err
		}
	}
	return w.flush(context.Background(), kindKnown)
}

func asked(p *cache.Projection) uint64 {
	hits, misses := p.Asked()
	return hits + misses
}

// afford takes the room in a reader's memory of a record of n bytes or numbers.
// False: there is not so much left.
func (w *writer) afford(n int) bool {
	if w.kept+kept(n) > maxKept {
		return false
	}
	w.kept += kept(n)
	return true
}

// allKnown tells whether features were written, or are few enough to be.
func (w *writer) allKnown(features []*cache.Feature) bool {
	for _, f := range features {
		if _, ok := w.numbers[f.Number()]; !ok && !w.afford(len(f.Name)) {
			return false
		}
	}
	return len(features) <= maxPlaces
}

// feature is the number of a feature in the file.
func (w *writer) feature(f *cache.Feature) uint32 {
	n, ok := w.numbers[f.Number()]
	if !ok {
		n = uint32(len(w.numbers))
		w.numbers[f.Number()] = n
		w.pending = appendBytes(append(w.pending, recordFeature), f.Name)
	}
	return n
}

// roster is the number in the file of the places of a row. False: a reader would
// not have so many.
func (w *writer) roster(e *cache.Exported) (uint32, bool) {
	if n, ok := w.rosters[e.Layout]; ok {
		return n, true
	}
	if !w.allKnown(e.Features) || !w.afford(2*len(e.Features)) {
		return 0, false
	}
	numbers := make([]uint32, 0, 2*len(e.Features))
	for _, f := range e.Features {
		numbers = append(numbers, w.feature(f), w.forms[f.Form()])
	}
	n := uint32(len(w.rosters))
	w.rosters[e.Layout] = n
	w.pending = binary.AppendUvarint(append(w.pending, recordRoster), uint64(len(e.Features)))
	for _, number := range numbers {
		w.pending = binary.AppendUvarint(w.pending, uint64(number))
	}
	return n, true
}

// row writes what of a row is fresh.
func (w *writer) row(ctx context.Context, e *cache.Exported) error {
	now := w.clock.Now()
	base, size := cache.Tick(0), 0
	for i := range e.Features {
		if wire, tick, ok := e.Value(i, now); ok {
			if size += len(wire); base == 0 || tick < base {
				base = tick
			}
		}
	}
	if size == 0 || size > maxBlock/2 || len(e.Entity) > maxEntity {
		return nil
	}
	roster, ok := w.roster(e)
	if !ok {
		return nil
	}
	w.pending = appendBytes(append(w.pending, recordRow), e.Entity)
	w.pending = binary.AppendUvarint(w.pending, uint64(roster))
	w.pending = binary.AppendUvarint(w.pending, uint64(base))
	for i := range e.Features {
		wire, tick, ok := e.Value(i, now)
		if !ok || tick < base {
			w.pending = append(w.pending, valueAbsent)
			continue
		}
		w.pending = appendValue(w.pending, wire)
		w.pending = binary.AppendUvarint(w.pending, uint64(tick-base))
	}
	w.rows++
	return w.spill(ctx, kindRows)
}

// spill writes a block when there is enough for one.
func (w *writer) spill(ctx context.Context, kind byte) error {
	if len(w.pending) < blockSize {
		return nil
	}
	return w.flush(ctx, kind)
}

// flush writes what is pending, and rests.
func (w *writer) flush(ctx context.Context, kind byte) error {
	if len(w.pending) == 0 {
		return nil
	}
	err := w.blocks.block(kind, w.pending)
	w.pending = w.pending[:0]
	if rest := time.Duration(float64(time.Since(w.began)) * w.options.Rest); err == nil && rest > 0 {
		pause.For(ctx, rest)
	}
	w.began = time.Now()
	return err
}
