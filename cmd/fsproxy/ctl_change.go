package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
)

// The subcommands of ctl that take more than a name, and those that change
// something.

func (c *ctl) features() *cobra.Command {
	var match string
	var limit int
	cmd := &cobra.Command{Use: "features", Short: "Features, those asked for most first", Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}, "match": {match}}
		return ask(cmd.Context(), c, cmd.OutOrStdout(), api.PathFeatures, query, writeFeatures)
	}}
	cmd.Flags().StringVar(&match, "match", "", "`part` of the names or fields wanted")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many at most")
	return cmd
}

func (c *ctl) entity() *cobra.Command {
	var encoded bool
	cmd := &cobra.Command{
		Use: "entity KEY", Short: "What is held of an entity, and whether it would be served",
		Args: exactlyOne("entity"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"key": {args[0]}}
			if encoded {
				if _, err := base64.StdEncoding.DecodeString(args[0]); err != nil {
					return usageError{fmt.Errorf("--base64 %q: %w", args[0], err)}
				}
				query = url.Values{"key_base64": {args[0]}}
			}
			return ask(cmd.Context(), c, cmd.OutOrStdout(), api.PathEntity, query, writeEntity)
		},
	}
	cmd.Flags().BoolVar(&encoded, "base64", false, "KEY is in base64, for one that is no text")
	return cmd
}

func (c *ctl) mode() *cobra.Command {
	return &cobra.Command{
		Use: "mode off|dry-run|live", Short: "Change the mode, without dropping a connection",
		Args: exactlyOne("mode"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd.Context(), c, cmd.OutOrStdout(), api.PathMode, api.Mode{Mode: args[0]}, func(out *tabwriter.Writer, done api.Mode) {
				fmt.Fprintf(out, "the mode is %s\n", done.Mode)
			})
		},
	}
}

func (c *ctl) flush() *cobra.Command {
	return &cobra.Command{Use: "flush", Short: "Drop all rows", Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		return change(cmd.Context(), c, cmd.OutOrStdout(), api.PathFlush, nil, func(out *tabwriter.Writer, done api.Flushed) {
			fmt.Fprintf(out, "dropped %d rows of %s\n", done.Rows, shortBytes(done.Bytes))
		})
	}}
}

func (c *ctl) reload() *cobra.Command {
	return &cobra.Command{Use: "reload", Short: "Have the configuration file read again", Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		var outcome api.Reload
		err := change(cmd.Context(), c, cmd.OutOrStdout(), api.PathReload, nil, func(out *tabwriter.Writer, done api.Reload) {
			outcome = done
			for _, key := range done.Changed {
				fmt.Fprintf(out, "taken over\t%s\n", key)
			}
			for _, key := range done.Restart {
				fmt.Fprintf(out, "needs a restart\t%s\n", key)
			}
			if done.OK && len(done.Changed)+len(done.Restart) == 0 {
				fmt.Fprintln(out, "nothing has changed")
			}
		})
		if err == nil && outcome.Error != "" {
			return errors.New("not taken over, the old configuration stays in force: " + outcome.Error)
		}
		return err
	}}
}
