package invalidation

import (
	"container/list"
	"context"
	"log/slog"
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
	settle time.Duration
	counts *Counts
	log    *slog.Logger
	wake   chan struct{} // tells Run that there is something to wait for

	mu sync.Mutex // protects what follows
	// due are those to mark once more, the soonest first: settle is the same for
	// all, so the last one that changed is the last one due. Each name is in it
	// once at most, which bounds it however often a marker changes.
	due    *list.List // of dueMark
	byName map[string]*list.Element
}

type dueMark struct {
	name string
	at   time.Time
}

// NewMarks returns the marks of the source that guard guards. Names may be nil.
func NewMarks(guard *Guard, names feature.Names) *Marks {
	return &Marks{
		memory: guard.memory, names: names, whole: guard.cfg.Cover, settle: guard.cfg.Settle,
		counts: &guard.Counts, log: guard.log, wake: make(chan struct{}, 1),
		due: list.New(), byName: make(map[string]*list.Element),
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
	at := time.Now().Add(m.settle)
	for _, name := range names {
		if e, ok := m.byName[name]; ok {
			m.due.Remove(e)
		}
		m.byName[name] = m.due.PushBack(dueMark{name, at})
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
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
	m.mu.Lock()
	for e := m.due.Front(); e != nil; e = m.due.Front() {
		due := e.Value.(dueMark)
		if now.Before(due.at) {
			next = due.at.Sub(now)
			break
		}
		names = append(names, due.name)
		m.due.Remove(e)
		delete(m.byName, due.name)
	}
	m.mu.Unlock()
	m.mark(names)
	return next
}

// mark makes the named features stale. A name that is no pattern and yet reads
// like one may be of any feature.
func (m *Marks) mark(names []string) {
	if len(names) == 0 {
		return
	}
	cover, err := feature.NewCover(names, m.names)
	if err == nil {
		m.memory.Mark(cover)
		return
	}
	if len(names) == 1 {
		m.log.Warn("a marker names no feature: all that the source covers is taken for uploaded", "marker", names[0], "error", err)
		m.memory.Mark(m.whole)
		return
	}
	for _, name := range names {
		m.mark([]string{name})
	}
}
