package admin

import (
	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/rollout"
	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// Sources are what is shown, and what changes are made through. The first three
// are needed; what else is nil is shown as not there, or refused.
type Sources struct {
	Cache    *cache.Cache
	Upstream *cluster.Upstream
	Proxy    *proxy.Server
	Clock    *cache.Clock // the cache's

	// Config is the configuration in force.
	Config func() *config.Config
	// Mode is the mode in force, and SetMode changes it.
	Mode    func() config.Mode
	SetMode func(config.Mode) error
	// Invalidation tells how far the sources of new values can be trusted.
	Invalidation func() []invalidation.Status
	// Reload reads the configuration anew; LastReload is how that went last.
	Reload     func() api.Reload
	LastReload func() api.Reload
	// Kept tells of the rows that outlive the process; nil: none do.
	Kept func() snapshot.Stats
	// Giver gives rows to processes that start; nil: nobody gets any.
	Giver *peer.Giver
	// Peers tells what was taken from peers; nil: none are asked.
	Peers func() peer.Stats
	// Invalidated, if set, is called when something was invalidated by hand.
	Invalidated func()
	// Names knows the names of features.
	Names feature.Names
	// Rollout knows rules and differences.
	Rollout Rollout
	// EditRules changes the rules to what edit makes of those in force, the default
	// one last, while nobody else does; where either fails, all stays as it was.
	EditRules func(edit func(rules []config.Rule) ([]config.Rule, error)) error
	// Compared counts comparisons of memory with the store, and of the store with a
	// second one, whose share it knows.
	Compared *rollout.Rollout
}

// Rollout is what decides which reads are answered from memory, and compares.
type Rollout interface {
	// Rules are those in force, in their order.
	Rules() []api.Rule
	// RuleOf names the one that decides for a feature, for entities of all kinds.
	RuleOf(field string) string
	// Decides is the one that decides for a feature of an entity, with its mode.
	Decides(entity []byte, field string) (rule string, mode config.Mode)
	// Differences are the newest, at most so many, newest first.
	Differences(most int) []api.Difference
}

// complete fills in what was left out.
func (s *Sources) complete() {
	if s.Config == nil {
		cfg := config.Default()
		s.Config = func() *config.Config { return cfg }
	}
	if s.Mode == nil {
		s.Mode = func() config.Mode { return s.Config().Mode }
	}
	if s.Clock == nil {
		s.Clock = cache.NewClock()
	}
	if s.LastReload == nil {
		s.LastReload = func() api.Reload { return api.Reload{OK: true, Changed: []string{}, Restart: []string{}} }
	}
	if s.Rollout == nil {
		s.Rollout = oneRule{s.Mode}
	}
}

// oneRule is a rollout of one mode for all.
type oneRule struct{ mode func() config.Mode }

func (o oneRule) Rules() []api.Rule {
	return []api.Rule{{Name: config.RuleDefault, Features: []string{}, Entities: []string{}, Mode: string(o.mode()), Percent: 100}}
}

func (oneRule) RuleOf(string) string { return config.RuleDefault }

func (o oneRule) Decides([]byte, string) (rule string, mode config.Mode) {
	return config.RuleDefault, o.mode()
}

func (oneRule) Differences(int) []api.Difference { return []api.Difference{} }

// modes are all of them.
var modes = []config.Mode{config.ModeOff, config.ModeDryRun, config.ModeLive}
