package admin

import (
	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/rollout"
)

// ViewOf shows a rollout as the API does.
func ViewOf(r *rollout.Rollout) Rollout { return view{r} }

type view struct{ of *rollout.Rollout }

// Rules implements Rollout.
func (v view) Rules() []api.Rule {
	rules := []api.Rule{}
	for _, r := range v.of.Rules().List() {
		rules = append(rules, ruleOf(r))
	}
	return rules
}

// ruleOf is a rule as the API shows it.
func ruleOf(r config.Rule) api.Rule {
	return api.Rule{
		Name: r.Name, Features: append([]string{}, r.Features...), Entities: append([]string{}, r.Entities...),
		Mode: string(r.Mode), Percent: r.Percent, VerifyRate: r.Verify,
	}
}

// RuleOf implements Rollout.
func (v view) RuleOf(field string) string { return v.of.Rules().RuleOf(field) }

// Decides implements Rollout.
func (v view) Decides(entity []byte, field string) (rule string, mode config.Mode) {
	return v.of.Rules().Of(field, entity)
}

// Differences implements Rollout.
func (v view) Differences(most int) []api.Difference {
	differences := []api.Difference{}
	for _, d := range v.of.Differences(most) {
		differences = append(differences, api.Difference{
			Time: d.Time, Entity: d.Entity, Feature: d.Feature, Name: d.Name, Class: d.Class, AgeSeconds: d.Age, Source: d.Source,
			CachedHash: d.CachedHash, StoredHash: d.StoredHash, Cached: d.Cached, Stored: d.Stored,
			Kind: d.Kind, Times: d.Times, LastedSeconds: d.Lasted, Fetcher: d.Fetcher,
		})
	}
	return differences
}
