package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// Sources are the sources of invalidations; *invalidation.Set is one.
type Sources interface {
	Checkpoints() map[int][]byte
	ResumeFrom(checkpoints map[int][]byte, age time.Duration) error
}

// Config is what a Keeper keeps, and where.
type Config struct {
	Path      string
	Identity  func() string // see Header; it may change
	WrittenBy string
	Interval  time.Duration // 0: only Save writes
	MaxBytes  int64         // of the file
	// Writes is how many writes through the proxy are on their way: what they
	// change, nobody tells of a second time.
	Writes func() int64
	// Room is how many bytes of rows the cache may have.
	Room func() int64
	// Views are those in which clients may ask; nil: as stored alone.
	Views []cache.View
	Log   *slog.Logger

	// writable tells whether the file could be removed, for tests; nil: writable.
	writable func(path string) error
}

// removable tells whether a write could void the file. An error is *Foreign.
func (cfg *Config) removable() error {
	if cfg.writable == nil {
		cfg.writable = writable
	}
	if err := cfg.writable(cfg.Path); err != nil {
		return &Foreign{fmt.Sprintf("it could not be removed when a write makes it wrong: %v; have its directory writable", err)}
	}
	return nil
}

func writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// Keeper keeps a snapshot of a cache: it takes over the one that is there, and
// replaces it every so often.
//
// A change that no source will tell of again (a write through the proxy, an
// invalidation by hand) makes a snapshot from before it wrong: it has to be told
// with Void, and then there is none until the next is written.
type Keeper struct {
	cfg     Config
	cache   *cache.Cache
	clock   *Clock
	sources Sources
	found   *Snapshot // that rows may be taken over from; nil: none
	hints   *Snapshot // that tells what was hot, but has no rows for us; nil: none

	// voidable: there may be a file, or one is being written. Void looks at it.
	voidable atomic.Bool
	loaded   atomic.Bool // Load is over, so that what is in memory is worth writing

	mu         sync.Mutex // protects what follows
	exposed    bool       // the file is there
	generation uint64     // changes with each Void
	stats      Stats
	saving     sync.Mutex // held while a snapshot is written
}

// Stats are what a Keeper did since it began.
type Stats struct {
	Loaded             Loaded
	Refused            string // why the file was not taken over; "": it was, or there was none
	Saves, Failures    uint64
	Voided             uint64
	LastRows, LastSize int64 // of the last that was written
	LastTook           time.Duration
	LastAt             time.Time
	LoadedAge          time.Duration // how old the snapshot was that was taken over
}

// NewKeeper returns a keeper of what c holds by clock.
func NewKeeper(cfg Config, c *cache.Cache, clock *Clock, sources Sources) *Keeper {
	k := &Keeper{cfg: cfg, cache: c, clock: clock, sources: sources}
	k.voidable.Store(true)
	return k
}

// Open looks at the file, has its features known to the cache and the sources go
// on from where they stood. It comes before the sources run, and takes some
// milliseconds. A file that is of no use is set aside.
func (k *Keeper) Open() {
	_ = os.Remove(k.cfg.Path + ".tmp") // of a process that was ended while it wrote
	s, err := Open(k.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	k.mu.Lock()
	k.exposed = true
	k.mu.Unlock()
	if err == nil {
		s.Build, s.Wanted = k.cfg.WrittenBy, k.cfg.Views
		k.cache.Hold(s.Hold(k.clock))
		err = s.Check(k.cfg.Identity(), k.clock)
	}
	if err == nil {
		err = k.cfg.removable()
	}
	if err != nil {
		k.refuse(s, err)
		return
	}
	s.Intern(k.cache)
	if err := k.sources.ResumeFrom(s.Header.Checkpoints, s.Age()); err != nil {
		k.cfg.Log.Warn("a source of invalidations cannot go on where it stood: what it covers is fetched anew", "file", k.cfg.Path, "error", err)
	}
	k.found = s
}

// Found tells whether there is a file that rows are going to be taken over from.
// It comes after Open and before Load.
func (k *Keeper) Found() bool { return k.found != nil }

// refuse sets a file aside.
func (k *Keeper) refuse(s *Snapshot, reason error) {
	aside, err := SetAside(k.cfg.Path)
	attrs := []any{"file", k.cfg.Path, "reason", reason}
	if err != nil {
		attrs = append(attrs, "error", err)
	} else {
		attrs = append(attrs, "set_aside_as", aside)
	}
	k.mu.Lock()
	k.stats.Refused = reason.Error()
	k.exposed = err != nil
	k.mu.Unlock()
	if foreign := (*Foreign)(nil); errors.As(reason, &foreign) && err == nil {
		s.Path = aside
		k.hints = s
		k.cfg.Log.Warn("the snapshot's rows are of no use", attrs...)
		return
	}
	k.cfg.Log.Warn("the snapshot is of no use", attrs...)
}

// roomShare, in percent, is how much of the cache may be filled by loading: what
// is asked for meanwhile needs room too.
const roomShare = 95

// Load takes the rows over, until it took too long or ctx ends.
func (k *Keeper) Load(ctx context.Context, timeout time.Duration) {
	// What is there of a process that was stopped while it loaded is less than
	// what it loaded from.
	process := ctx
	defer func() { k.loaded.Store(process.Err() == nil) }()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if k.found == nil {
		return
	}
	s := k.found
	k.found = nil
	age := s.Age()
	loaded, err := s.Load(ctx, k.cache, k.clock, k.cfg.Room()/100*roomShare)
	if broken := (*Broken)(nil); errors.As(err, &broken) {
		if loaded.Rows > 0 {
			// Its blocks are as they were written, and yet make no sense.
			k.cache.InvalidateAll(0)
		}
		k.refuse(s, err)
		return
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // gone: a write came
		k.cfg.Log.Warn("the snapshot cannot be read to its end", "file", k.cfg.Path, "error", err)
	}
	k.mu.Lock()
	k.stats.Loaded, k.stats.LoadedAge = loaded, age
	k.mu.Unlock()
	k.cfg.Log.Info("took over the rows of an earlier process", "file", k.cfg.Path, "rows", loaded.Rows, "values", loaded.Values,
		"bytes", loaded.Bytes, "took", loaded.Took.Round(time.Millisecond).String(), "age", age.Round(time.Millisecond).String(), "cut", loaded.Cut)
}

// Took tells whether rows were taken over.
func (k *Keeper) Took() bool { return k.Stats().Loaded.Rows > 0 }

// Hints is a snapshot that tells what was hot, where its rows are of no use; nil:
// there is none.
func (k *Keeper) Hints() *Snapshot { return k.hints }

// restWhileServing makes a snapshot that is written while clients are served take
// a tenth of a CPU.
const restWhileServing = 9

// Run writes a snapshot every so often, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	if k.cfg.Interval == 0 {
		return
	}
	ticker := time.NewTicker(k.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.save(ctx, restWhileServing)
		}
	}
}

// Save writes a snapshot now, as fast as can be; when ctx ends, with what it has
// until then.
func (k *Keeper) Save(ctx context.Context) { k.save(ctx, 0) }

// errVoid is why a snapshot was not put in its place.
var errVoid = errors.New("something was changed meanwhile that nobody tells of again")

func (k *Keeper) save(ctx context.Context, rest float64) {
	if !k.loaded.Load() || k.clock.Boot == "" {
		return // what is on disk is better
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	k.voidable.Store(true)
	k.mu.Lock()
	generation := k.generation
	k.mu.Unlock()
	// After the generation: a write that came before it is in what is held.
	held := k.cache.Held()
	header := Header{WrittenBy: k.cfg.WrittenBy, Identity: k.cfg.Identity(), Checkpoints: k.sources.Checkpoints()}
	header.Saved = sinceBoot()
	if held > 0 {
		header.Held = header.Saved + int64(held)
	}
	saved, err := Write(ctx, Options{
		Path: k.cfg.Path, MaxBytes: k.cfg.MaxBytes, Rest: rest,
		Commit: func(rename func() error) error { return k.commit(generation, rename) },
	}, header, k.cache, k.clock)
	k.mu.Lock()
	defer k.mu.Unlock()
	if errors.Is(err, errVoid) {
		k.cfg.Log.Debug("no snapshot", "reason", err)
		return
	}
	if err != nil {
		k.stats.Failures++
		k.cfg.Log.Warn("no snapshot could be written: a process that starts after this one finds the last, or none", "error", err)
		return
	}
	k.stats.Saves++
	k.stats.LastRows, k.stats.LastSize, k.stats.LastTook, k.stats.LastAt = saved.Rows, saved.Bytes, saved.Took, time.Now()
	k.cfg.Log.Debug("wrote a snapshot", "file", k.cfg.Path, "rows", saved.Rows, "bytes", saved.Bytes, "took", saved.Took.String(), "cut", saved.Cut)
}

// commit puts a snapshot in its place, unless it was made wrong since it was begun.
func (k *Keeper) commit(generation uint64, rename func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generation != generation || k.cfg.Writes() > 0 {
		return errVoid
	}
	if err := rename(); err != nil {
		return fmt.Errorf("put it in its place: %w", err)
	}
	k.exposed = true
	return nil
}

// Void says that something in memory was changed that no source of invalidations
// will tell of again. It comes after the change in memory, and, where it is on its
// way to the store, before it is sent there, while Config.Writes counts it.
func (k *Keeper) Void() {
	if !k.voidable.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.generation++
	if k.exposed {
		k.stats.Voided++
		err := os.Remove(k.cfg.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			// A file without its end is not read.
			err = os.Truncate(k.cfg.Path, 0)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.cfg.Log.Error("a snapshot that has become wrong cannot be removed: remove it before fsproxy starts again", "file", k.cfg.Path, "error", err)
			return
		}
		k.exposed = false
	}
	if k.saving.TryLock() { // nothing is being written
		k.voidable.Store(false)
		k.saving.Unlock()
	}
}

// Stats tells what was done.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}
