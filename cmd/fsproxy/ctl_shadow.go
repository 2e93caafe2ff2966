package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
)

const shadowHelp = `The second store (rollout.shadow), at which a share of the fetches is repeated, and
what came of comparing the two since the start.

The subcommand changes that share, of this process, and until it ends; or until the
configuration file says another than it did before. 0 leaves the second store alone.`

func (c *ctl) shadow() *cobra.Command {
	cmd := reading(c, "shadow", "The second store; its subcommand changes its share", api.PathShadow, writeShadow)
	cmd.Long = shadowHelp
	cmd.Example = "  fsproxy ctl shadow\n  fsproxy ctl shadow percent 10"
	cmd.AddCommand(&cobra.Command{
		Use: "percent PERCENT", Short: "Change how many of the fetches are repeated at the second store, in percent",
		Args: exactlyOne("percentage"),
		RunE: func(cmd *cobra.Command, args []string) error {
			percent, err := parsePercent(args[0])
			if err != nil {
				return err
			}
			return change(cmd.Context(), c, cmd.OutOrStdout(), api.PathShadow, api.SetShadow{Percent: &percent}, writeShadow)
		},
	})
	return cmd
}

func writeShadow(out *tabwriter.Writer, s api.Shadow) {
	fmt.Fprintf(out, "second store\t%s\n", strings.Join(s.Addresses, " "))
	fmt.Fprintf(out, "repeated\t%g %% of the fetches\n", s.Percent)
	fmt.Fprintf(out, "compared\t%d match, %d spelling, %d stale for a while, %d replica noise, %d wrong; %d not compared\n",
		s.Compared["match"], s.Compared["spelling"], s.Compared["stale_within_promise"], s.Compared["replica_noise"], s.Compared["wrong"], s.Dropped)
}
