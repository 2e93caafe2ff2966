package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set at build time by -ldflags "-X main.version=v1.2.3 -X main.commit=abc".
var (
	version string
	commit  string
)

// build is what is known of this binary.
type build struct {
	Version string // "v1.2.3", or "dev"
	Commit  string // of the source tree, with "-dirty" if it was changed; or "unknown"
	Go      string // "go1.26.0"
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go version of this binary",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuild()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "fsproxy %s (commit %s, %s)\n", b.Version, b.Commit, b.Go)
			return err
		},
	}
}

// readBuild prefers what the build was told to what Go recorded by itself,
// which knows nothing of a version when it builds from a plain checkout, and
// nothing of a commit when .git is left out, as in the image.
func readBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		if b.Commit == "" {
			b.Commit = recordedCommit(info)
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

func recordedCommit(info *debug.BuildInfo) string {
	revision, suffix := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + suffix
}
