package invalidation

import (
	"container/list"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// Marks carries out markers, each twice: at once, and once more one settle
// later, because a fetcher that had not yet loaded the upload may have answered
// in between.
type Marks struct {
	memory Memory
	names  feature.Names
	whole  *feature.Cover // what is marked where a name cannot be read
	guard  *Guard         // which knows settle
	counts *Counts
	log    *slog.Logger
	wake   chan struct{} // tells Run that there is something to wait for

	mu sync.Mutex // protects what follows
	// due are those to mark once more, the soonest first: settle is the same for
	// all, so the last one that changed is the last one due; settle says which. A name that changes
	// again before then is in it again: what its first upload is owed must not
	// wait for the second.
	due    *list.List                 // of dueMark
	settle time.Duration              // by which they were put there
	byName map[string][]*list.Element // of due, the soonest first

	warned struct {
		sync.Mutex
		at    time.Time // of the last line about a name that cannot be read
		quiet int       // such names since
	}
}

type dueMark struct {
	name string
	at   time.Time
}

// NewMarks returns the marks of the source that guard guards. Names may be nil.
func NewMarks(guard *Guard, names feature.Names) *Marks {
	return &Marks{
		memory: guard.memory, names: names, whole: guard.Config().Cover, guard: guard,
		counts: &guard.Counts, log: guard.log, wake: make(chan struct{}, 1),
		due: list.New(), byName: make(map[string][]*list.Element),
	}
}

// Changed says that an upload of each named feature has finished. A name is that
// of a feature, the field in which the store keeps it, or a pattern of these for
// a group.
func (m *Marks) Changed(names ...string) {
	if len(names) == 0 {
		return
	}
	m.counts.Markers.Add(uint64(len(names)))
	m.log.Debug("uploads have finished", "markers", len(names), "first", names[0])
	m.mark(names)
	m.mu.Lock()
	now := time.Now()
	m.resettle(now)
	at := now.Add(m.settle)
	for _, name := range names {
		m.owe(dueMark{name, at})
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// resettle takes over a settle that was changed. With a shorter one nothing is due
// later than what changes now, or that would have to wait. With a longer one the
// guard sees to what changed before. It is called under mu.
func (m *Marks) resettle(now time.Time) {
	before := m.settle
	m.settle = m.guard.Config().Settle
	if m.settle >= before {
		return
	}
	latest := now.Add(m.settle)
	for e := m.due.Back(); e != nil; e = e.Prev() {
		due := e.Value.(dueMark)
		if !due.at.After(latest) {
			return
		}
		e.Value = dueMark{due.name, latest}
	}
}

// duesPerSettle bounds how many of a name are due, however often its marker
// changes: of those that come closer together than this part of settle, all but
// the first and the last wait for the last.
const duesPerSettle = 64

// owe has a name marked once more. It is called under mu.
func (m *Marks) owe(d dueMark) {
	owed := m.byName[d.name]
	if n := len(owed); n >= 2 && d.at.Sub(owed[n-2].Value.(dueMark).at) < m.settle/duesPerSettle {
		m.due.Remove(owed[n-1])
		owed = owed[:n-1]
	}
	m.byName[d.name] = append(owed, m.due.PushBack(d))
}

// Run marks what is due once more, until ctx ends.
func (m *Marks) Run(ctx context.Context) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		timer.Reset(m.again(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-timer.C:
		}
	}
}

// again marks what is due, and returns how long it is to the next.
func (m *Marks) again(now time.Time) time.Duration {
	var names []string
	next := idle
	// Held until they are marked, so that Pending has what is not yet.
	m.mu.Lock()
	defer m.mu.Unlock()
	for e := m.due.Front(); e != nil; e = m.due.Front() {
		due := e.Value.(dueMark)
		if now.Before(due.at) {
			next = due.at.Sub(now)
			break
		}
		names = append(names, due.name)
		m.due.Remove(e)
		if owed := m.byName[due.name][1:]; len(owed) > 0 {
			m.byName[due.name] = owed
		} else {
			delete(m.byName, due.name)
		}
	}
	m.mark(names)
	return next
}

// Pending are the names that are to be marked once more.
func (m *Marks) Pending() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.byName))
}

// Missed says that uploads of the named features finished at a time that is not
// known: what is held of them is not served again, not even where stale values
// are allowed, since nobody knows for how long that would be.
func (m *Marks) Missed(names ...string) {
	m.act(names, func(cover *feature.Cover) { m.memory.Forget(cover, 0) })
	m.Changed(names...)
}

// mark makes the named features stale.
func (m *Marks) mark(names []string) {
	m.act(names, func(cover *feature.Cover) { m.memory.Mark(cover) })
}

// act does something to the named features. A name that is no pattern and yet
// reads like one may be of any feature.
func (m *Marks) act(names []string, do func(*feature.Cover)) {
	if len(names) == 0 {
		return
	}
	cover, err := feature.NewCover(names, m.names)
	if err == nil {
		do(cover)
		return
	}
	if len(names) == 1 {
		m.warn(names[0], err)
		do(m.whole)
		return
	}
	for _, name := range names {
		m.act([]string{name}, do)
	}
}

// warn says that a name cannot be read. Whoever writes it may do so often.
func (m *Marks) warn(name string, err error) {
	m.warned.Lock()
	defer m.warned.Unlock()
	now := time.Now()
	if !m.warned.at.IsZero() && now.Sub(m.warned.at) < warnInterval {
		m.warned.quiet++
		return
	}
	m.log.Warn("a marker names no feature: all that the source covers is taken for uploaded",
		"marker", name, "error", err, "not_logged", m.warned.quiet)
	m.warned.at, m.warned.quiet = now, 0
}
