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
	"slices"
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
	// was asked for, most first, as numbers of features, and in which view.
	Names       [][]byte
	Projections [][]uint32
	Views       []cache.View
	// Build is that of this process, as Header.WrittenBy. Values that another build
	// decoded are not taken over: it may have done so otherwise.
	Build string
	// Wanted are the views that somebody may ask for here; nil: as stored alone.
	Wanted []cache.View

	rosters []roster
	kept    int             // what all of these take, about
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
	if h.Tick <= 0 || h.Tick > int64(time.Second) || h.First < 0 || h.First > math.MaxInt64/2 || h.Epoch < 0 || h.Saved < h.Epoch ||
		h.Held != 0 && (h.Held < h.Saved || h.Held-h.Saved > int64(longestHold)) {
		return broken("its header has impossible times")
	}
	if len(h.Forms) == 0 || len(h.Forms) > maxForms || h.Forms[0] != cache.FormNames()[0] {
		return broken("its header names no forms of values")
	}
	return nil
}

const (
	// longestHold bounds how long no fetch is kept: a day may be configured, and each
	// process on the way rounds up.
	longestHold = 25 * time.Hour
	// maxForms bounds the forms that a header names.
	maxForms = 64
)

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

// Hold is for how long from now on no fetch is to be kept, whatever becomes of the
// rows; see Header.Held.
func (s *Snapshot) Hold(clock *Clock) time.Duration {
	if clock.Boot == "" || s.Header.Boot != clock.Boot {
		return 0 // it takes longer to start a machine
	}
	return time.Duration(max(min(s.Header.Held-sinceBoot(), int64(longestHold)), 0))
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

// Intern makes the features known to c, and the projections in views that somebody
// may want here, so that rows come to lie as they did.
func (s *Snapshot) Intern(c *cache.Cache) {
	c.Know(s.Names)
	for i, numbers := range s.Projections {
		if slices.Contains(s.Wanted, s.Views[i]) || s.Wanted == nil && s.Views[i] == (cache.View{}) {
			fields := s.Fields(numbers)
			c.ProjectionIn(s.Views[i], wireOf(fields), fields)
		}
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
	roster := s.rosterIn(c, r.roster)
	if roster == nil {
		return
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

// rosterIn is a roster as c has it; nil: it would not.
func (s *Snapshot) rosterIn(c *cache.Cache, number int) *cache.Roster {
	for len(s.made) <= number {
		ro := &s.rosters[len(s.made)]
		c.Know(s.Fields(ro.features))
		places := make([]cache.Place, len(ro.places))
		for i, p := range ro.places {
			places[i] = cache.Place{Name: s.Names[p.feature], Form: s.Header.Forms[p.form]}
			if s.Build != s.Header.WrittenBy && p.form != 0 {
				places[i].Form = "" // no cache has that
			}
		}
		s.made = append(s.made, c.Roster(places))
	}
	return s.made[number]
}

// Hot calls yield with entities and the features that were held of each, as
// numbers, the hottest first, until it returns false.
func (s *Snapshot) Hot(yield func(entity []byte, features []uint32) bool) error {
	return s.each(func(r *row) bool { return yield(r.entity, s.rosters[r.roster].features) })
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
	s.Names, s.Projections, s.Views, s.rosters, s.made, s.kept = nil, nil, nil, nil, nil, 0
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
			name := d.bytes(maxName)
			s.kept += kept(len(name))
			s.Names = append(s.Names, append([]byte(nil), name...))
		case kind == recordProjection:
			d.uvarint(math.MaxUint64)
			s.Views = append(s.Views, cache.ViewOf(byte(d.uvarint(maxView))))
			s.Projections = append(s.Projections, d.numbers(len(s.Names)))
			s.kept += kept(len(s.Projections[len(s.Projections)-1]))
		case kind == recordRoster:
			ro := d.roster(len(s.Names), len(s.Header.Forms))
			s.rosters = append(s.rosters, ro)
			s.kept += kept(2 * len(ro.places))
		case kind == recordRow && yield != nil:
			r.read(d, s.rosters)
			if !d.failed && !yield(&r) {
				return errEnough
			}
		default:
			return broken("a record of kind %d where there should be none", kind)
		}
		if d.failed {
			return broken("a record makes no sense")
		}
		if s.kept > maxKept {
			return broken("it knows of too many features and projections")
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
