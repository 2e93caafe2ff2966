package invalidation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Resumer is a [Source] that can go on where an earlier process stopped, and so
// prove that of what it tells it missed nothing.
type Resumer interface {
	Source
	// Checkpoint is where the source stands: all that it heard of by then was
	// acted on in memory, but for what it may still have to do, which the
	// checkpoint holds too. Nil: it vouches for nothing now.
	Checkpoint() []byte
	// ResumeFrom has the source act on everything since a checkpoint, of age ago
	// or less, before what it covers is served, and then serve what memory holds
	// of it. Where that turns out to be impossible it is forgotten, as without
	// ResumeFrom. It comes before Run. An error: the checkpoint cannot be read.
	ResumeFrom(checkpoint []byte, age time.Duration) error
}

// Vouches tells whether what memory serves of what is covered lacks nothing that
// the source told of or will tell from where it stands.
func (g *Guard) Vouches() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	// While something is to be forgotten once more, what is held is not settled.
	return g.state == StateTrusted && g.suspension == nil && g.again.IsZero() && !g.closed
}

// Continue says that the source goes on from a checkpoint of age ago: once it is
// trusted, what memory holds of what is covered is served. What was told before
// the checkpoint may not have reached every fetcher until settle after it: no
// fetch that begins until then is kept. A gap ends it. It comes after Start.
func (g *Guard) Continue(age time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.suspension == nil {
		return
	}
	g.continues, g.heldUntil = true, time.Now().Add(g.Config().Settle-age)
}

// Discontinue takes that back.
func (g *Guard) Discontinue(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.continues {
		return
	}
	g.continues = false
	g.log.Info("what an earlier process left behind is not served: nobody knows what it missed",
		"source", g.Config().Name, "kind", g.Config().Kind, "reason", reason)
}

// lift ends the suspension of the start, and keeps what is held.
func (g *Guard) lift(now time.Time) {
	if g.suspension == nil {
		return
	}
	g.suspension.Lift(max(g.heldUntil.Sub(now), 0))
	g.suspension, g.continues = nil, false
}

// Checkpoints are those of all sources that vouch for something, by their place
// in the set.
func (s *Set) Checkpoints() map[int][]byte {
	all := make(map[int][]byte)
	for i, source := range s.sources {
		if r, ok := source.(Resumer); ok {
			if checkpoint := r.Checkpoint(); checkpoint != nil {
				all[i] = checkpoint
			}
		}
	}
	return all
}

// ResumeFrom has the sources go on from their checkpoints, of age ago or less,
// which a set of the same configuration gave. It comes before Run. Those that
// cannot are in the error, and begin anew.
func (s *Set) ResumeFrom(checkpoints map[int][]byte, age time.Duration) error {
	var failed []error
	for i, source := range s.sources {
		checkpoint, ok := checkpoints[i]
		if !ok {
			continue
		}
		r, ok := source.(Resumer)
		if !ok {
			failed = append(failed, fmt.Errorf("source %d cannot go on from a checkpoint", i))
			continue
		}
		if err := r.ResumeFrom(checkpoint, age); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// markersCheckpoint is where a poller of markers stands.
type markersCheckpoint struct {
	Markers map[string]digest `json:"markers"`
	// Pending are to be marked once more.
	Pending []string `json:"pending,omitempty"`
}

// Checkpoint implements Resumer.
func (m *Markers) Checkpoint() []byte {
	if !m.guard.Vouches() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		return nil
	}
	text, err := json.Marshal(markersCheckpoint{Markers: m.known, Pending: m.marks.Pending()})
	if err != nil {
		return nil // it cannot be: these are plain maps
	}
	return text
}

// ResumeFrom implements Resumer.
func (m *Markers) ResumeFrom(checkpoint []byte, age time.Duration) error {
	var before markersCheckpoint
	if err := json.Unmarshal(checkpoint, &before); err != nil {
		return fmt.Errorf("read the checkpoint of the markers %q: %w", m.cfg.Key, err)
	}
	if before.Markers == nil {
		before.Markers = make(map[string]digest)
	}
	m.resumed, m.unsettled = before.Markers, before.Pending
	m.guard.Continue(age)
	return nil
}

// compareResumed takes the first reading for a change of what an earlier process
// knew. It is called under mu, before the guard hears of the reading.
func (m *Markers) compareResumed() {
	if m.resumed == nil {
		return
	}
	missed := m.unsettled
	for name, value := range m.known {
		if m.resumed[name] != value {
			missed = append(missed, name)
		}
	}
	for name, value := range m.resumed {
		if _, ok := m.known[name]; !ok && value != 0 {
			missed = append(missed, name)
		}
	}
	slices.Sort(missed)
	m.marks.Missed(slices.Compact(missed)...)
	m.resumed, m.unsettled = nil, nil
}

var _ Resumer = (*Markers)(nil)

// Settled waits until every source has found where it begins, or is known not to
// find it soon, and nothing of what was fetched by then is to be forgotten once
// more; or until ctx ends.
func (s *Set) Settled(ctx context.Context) {
	s.Positioned(ctx)
	ticker := time.NewTicker(settledInterval)
	defer ticker.Stop()
	for slices.ContainsFunc(s.Statuses(), func(status Status) bool { return status.Unsettled }) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// settledInterval is how often Settled looks: settle is seconds.
const settledInterval = 20 * time.Millisecond
