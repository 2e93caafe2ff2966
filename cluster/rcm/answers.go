package rcm

import (
	"container/list"
	"sync"
)

const (
	// maxAnswers bounds what is kept of rendered replies, in bytes: those of
	// 10,000 clients with three nodes of each of twenty shards, and half as much
	// again. One that is not kept costs some 30 microseconds to render again.
	maxAnswers = 96 << 20
	// viewBytes is about what a view takes besides its nodes and replies, its
	// place in the map and the list included.
	viewBytes = 400
	// listedBytes and pointerBytes are what a view takes for a shard, and for
	// each of its nodes.
	listedBytes  = 48
	pointerBytes = 8
)

// viewKey is what a client's view depends on, besides the topology.
type viewKey struct {
	hash uint64
	zone string
}

// answers are the views that were asked for last.
type answers struct {
	mu     sync.Mutex // protects what follows
	byKey  map[viewKey]*list.Element
	recent list.List // of *view, the last asked for first
	bytes  int

	most int // bytes; set before it is used
}

// get returns the view of key, made by build if there is none.
func (a *answers) get(key viewKey, build func(viewKey) *view, counters *counters) *view {
	a.mu.Lock()
	if element, ok := a.byKey[key]; ok {
		a.recent.MoveToFront(element)
		a.mu.Unlock()
		return element.Value.(*view)
	}
	a.mu.Unlock()
	w := build(key) // not under the lock: it looks at every node
	a.mu.Lock()
	defer a.mu.Unlock()
	if element, ok := a.byKey[key]; ok {
		return element.Value.(*view) // another connection of the client was first
	}
	if a.byKey == nil {
		a.byKey = make(map[viewKey]*list.Element)
	}
	w.held = viewBytes
	for _, s := range w.shards {
		w.held += listedBytes + pointerBytes*len(s.nodes)
	}
	a.bytes += w.held
	a.byKey[key] = a.recent.PushFront(w)
	a.forget(counters)
	return w
}

// grew counts a reply that was rendered.
func (a *answers) grew(w *view, bytes int, counters *counters) {
	a.mu.Lock()
	defer a.mu.Unlock()
	element, ok := a.byKey[w.key]
	if !ok || element.Value.(*view) != w {
		return // forgotten, or a turn, of which there are few
	}
	w.held += bytes
	a.bytes += bytes
	a.forget(counters)
}

// forget makes room: views that were not asked for in a long time go. Whoever
// still writes a reply of theirs goes on. Under mu.
func (a *answers) forget(counters *counters) {
	for a.bytes > a.most && a.recent.Len() > 1 {
		oldest := a.recent.Remove(a.recent.Back()).(*view)
		delete(a.byKey, oldest.key)
		a.bytes -= oldest.held
		counters.forgotten.Add(1)
	}
}

// size is what is kept.
func (a *answers) size() (views, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recent.Len(), a.bytes
}
