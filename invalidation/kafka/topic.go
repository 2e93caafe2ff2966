package kafka

import (
	"bytes"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

// topic is a topic that is read.
type topic struct {
	name string
	cfg  TopicConfig
	// coversAll saves the question whether a feature is covered.
	coversAll bool
	parser    parser
	names     feature.Names // nil: names are hashed
	guard     *invalidation.Guard
	marks     *invalidation.Marks // nil unless the format is markers
	memory    invalidation.Memory
	log       *slog.Logger

	read, unread, evicted, applied, uncovered atomic.Uint64 // see invalidation.Records

	// doubted is set where a broker said that it knows no such topic or partition.
	doubted atomic.Bool

	logged struct {
		sync.Mutex
		at    time.Time // of the last line about a record that could not be read
		quiet uint64    // such records since
	}

	// The watch's alone, except that Source.mu protects partitions.
	resume     *resumption // nil: none, or it was used
	id         topicID
	err        error // what the brokers said of the topic last
	placed     bool  // all partitions that there were at first have a position
	missing    bool  // it was there, and is no more
	partitions map[int32]*partition
}

func newTopic(cfg TopicConfig, source Config, memory invalidation.Memory, log *slog.Logger) (*topic, error) {
	p, err := newParser(cfg.Format, source.Encode)
	if err != nil {
		return nil, err
	}
	cfg.Guard.Kind = invalidation.KindKafka
	t := &topic{
		name: cfg.Guard.Name, cfg: cfg, parser: p, names: source.Names, memory: memory, log: log,
		coversAll:  slices.Contains(cfg.Guard.Cover.Items(), "*"),
		guard:      invalidation.NewGuard(cfg.Guard, memory, log),
		partitions: make(map[int32]*partition),
	}
	if cfg.Format == FormatMarkers {
		t.marks = invalidation.NewMarks(t.guard, source.Names)
	}
	return t, nil
}

// status is the guard's, and what became of records.
func (t *topic) status() invalidation.Status {
	status := t.guard.Status()
	status.Records = &invalidation.Records{
		Read: t.read.Load(), Unreadable: t.unread.Load(), Evicted: t.evicted.Load(),
		Applied: t.applied.Load(), Uncovered: t.uncovered.Load(),
	}
	return status
}

// act does what a record says.
func (t *topic) act(partition int32, r record) {
	t.read.Add(1)
	switch {
	case r.tooLong:
		t.unreadable(partition, r, errTooLong)
		return
	case t.marks != nil:
		t.mark(partition, r)
		return
	case r.value == nil: // the entity was deleted
		if len(r.key) == 0 {
			t.unreadable(partition, r, errNoEntity)
			return
		}
		t.evictEntity(r.key)
		return
	}
	said, err := t.parser.parse(r.value)
	if said.all {
		t.memory.InvalidateAll(t.guard.Config().Settle)
	}
	for i := range said.updates {
		u := &said.updates[i]
		if u.entity == nil {
			u.entity = r.key
			if len(r.key) == 0 && err == nil {
				err = errNoEntity
			}
		}
		if u.entity != nil {
			t.update(u)
		}
	}
	if err != nil {
		t.unreadable(partition, r, err)
	}
}

// mark carries out a record of a topic of markers.
func (t *topic) mark(partition int32, r record) {
	said, err := t.parser.parse(r.value)
	names := said.markers
	if len(names) == 0 && len(r.key) > 0 {
		names = []string{string(r.key)}
	}
	if len(names) == 0 && err == nil {
		err = errNoFeature
	}
	if len(names) > 0 {
		t.marks.Changed(names...)
	}
	if err != nil {
		t.unread.Add(1)
		t.complain(partition, r.offset, err)
	}
}

// unreadable counts a record that cannot be read, and takes the safe side: if it
// has a key, that entity has changed.
func (t *topic) unreadable(partition int32, r record, reason error) {
	t.unread.Add(1)
	switch {
	case len(r.key) == 0:
	case t.marks != nil:
		t.marks.Changed(string(r.key))
	default:
		t.evictEntity(r.key)
	}
	t.complain(partition, r.offset, reason)
}

// complainInterval keeps lines about records that cannot be read apart.
const complainInterval = time.Minute

// complain logs where something cannot be read, never what it is.
func (t *topic) complain(partition int32, offset int64, reason error) {
	t.logged.Lock()
	defer t.logged.Unlock()
	now := time.Now()
	if !t.logged.at.IsZero() && now.Sub(t.logged.at) < complainInterval {
		t.logged.quiet++
		return
	}
	t.log.Warn("a record of updates cannot be read: it is skipped, and the entity in its key forgotten",
		"topic", t.name, "partition", partition, "offset", offset, "reason", reason, "not_logged", t.logged.quiet)
	t.logged.at, t.logged.quiet = now, 0
}

func (t *topic) evictEntity(entity []byte) {
	t.guard.Counts.Entities.Add(1)
	t.memory.Invalidate(entity, t.guard.Config().Settle)
}

// update acts on what a record says of an entity.
func (t *topic) update(u *update) {
	if u.whole {
		t.evictEntity(u.entity)
		return
	}
	var evict [][]byte
	var apply []invalidation.Value
	evicted := 0
	// A value is put in place as one of a bounded time ago, which it is only while
	// the topic is trusted. Where it is not, and served nevertheless, it may be of
	// any age.
	mayApply := t.cfg.Apply && u.versioned && t.guard.Trusted()
	for i, v := range u.values {
		// Nothing tells a name from a field, so both are meant: what is given, and
		// the field of a feature of that name.
		named := []byte(t.fieldOf(string(v.Feature)))
		if !t.coversAll && !t.covers(v.Feature, named) {
			t.uncovered.Add(1)
		}
		if !mayApply || !u.sure(i) {
			evict = append(evict, v.Feature, named)
			evicted++
			continue
		}
		apply = append(apply, v)
		switch {
		case bytes.Equal(named, v.Feature): // fields are names
		case isID(v.Feature):
			// Hardly a name; and the identifier of it may be that of another feature.
			evict = append(evict, named)
		default:
			v.Feature = named
			apply = append(apply, v)
		}
	}
	settle := t.guard.Config().Settle
	if len(evict) > 0 {
		t.evicted.Add(uint64(evicted))
		t.guard.Counts.Updates.Add(1)
		t.memory.Update(u.entity, evict, settle)
	}
	if len(apply) > 0 {
		n := t.memory.Apply(u.entity, apply, u.version, settle, t.guard.Config().MaxLag)
		t.applied.Add(uint64(n))
		t.guard.Counts.Applied.Add(1)
	}
}

// fieldOf is the field of a name, by the scheme of the catalogue where there is one.
func (t *topic) fieldOf(name string) string {
	if scheme, ok := t.names.(interface{ Field(name string) string }); ok {
		return scheme.Field(name)
	}
	return feature.ID(name)
}

func (t *topic) covers(given, named []byte) bool {
	cover := t.cfg.Guard.Cover
	return cover.Has(string(given)) || cover.Has(string(named))
}

// isID tells whether a field reads like the identifier of a feature.
func isID(field []byte) bool {
	const longest = 10 // digits of the largest uint32
	if len(field) == 0 || len(field) > longest {
		return false
	}
	for _, b := range field {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}
