package main

import (
	"fmt"
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

// loadConfig joins the command's flags, the environment, the file and the
// defaults. Its error names everything that is wrong, each on a line.
func loadConfig(cmd *cobra.Command) (*config.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if !cmd.Flags().Changed("config") {
		path = os.Getenv(config.FileVariable)
	}
	return config.Load(config.Sources{File: path, Environ: os.Environ(), Flags: cmd.Flags()})
}

// newOptionsCommand makes the option table for the documents.
func newOptionsCommand() *cobra.Command {
	var markdown bool
	var document string
	cmd := &cobra.Command{
		Use:    "options",
		Short:  "Print the table of options",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := config.HelpText()
			switch {
			case document != "":
				return replaceTable(document)
			case markdown:
				text = config.MarkdownTable()
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print it as Markdown")
	cmd.Flags().StringVar(&document, "write", "", "make it anew between the markers of this Markdown file")
	return cmd
}

func replaceTable(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the document: %w", err)
	}
	text, err := config.ReplaceTable(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// 0o644 only matters if the file vanished since: it keeps its own mode.
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}
