package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/rollout"
)

// theAPI is where options come from that were set through it.
const theAPI = "the admin API"

func (s *Server) getRules(c *call) (any, error) { return s.answerRules(c), nil }

// answerRules answers a call with the rules in force, and their version.
func (s *Server) answerRules(c *call) []api.Rule {
	rules := s.rules()
	c.version = versionOf(rules)
	return rules
}

// rules are those in force, with what came of them.
func (s *Server) rules() []api.Rule {
	rules := s.sources.Rollout.Rules()
	if s.sources.Compared == nil {
		return rules
	}
	compared := s.sources.Compared.ByRule()
	for i := range rules {
		if of, ok := compared[rules[i].Name]; ok {
			rules[i].Compared = byClass(of)
		}
	}
	return rules
}

// byClass counts what was compared with memory.
func byClass(of rollout.Compared) map[string]uint64 {
	sums := map[string]uint64{}
	for class := range rollout.Classes {
		sums[class.String()] = of[rollout.KindDryRun][class] + of[rollout.KindVerify][class]
	}
	return sums
}

// inForce are the mode and the rules as a configuration has them.
func (s *Sources) inForce() (config.Mode, []config.Rule) {
	rules := []config.Rule{}
	for _, r := range s.Rollout.Rules() {
		if r.Name != config.RuleDefault {
			rules = append(rules, configured(r))
		}
	}
	return s.Mode(), rules
}

func configured(r api.Rule) config.Rule {
	return config.Rule{Name: r.Name, Features: r.Features, Entities: r.Entities, Mode: config.Mode(r.Mode), Percent: r.Percent, Verify: r.VerifyRate}
}

// byHand counts the rules, and tells their version and whether they, the mode or the
// second store's share are others than the configuration says.
func (s *Sources) byHand() (rules int, version string, differs bool) {
	cfg := s.Config()
	mode, list := s.inForce()
	differs = mode != cfg.Mode || !slices.EqualFunc(list, cfg.Rollout.Rules, sameRule) || s.shadowPercent() != cfg.Rollout.Shadow.Percent
	return len(list), versionOf(s.Rollout.Rules()), differs
}

func sameRule(a, b config.Rule) bool {
	return a.Name == b.Name && a.Mode == b.Mode && a.Percent == b.Percent && a.Verify == b.Verify &&
		slices.Equal(a.Features, b.Features) && slices.Equal(a.Entities, b.Entities)
}

// comparison is what came of comparing; nil: nothing was compared.
func (s *Sources) comparison() *api.Comparison {
	if s.Compared == nil {
		return nil
	}
	stats := s.Compared.Stats()
	answer := &api.Comparison{Compared: byClass(stats.Compared)}
	total := stats.Reads
	for _, n := range answer.Compared {
		total += n
	}
	for _, kind := range []rollout.Kind{rollout.KindDryRun, rollout.KindVerify} {
		for _, n := range stats.Dropped[kind] {
			answer.Dropped += n
		}
	}
	if total+answer.Dropped == 0 {
		return nil
	}
	if stats.Reads > 0 {
		answer.Projected = &api.Projected{
			Reads: stats.Reads, HitRate: float64(stats.ServedValues) / float64(max(stats.Values, 1)),
			Avoided: float64(stats.Served) / float64(stats.Reads), CacheSize: stats.Bytes,
			DryRun: s.inDryRun(),
		}
	}
	return answer
}

// inDryRun tells whether reads may be in dry-run.
func (s *Sources) inDryRun() bool {
	return s.Mode() != config.ModeOff &&
		slices.ContainsFunc(s.Rollout.Rules(), func(r api.Rule) bool { return r.Mode == string(config.ModeDryRun) })
}

// postRules puts other rules in the place of all.
func (s *Server) postRules(c *call) (any, error) {
	var wanted api.SetRules
	if err := c.read(&wanted); err != nil {
		return nil, err
	}
	if wanted.Rules == nil {
		return nil, refuse(http.StatusBadRequest, `say {"rules": […]}: all of them in their order; [] leaves the default rule alone`)
	}
	return s.editRules(c, func(before []config.Rule) ([]config.Rule, error) {
		ends := before[len(before)-1]
		rules := make([]config.Rule, len(wanted.Rules))
		for i, edit := range wanted.Rules {
			rules[i] = edited(config.Rule{Name: edit.Name, Mode: config.ModeLive, Percent: wholePercent}, edit)
		}
		if last := len(rules) - 1; last >= 0 && rules[last].Name == config.RuleDefault {
			if wanted.Rules[last].Mode == nil {
				rules[last].Mode = ends.Mode
			}
			return rules, nil
		}
		return append(rules, ends), nil
	})
}

// postRule changes one rule.
func (s *Server) postRule(c *call) (any, error) {
	var wanted api.RuleEdit
	if err := c.read(&wanted); err != nil {
		return nil, err
	}
	return s.editRules(c, func(rules []config.Rule) ([]config.Rule, error) {
		i := slices.IndexFunc(rules, func(r config.Rule) bool { return r.Name == wanted.Name })
		if i < 0 {
			return nil, refuse(http.StatusNotFound, "there is no rule %q; there are: %s", wanted.Name, strings.Join(ruleNames(rules), ", "))
		}
		rules[i] = edited(rules[i], wanted)
		return rules, nil
	})
}

func ruleNames(rules []config.Rule) []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.Name
	}
	return names
}

// wholePercent is all.
const wholePercent = 100

// edited is a rule with what is given of an edit.
func edited(r config.Rule, edit api.RuleEdit) config.Rule {
	if edit.Features != nil {
		r.Features = *edit.Features
	}
	if edit.Entities != nil {
		r.Entities = *edit.Entities
	}
	if edit.Mode != nil {
		r.Mode = config.Mode(*edit.Mode)
	}
	if edit.Percent != nil {
		r.Percent = *edit.Percent
	}
	if edit.VerifyRate != nil {
		r.Verify = *edit.VerifyRate
	}
	return r
}

// editRules changes the rules, tells who did what, and answers with those in
// force.
func (s *Server) editRules(c *call, edit func([]config.Rule) ([]config.Rule, error)) (any, error) {
	if s.sources.EditRules == nil {
		return nil, notThere("the rules of this process are fixed")
	}
	var what string
	err := s.sources.EditRules(func(before []config.Rule) ([]config.Rule, error) {
		if err := checkVersion(c, before); err != nil {
			return nil, err
		}
		after, err := edit(slices.Clone(before))
		if err != nil {
			return nil, err
		}
		if err := checkRules(after); err != nil {
			return nil, err
		}
		what = difference(before, after)
		return after, nil
	})
	if r := (*refusal)(nil); errors.As(err, &r) {
		return nil, err
	}
	if err != nil { // a pattern that the configuration's check lets pass
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	if what != "" {
		s.changed(c.who, "rules: "+what)
	}
	return s.answerRules(c), nil
}

// checkRules holds rules, the default one last, against what a configuration may
// have.
func checkRules(rules []config.Rule) error {
	last := len(rules) - 1
	ends := rules[last]
	if len(ends.Features)+len(ends.Entities) > 0 || ends.Percent != wholePercent || ends.Verify != 0 {
		return refuse(http.StatusBadRequest, "the rule %s is of what no other takes, whole and unverified: only its mode can be changed; for more put a rule of another name before it", config.RuleDefault)
	}
	if !slices.Contains(modes, ends.Mode) {
		return refuse(http.StatusBadRequest, "mode %q of the rule %s: use off, dry-run or live", ends.Mode, config.RuleDefault)
	}
	if err := config.CheckRules(rules[:last], theAPI); err != nil {
		refused := refuse(http.StatusBadRequest, "%v", err)
		refused.mistakes = mistakesIn(err)
		return refused
	}
	return nil
}
