package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin"
	"github.com/fsproxy/fsproxy/cluster/rcm"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/inject"
	commandtable "github.com/fsproxy/fsproxy/proxy/command"
)

// tables are the parts of the documents that are made from the tables which
// drive the program, so that they cannot drift. Each stands in its document
// between the lines <!-- name:begin --> and <!-- name:end -->.
var tables = []struct {
	name, document string
	render         func() string
}{
	{"options", "OPERATIONS.md", config.MarkdownTable},
	{"reloadable", "OPERATIONS.md", config.ReloadableList},
	{"metrics", "OPERATIONS.md", admin.MarkdownTable},
	{"rcm-metrics", "OPERATIONS.md", rcm.MarkdownTable},
	{"commands", "COMMANDS.md", commandtable.Markdown},
	{"annotations", "KUBERNETES.md", inject.MarkdownTable},
}

// newTablesCommand makes those parts anew.
func newTablesCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:    "tables",
		Short:  "Make the tables in the documents anew",
		Hidden: true,
		Args:   noArguments,
		RunE: func(*cobra.Command, []string) error {
			for _, t := range tables {
				if err := rewrite(folder+"/"+t.document, t.name, t.render()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&folder, "docs", "docs", "the folder of the documents")
	return cmd
}

func rewrite(path, name, table string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	text, err := replaceTable(string(old), name, table)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// 0o644 only matters if the file vanished since: it keeps its own mode.
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}

// replaceTable returns a document with what stands between name's markers made
// anew.
func replaceTable(document, name, table string) (string, error) {
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	before, rest, found := strings.Cut(document, begin)
	if !found {
		return "", fmt.Errorf("there is no line %s: add one where the table shall begin", begin)
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("there is no line %s after %s: add one where the table shall end", end, begin)
	}
	return before + begin + "\n\n" + table + "\n" + end + after, nil
}
