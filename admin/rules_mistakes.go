package admin

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// ruleKey is where a configuration has a field of a rule.
var ruleKey = regexp.MustCompile(`^rollout\.rules\[(\d+)\]\.([a-z]+)`)

// mistakesIn are the problems that err joins, each at the field that has it.
func mistakesIn(err error) (mistakes []api.Mistake) {
	problems := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		problems = joined.Unwrap()
	}
	for _, problem := range problems {
		var p *config.Problem
		if !errors.As(problem, &p) {
			continue
		}
		at := ruleKey.FindStringSubmatch(p.Key)
		if at == nil {
			continue
		}
		mistake := api.Mistake{Field: at[2], What: p.Reason}
		mistake.Rule, _ = strconv.Atoi(at[1])
		if mistake.Field == "verify" {
			mistake.Field = "verify_percent"
		}
		if p.Value != "" {
			mistake.What = strconv.Quote(p.Value) + ": " + p.Reason
		}
		mistakes = append(mistakes, mistake)
	}
	return mistakes
}
