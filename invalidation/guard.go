package invalidation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// OnLoss says what is done with what a source covers while the source cannot be
// trusted.
type OnLoss string

// What may be done.
const (
	// Bypass fetches it each time and does not keep it.
	Bypass OnLoss = "bypass"
	// Serve goes on as if nothing were, for a stated time, and then bypasses.
	Serve OnLoss = "serve"
	// Flush forgets it at the loss and again when the source is trusted again;
	// between, values are kept and served as their age allows.
	Flush OnLoss = "flush"
)

// GuardConfig says what is at stake with a source.
type GuardConfig struct {
	Name, Kind string
	Cover      *feature.Cover // what the source tells of
	Settle     time.Duration  // how long after it tells, a fetcher may answer with the old value
	MaxLag     time.Duration  // the bound on how far behind it may be, its silence included
	OnLoss     OnLoss
	ServeFor   time.Duration // with Serve
}

// Health is what a source found out about itself.
type Health struct {
	// At is when the source began to find out, as time.Now told; zero: now.
	At time.Time
	// Err is why it could not; nil: it was heard at At. The rest holds only
	// where Err is nil, but for Positioned.
	Err error
	// Positioned: it knows where it begins, and misses nothing from there on. A
	// source that was positioned and no longer is, is lost at once.
	Positioned bool
	// Lag is how far behind it is; 0: caught up.
	Lag        time.Duration
	LagRecords int64
	Position   string // for people
}

// Guard knows whether a source can be trusted, and acts where it cannot. What a
// source covers is served from memory only while the source's lag and the time
// since it was last heard come to less than the bound.
type Guard struct {
	// Counts are for the source to add to.
	Counts Counts

	tuned  atomic.Pointer[GuardConfig]
	memory Memory
	log    *slog.Logger
	wake   chan struct{} // tells Run that a deadline changed

	mu         sync.Mutex // protects what follows, and orders what is done to memory
	state      State
	since      time.Time
	suspension Suspension  // nil: none
	again      time.Time   // when all that is covered is forgotten once more; zero: not
	later      []time.Time // when it is after that, soonest first
	serveUntil time.Time   // in StateServing
	calmSince  time.Time   // since when the source is healthy, while it is not trusted; zero: it is not
	hurry      bool        // the last trust was long, so that the next needs no calm
	health     Health      // the last one without an error
	heard      time.Time   // its At, or when the guard started
	positioned bool
	err        error
	gaps       uint64
	gapsQuiet  int       // since the last line of log about them
	gapLogged  time.Time // when that was
	closed     bool
	// continues: nothing was missed since what memory may hold was fetched, and no
	// fetch that begins until heldUntil is to be kept. See Continue.
	continues bool
	heldUntil time.Time
}

// NewGuard returns a guard that trusts nothing yet.
func NewGuard(cfg GuardConfig, memory Memory, log *slog.Logger) *Guard {
	g := &Guard{memory: memory, log: log, wake: make(chan struct{}, 1), state: StateStarting}
	g.tuned.Store(&cfg)
	return g
}

// Config is what NewGuard was given, with what Tune has changed of it since.
// Immutable.
func (g *Guard) Config() *GuardConfig { return g.tuned.Load() }

// Tune takes over Settle, MaxLag, OnLoss and ServeFor.
//
// Where settle is longer now, fetchers may have answered with old values longer
// than anybody thought after what was told before: what is covered is forgotten
// when the new settle has passed. Where nothing is suspended in trouble, and OnLoss
// does not leave it so any more, it is.
func (g *Guard) Tune(cfg GuardConfig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, now := g.Config(), time.Now()
	tuned := *before
	tuned.Settle, tuned.MaxLag, tuned.OnLoss, tuned.ServeFor = cfg.Settle, cfg.MaxLag, cfg.OnLoss, cfg.ServeFor
	if tuned == *before {
		return
	}
	g.tuned.Store(&tuned)
	g.resettle(before.Settle, now)
	switch {
	case g.closed || g.suspension != nil:
	case g.state == StateServing && tuned.OnLoss == Serve:
		g.serveUntil = g.since.Add(tuned.ServeFor)
	case g.state == StateServing:
		g.serveUntil = now
	case (g.state == StateLagging || g.state == StateLost) && tuned.OnLoss != Flush:
		g.suspend()
	}
	g.judge(now)
	g.nudge()
}

// Start suspends what is covered until the source is positioned. It comes before
// the first fill.
func (g *Guard) Start() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.since, g.heard, g.hurry = now, now, true
	g.suspend()
}

// resettle brings what is to be forgotten once more in line with a settle that was
// changed: with a shorter one nothing waits for what was to come later by the
// longer. It is called under mu.
func (g *Guard) resettle(before time.Duration, now time.Time) {
	settle := g.Config().Settle
	latest := now.Add(settle)
	switch {
	case settle > before && !g.closed:
		g.onceMore(latest)
	case settle < before && g.again.After(latest):
		g.again, g.later = latest, nil
	case settle < before:
		n := len(g.later)
		g.later = slices.DeleteFunc(g.later, latest.Before)
		if len(g.later) < n {
			g.later = append(g.later, latest)
		}
	}
}

// Report takes what the source found out, at each of its checks.
func (g *Guard) Report(h Health) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.At.IsZero() {
		h.At = time.Now()
	}
	g.err, g.positioned = h.Err, h.Positioned
	if h.Err == nil {
		g.health, g.heard = h, h.At
	}
	g.judge(time.Now())
	g.nudge()
}

// Gap says that the source missed something: what it covers is forgotten. The
// source goes on.
func (g *Guard) Gap(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.gaps++
	g.continues = false
	g.forget(now)
	g.nudge()
	if !g.gapLogged.IsZero() && now.Sub(g.gapLogged) < gapLogInterval {
		g.gapsQuiet++
		return
	}
	g.log.Warn("changes of the store were missed: what they may concern is forgotten",
		"source", g.Config().Name, "kind", g.Config().Kind, "reason", reason, "not_logged", g.gapsQuiet)
	g.gapLogged, g.gapsQuiet = now, 0
}

// gapLogInterval keeps lines about gaps apart: a topic that goes loses all its
// partitions at once.
const gapLogInterval = 10 * time.Second

// Run is the guard's clock, until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		case <-timer.C:
		}
		g.mu.Lock()
		now := time.Now()
		g.judge(now)
		next := g.next(now)
		g.mu.Unlock()
		timer.Reset(next)
	}
}

// Close ends a guard whose source is gone for good and covers nothing any more:
// what it holds suspended is served again.
func (g *Guard) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.resume(time.Now())
}

// Trusted tells whether the source is: no change that it did not tell of is older
// than the bound.
func (g *Guard) Trusted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state == StateTrusted
}

// Status is what is known of the source.
func (g *Guard) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Status{
		Name: g.Config().Name, Kind: g.Config().Kind, State: g.state, Since: g.since, Suspended: g.suspension != nil, Unsettled: !g.again.IsZero(),
		Position: g.health.Position, Lag: g.behind(time.Now()), LagRecords: g.health.LagRecords,
		MaxLag: g.Config().MaxLag, Settle: g.Config().Settle, OnLoss: g.Config().OnLoss, ServeFor: g.Config().ServeFor, Covers: g.Config().Cover.Items(),
		Gaps: g.gaps, Counts: g.Counts.read(),
	}
	if !g.health.At.IsZero() {
		s.LastHeard = g.health.At
	}
	if g.err != nil {
		s.Error = g.err.Error()
	}
	return s
}

// behind is how old the newest change may be that the source did not tell of.
func (g *Guard) behind(now time.Time) time.Duration {
	return g.health.Lag + now.Sub(g.heard)
}

// trouble is the state that the source's health calls for.
func (g *Guard) trouble(now time.Time) State {
	switch {
	case !g.positioned && g.state == StateStarting && now.Sub(g.since) < g.Config().MaxLag:
		return StateStarting
	case !g.positioned, g.behind(now) >= g.Config().MaxLag && g.err != nil, now.Sub(g.heard) >= g.Config().MaxLag:
		return StateLost
	case g.behind(now) >= g.Config().MaxLag:
		if g.state == StateStarting && now.Sub(g.since) < g.Config().MaxLag {
			return StateStarting
		}
		return StateLagging
	}
	return StateTrusted
}

// judge brings state and memory in line with health. It is called under mu.
func (g *Guard) judge(now time.Time) {
	if g.closed {
		return
	}
	if !g.again.IsZero() && !now.Before(g.again) {
		for !g.again.IsZero() && !now.Before(g.again) {
			g.again = time.Time{}
			if len(g.later) > 0 {
				g.again, g.later = g.later[0], g.later[1:]
			}
		}
		g.memory.Forget(g.Config().Cover, 0)
	}
	switch trouble := g.trouble(now); {
	case trouble == StateTrusted && g.state == StateTrusted:
	case trouble == StateTrusted:
		g.calm(now)
	case g.state == StateServing:
		g.calmSince = time.Time{}
		if !now.Before(g.serveUntil) {
			g.suspend()
			g.enter(trouble, now)
		}
	case trouble != g.state:
		g.calmSince = time.Time{}
		g.worsen(trouble, now)
	default:
		g.calmSince = time.Time{}
	}
}

// worsen enters a state that is not trust.
func (g *Guard) worsen(trouble State, now time.Time) {
	if g.state == StateLagging || g.state == StateLost {
		if now.Sub(g.since) >= troubleLasts {
			g.enter(trouble, now) // the loss was acted on
		}
		return
	}
	if g.state == StateTrusted {
		g.hurry = now.Sub(g.since) >= g.Config().MaxLag
	}
	switch {
	case g.Config().OnLoss == Serve && g.Config().ServeFor > 0:
		g.serveUntil = now.Add(g.Config().ServeFor)
		g.resume(now)
		g.enter(StateServing, now)
		return
	case g.Config().OnLoss == Flush:
		if g.suspension == nil {
			g.forget(now)
		}
		g.resume(now)
	default:
		g.suspend()
	}
	g.enter(trouble, now)
}

// troubleLasts is how long a source is called lagging before it is called lost, or
// the other way round, which changes nothing but the name: a broker that answers
// every other check must not cost a line of log for each.
const troubleLasts = 10 * time.Second

// calm trusts a source that is healthy again: at once when it is well within its
// bound and was trusted for long before, else after it has been healthy for as
// long as the bound. So a source on the edge changes state, and makes others
// fetch everything anew, twice in that time at most.
func (g *Guard) calm(now time.Time) {
	if g.calmSince.IsZero() {
		g.calmSince = now
	}
	if g.state == StateServing && !now.Before(g.serveUntil) {
		g.suspend()
	}
	patience := g.Config().MaxLag
	if g.hurry && g.behind(now) <= g.Config().MaxLag/2 {
		patience = 0
	}
	if now.Sub(g.calmSince) < patience {
		return
	}
	g.calmSince = time.Time{}
	if g.suspension == nil && g.Config().OnLoss == Flush {
		g.forget(now)
	}
	if g.continues {
		g.lift(now)
	} else {
		g.resume(now)
	}
	g.enter(StateTrusted, now)
}

// next is how long until something is due, unless a report comes before. What
// was due by now was judged.
func (g *Guard) next(now time.Time) time.Duration {
	next := idle
	at := func(t time.Time) {
		if t.After(now) {
			next = min(next, t.Sub(now))
		}
	}
	at(g.again)
	if g.state == StateStarting {
		at(g.since.Add(g.Config().MaxLag))
	}
	if g.state == StateServing && g.suspension == nil {
		at(g.serveUntil)
	}
	at(g.heard.Add(g.Config().MaxLag - g.health.Lag))
	at(g.heard.Add(g.Config().MaxLag))
	if !g.calmSince.IsZero() {
		at(g.calmSince.Add(g.Config().MaxLag))
	}
	return next
}

// idle is how long a guard sleeps that waits for nothing.
const idle = time.Hour

// nudge has Run look again.
func (g *Guard) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *Guard) suspend() {
	if g.suspension == nil {
		g.suspension = g.memory.Suspend(g.Config().Cover)
	}
}

// resume ends the suspension, which forgets what is covered.
func (g *Guard) resume(now time.Time) {
	if g.suspension == nil {
		return
	}
	g.suspension.Resume(0)
	g.suspension, g.continues = nil, false
	g.onceMore(now.Add(g.Config().Settle))
}

// onceMore has what is covered forgotten at that time, and keeps the times at
// which it is to be before that: what the first of two gaps is owed must not wait
// for the second. Gaps that come closer together than a part of settle wait for
// the last of them, so that the times are bounded.
func (g *Guard) onceMore(at time.Time) {
	if g.again.IsZero() {
		g.again = at
		return
	}
	n, before := len(g.later), g.again
	if n >= 2 {
		before = g.later[n-2]
	}
	if n >= 1 && at.Sub(before) < g.Config().Settle/duesPerSettle {
		g.later[n-1] = at
		return
	}
	g.later = append(g.later, at)
}

// forget forgets what is covered, and once more when fetchers have settled:
// what they answered meanwhile may be of before.
func (g *Guard) forget(now time.Time) {
	g.Counts.Forgets.Add(1)
	g.memory.Forget(g.Config().Cover, 0)
	g.onceMore(now.Add(g.Config().Settle))
}

// enter changes the state and says so.
func (g *Guard) enter(state State, now time.Time) {
	before := g.state
	if state == before {
		return
	}
	lasted := now.Sub(g.since)
	g.state, g.since = state, now
	attrs := []any{
		"source", g.Config().Name, "kind", g.Config().Kind, "state", string(state), "before", string(before),
		"for", lasted.Round(time.Millisecond).String(), "lag", g.behind(now).Round(time.Millisecond).String(),
		"bound", g.Config().MaxLag.String(),
	}
	if state == StateTrusted {
		g.log.Info("source of invalidations: trusted", append(attrs, "position", g.health.Position)...)
		return
	}
	if g.err != nil {
		attrs = append(attrs, "error", g.err.Error())
	}
	g.log.Warn(fmt.Sprintf("source of invalidations: %s", g.consequence(state)), attrs...)
}

// consequence says what a loss means for those who ask.
func (g *Guard) consequence(state State) string {
	switch {
	case state == StateServing:
		return fmt.Sprintf("not trusted; what it covers is served from memory for %s nevertheless", g.Config().ServeFor)
	case g.suspension != nil:
		return "not trusted; what it covers is fetched each time"
	default:
		return "not trusted; what it covers was forgotten, and is served by age alone"
	}
}
