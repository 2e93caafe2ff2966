package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
)

const ctlHelp = `Asks a running fsproxy over its admin address what it is and does, or has it
change. What it prints is a table, or with -o json what the API says.

Where the fsproxy has a token, changes need it, and so does asking from another
machine.`

// ctl is what the subcommands of ctl share.
type ctl struct {
	adminFlags
	output string
}

// The forms of output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

func newCtlCommand() *cobra.Command {
	c := new(ctl)
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "Ask and steer a running fsproxy",
		Long:  ctlHelp,
		Example: "  fsproxy ctl status\n  fsproxy ctl features --match order -o json\n  fsproxy ctl entity st_1426727\n" +
			"  fsproxy ctl mode off\n  fsproxy ctl reload --token-file token",
		// Letters that may differ from a command's name for it to be suggested.
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("say what to ask; `%s --help` lists what there is", cmd.CommandPath())}
		},
	}
	c.flags(cmd.PersistentFlags())
	cmd.AddCommand(
		reading(c, "status", "What it is, and how it is", api.PathStatus, writeStatus),
		reading(c, "config", "The configuration in force, and where each value comes from", api.PathConfig, writeConfig),
		reading(c, "topology", "The store's shards, and each fetcher's health", api.PathTopology, writeTopology),
		c.features(),
		c.entity(),
		limited(c, "hottest", "The entities that are asked for most", api.PathHottest, 20, writeHottest),
		reading(c, "sources", "What tells of new values, with its lag", api.PathSources, writeSources),
		limited(c, "differences", "Answers from memory that were not what the store said", api.PathDifferences, 100, writeDifferences),
		c.rules(),
		c.shadow(),
		reading(c, "changes", "What was changed lately, and by whom", api.PathChanges, writeChanges),
		c.mode(), c.invalidate(), c.flush(), c.reload(),
	)
	return cmd
}

// flags adds what all subcommands understand.
func (c *ctl) flags(flags *pflag.FlagSet) {
	c.add(flags)
	flags.StringVarP(&c.output, "output", "o", outputTable, "`form` of what is printed: table or json")
}

// write prints an answer as T in the form asked for.
type write[T any] func(out *tabwriter.Writer, answer T)

// ask asks for path and prints the answer.
func ask[T any](ctx context.Context, c *ctl, out io.Writer, path string, query url.Values, form write[T]) error {
	return do(c, out, form, func(asker *client.Client, answer any) error { return asker.Get(ctx, path, query, answer) })
}

// change asks for a change and prints what came of it.
func change[T any](ctx context.Context, c *ctl, out io.Writer, path string, body any, form write[T]) error {
	return changeIf(ctx, c, out, path, "", body, form)
}

// changeIf is change of rules of a version, and of no others; of any for "".
func changeIf[T any](ctx context.Context, c *ctl, out io.Writer, path, version string, body any, form write[T]) error {
	return do(c, out, form, func(asker *client.Client, answer any) error { return asker.PostIf(ctx, path, version, body, answer) })
}

func do[T any](c *ctl, out io.Writer, form write[T], exchange func(*client.Client, any) error) error {
	if !slices.Contains([]string{outputTable, outputJSON}, c.output) {
		return usageError{fmt.Errorf("--output %q: use table or json", c.output)}
	}
	asker, err := c.client()
	if err != nil {
		return err
	}
	defer asker.Close()
	var raw json.RawMessage
	if err := exchange(asker, &raw); err != nil {
		return c.refused(err)
	}
	if c.output == outputJSON {
		text, err := json.MarshalIndent(raw, "", "  ")
		if err != nil {
			return fmt.Errorf("print the answer: %w", err)
		}
		_, err = fmt.Fprintln(out, string(text))
		return err
	}
	var answer T
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("read the answer (is it another version of fsproxy? -o json prints it as it is): %w", err)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	form(table, answer)
	return table.Flush()
}

// reading is a subcommand that asks for a path.
func reading[T any](c *ctl, name, short, path string, form write[T]) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		return ask(cmd.Context(), c, cmd.OutOrStdout(), path, nil, form)
	}}
}

// limited is reading with a bound on how many are shown.
func limited[T any](c *ctl, name, short, path string, usual int, form write[T]) *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: name, Short: short, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		return ask(cmd.Context(), c, cmd.OutOrStdout(), path, url.Values{"limit": {strconv.Itoa(limit)}}, form)
	}}
	cmd.Flags().IntVar(&limit, "limit", usual, "how many at most")
	return cmd
}
