package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/config"
)

// maxDifference bounds what is told of a change of rules, in bytes.
const maxDifference = 1000

// difference tells in words what has become of rules; "": nothing.
func difference(before, after []config.Rule) string {
	var parts []string
	for _, r := range before {
		if ruleNamed(after, r.Name) == nil {
			parts = append(parts, r.Name+" taken away")
		}
	}
	for _, r := range after {
		if was := ruleNamed(before, r.Name); was == nil {
			parts = append(parts, r.Name+" added ("+words(r)+")")
		} else if changes := changesOf(*was, r); len(changes) > 0 {
			parts = append(parts, r.Name+" "+strings.Join(changes, ", "))
		}
	}
	if !slices.Equal(known(before, after), known(after, before)) {
		parts = append(parts, "the order is "+strings.Join(ruleNames(after), ", "))
	}
	text := strings.Join(parts, "; ")
	if len(text) > maxDifference {
		text = strings.ToValidUTF8(text[:maxDifference], "") + "…"
	}
	return text
}

// known are the names of rules that others have too, in their order.
func known(rules, others []config.Rule) []string {
	return slices.DeleteFunc(ruleNames(rules), func(name string) bool { return ruleNamed(others, name) == nil })
}

func ruleNamed(rules []config.Rule, name string) *config.Rule {
	i := slices.IndexFunc(rules, func(r config.Rule) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &rules[i]
}

func words(r config.Rule) string {
	return fmt.Sprintf("%s, %g %%, verify %g %%, features %s, entities %s", r.Mode, r.Percent, r.Verify, patterns(r.Features), patterns(r.Entities))
}

func patterns(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, " ")
}

func changesOf(was, now config.Rule) (changes []string) {
	add := func(what, from, to string) {
		if from != to {
			changes = append(changes, fmt.Sprintf("%s from %s to %s", what, from, to))
		}
	}
	percent := func(p float64) string { return fmt.Sprintf("%g %%", p) }
	add("mode", string(was.Mode), string(now.Mode))
	add("percent", percent(was.Percent), percent(now.Percent))
	add("verify", percent(was.Verify), percent(now.Verify))
	add("features", patterns(was.Features), patterns(now.Features))
	add("entities", patterns(was.Entities), patterns(now.Entities))
	return changes
}
