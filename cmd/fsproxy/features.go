package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/importer"
)

func newFeaturesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "features",
		Short: "Name, check and import features",
		// Letters that may differ from a command's name for it to be suggested.
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("say what to do with features; `%s --help` lists what there is", cmd.CommandPath())}
		},
	}
	cmd.AddCommand(newFeaturesHashCommand(), newFeaturesLintCommand(), newFeaturesImportCommand(), newFeaturesKeyCommand())
	return cmd
}

func newFeaturesHashCommand() *cobra.Command {
	scheme := string(feature.XXHash32)
	cmd := &cobra.Command{
		Use:   "hash NAME...",
		Short: "Print the store's field for each name",
		Example: "  fsproxy features hash daf_cs_p6m_consumer2vec_emb\n" +
			"  fsproxy features hash --scheme feast driver_stats:conv_rate",
		Args: someArguments("name"),
		RunE: func(cmd *cobra.Command, names []string) error {
			how, err := schemeNamed(scheme)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tFIELD")
			for _, name := range names {
				field := how.Field(name)
				if how == feature.Feast {
					field = feature.Quoted(field) // four bytes of any kind
				}
				fmt.Fprintf(table, "%s\t%s\n", name, field)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVar(&scheme, "scheme", scheme, "how fields follow from names: xxhash32, name or feast")
	return cmd
}

func schemeNamed(name string) (feature.Scheme, error) {
	if scheme := feature.Scheme(name); slices.Contains(feature.Schemes, scheme) {
		return scheme, nil
	}
	return "", usageError{fmt.Errorf("--scheme %s is unknown; use one of %v", name, feature.Schemes)}
}

func newFeaturesLintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint FILE",
		Short: "Check a feature catalogue and print all that is wrong, by line",
		Args:  exactlyOne("file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			problems, err := feature.Lint(args[0])
			if err != nil {
				return err
			}
			if len(problems) > 0 {
				return joined(problems)
			}
			catalogue, err := feature.Load(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d features in order, scheme %s\n", args[0], catalogue.Len(), catalogue.Scheme())
			return err
		},
	}
}

func joined(problems []feature.Problem) error {
	all := make([]error, len(problems))
	for i, p := range problems {
		all[i] = p
	}
	return errors.Join(all...)
}

func newFeaturesImportCommand() *cobra.Command {
	var from string
	scheme := string(feature.XXHash32)
	cmd := &cobra.Command{
		Use:   "import --from feast-registry|csv FILE",
		Short: "Make a feature catalogue of a Feast registry or a table, on standard output",
		Long: "import writes a catalogue to standard output, to be completed by hand: neither\n" +
			"source knows how long a value may be kept.\n\n" +
			"  feast-registry  FILE holds what `feast registry-dump` prints\n" +
			"  csv             the first line of FILE names its columns: name, and any of the\n" +
			"                  keys of a feature: type, encoding, dimension, group, max_age, ...\n\n" +
			"What was left out, and what `fsproxy features lint` would say of the result, goes\n" +
			"to standard error.",
		Example: "  feast registry-dump > dump.json\n" +
			"  fsproxy features import --from feast-registry dump.json > features.yaml",
		Args: exactlyOne("file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			how, err := schemeNamed(scheme)
			if err != nil {
				return err
			}
			draft, err := readDraft(from, args[0], how)
			if err != nil {
				return err
			}
			return writeDraft(draft, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "what FILE is: feast-registry or csv")
	cmd.Flags().StringVar(&scheme, "scheme", scheme, "of a table: how fields follow from names: xxhash32, name or feast")
	return cmd
}

func readDraft(from, file string, scheme feature.Scheme) (*importer.Draft, error) {
	if from != "feast-registry" && from != "csv" {
		return nil, usageError{fmt.Errorf("--from %q is unknown; use feast-registry or csv", from)}
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("import features: %w", err)
	}
	defer in.Close()
	var draft *importer.Draft
	if from == "csv" {
		draft, err = importer.FromCSV(in, scheme)
	} else {
		draft, err = importer.FromFeast(in)
	}
	if err != nil {
		return nil, fmt.Errorf("import features from %s: %w", file, err)
	}
	return draft, nil
}

// writeDraft fails where the catalogue that it wrote would not load.
func writeDraft(draft *importer.Draft, stdout, stderr io.Writer) error {
	content, err := draft.YAML()
	if err != nil {
		return err
	}
	if _, err := stdout.Write(content); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	for _, note := range draft.Notes {
		fmt.Fprintln(stderr, "fsproxy: note: "+note)
	}
	catalogue, err := feature.Parse("standard output", content)
	if err != nil {
		return err
	}
	for _, warning := range catalogue.Warnings() {
		fmt.Fprintln(stderr, "fsproxy: warning: "+warning.Error())
	}
	return nil
}

func newFeaturesKeyCommand() *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:   "feast-key --project NAME JOIN_KEY:TYPE=VALUE...",
		Short: "Print the key of a Feast entity in Redis, quoted for redis-cli",
		Long: "feast-key prints the key under which Feast keeps an entity, from its join keys.\n" +
			"TYPE is int64, int32, string or timestamp (seconds); string where it is left out.",
		Example: "  redis-cli --quoted-input hkeys \"$(fsproxy features feast-key --project demo driver_id:int64=1001)\"",
		Args:    someArguments("join key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys := make([]feature.EntityKey, len(args))
			for i, arg := range args {
				var err error
				if keys[i], err = parseEntityKey(arg); err != nil {
					return usageError{err}
				}
			}
			key, err := feature.FeastKey(project, keys...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), feature.Quoted(string(key)))
			return err
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "the Feast project's `name`")
	_ = cmd.MarkFlagRequired("project")
	return cmd
}

// parseEntityKey reads driver_id:int64=1001.
func parseEntityKey(text string) (feature.EntityKey, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return feature.EntityKey{}, fmt.Errorf("join key %q has no value; write it as driver_id:int64=1001", text)
	}
	name, kind, _ := strings.Cut(name, ":")
	bits := map[string]int{"int64": 64, "int32": 32, "timestamp": 64}[kind]
	if bits == 0 {
		if kind != "" && kind != "string" {
			return feature.EntityKey{}, fmt.Errorf("the type %q of join key %s is unknown; use int64, int32, string or timestamp", kind, name)
		}
		return feature.EntityKey{Name: name, Value: value}, nil
	}
	number, err := strconv.ParseInt(value, 10, bits)
	if err != nil {
		return feature.EntityKey{}, fmt.Errorf("join key %s: %q is no %s", name, value, kind)
	}
	switch kind {
	case "int32":
		return feature.EntityKey{Name: name, Value: int32(number)}, nil
	case "timestamp":
		return feature.EntityKey{Name: name, Value: feature.FeastTime(number)}, nil
	default:
		return feature.EntityKey{Name: name, Value: number}, nil
	}
}

// someArguments is the Args of a command that takes one or more.
func someArguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("no %s given; `%s --help` says what it takes", what, cmd.CommandPath())}
		}
		return nil
	}
}

// exactlyOne is the Args of a command that takes one.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%d arguments where one %s is expected; `%s --help` says what it takes", len(args), what, cmd.CommandPath())}
		}
		return nil
	}
}
