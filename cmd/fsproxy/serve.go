package main

import (
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/sampling"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the sidecar: answer HMGET from memory in front of the store",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return serve(cmd, cfg)
		},
	}
	addConfigFlags(cmd)
	return cmd
}

func serve(cmd *cobra.Command, cfg *config.Config) error {
	level := new(slog.LevelVar)
	log := slog.New(sampling.New(cfg.Log.Handler(cmd.ErrOrStderr(), level)))
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	limitMemory()
	s, err := newSidecar(cfg, log)
	if err != nil {
		return err
	}
	s.level = level
	if path := configPath(cmd); path != "" || len(cfg.Files()) > 0 {
		s.reload.from(path, func() (*config.Config, error) { return loadConfig(cmd) })
	}
	addresses := make([]string, len(s.listeners))
	for i, l := range cfg.Listeners {
		addresses[i] = l.Address
	}
	log.Info("serving", "listeners", addresses, "mode", string(cfg.Mode), "upstream", cfg.Upstream.Addresses,
		"admin", cfg.Admin.Address, "version", readBuild().Version)
	err = s.run(cmd.Context())
	log.Info("stopped")
	return err
}

// limitMemory tells the Go runtime the container's memory limit, which it does
// not look up by itself. GOMEMLIMIT in the environment wins.
func limitMemory() {
	const unset = 1<<63 - 1 // what an untouched runtime answers
	if debug.SetMemoryLimit(-1) != unset {
		return
	}
	debug.SetMemoryLimit(int64(config.MemoryLimit().Heap()))
}
