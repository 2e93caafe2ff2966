package peer

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// Why rows are not given.
var (
	ErrBusy    = errors.New("another process is being given rows: ask somebody else, or later")
	ErrForeign = errors.New("this process has another configuration of the store, its features or what tells of changes")
	ErrCold    = errors.New("this process is starting itself, or does not hear of changes: its rows prove nothing")
)

// restWhileGiving makes a process that gives rows take a tenth of a CPU for it.
const restWhileGiving = 9

// Giver gives the rows of this process to others that start, one at a time.
type Giver struct {
	cfg     GiverConfig
	giving  sync.Mutex    // held while rows are given
	changes atomic.Uint64 // see Void
	given   [len(results)]atomic.Uint64
	rows    atomic.Int64
	bytes   atomic.Int64
	took    atomic.Int64 // in nanoseconds
}

// GiverConfig is what a Giver gives.
type GiverConfig struct {
	Cache *cache.Cache
	Clock *snapshot.Clock
	// Ready tells whether the process is warm and all its sources of invalidations
	// vouch for what it holds.
	Ready func() bool
	// Checkpoints are where the sources stand.
	Checkpoints func() map[int][]byte
	Identity    func() string // see snapshot.Header
	WrittenBy   string
	MaxBytes    int64 // as they are sent
}

// NewGiver returns a giver.
func NewGiver(cfg GiverConfig) *Giver { return &Giver{cfg: cfg} }

// The results of having been asked for rows.
const (
	givenWhole = iota
	givenPart
	givenBusy
	givenForeign
	givenCold
)

var results = [...]string{"whole", "part", "busy", "foreign", "cold"}

// Given is what a Giver did.
type Given struct {
	Results     map[string]uint64 // how often each
	Rows, Bytes int64             // in all
	Took        time.Duration
}

// Stats tells what was done.
func (g *Giver) Stats() Given {
	s := Given{Results: make(map[string]uint64), Rows: g.rows.Load(), Bytes: g.bytes.Load(), Took: time.Duration(g.took.Load())}
	for i, name := range results {
		s.Results[name] = g.given[i].Load()
	}
	return s
}

// Void says that something was invalidated of which no source of invalidations
// tells: what was given until now and has not arrived whole is not to be used.
func (g *Giver) Void() { g.changes.Add(1) }

// Gift is a transfer that was agreed on.
type Gift struct {
	giver    *Giver
	identity string
	changes  uint64
}

// Begin agrees to give rows to a process of that identity, or tells why not. End
// comes after it.
func (g *Giver) Begin(identity string) (*Gift, error) {
	if identity != g.cfg.Identity() {
		g.given[givenForeign].Add(1)
		return nil, ErrForeign
	}
	if g.cfg.Clock.Boot == "" || !g.cfg.Ready() {
		g.given[givenCold].Add(1)
		return nil, ErrCold
	}
	if !g.giving.TryLock() {
		g.given[givenBusy].Add(1)
		return nil, ErrBusy
	}
	return &Gift{g, identity, g.changes.Load()}, nil
}

// End says that the transfer is over.
func (f *Gift) End() { f.giver.giving.Unlock() }

// Send writes the rows to out, each block at once. When ctx ends it makes an end
// with what was sent; an error means that there was none, and the receiver drops
// all.
func (f *Gift) Send(ctx context.Context, out io.Writer) error {
	g := f.giver
	began := time.Now()
	header := snapshot.Header{WrittenBy: g.cfg.WrittenBy, Identity: f.identity, Checkpoints: g.cfg.Checkpoints()}
	sent, err := snapshot.Send(ctx, snapshot.Options{MaxBytes: g.cfg.MaxBytes, Rest: restWhileGiving}, header, g.cfg.Cache, g.cfg.Clock, &unlessVoid{f, out})
	g.rows.Add(sent.Rows)
	g.bytes.Add(sent.Bytes)
	g.took.Add(int64(time.Since(began)))
	if err != nil || sent.Cut {
		g.given[givenPart].Add(1)
	} else {
		g.given[givenWhole].Add(1)
	}
	return err
}

// errVoid is why a transfer has no end.
var errVoid = errors.New("something was invalidated meanwhile that nobody tells of again")

// unlessVoid writes as long as what was written is right.
type unlessVoid struct {
	gift *Gift
	out  io.Writer
}

func (u *unlessVoid) Write(b []byte) (int, error) {
	if u.gift.giver.changes.Load() != u.gift.changes {
		return 0, errVoid
	}
	return u.out.Write(b)
}
