package cluster

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

const (
	// failuresInARow is after how many failures without an answer between them a
	// fetcher is set aside. Fetches that pass their deadline together are one.
	failuresInARow = 5
	// firstAside and lastAside bound how long a fetcher is set aside before it is
	// probed; the time doubles between them, with jitter. A store that forks to
	// save is back within the first; the last is how late one that has recovered
	// may be found.
	firstAside = 250 * time.Millisecond
	lastAside  = 10 * time.Second
	// forgiven is after how many times its last back-off in good health a fetcher
	// begins with the first one again.
	forgiven = 10
	// outlier is how many times the latency that is typical of its shard a
	// fetcher's must be for it to be set aside. One that is slower by less than
	// outlierPart of the fetch timeout endangers no deadline, and the choice gives
	// it few fetches as it is.
	outlier     = 5
	outlierPart = 10
	// doubtful is how many times what is typical of its shard a fetcher that comes
	// back is taken to need at most, until it shows.
	doubtful = 3
	// healthEvery is how often latencies are compared and changes are logged;
	// asideEvery how often it is seen whether one that is set aside is due to be
	// probed.
	healthEvery = time.Second
	asideEvery  = 50 * time.Millisecond
	// logLines is how many changes are logged each healthEvery.
	logLines = 10
)

// health is whether a fetcher is fit to be asked.
type health struct {
	aside    atomic.Int64 // clock until which it is set aside and not probed; 0: it is in use
	failures atomic.Int32 // without an answer between them

	// Protected by Upstream.healthMu.
	backoff time.Duration
	why     string
	probing bool
	unsaid  bool // a change that was not logged
}

// answered says that a fetch was.
func (h *health) answered() {
	if h.failures.Load() != 0 {
		h.failures.Store(0)
	}
}

// fault counts a failure of f.
func (u *Upstream) fault(f *fetcher, why string) {
	if f.failures.Add(1) >= failuresInARow {
		u.setAside(f, fmt.Sprintf("%d failures in a row, the last: %s", failuresInARow, why))
	}
}

// setAside takes f out of use until a probe finds it well. It is refused where
// more than half of a shard would be set aside or down: then all are in trouble,
// and fewer would have to carry more.
func (u *Upstream) setAside(f *fetcher, why string) bool {
	now := time.Now()
	u.healthMu.Lock()
	defer u.healthMu.Unlock()
	shards := f.shards.Load() // under the lock: it may be leaving
	if shards == nil || u.ctx.Err() != nil {
		return false
	}
	if f.aside.Load() != 0 {
		return true
	}
	for _, s := range *shards {
		if s.out(f, now)+1 > len(s.nodes)/2 {
			return false
		}
	}
	if since := f.since.Load(); f.backoff == 0 || clock(now)-since > int64(forgiven*f.backoff) {
		f.backoff = firstAside
	} else {
		f.backoff = min(2*f.backoff, lastAside)
	}
	f.why, f.unsaid = why, true
	f.aside.Store(clock(now.Add(f.backoff/2 + rand.N(f.backoff/2+1))))
	f.stats.Ejections.Add(1)
	u.asides.Add(1)
	select {
	case u.unwell <- struct{}{}:
	default:
	}
	return true
}

// takeBack puts f into use, with a small share at first.
func (u *Upstream) takeBack(f *fetcher, now time.Time) {
	u.healthMu.Lock()
	defer u.healthMu.Unlock()
	if f.aside.Load() == 0 {
		return
	}
	f.failures.Store(0)
	f.comesBack(now)
	f.probing, f.why, f.unsaid = false, "", true
	f.aside.Store(0)
	u.asides.Add(-1)
}

// comesBack begins f's slow start. What it took while it was ill is no measure of
// it now, but a hint: by that alone it would hardly be asked for minutes.
func (f *fetcher) comesBack(now time.Time) {
	if shards := f.shards.Load(); shards != nil && len(*shards) > 0 {
		if most := doubtful * (*shards)[0].typical(f); most > 0 && f.latency.known() > most {
			f.latency.set(most, clock(now))
		}
	}
	f.since.Store(clock(now))
}

// keepHealth probes the fetchers that are set aside, compares latencies, and
// tells what has changed.
func (u *Upstream) keepHealth() {
	timer := time.NewTimer(healthEvery)
	defer timer.Stop()
	for next := time.Now().Add(healthEvery); ; {
		select {
		case <-u.ctx.Done():
			return
		case <-u.unwell:
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(next) {
			next = now.Add(healthEvery)
			u.compareLatencies(now)
			u.logHealth(now)
		}
		wait := time.Until(next)
		if u.asides.Load() > 0 {
			u.probeDue(now)
			wait = min(wait, asideEvery)
		}
		timer.Reset(max(wait, 0))
	}
}

// compareLatencies sets aside those that are far slower than their shard's
// others.
func (u *Upstream) compareLatencies(time.Time) {
	v := u.view.Load()
	if v == nil {
		return
	}
	least := u.cfg().FetchTimeout / outlierPart
	for _, s := range v.shards {
		if len(s.nodes) < 2 {
			continue
		}
		for _, f := range s.nodes {
			// The average of a whole second's answers says more than one of them.
			took := f.latency.known()
			if took < least || f.aside.Load() != 0 {
				continue
			}
			if typical := s.typical(f); typical > 0 && took > outlier*typical && took > typical+least {
				u.setAside(f, fmt.Sprintf("it takes %s, and %s is typical of %s", took.Round(10*time.Microsecond), typical.Round(10*time.Microsecond), s.slots))
			}
		}
	}
}

// probeDue asks those whose time is over whether they are well.
func (u *Upstream) probeDue(now time.Time) {
	var due []*fetcher
	v := u.view.Load()
	if v == nil {
		return
	}
	u.healthMu.Lock()
	for _, s := range v.shards {
		for _, f := range s.nodes {
			if until := f.aside.Load(); until != 0 && until <= clock(now) && !f.probing {
				f.probing = true
				due = append(due, f)
			}
		}
	}
	u.healthMu.Unlock()
	var done flushers
	for _, f := range due {
		p := &probe{up: u, of: f}
		p.fetch = Fetch{Request: ping, Owner: p, deadline: now.Add(u.cfg().FetchTimeout), tries: maxRedirects + 1, fetcher: f, probe: true}
		f.outstanding.Add(1) // past its bound, if need be: it is one
		u.sendTo(f, []*Fetch{&p.fetch}, &done)
	}
	done.flush()
}

var ping = resp.AppendCommand(nil, "PING")

// probe is the owner of a PING to a fetcher that was set aside. It goes behind
// the fetches that wait there, so that it tells whether those are answered.
type probe struct {
	up    *Upstream
	of    *fetcher
	fetch Fetch
}

// Done implements Owner. An error will do (PING may be forbidden to this user)
// unless it says that the node cannot answer reads now.
func (p *probe) Done(reply []byte, _ bool, err error) Flusher {
	now := time.Now()
	if err == nil && reply[0] == '-' {
		if kind, _ := Redirection(reply, ""); kind == Elsewhere {
			err = refusal(clip(string(reply[1 : len(reply)-2])))
		}
	}
	if err == nil {
		p.up.takeBack(p.of, now)
		return nil
	}
	p.up.healthMu.Lock()
	defer p.up.healthMu.Unlock()
	f := p.of
	f.probing, f.why = false, "a probe: "+err.Error()
	if f.aside.Load() != 0 { // it may have left
		f.backoff = min(2*f.backoff, lastAside)
		f.aside.Store(clock(now.Add(f.backoff/2 + rand.N(f.backoff/2+1))))
	}
	return nil
}

// logHealth tells of shards that went down or came back, and of fetchers that
// were set aside or taken back, a few lines at a time.
func (u *Upstream) logHealth(now time.Time) {
	v := u.view.Load()
	if v == nil {
		return
	}
	lines := 0
	for _, s := range v.shards {
		if down := s.down(now); s.pace.logged.CompareAndSwap(!down, down) {
			if lines++; lines > logLines {
				s.pace.logged.Store(!down) // the next time
				continue
			}
			if down {
				u.log.Warn("a shard is down: none of its fetchers can be reached", "slots", s.slots, "fetchers", len(s.nodes), "last_error", s.lastError())
			} else {
				u.log.Info("a shard is back", "slots", s.slots)
			}
		}
		u.logFetchers(s, &lines)
	}
}

func (u *Upstream) logFetchers(s *shard, lines *int) {
	u.healthMu.Lock()
	defer u.healthMu.Unlock()
	for _, f := range s.nodes {
		if !f.unsaid || *lines >= logLines {
			continue
		}
		*lines++
		f.unsaid = false
		if f.aside.Load() != 0 {
			u.log.Warn("a fetcher is set aside and probed", "fetcher", f.addr, "why", f.why)
		} else {
			u.log.Info("a fetcher that was set aside is back", "fetcher", f.addr)
		}
	}
}
