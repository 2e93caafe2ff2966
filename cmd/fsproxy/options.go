package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/config"
)

// addConfigFlags gives a command --config and the flags of the option table,
// and lists all options in its help. loadConfig reads what was given.
func addConfigFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "YAML `file` of options (environment variable "+config.FileVariable+")")
	config.AddFlags(cmd.Flags())
	// The list stands below the flags, so that those few are found first.
	cmd.SetUsageTemplate(cmd.UsageTemplate() + "\n" + config.HelpText())
}

// configPath is the file of options; "" where there is none.
func configPath(cmd *cobra.Command) string {
	if flag := cmd.Flags().Lookup("config"); flag != nil && flag.Changed {
		return flag.Value.String()
	}
	return os.Getenv(config.FileVariable)
}

// loadConfig joins the command's flags, the environment, the file and the
// defaults. Its error names everything that is wrong, each on a line.
func loadConfig(cmd *cobra.Command) (*config.Config, error) {
	return config.Load(config.Sources{File: configPath(cmd), Environ: os.Environ(), Flags: cmd.Flags()})
}
