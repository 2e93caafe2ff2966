package snapshot

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// Send writes what c holds to out as Write does to a file, block by block, so that
// the header and what is known are there at once. It is for another process, which
// asked for it: the header's Saved is now. When ctx ends it makes an end with what
// it has.
func Send(ctx context.Context, o Options, header Header, c *cache.Cache, clock *Clock, out io.Writer) (Saved, error) {
	began := time.Now()
	header.Saved = sinceBoot()
	saved, err := newWriter(o, out, c, clock).all(ctx, header)
	saved.Took = time.Since(began)
	return saved, err
}

// Stream is a snapshot on its way from another process, of this machine or
// another. What it holds is put in place as it comes: each block is checked before
// it is used, and a stream without its end leaves nothing behind.
type Stream struct {
	Snapshot
	blocks *blockReader
	// first is the block after what is known, until the next is read.
	first     []byte
	firstKind byte

	known  int // bytes of features and projections so far
	listed int // features in rosters so far
	seen   int // rosters counted in listed
}

const (
	// maxKnownBytes bounds what another process may tell of features and
	// projections: some times what the bounds of a cache allow.
	maxKnownBytes = 16 << 20
	// maxListed bounds how many features its rosters may name together, at 4 bytes.
	maxListed = 8 << 20
	// longestRun bounds how long another process may say that it has been running.
	longestRun = 100 * 365 * 24 * time.Hour
	// drift is by what part of an age another machine's clock may run slower than
	// this one's: twice what clocks are steered by.
	drift = 1000
)

// Asked is the time by the clock of this machine, for Receive; 0: it cannot be
// told, and no rows can be taken.
func Asked() int64 { return sinceBoot() }

// Receive reads what comes before the rows of what another process sends, which was
// asked for at asked; Intern makes it known. No clock is compared with another's: a
// value is as old as the sender says that it was when it began to send, and older
// by all the time since asked, which came before that.
func Receive(in io.Reader, asked int64) (*Stream, error) {
	s := &Stream{blocks: &blockReader{in: bufio.NewReaderSize(in, blockSize)}}
	if err := s.blocks.begin(); err != nil {
		return nil, err
	}
	for {
		kind, payload, err := s.blocks.next(true)
		if err != nil {
			return nil, err
		}
		switch kind {
		case kindHeader:
			err = s.readHeader(payload)
			if h := &s.Header; err == nil && h.Saved-h.Epoch > int64(longestRun) {
				err = broken("its header has impossible times")
			}
		case kindKnown:
			if s.known += len(payload); s.known > maxKnownBytes {
				return nil, broken("it knows of too many features and projections")
			}
			err = s.records(payload, nil)
		default:
			s.first, s.firstKind = payload, kind
			s.Header.asked = asked
			return s, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Check tells whether rows may be taken by a process of that identity. An error is
// *Foreign.
func (s *Stream) Check(identity string) error {
	switch {
	case s.Header.asked == 0:
		return &Foreign{"this system does not tell the time since its start, by which ages are carried over"}
	case s.Header.Identity != identity:
		return &Foreign{"its rows are of another configuration of the store, its features or what tells of changes"}
	}
	return nil
}

// Load puts the rows into c as they come, until the end, or c holds room bytes of
// them, or ctx ends, which has to end reading too. An error other than these: the
// stream was cut or makes no sense, so that what was put in place is not to be
// served, and everything in c was forgotten.
func (s *Stream) Load(ctx context.Context, c *cache.Cache, clock *Clock, room int64) (Loaded, error) {
	began := time.Now()
	var loaded Loaded
	err := s.load(func(r *row) bool {
		if ctx.Err() != nil || loaded.Bytes > room {
			loaded.Cut = true
			return false
		}
		s.take(c, clock, r, &loaded)
		return true
	})
	loaded.Took = time.Since(began)
	if err != nil && ctx.Err() != nil {
		loaded.Cut = true
		return loaded, nil
	}
	if err != nil && loaded.Rows > 0 {
		c.InvalidateAll(0)
	}
	return loaded, err
}

func (s *Stream) load(yield func(*row) bool) error {
	kind, payload := s.firstKind, s.first
	for {
		if kind == kindEnd {
			return nil
		}
		err := s.records(payload, yield)
		if errors.Is(err, errEnough) {
			return nil
		}
		if err == nil {
			err = s.countListed()
		}
		if err == nil {
			kind, payload, err = s.blocks.next(true)
		}
		if err != nil {
			return err
		}
	}
}

// countListed bounds what rosters take.
func (s *Stream) countListed() error {
	for ; s.seen < len(s.rosters); s.seen++ {
		s.listed += len(s.rosters[s.seen].places)
	}
	if s.listed > maxListed {
		return broken("its rows are of too many kinds")
	}
	return nil
}

// carryFar is carry for what another machine may have written, so many ticks after
// its first. What it fetched since this process began is taken for fetched just
// before that: so it is older than all that this process was told of.
func (c *Clock) carryFar(h *Header, ticks int64) cache.Tick {
	age := max(h.Saved-h.Epoch-ticks*h.Tick, 0)
	if age > int64(ahead)*int64(cache.TickLength) {
		return 0
	}
	return c.before(min(h.asked-age-age/drift, c.earliest))
}
