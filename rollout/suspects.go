package rollout

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

const (
	// maxSuspects bounds the values that wait to be judged, maxSuspectBytes their
	// bytes. A value that is compared again while it waits takes no more room.
	maxSuspects     = 4096
	maxSuspectBytes = 16 << 20
)

// suspect is a value in memory that was not what the store said.
type suspect struct {
	position       int    // in its projection
	cached, stored []byte // in wire form
	began          cache.Tick
	looked         cache.Tick // when it was first compared
	seen           time.Time  // the same
	due            time.Time  // when it can be judged
	age            time.Duration
	times          int    // that it was compared
	tries          int    // that judging it failed
	from           string // the fetcher that gave stored
	source         string
}

func (s *suspect) bytes() int { return len(s.cached) + len(s.stored) }

// key is what is asked about in one request.
type key struct {
	kind       Kind
	entity     string
	projection *cache.Projection
}

// pending are the suspects of one entity and projection.
type pending struct {
	key
	values []*suspect
	due    time.Time // of the first of them
	at     int       // in the heap
}

// suspects are the values that wait to be judged.
type suspects struct {
	woken chan struct{} // says that the first one may be another

	mu    sync.Mutex // protects what follows
	byKey map[key]*pending
	queue dueQueue
	count int
	bytes int
}

func (s *suspects) init() {
	s.woken, s.byKey = make(chan struct{}, 1), make(map[key]*pending)
}

// add has a value judged when it is due. False: there is no room.
func (s *suspects) add(k key, v *suspect) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byKey[k]
	if p != nil {
		for _, known := range p.values {
			if known.position == v.position && known.began == v.began && string(known.cached) == string(v.cached) {
				known.times += v.times
				return true
			}
		}
	}
	if s.count >= maxSuspects || s.bytes+v.bytes() > maxSuspectBytes {
		return false
	}
	s.count++
	s.bytes += v.bytes()
	if p == nil {
		p = &pending{key: k, due: v.due}
		s.byKey[k] = p
		heap.Push(&s.queue, p)
	} else if v.due.Before(p.due) {
		p.due = v.due
		heap.Fix(&s.queue, p.at)
	}
	p.values = append(p.values, v)
	if s.queue[0] == p {
		s.wake()
	}
	return true
}

func (s *suspects) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// take returns what is due, or how long it is until something is; 0: nothing
// waits.
func (s *suspects) take(now time.Time) (p *pending, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, 0
	}
	if wait = s.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	p = heap.Pop(&s.queue).(*pending)
	delete(s.byKey, p.key)
	s.count -= len(p.values)
	for _, v := range p.values {
		s.bytes -= v.bytes()
	}
	return p, 0
}

// run gives out what is due until ctx ends.
func (s *suspects) run(ctx context.Context, due chan<- *pending) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p, wait := s.take(time.Now())
		if p != nil {
			select {
			case due <- p:
				continue
			case <-ctx.Done():
				return
			}
		}
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-timer.C:
		}
	}
}

// dueQueue is a heap by due.
type dueQueue []*pending

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(p any) {
	p.(*pending).at = len(*q)
	*q = append(*q, p.(*pending))
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return p
}
