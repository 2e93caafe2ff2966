package rollout

import (
	"cmp"
	"slices"
	"sync"
)

// ring remembers the latest differences, so many of each class: a thousand
// harmless ones must not push out the one that matters.
type ring struct {
	mu   sync.Mutex // protects what follows
	most int
	kept [Classes][]numbered
	next [Classes]int // where the next one goes, once most are kept
	seen uint64
}

// numbered is a difference with its turn.
type numbered struct {
	Difference
	turn uint64
}

func (r *ring) add(class Class, d Difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen++
	n := numbered{d, r.seen}
	if len(r.kept[class]) < r.most {
		r.kept[class] = append(r.kept[class], n)
		return
	}
	r.kept[class][r.next[class]] = n
	r.next[class] = (r.next[class] + 1) % r.most
}

// bound changes how many are remembered of each class. The newest stay.
func (r *ring) bound(most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if most == r.most {
		return
	}
	r.most = most
	for class, kept := range r.kept {
		slices.SortFunc(kept, func(a, b numbered) int { return cmp.Compare(a.turn, b.turn) })
		r.kept[class], r.next[class] = slices.Clone(kept[max(len(kept)-most, 0):]), 0
	}
}

// latest are the newest, at most so many, newest first.
func (r *ring) latest(most int) []Difference {
	r.mu.Lock()
	all := slices.Concat(r.kept[:]...)
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(b.turn, a.turn) })
	list := make([]Difference, 0, min(most, len(all)))
	for _, n := range all[:min(most, len(all))] {
		list = append(list, n.Difference)
	}
	return list
}

// count is how many are remembered.
func (r *ring) count(class Class) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.kept[class])
}
