package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/cluster/rcm"
	"github.com/fsproxy/fsproxy/config"
)

// maxSubset bounds --subset. Whoever wants more wants all.
const maxSubset = 1000

// rcmFlags are the flags of rcm.
type rcmFlags struct {
	serviceFlags
	topology               string
	username, passwordFile string
	clientCAFile           string
	subset                 int
}

func newRCMCommand() *cobra.Command {
	var f rcmFlags
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
			"In place of shards the file may say where the fleet is found: among Pods,\n\n" +
			"  kubernetes: {selector: app=fetcher, shards: 16}\n\n" +
			"or by the names of headless services:\n\n" +
			"  dns: {shards: [{slots: 0-16383, address: \"fetchers-0.features.svc:6379\"}]}\n\n" +
			"Each client is told a few nodes of each shard, always the same ones, chosen by its\n" +
			"address or by the id that it announces. docs/OPERATIONS.md tells all of it.\n\n" +
			"Clients, fsproxy among them, are given its address in place of a cluster node's.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.CommandPath()); err != nil {
				return usageError{err}
			}
			log, err := f.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return runRCM(cmd.Context(), log, f)
		},
	}
	flags := cmd.Flags()
	f.add(flags, "127.0.0.1:6400", "that clients connect to", "")
	flags.StringVar(&f.topology, "topology", "", "YAML `file` of shards, their slots and nodes, or of where they are found")
	flags.IntVar(&f.subset, "subset", 3, "`number` of nodes of each shard that a client is told; 0: all")
	flags.StringVar(&f.username, "username", "default", "`name` that clients authenticate with, where there is a password")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` that holds the password that clients need; empty: none, and whatever they present is taken")
	flags.StringVar(&f.certFile, "tls-cert-file", "", "PEM `file` of the certificate to show to clients, read anew when it changes; empty: no TLS")
	flags.StringVar(&f.keyFile, "tls-key-file", "", "PEM `file` of its key")
	flags.StringVar(&f.clientCAFile, "tls-client-ca-file", "", "PEM `file` of certificates that a client's must lead to; empty: clients need none")
	return cmd
}

func (f *rcmFlags) check(path string) error {
	if f.topology == "" {
		return fmt.Errorf("no topology: name its file with --topology; `%s --help` shows one", path)
	}
	if f.subset < 0 || f.subset > maxSubset {
		return fmt.Errorf("--subset %d: use 1 to %d, or 0 for all nodes", f.subset, maxSubset)
	}
	if err := f.checkPair(); err != nil {
		return err
	}
	if f.clientCAFile != "" && f.certFile == "" {
		return errors.New("--tls-client-ca-file has no effect without TLS: give --tls-cert-file and --tls-key-file beside it")
	}
	return nil
}

// tls is how connections of clients are encrypted; nil: not at all.
func (f *rcmFlags) tls(log *slog.Logger) (*tls.Config, error) {
	files := config.ListenerTLS{CertFile: f.certFile, KeyFile: f.keyFile, ClientCAFile: f.clientCAFile}
	encryption, err := files.Server(log)
	if err != nil {
		return nil, fmt.Errorf("the listener's TLS (--tls-cert-file, --tls-key-file, --tls-client-ca-file): %w", err)
	}
	return encryption, nil
}

// password reads what clients need to know; "": nothing.
func (f *rcmFlags) password() (string, error) {
	if f.passwordFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", fmt.Errorf("read the password (--password-file): %w", err)
	}
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" {
		return "", fmt.Errorf("--password-file: %s is empty", f.passwordFile)
	}
	return password, nil
}

// runRCM serves until ctx ends.
func runRCM(ctx context.Context, log *slog.Logger, f rcmFlags) error {
	password, err := f.password()
	if err != nil {
		return err
	}
	encryption, err := f.tls(log)
	if err != nil {
		return err
	}
	limitMemory()
	server := rcm.New(rcm.Config{Subset: f.subset, Username: f.username, Password: password, Logger: log})
	follower, err := rcm.Follow(f.topology, rcm.WatchInterval, server, log)
	if err != nil {
		return err
	}
	ln, adminLn, err := f.open()
	if err != nil {
		return err
	}
	if encryption != nil {
		ln = tls.NewListener(ln, encryption)
	}
	log.Info("the Redis Cluster Manager is listening", "address", ln.Addr().String(), "source", follower.Status().Kind,
		"tls", encryption != nil, "subset", f.subset, "version", readBuild().Version)

	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	var adminErr error
	wg.Go(func() { follower.Run(ctx) })
	if adminLn != nil {
		wg.Go(func() {
			if adminErr = rcm.NewAdmin(server, follower.Status, log).Serve(ctx, adminLn); adminErr != nil {
				cancel()
			}
		})
	}
	err = server.Serve(ctx, ln)
	cancel()
	wg.Wait()
	return errors.Join(err, adminErr)
}
