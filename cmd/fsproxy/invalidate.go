package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
	"github.com/fsproxy/fsproxy/config"
)

// tokenVariable holds the admin token where --token-file does not name it.
const tokenVariable = config.TokenVariable

const invalidateHelp = `Tells a running fsproxy, over its admin address, that what it holds of a feature
or an entity is no longer the store's. It is fetched anew when it is asked for
next; nothing else is done to the store or to what others hold.

A feature is its name, the field in which the store keeps it, or a pattern of
either in which * is any text. The token is needed where the fsproxy has one.`

func newInvalidateCommand() *cobra.Command {
	var wanted api.Invalidate
	var address, tokenFile string
	cmd := &cobra.Command{
		Use:   "invalidate --feature NAME | --entity KEY | --all",
		Short: "Have a running fsproxy forget a feature, an entity or everything",
		Long:  invalidateHelp,
		Example: "  fsproxy invalidate --feature avg_order_value\n  fsproxy invalidate --feature 'driver_*'\n" +
			"  fsproxy invalidate --entity st_1426727 --admin 127.0.0.1:9190",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := 0
			for _, flag := range []string{"feature", "entity", "all"} {
				if cmd.Flags().Changed(flag) {
					given++
				}
			}
			if given != 1 || !wanted.All && wanted.Feature == "" && wanted.Entity == "" {
				return usageError{fmt.Errorf("say what to forget: one of --feature NAME, --entity KEY and --all; `%s --help` has examples", cmd.CommandPath())}
			}
			return runInvalidate(cmd, wanted, address, tokenFile)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&wanted.Feature, "feature", "", "`name`, field or pattern of features")
	flags.StringVar(&wanted.Entity, "entity", "", "`key` of a hash")
	flags.BoolVar(&wanted.All, "all", false, "everything")
	flags.StringVar(&address, "admin", "127.0.0.1:9190", "admin `address` of the fsproxy, host:port")
	flags.StringVar(&tokenFile, "token-file", "", "`file` of the admin token; without it, "+tokenVariable+" is the token")
	return cmd
}

func runInvalidate(cmd *cobra.Command, wanted api.Invalidate, address, tokenFile string) error {
	token, err := client.ReadToken(tokenFile)
	if err != nil {
		return err
	}
	if tokenFile == "" {
		token = os.Getenv(tokenVariable)
	}
	asker, err := client.New(address, token)
	if err != nil {
		return usageError{err}
	}
	defer asker.Close()
	var done api.Invalidated
	if err := asker.Post(cmd.Context(), api.PathInvalidate, wanted, &done); err != nil {
		if refused := (*client.Refused)(nil); errors.As(err, &refused) {
			return fmt.Errorf("%s does not do so: %w", address, err)
		}
		return err
	}
	if wanted.Entity != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "forgotten: %s\n", done.What)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "forgotten: %s (%d features asked for so far)\n", done.What, done.Features)
	return nil
}
