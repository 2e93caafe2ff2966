package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm"
	"github.com/fsproxy/fsproxy/config"
)

func newRCMCommand() *cobra.Command {
	var listen, topology, level string
	cmd := &cobra.Command{
		Use:   "rcm --topology FILE",
		Short: "Run the Redis Cluster Manager: tell clients which fetchers hold which slots",
		Long: "rcm makes a fleet of plain servers look like a Redis Cluster: it answers CLUSTER\n" +
			"SLOTS, SHARDS and NODES from a topology file, and reads the file again when it\n" +
			"changes:\n\n" +
			"  shards:\n" +
			"    - slots: 0-8191              # or several ranges: 0-100,200-300\n" +
			"      nodes: [\"127.0.0.1:7001\", \"127.0.0.1:7002\"]\n" +
			"    - slots: 8192-16383\n" +
			"      nodes: [\"127.0.0.1:7003\", \"127.0.0.1:7004\"]\n\n" +
			"Clients, fsproxy among them, are given its address in place of a cluster node's.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if topology == "" {
				return usageError{fmt.Errorf("no topology: name its file with --topology; `%s --help` shows one", cmd.CommandPath())}
			}
			if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, level) {
				return usageError{fmt.Errorf("--log-level %q: use one of %v", level, levels)}
			}
			log := slog.New(config.Log{Level: level}.Handler(cmd.ErrOrStderr(), new(slog.LevelVar)))
			return runRCM(cmd.Context(), log, listen, topology)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:6400", "`address` that clients connect to, host:port")
	cmd.Flags().StringVar(&topology, "topology", "", "YAML `file` of shards, their slots and nodes")
	cmd.Flags().StringVar(&level, "log-level", "info", "least `level` that is logged: debug, info, warn, error")
	return cmd
}

// runRCM serves until ctx ends.
func runRCM(ctx context.Context, log *slog.Logger, listen, file string) error {
	topology, err := rcm.Load(file)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s (choose a free address with --listen): %w", listen, err)
	}
	server := rcm.New(rcm.Config{Topology: topology, Logger: log})
	log.Info("the Redis Cluster Manager is listening", "address", ln.Addr().String(),
		"shards", len(topology.Shards), "fetchers", len(topology.Nodes()))

	var watcher sync.WaitGroup
	defer watcher.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher.Go(func() {
		rcm.Watch(ctx, file, rcm.WatchInterval, log, func(t *cluster.Topology) {
			if server.SetTopology(t) {
				log.Info("a new topology is in force", "shards", len(t.Shards), "fetchers", len(t.Nodes()))
			}
		})
	})
	return server.Serve(ctx, ln)
}
