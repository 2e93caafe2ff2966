package snapshot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// Foreign is why a file is of no use here, whole as it is.
type Foreign struct{ Reason string }

func (f *Foreign) Error() string { return f.Reason }

// Snapshot is a file that may be taken over.
type Snapshot struct {
	Header Header
	Path   string
	// Names are the features, in the order of their numbers, and Projections what
	// was asked for, most first, as numbers of features.
	Names       [][]byte
	Projections [][]uint32

	rosters [][]uint32
	made    []*cache.Roster // nil where the cache would not have it
}

// Open reads the beginning of a file: whose it is, and which features and
// projections it knows. A file that is not there is os.ErrNotExist; one that is
// not whole is *Broken. Names and projections are within bounds whatever the file.
func Open(path string) (*Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the snapshot: %w", err)
	}
	defer f.Close()
	s := &Snapshot{Path: path}
	return s, s.readKnown(f)
}

func (s *Snapshot) readKnown(in io.Reader) error {
	r := &blockReader{in: bufio.NewReaderSize(in, blockSize)}
	if err := r.begin(); err != nil {
		return err
	}
	for {
		kind, payload, err := r.next(true)
		if err != nil {
			return err
		}
		switch kind {
		case kindHeader:
			err = s.readHeader(payload)
		case kindKnown:
			err = s.records(payload, nil)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *Snapshot) readHeader(payload []byte) error {
	if err := json.Unmarshal(payload, &s.Header); err != nil {
		return broken("its header: %v", err)
	}
	h := &s.Header
	if h.Tick <= 0 || h.Tick > int64(time.Second) || h.First < 0 || h.First > math.MaxInt64/2 || h.Epoch < 0 || h.Saved < h.Epoch {
		return broken("its header has impossible times")
	}
	return nil
}

// Check tells whether rows may be taken over by a process of that identity and
// clock. An error is *Foreign.
func (s *Snapshot) Check(identity string, clock *Clock) error {
	switch h := &s.Header; {
	case clock.Boot == "":
		return &Foreign{"this system does not tell when it was started, so that the age of what is in it is not known"}
	case h.Boot != clock.Boot:
		return &Foreign{"it was written before this machine was started, or on another, so that the age of what is in it is not known"}
	case h.Identity != identity:
		return &Foreign{"it was written under another configuration of the store, its features or what tells of changes"}
	case h.Saved > clock.latest:
		return &Foreign{"it was written later than now"}
	}
	return nil
}

// Age is how long ago the checkpoints were taken, or a little less.
func (s *Snapshot) Age() time.Duration { return age(s.Header.Saved) }

// Verify reads the whole file and checks every block.
func (s *Snapshot) Verify(ctx context.Context) error {
	f, err := os.Open(s.Path)
	if err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	defer f.Close()
	return verify(ctx, f)
}

func verify(ctx context.Context, in io.Reader) error {
	buffered := bufio.NewReaderSize(in, blockSize)
	r := &blockReader{in: buffered}
	if err := r.begin(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		kind, _, err := r.next(false)
		if err != nil {
			return err
		}
		if kind != kindEnd {
			continue
		}
		if _, err := buffered.ReadByte(); !errors.Is(err, io.EOF) {
			return broken("something follows its end")
		}
		return nil
	}
	return ctx.Err()
}

// Intern makes the features and projections known to c, so that rows come to lie
// as they did.
func (s *Snapshot) Intern(c *cache.Cache) {
	c.Know(s.Names)
	for _, numbers := range s.Projections {
		fields := s.Fields(numbers)
		c.Projection(wireOf(fields), fields)
	}
}

// Fields are the features of those numbers.
func (s *Snapshot) Fields(numbers []uint32) [][]byte {
	fields := make([][]byte, len(numbers))
	for i, n := range numbers {
		fields[i] = s.Names[n]
	}
	return fields
}

// wireOf is a projection's fields as cache.Interner.Projection wants them.
func wireOf(fields [][]byte) []byte {
	var wire []byte
	for _, f := range fields {
		wire = appendBulk(wire, f)
	}
	return wire
}

// Loaded says what was taken over.
type Loaded struct {
	Rows, Values int64
	Bytes        int64 // in the cache
	Took         time.Duration
	// Cut: rows were left out, because the time was over or the cache is full.
	Cut bool
}

// Load puts the rows into c, the hottest first, until it holds room bytes of them
// or ctx ends. Every block is checked before the first row.
func (s *Snapshot) Load(ctx context.Context, c *cache.Cache, clock *Clock, room int64) (Loaded, error) {
	began := time.Now()
	var loaded Loaded
	err := s.Verify(ctx)
	if err == nil {
		err = s.each(func(r *row) bool {
			if ctx.Err() != nil || loaded.Bytes > room {
				loaded.Cut = true
				return false
			}
			s.take(c, clock, r, &loaded)
			return true
		})
	}
	loaded.Took = time.Since(began)
	if errors.Is(err, ctx.Err()) && err != nil {
		loaded.Cut = true
		return loaded, nil
	}
	return loaded, err
}

// take puts a row into the cache.
func (s *Snapshot) take(c *cache.Cache, clock *Clock, r *row, loaded *Loaded) {
	for len(s.made) < len(s.rosters) {
		s.made = append(s.made, nil)
	}
	roster := s.made[r.roster]
	if roster == nil {
		fields := s.Fields(s.rosters[r.roster])
		c.Know(fields)
		if roster = c.Roster(fields); roster == nil {
			return
		}
		s.made[r.roster] = roster
	}
	ticks := make([]cache.Tick, len(r.ticks))
	for i, t := range r.ticks {
		if r.values[i] == nil {
			continue
		}
		if ticks[i] = clock.carry(&s.Header, t); ticks[i] == 0 {
			r.values[i] = nil
		}
	}
	values, weight := c.Import(r.entity, roster, r.values, ticks)
	if values > 0 {
		loaded.Rows++
		loaded.Values += int64(values)
		loaded.Bytes += int64(weight)
	}
}

// Hot calls yield with entities and the features that were held of each, as
// numbers, the hottest first, until it returns false.
func (s *Snapshot) Hot(yield func(entity []byte, features []uint32) bool) error {
	return s.each(func(r *row) bool { return yield(r.entity, s.rosters[r.roster]) })
}

// each calls yield with each row until it returns false.
func (s *Snapshot) each(yield func(*row) bool) error {
	f, err := os.Open(s.Path)
	if err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	defer f.Close()
	return s.eachOf(f, yield)
}

func (s *Snapshot) eachOf(in io.Reader, yield func(*row) bool) error {
	s.Names, s.Projections, s.rosters, s.made = nil, nil, nil, nil
	r := &blockReader{in: bufio.NewReaderSize(in, blockSize)}
	if err := r.begin(); err != nil {
		return err
	}
	for {
		kind, payload, err := r.next(true)
		if err != nil {
			return err
		}
		switch kind {
		case kindKnown:
			err = s.records(payload, nil)
		case kindRows:
			err = s.records(payload, yield)
		case kindEnd:
			return nil
		}
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// errEnough says that no more rows are wanted.
var errEnough = errors.New("enough")

// records takes the records of a block apart. Yield nil: it may hold no rows.
func (s *Snapshot) records(payload []byte, yield func(*row) bool) error {
	d := &decoder{b: payload}
	var r row
	for len(d.b) > 0 {
		switch kind := d.take(1)[0]; {
		case kind == recordFeature:
			s.Names = append(s.Names, append([]byte(nil), d.bytes(maxName)...))
		case kind == recordProjection:
			d.uvarint(math.MaxUint64)
			s.Projections = append(s.Projections, d.numbers(len(s.Names)))
		case kind == recordRoster:
			s.rosters = append(s.rosters, d.numbers(len(s.Names)))
		case kind == recordRow && yield != nil:
			r.read(d, s.rosters)
			if !d.failed && !yield(&r) {
				return errEnough
			}
		default:
			return broken("a record of kind %d where there should be none", kind)
		}
		if d.failed || len(s.Names) > maxKnown || len(s.rosters) > maxKnown || len(s.Projections) > maxKnown {
			return broken("a record makes no sense")
		}
	}
	return nil
}

// SetAside renames a file that is of no use, so that it is not read again, and
// returns its new name.
func SetAside(path string) (string, error) {
	aside := path + ".bad"
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set the snapshot aside: %w", err)
	}
	return aside, nil
}
