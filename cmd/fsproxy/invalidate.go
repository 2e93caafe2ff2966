package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
)

const invalidateHelp = `Tells a running fsproxy, over its admin address, that what it holds of a feature
or an entity is no longer the store's. It is fetched anew when it is asked for
next; nothing else is done to the store or to what others hold.

A feature is its name, the field in which the store keeps it, or a pattern of
either in which * is any text. The token is needed where the fsproxy has one.`

// newInvalidateCommand is ctl invalidate under a shorter name.
func newInvalidateCommand() *cobra.Command {
	c := new(ctl)
	cmd := c.invalidate()
	c.flags(cmd.Flags())
	cmd.Example = "  fsproxy invalidate --feature avg_order_value\n  fsproxy invalidate --feature 'driver_*'\n" +
		"  fsproxy invalidate --entity st_1426727 --admin 127.0.0.1:9190"
	return cmd
}

func (c *ctl) invalidate() *cobra.Command {
	var wanted api.Invalidate
	cmd := &cobra.Command{
		Use:   "invalidate --feature NAME | --entity KEY | --all",
		Short: "Have a feature, an entity or everything fetched anew",
		Long:  invalidateHelp,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := 0
			for _, flag := range []string{"feature", "entity", "all"} {
				if cmd.Flags().Changed(flag) {
					given++
				}
			}
			if given != 1 || !wanted.All && wanted.Feature == "" && wanted.Entity == "" {
				return usageError{errors.New("say what to invalidate: one of --feature NAME, --entity KEY and --all")}
			}
			return change(cmd.Context(), c, cmd.OutOrStdout(), api.PathInvalidate, wanted, func(out *tabwriter.Writer, done api.Invalidated) {
				fmt.Fprintln(out, invalidated(wanted, done))
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&wanted.Feature, "feature", "", "`name`, field or pattern of features")
	flags.StringVar(&wanted.Entity, "entity", "", "`key` of a hash")
	flags.BoolVar(&wanted.All, "all", false, "everything")
	return cmd
}

// invalidated says what was done. A name in which somebody mistyped is no error: it
// may be of a feature that nobody has asked for yet.
func invalidated(wanted api.Invalidate, done api.Invalidated) string {
	switch {
	case wanted.Entity != "":
		return "invalidated " + done.What
	case done.Features == 0 && wanted.Feature != "":
		return "invalidated " + done.What + ", which nobody has asked for so far: see that the name is right (fsproxy ctl features --match PART)"
	default:
		return fmt.Sprintf("invalidated %s (%d features asked for so far)", done.What, done.Features)
	}
}
