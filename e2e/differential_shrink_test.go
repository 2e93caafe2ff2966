//go:build e2e

package e2e

import (
	"slices"
	"time"
)

// shrinkTime bounds the search for the smallest sequence that still fails.
const shrinkTime = 20 * time.Second

// shrink takes away from a sequence what it can do without: fails tells
// whether a smaller one is still good enough.
func shrink(s sequence, fails func(sequence) bool) sequence {
	deadline := time.Now().Add(shrinkTime)
	try := func(smaller sequence) bool {
		if time.Now().After(deadline) || !fails(smaller) {
			return false
		}
		s = smaller
		return true
	}
	for before := ""; before != s.String(); {
		before = s.String()
		shrinkTurns(&s, try)
		for i := len(s) - 1; i >= 0; i-- {
			shrinkTurn(&s, i, try)
		}
	}
	return s
}

// shrinkTurns leaves turns out, many at once first.
func shrinkTurns(s *sequence, try func(sequence) bool) {
	for size := max(1, len(*s)/2); size > 0; size /= 2 {
		for at := len(*s) - size; at >= 0; at -= size {
			if at+size <= len(*s) {
				try(slices.Delete(slices.Clone(*s), at, at+size))
			}
		}
	}
}

// shrinkTurn makes one turn plainer and shorter.
func shrinkTurn(s *sequence, i int, try func(sequence) bool) {
	with := func(change func(*turn)) bool {
		smaller := slices.Clone(*s)
		smaller[i].asks = slices.Clone(smaller[i].asks)
		change(&smaller[i])
		return try(smaller)
	}
	if len((*s)[i].cuts) > 0 {
		with(func(t *turn) { t.cuts = nil })
	}
	if (*s)[i].rest {
		with(func(t *turn) { t.rest = false })
	}
	if (*s)[i].unread {
		with(func(t *turn) { t.unread = false })
	}
	if (*s)[i].connection != 0 {
		with(func(t *turn) { t.connection = 0 })
	}
	for at := len((*s)[i].asks) - 1; at >= 0 && len((*s)[i].asks) > 1; at-- {
		with(func(t *turn) { t.asks = slices.Delete(t.asks, at, at+1) })
	}
	for at := range (*s)[i].asks {
		for word := len((*s)[i].asks[at].args) - 1; word > 0; word-- {
			without := func(t *turn) {
				t.asks[at].args = slices.Delete(slices.Clone(t.asks[at].args), word, word+1)
			}
			if with(without) || len((*s)[i].asks[at].args[word]) <= 2 {
				continue
			}
			with(func(t *turn) {
				t.asks[at].args = slices.Clone(t.asks[at].args)
				t.asks[at].args[word] = "a"
			})
		}
	}
}
