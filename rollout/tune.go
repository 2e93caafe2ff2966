package rollout

import "github.com/fsproxy/fsproxy/config"

// Options are those in force, but for rules and the second store's share.
func (r *Rollout) Options() config.Rollout { return *r.options.Load() }

// Tune takes over from options what may change while reads are compared, but for
// rules and the second store's share, which TakeOver does: for how long differences
// may last, how many are remembered, and where they are written. Nothing has changed
// until what it returns is called, which cannot fail.
func (r *Rollout) Tune(options config.Rollout) (apply func(), err error) {
	if _, err := newRules(config.ModeOff, options.Rules, r.cfg.Catalogue()); err != nil {
		return nil, err
	}
	var opened *journal // nil: it stays
	if options.Log != r.options.Load().Log {
		if opened, err = openJournal(options.Log); err != nil {
			return nil, err
		}
	}
	return func() {
		tuned := *r.options.Load()
		tuned.Patience, tuned.Differences, tuned.Shadow.Settle = options.Patience, options.Differences, options.Shadow.Settle
		tuned.Log, tuned.LogValues = options.Log, options.LogValues
		r.options.Store(&tuned)
		r.ring.bound(options.Differences)
		if opened != nil {
			r.journal.replace(opened)
		}
	}, nil
}
