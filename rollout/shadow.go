package rollout

import (
	"slices"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// compareShadow asks the second store what the first was asked, and compares.
// What the second one says takes the place of what memory says.
func (w *worker) compareShadow(read *Read) {
	p := read.projection
	reply, _, err := w.ask(w.cfg.Shadow, "", read.entity, w.names(p, read.positions))
	if err != nil {
		w.counts.drop(KindShadow, DropUnanswered)
		return
	}
	theirs, ok := resp.BulkArray(reply, len(read.positions), nil)
	ours, okToo := resp.BulkArray(read.frame, len(read.positions), nil)
	if !ok || !okToo {
		w.counts.drop(KindShadow, DropUnanswered)
		return
	}
	t := w.counts.of(p)
	cached, stored := w.inView(p, read.positions, reply, theirs), w.inView(p, read.positions, read.frame, ours)
	for j, i := range read.positions {
		w.compareValue(read, t, int(i), value{wire: cached[j]}, stored[j])
	}
}

// judgeShadow asks both stores again. Where the fetchers of either differ among
// themselves and one says what one of the other store says, that is noise; where
// all are one now, one store was behind the other; else they differ.
func (w *worker) judgeShadow(k key, due []*suspect) {
	ours, asked := w.all(w.cfg.Store, k, due, due[0].from)
	theirs, askedToo := w.all(w.cfg.Shadow, k, due, "")
	for i, s := range due {
		if !asked || !askedToo {
			w.tryAgain(k, s)
			continue
		}
		w.conclude(k.kind, k.entity, k.projection, s, w.classShadow(k, s, ours[i], theirs[i]), time.Now())
	}
}

// all is what the fetchers of a store say of each value, each answer once.
func (w *worker) all(store Store, k key, due []*suspect, first string) (answers [][][]byte, asked bool) {
	answers = make([][][]byte, len(due))
	for _, at := range order(store.Peers(cluster.Slot([]byte(k.entity))), first) {
		values, ok := w.read(store, at, k, due)
		if !ok {
			continue
		}
		asked = true
		for i, v := range values {
			if !slices.ContainsFunc(answers[i], func(known []byte) bool {
				_, same := w.same(k.projection, due[i].position, known, v)
				return same
			}) {
				answers[i] = append(answers[i], v)
			}
		}
	}
	return answers, asked
}

func (w *worker) classShadow(k key, s *suspect, ours, theirs [][]byte) Class {
	for _, a := range ours {
		for _, b := range theirs {
			if _, same := w.same(k.projection, s.position, a, b); !same {
				continue
			}
			if len(ours) > 1 || len(theirs) > 1 {
				return Noise
			}
			return Stale
		}
	}
	return Wrong
}
