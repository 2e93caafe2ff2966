package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
)

// Config says what is decided and compared.
type Config struct {
	Mode    config.Mode
	Options config.Rollout
	// Catalogue is the one in force: names, and what values mean; nil: there is
	// none.
	Catalogue func() *feature.Catalogue

	Cache *cache.Cache
	Clock *cache.Clock // the cache's
	Store Store
	// Promise is how far behind the store a feature's value may be, by its field.
	Promise func(field string) Promise
	Shadow  Store // nil: none
	Log     *slog.Logger
}

// Store is where is asked what memory is compared with. A *cluster.Upstream is
// one.
type Store interface {
	// Ask sends a read whose key is in slot to the fetcher at an address, or, for
	// "", to any, and waits for its reply. From is who answered.
	Ask(ctx context.Context, at string, slot uint16, args ...string) (reply []byte, from string, err error)
	// Peers are the addresses of the fetchers of a slot.
	Peers(slot uint16) []string
}

// Promise is what bounds how far a value in memory may be behind the store.
type Promise struct {
	Source  string        // what tells of changes; SourceAge: nothing does
	Within  time.Duration // after a change, until no old value is served any more
	Covered bool          // something tells: a value that outlives Within is wrong
}

// SourceAge is the source of what nothing but its age bounds.
const SourceAge = "max_age"

// Rollout has the rules in force, and compares. What the proxy calls of it may be
// called from any goroutine and never blocks.
type Rollout struct {
	cfg   Config
	rules atomic.Pointer[Rules]
	mu    sync.Mutex // held while rules are changed
	// options are cfg's with what Tune has changed of them since.
	options atomic.Pointer[config.Rollout]

	queue    chan *Read
	queued   atomic.Int64 // bytes of replies in queue
	suspects suspects
	due      chan *pending
	ring     ring
	journal  *journal
	counts   counts

	shadowPercent atomic.Uint64 // of the fetches, a float64's bits
	spellings     spellings
	warned        atomic.Int64 // when a wrong answer was last logged, in Unix nanoseconds
}

// New returns a Rollout that compares once Run is called. Its error tells of a
// rule that cannot be read, or of a log that cannot be opened.
func New(cfg Config) (*Rollout, error) {
	if cfg.Catalogue == nil {
		cfg.Catalogue = feature.Empty
	}
	r := &Rollout{
		cfg: cfg, queue: make(chan *Read, cfg.Options.Queue), due: make(chan *pending),
		ring: ring{most: cfg.Options.Differences},
	}
	r.suspects.init()
	r.options.Store(&cfg.Options)
	if err := r.SetRules(cfg.Mode, cfg.Options.Rules); err != nil {
		return nil, err
	}
	r.SetShadow(cfg.Options.Shadow.Percent)
	var err error
	r.journal, err = openJournal(cfg.Options.Log)
	return r, err
}

// Fixed is a Rollout of one mode for all reads, which compares nothing.
func Fixed(mode config.Mode) *Rollout {
	r := &Rollout{}
	rules, _ := newRules(mode, nil, nil) // no pattern, no error
	r.rules.Store(rules)
	return r
}

// Rules are those in force.
func (r *Rollout) Rules() *Rules { return r.rules.Load() }

// Mode is that of the default rule, and so of the process.
func (r *Rollout) Mode() config.Mode { return r.Rules().Mode() }

// SetMode changes the default rule. Connections stay as they are, and heed it
// from the next that they read. What is held stays, and is invalidated in mode
// off too.
func (r *Rollout) SetMode(mode config.Mode) error {
	switch mode {
	case config.ModeOff, config.ModeDryRun, config.ModeLive:
	default:
		return fmt.Errorf("mode %q is unknown; use off, dry-run or live", mode)
	}
	return r.Edit(func(list []config.Rule) ([]config.Rule, error) {
		list[len(list)-1].Mode = mode
		return list, nil
	})
}

// Edit changes the rules to what edit makes of a copy of those in force. The
// default rule ends both lists, and only its mode counts. Nobody else changes
// rules meanwhile. Where edit or the new rules are wrong, all stays as it was.
func (r *Rollout) Edit(edit func(list []config.Rule) ([]config.Rule, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, err := edit(slices.Clone(r.Rules().List()))
	if err != nil {
		return err
	}
	last := len(list) - 1
	return r.set(list[last].Mode, list[:last])
}

// SetRules changes all rules: the default one by its mode, and those before it.
// Where it fails, all stays as it was.
func (r *Rollout) SetRules(mode config.Mode, rules []config.Rule) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(mode, rules)
}

// set is called under mu.
func (r *Rollout) set(mode config.Mode, rules []config.Rule) error {
	var names feature.Names
	if r.cfg.Catalogue != nil {
		names = r.cfg.Catalogue()
	}
	made, err := newRules(mode, rules, names)
	if err != nil {
		return err
	}
	r.rules.Store(made)
	return nil
}

// TakeOver puts into force what has changed between two configurations, and the
// names of the catalogue in force. What has not changed is left as somebody may
// have set it since. Both were checked when they were loaded.
func (r *Rollout) TakeOver(modeBefore config.Mode, before config.Rollout, mode config.Mode, now config.Rollout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.Rules().List()
	rules := list[:len(list)-1]
	if !reflect.DeepEqual(before.Rules, now.Rules) {
		rules = now.Rules
	}
	if mode == modeBefore {
		mode = r.Mode()
	}
	if err := r.set(mode, rules); err != nil {
		r.cfg.Log.Error("the rules were not taken over: the old ones stay in force", "error", err)
	}
	if before.Shadow.Percent != now.Shadow.Percent {
		r.SetShadow(now.Shadow.Percent)
	}
}

// SetShadow changes how many of the fetches are repeated at the second store, in
// percent, if there is one.
func (r *Rollout) SetShadow(percent float64) {
	if r.cfg.Shadow != nil {
		r.shadowPercent.Store(math.Float64bits(percent))
	}
}

// ShadowPercent is how many of the fetches are repeated at the second store, in percent;
// false: there is none.
func (r *Rollout) ShadowPercent() (percent float64, there bool) {
	return math.Float64frombits(r.shadowPercent.Load()), r.cfg.Shadow != nil
}

// Differences are the latest, at most so many, newest first.
func (r *Rollout) Differences(most int) []Difference { return r.ring.latest(most) }

// Run compares until ctx ends.
func (r *Rollout) Run(ctx context.Context) {
	if r.cfg.Cache == nil {
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	for range max(r.cfg.Options.Workers, 1) {
		wg.Go(func() { r.work(ctx) })
	}
	wg.Go(func() { r.suspects.run(ctx, r.due) })
	wg.Wait()
	r.journal.close()
}

// work compares reads, and judges differences that are due.
func (r *Rollout) work(ctx context.Context) {
	w := &worker{Rollout: r, ctx: ctx}
	for {
		select {
		case <-ctx.Done():
			return
		case read := <-r.queue:
			r.queued.Add(-int64(len(read.frame)))
			w.compare(read)
			read.release()
		case p := <-r.due:
			w.judge(p)
		}
	}
}

// worker is one goroutine's part of a Rollout.
type worker struct {
	*Rollout
	ctx context.Context
	// Scratch.
	ends         []int
	fill, cached []byte
}
