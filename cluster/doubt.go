package cluster

import "time"

// worth is how much a topology is to be preferred to others: the slots that it
// covers, and none where it is one server's and there is a fleet. Whoever answers
// that it is no cluster would be asked for all features itself, and would know
// none if it is an RCM.
func (t *Topology) worth(fleet bool) int {
	if fleet && t.Kind == Standalone {
		return 0
	}
	return t.Covered()
}

// doubts are the readings of the topology since the last one that was believed,
// each worth less than the one before it: what matters of them. There are no more
// than there are slots.
type doubts []doubt

type doubt struct {
	worth int
	since time.Time // since when nothing better was read
}

// persisted takes in a reading. It tells whether nothing better was read for as
// long as patience, so that this is the best there is.
func (d *doubts) persisted(worth int, patience time.Duration, now time.Time) bool {
	since := now
	last := len(*d) - 1
	for ; last >= 0 && (*d)[last].worth <= worth; last-- {
		since = (*d)[last].since
	}
	*d = append((*d)[:last+1], doubt{worth, since})
	return now.Sub(since) >= patience
}
