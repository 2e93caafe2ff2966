// Command fsproxy serves feature reads from memory beside a prediction
// service, and has the tools around that: one subcommand a file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// subcommands makes each subcommand. A new one is a file with a function and a
// line here.
var subcommands = []func() *cobra.Command{
	newServeCommand,
	newDemoCommand,
	newRCMCommand,
	newInjectCommand,
	newBenchCommand,
	newCheckCommand,
	newInvalidateCommand,
	newTopCommand,
	newCtlCommand,
	newVersionCommand,
	newFeaturesCommand,
	newTablesCommand,
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // the command was understood and did not succeed
	exitUsage  = 2 // the command line was not understood
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default is back: a second one ends the process
	// at once, whatever it waits for.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	// Several problems are several lines; each says who speaks.
	fmt.Fprintln(stderr, "fsproxy: "+strings.ReplaceAll(err.Error(), "\n", "\nfsproxy: "))
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fsproxy",
		Short: "A read-through cache for feature stores that speak the Redis protocol",
		Long: "fsproxy runs beside each prediction service, on localhost. An unchanged Redis\n" +
			"client connects to it as if it were the feature store; it answers HMGET from\n" +
			"memory and sends what is missing to the store's fetchers.",
		SilenceErrors: true,
		// Letters that may differ from a command's name for it to be suggested.
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("no command given; `fsproxy --help` lists them")}
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; `%s --help` lists what there is", err, cmd.CommandPath())}
	})
	for _, newCommand := range subcommands {
		root.AddCommand(newCommand())
	}
	return root
}

// usageError is a command line that was not understood.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := "`fsproxy --help` lists them"
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("unknown command %q; %s", name, hint)}
}

// noArguments is the Args of a command that takes flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; `%s --help` says what it takes", args[0], cmd.CommandPath())}
	}
	return nil
}
