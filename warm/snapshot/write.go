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
	"github.com/fsproxy/fsproxy/resp"
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
		err = o.Commit(func() error { return place(temporary, o.Path) })
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

// place renames, and has the directory remember it.
func place(from, to string) error {
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
	rows    int64
}

func write(ctx context.Context, o Options, f file, header Header, c *cache.Cache, clock *Clock) (Saved, error) {
	buffered := bufio.NewWriterSize(f, blockSize)
	w := &writer{
		options: o, blocks: blockWriter{out: buffered}, cache: c, clock: clock, began: time.Now(),
		numbers: make(map[uint32]uint32), rosters: make(map[uint32]uint32),
	}
	header.Boot, header.Epoch = clock.Boot, clock.earliest
	header.First, header.Tick = int64(ahead), int64(cache.TickLength)
	err := w.blocks.begin()
	if err == nil {
		err = w.blocks.json(kindHeader, header)
	}
	if err == nil {
		err = w.known()
	}
	cut := false
	if err == nil {
		c.Export(func(e *cache.Exported) bool {
			if ctx.Err() != nil || w.blocks.written+int64(len(w.pending)) > o.MaxBytes {
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
	if err == nil {
		err = buffered.Flush()
	}
	return Saved{Rows: w.rows, Bytes: w.blocks.written, Cut: cut}, err
}

// known writes the features and projections, those asked for most first.
func (w *writer) known() error {
	for _, f := range w.cache.Known() {
		w.feature(f)
	}
	projections := w.cache.Projections()
	slices.SortFunc(projections, func(a, b *cache.Projection) int { return cmp.Compare(asked(b), asked(a)) })
	for _, p := range projections {
		if p.View != (cache.View{}) {
			continue // made anew when somebody asks
		}
		numbers := make([]uint32, len(p.Fields))
		for i, f := range p.Fields {
			numbers[i] = w.feature(f)
		}
		w.pending = binary.AppendUvarint(append(w.pending, recordProjection), asked(p))
		w.pending = appendNumbers(w.pending, numbers)
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

// roster is the number in the file of the features of a row.
func (w *writer) roster(e *cache.Exported) uint32 {
	n, ok := w.rosters[e.Layout]
	if !ok {
		numbers := make([]uint32, len(e.Features))
		for i, f := range e.Features {
			numbers[i] = w.feature(f)
		}
		n = uint32(len(w.rosters))
		w.rosters[e.Layout] = n
		w.pending = appendNumbers(append(w.pending, recordRoster), numbers)
	}
	return n
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
	if size == 0 || size > maxBlock/2 || len(e.Entity) > maxEntity || len(w.numbers) > maxKnown/2 {
		return nil
	}
	roster := w.roster(e)
	w.pending = appendBytes(append(w.pending, recordRow), e.Entity)
	w.pending = binary.AppendUvarint(w.pending, uint64(roster))
	w.pending = binary.AppendUvarint(w.pending, uint64(base))
	for i := range e.Features {
		wire, tick, ok := e.Value(i, now)
		if !ok || tick < base {
			w.pending = append(w.pending, valueAbsent)
			continue
		}
		if text, ok := resp.Text(wire); ok {
			w.pending = binary.AppendUvarint(w.pending, valueBytes+uint64(len(text)))
			w.pending = append(w.pending, text...)
		} else {
			w.pending = append(w.pending, valueNil)
		}
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
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	w.began = time.Now()
	return err
}
