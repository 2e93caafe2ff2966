package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// The subcommands of ctl that show and change rules.

const rulesHelp = `The rules in force: the first that takes a feature of an entity decides for it,
and the rule default, whose mode is that of the process, ends the list; where that
is off, all reads are forwarded. What was compared of a rule's features is counted
since the start.

The subcommands change them, without dropping a connection. All of it is of this
process, and until it ends; or until the configuration file says other rules than
it did before.`

func (c *ctl) rules() *cobra.Command {
	cmd := reading(c, "rules", "The rules in force; its subcommands change them", api.PathRules, writeRules)
	cmd.Long = rulesHelp
	cmd.Example = "  fsproxy ctl rules\n  fsproxy ctl rules percent canary 10\n  fsproxy ctl rules mode canary off\n" +
		"  fsproxy ctl rules -o json > rules.json\n  fsproxy ctl rules set -f rules.json\n" +
		`  echo '[{name: canary, features: ["daf_*"], percent: 1}]' | fsproxy ctl rules set -f -`
	cmd.AddCommand(c.setRules(),
		c.rule("percent NAME PERCENT", "Change how many of the entities a rule takes, in percent", percentEdit(func(edit *api.RuleEdit, p *float64) { edit.Percent = p })),
		c.rule("mode NAME off|dry-run|live", "Change the mode of a rule, or of default", func(edit *api.RuleEdit, mode string) error {
			edit.Mode = &mode
			return nil
		}),
		c.rule("verify NAME PERCENT", "Change how many of a rule's answers from memory are compared with the store, in percent", percentEdit(func(edit *api.RuleEdit, p *float64) { edit.VerifyRate = p })),
	)
	return cmd
}

const setRulesHelp = `Puts other rules in the place of all: those in a file, which is a list in YAML as
below rollout.rules, what "ctl rules -o json" prints, or a whole configuration. All
of them are in force at once, or, where anything is wrong with them, none.

The mode of default stays as it is, unless the list ends with a rule default.

With --version, which "ctl status" tells, they take the place of those rules alone:
where somebody has changed them meanwhile, nothing is changed.`

func (c *ctl) setRules() *cobra.Command {
	var file, version string
	cmd := &cobra.Command{
		Use: "set -f FILE", Short: "Put the rules of a file in the place of all", Long: setRulesHelp, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{fmt.Errorf("say which file has the rules: -f FILE, or -f - for standard input")}
			}
			rules, err := readRules(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			return changeIf(cmd.Context(), c, cmd.OutOrStdout(), api.PathRules, version, api.SetRules{Rules: rules}, writeRules)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the rules; - is standard input")
	cmd.Flags().StringVar(&version, "version", "", "`version` of the rules that these are made of; others are left alone")
	return cmd
}

// maxRules bounds a file of rules, in bytes, as the admin API does.
const maxRules = 1 << 20

func readRules(file string, stdin io.Reader) ([]api.RuleEdit, error) {
	from := stdin
	if file == "-" {
		file = "standard input"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxRules))
	if err != nil {
		return nil, fmt.Errorf("read the rules in %s: %w", file, err)
	}
	rules, err := config.ReadRules(file, text)
	if err != nil {
		return nil, err
	}
	edits := make([]api.RuleEdit, len(rules))
	for i, r := range rules {
		features, entities, mode := append([]string{}, r.Features...), append([]string{}, r.Entities...), string(r.Mode)
		edits[i] = api.RuleEdit{Name: r.Name, Features: &features, Entities: &entities, Mode: &mode, Percent: &rules[i].Percent, VerifyRate: &rules[i].Verify}
	}
	return edits, nil
}

// rule is a subcommand that changes one thing of one rule.
func (c *ctl) rule(use, short string, set func(edit *api.RuleEdit, value string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("say which rule, and what it is to have: %s", cmd.UseLine())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			edit := api.RuleEdit{Name: args[0]}
			if err := set(&edit, args[1]); err != nil {
				return err
			}
			return change(cmd.Context(), c, cmd.OutOrStdout(), api.PathRule, edit, writeRules)
		},
	}
}

func percentEdit(set func(*api.RuleEdit, *float64)) func(*api.RuleEdit, string) error {
	return func(edit *api.RuleEdit, text string) error {
		percent, err := parsePercent(text)
		if err == nil {
			set(edit, &percent)
		}
		return err
	}
}

func parsePercent(text string) (float64, error) {
	percent, err := strconv.ParseFloat(text, 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, usageError{fmt.Errorf("%q is no percentage: give a number from 0 to 100, such as 0.1", text)}
	}
	return percent, nil
}

// comparedClasses are those that a table of rules has columns for.
var comparedClasses = []string{"match", "stale_within_promise", "replica_noise", "wrong"}

// comparedColumns are the counts of a rule as text; unknown where nothing was
// compared.
func comparedColumns(r api.Rule) []any {
	columns := slices.Repeat([]any{unknown}, len(comparedClasses))
	for i, class := range comparedClasses {
		if r.Compared != nil {
			columns[i] = shortCount(float64(r.Compared[class]))
		}
	}
	return columns
}
