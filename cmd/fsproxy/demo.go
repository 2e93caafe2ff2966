package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/demo"
	"github.com/fsproxy/fsproxy/histogram"
	"github.com/fsproxy/fsproxy/invalidation"
)

const demoHelp = `Shows a working fsproxy, all of it in this process and with nothing to install:
four fetchers (two shards of two nodes) with made-up features of stores,
consumers and drivers, the RCM that tells where they are, a Kafka broker, the
proxy, and a load of predictions, each a pipeline of HMGETs for what one of a
dozen models reads. Meanwhile the features change: uploads end with a marker,
and a stream of updates is told on Kafka. The fetchers of a shard do not all
have a change at once, as in a real fleet.

A line tells how it goes: invalidations, how far the proxy is behind with them,
and the age of the oldest value that it has served since the line before. Type
k and Enter to kill a fetcher, r and Enter to revive it; connect with redis-cli
meanwhile. Ctrl-C ends it.`

// shortestAge is some ticks. Below it nothing would be answered from memory.
const shortestAge = 100 * time.Millisecond

// demoOptions are the command's flags.
type demoOptions struct {
	duration time.Duration // 0: until interrupted
	noLoad   bool
	rate     float64 // HMGETs a second; 0: as many as can be
	seed     uint64
	maxAge   time.Duration
	updates  float64       // a second; 0: none
	uploads  time.Duration // from one to the next; 0: none

	listen, admin           string
	listenFixed, adminFixed bool // given by the user: no other port will do
}

// Where the demo shows itself unless told otherwise: as the sidecar does.
const (
	demoListen = "127.0.0.1:6379"
	demoAdmin  = "127.0.0.1:9190"
)

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show it all in one process: a small fleet, the proxy and a load",
		Long:    demoHelp,
		Example: "  fsproxy demo\n  fsproxy demo --duration 10s --rate 50000\n  fsproxy demo --no-load",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.listenFixed, o.adminFixed = cmd.Flags().Changed("listen"), cmd.Flags().Changed("admin")
			if err := o.validate(); err != nil {
				return usageError{err}
			}
			return runDemo(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&o.duration, "duration", 0, "how long to go on; 0: until Ctrl-C")
	flags.BoolVar(&o.noLoad, "no-load", false, "leave the asking to you")
	flags.Float64Var(&o.rate, "rate", 20_000, "HMGETs a second; 0: as many as can be")
	flags.Uint64Var(&o.seed, "seed", 1, "of the entities, features, models and predictions")
	flags.DurationVar(&o.maxAge, "max-age", time.Minute, "how long a value may be answered from memory; half of that for missing ones")
	flags.Float64Var(&o.updates, "updates", 200, "real-time updates a second; 0: none")
	flags.DurationVar(&o.uploads, "uploads", 10*time.Second, "how often a batch feature is uploaded anew; 0: never")
	flags.StringVar(&o.listen, "listen", demoListen, "address of the proxy; unless given, the next free port will do")
	flags.StringVar(&o.admin, "admin", demoAdmin, "address of the metrics; unless given, the next free port will do")
	return cmd
}

func (o *demoOptions) validate() error {
	switch {
	case o.duration < 0:
		return fmt.Errorf("--duration %v: give 0 or more, such as 10s", o.duration)
	case !(o.rate >= 0): // NaN included
		return fmt.Errorf("--rate %v: give 0 or more HMGETs a second", o.rate)
	case !(o.updates >= 0):
		return fmt.Errorf("--updates %v: give 0 or more a second", o.updates)
	case o.uploads < 0:
		return fmt.Errorf("--uploads %v: give 0 or more, such as 10s", o.uploads)
	case o.maxAge < shortestAge:
		return fmt.Errorf("--max-age %v: give %v or more", o.maxAge, shortestAge)
	}
	return nil
}

// The demo's store: the smallest in which both the choice of shard and that of
// a fetcher show.
const (
	demoShards = 2
	demoNodes  = 2 // of each shard
)

// demonstration is a demo that can be run.
type demonstration struct {
	options  demoOptions
	screen   *demo.Screen
	fleet    *demo.Fleet
	stream   *demo.Stream
	changes  *demo.Changes
	keys     *demo.Keys
	data     *demo.Data
	features int // that the fleet holds
	sidecar  *sidecar
	load     *demo.Load
}

// runDemo shows the demo until its time is over or ctx ends.
func runDemo(ctx context.Context, o demoOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	d := &demonstration{options: o, screen: demo.NewScreen(stdout), data: demo.NewData(o.seed)}
	log := slog.New(slog.NewTextHandler(d.screen.Beside(stderr), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if d.fleet, err = demo.NewFleet(demoShards, demoNodes, log); err != nil {
		return err
	}
	defer d.fleet.Close()
	if d.features, err = d.data.Store(ctx, d.fleet); err != nil {
		return nil // interrupted before there was anything to see
	}
	if d.stream, err = demo.NewStream(); err != nil {
		return err
	}
	defer d.stream.Close()
	if d.sidecar, err = newDemoSidecar(o, d.fleet, d.stream, log); err != nil {
		return err
	}
	if err := d.nameFeatures(); err != nil {
		return err
	}
	d.changes = demo.NewChanges(d.data, d.fleet, d.stream, o.updates, o.uploads)
	d.keys = demo.NewKeys(stdin, d.fleet, d.screen)
	d.load = demo.NewLoad(d.data, d.address(), o.rate)
	return d.run(ctx)
}

const (
	// demoCache is the bound on the demo's cache, in bytes: several times its
	// data, and nothing to a laptop.
	demoCache = 64 << 20
	// demoTimeout is for connecting and fetching: here store, proxy and load
	// share the same few cores, and a pause is nobody's failure.
	demoTimeout = 2 * time.Second
	// demoDrain leaves most of the second within which the demo ends to the
	// rest of it.
	demoDrain = 100 * time.Millisecond
)

// newDemoSidecar makes a sidecar in front of the fleet of the RCM, on
// listeners of the demo's own.
func newDemoSidecar(o demoOptions, fleet *demo.Fleet, stream *demo.Stream, log *slog.Logger) (*sidecar, error) {
	cfg := config.Default()
	cfg.Listeners, cfg.Admin.Address = nil, ""
	cfg.Upstream.Discovery, cfg.Upstream.Addresses = config.DiscoveryRCM, []string{fleet.RCM()}
	cfg.Upstream.ConnectTimeout, cfg.Upstream.FetchTimeout = demoTimeout, demoTimeout
	cfg.Cache.MaxBytes = demoCache
	cfg.Cache.MaxAge, cfg.Cache.NegativeMaxAge = o.maxAge, o.maxAge/2
	cfg.DrainTimeout = demoDrain
	cfg.Invalidation = demoInvalidation(cfg.Invalidation, stream)

	listener, err := listenFrom(o.listen, o.listenFixed)
	if err != nil {
		return nil, fmt.Errorf("listen for clients (--listen names another address): %w", err)
	}
	adminListener, err := listenFrom(o.admin, o.adminFixed)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("listen for the metrics (--admin names another address): %w", err)
	}
	s, err := newSidecar(cfg, log)
	if err != nil {
		_ = listener.Close()
		_ = adminListener.Close()
		return nil, err
	}
	s.listeners, s.adminListener = []net.Listener{listener}, adminListener
	return s, nil
}

// nameFeatures gives the sidecar the demo's catalogue, before it serves.
func (d *demonstration) nameFeatures() error {
	catalogue, err := d.data.Catalogue()
	if err != nil {
		return err
	}
	d.sidecar.catalogue.TakeOver(catalogue)
	d.sidecar.cache.Repolicy(policies(d.sidecar.cfg, d.sidecar.catalogue))
	return nil
}

// demoInvalidation reads the markers and the stream of the demo's changes.
func demoInvalidation(cfg config.Invalidation, stream *demo.Stream) config.Invalidation {
	const (
		poll   = time.Second // soon enough to be seen
		maxLag = 10 * time.Second
	)
	markers := cfg.Markers[0] // the default has one
	markers.Key, markers.Interval, markers.Settle = demo.MarkerKey, poll, demo.Settle
	cfg.Markers = []config.Marker{markers}
	cfg.Kafka.Brokers, cfg.Kafka.Settle = stream.Brokers(), demo.Settle
	cfg.Kafka.Topics = []config.Topic{{
		Name: demo.Topic, Format: config.FormatJSON, Apply: config.ApplyEvict, Covers: []string{"*"},
		MaxLag: maxLag, OnLoss: config.OnLossBypass,
	}}
	return cfg
}

// demoPorts is how many ports are tried for a free one.
const demoPorts = 100

// listenFrom opens address, or one of the ports that follow it unless it is
// fixed.
func listenFrom(address string, fixed bool) (net.Listener, error) {
	listener, first := net.Listen("tcp", address)
	if first == nil || fixed {
		return listener, first
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, first
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, first
	}
	for i := 1; i < demoPorts; i++ {
		if listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port+i))); err == nil {
			return listener, nil
		}
	}
	return nil, first
}

func (d *demonstration) address() string { return d.sidecar.listeners[0].Addr().String() }

// run serves, and shows how it goes. It ends in the opposite order of its
// beginning, so that the load's last requests still find the proxy.
func (d *demonstration) run(ctx context.Context) error {
	failed := make(chan error, 3) // of proxy, changes and load
	serving, stopServing := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := d.sidecar.run(serving); err != nil {
			failed <- err
		}
	})
	defer served.Wait()
	defer stopServing()
	if err := d.awaitStore(ctx); err != nil {
		return err
	}
	d.introduce()
	loading, stopLoading := context.WithCancel(ctx)
	defer stopLoading()
	var loaded sync.WaitGroup
	loaded.Go(func() {
		if err := d.changes.Run(loading); err != nil {
			failed <- err
		}
	})
	go d.keys.Run() // ends with the input, or with the process
	if !d.options.noLoad {
		loaded.Go(func() {
			if err := d.load.Run(loading); err != nil {
				failed <- err
			}
		})
	}
	begin, err := d.watch(ctx, failed)
	stopLoading()
	loaded.Wait()
	return errors.Join(err, d.summarize(begin))
}

// awaitStore waits until the proxy has found the fleet: before that a miss
// would be an error.
func (d *demonstration) awaitStore(ctx context.Context) error {
	const (
		patience = 10 * time.Second // for a machine that is very busy
		interval = 5 * time.Millisecond
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if t, _ := d.sidecar.upstream.Topology(); t != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("the proxy has not found the fleet behind the RCM at %s within %v", d.fleet.RCM(), patience)
			}
			return nil
		case <-ticker.C:
		}
	}
}

// introduce says what runs, and what to try.
func (d *demonstration) introduce() {
	text := demo.Introduction{
		Data: d.data, Features: d.features, Fleet: d.fleet, Stream: d.stream, Proxy: d.address(),
		Page: "http://" + d.sidecar.adminListener.Addr().String() + "/",
	}.String() + "\n"
	if !d.options.noLoad {
		text += fmt.Sprintf("%d models ask for features now. ", d.data.Models())
	}
	d.screen.Print(text + "k and Enter kills a fetcher, r and Enter\nrevives it, Ctrl-C ends the demo.\n\n" + demo.Heading + "\n")
}

// watch shows a line again and again until the demo's time is over, ctx ends,
// or something fails. begin is the reading that it started from.
func (d *demonstration) watch(ctx context.Context, failed <-chan error) (begin demo.Reading, err error) {
	if d.options.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.options.duration)
		defer cancel()
	}
	ticker := time.NewTicker(d.screen.Interval())
	defer ticker.Stop()
	begin = d.read()
	before := begin
	for {
		select {
		case <-ctx.Done():
			return begin, nil
		case err := <-failed:
			return begin, err
		case <-ticker.C:
		}
		now := d.read()
		d.screen.Show(demo.Row(before, now))
		before = now
	}
}

// read takes the proxy's counts. What failed is counted by the load: it sees
// what clients see.
func (d *demonstration) read() demo.Reading {
	histograms := histogram.Read(d.sidecar.proxy.Latency())
	r := demo.Reading{At: time.Now(), Hit: histograms["hit"], Miss: histograms["miss"].Plus(histograms["mixed"])}
	counts := d.sidecar.proxy.Stats()
	counts.Outcomes(func(command, outcome string, n uint64) {
		if command != "hmget" {
			return
		}
		r.HMGETs += n
		if outcome == "hit" {
			r.Hits = n
		}
	})
	r.Errors, _ = d.load.Errors()
	held := d.sidecar.cache.Stats()
	r.Bytes, r.Rows = held.Bytes, held.Rows
	r.Oldest = d.sidecar.cache.OldestServed()
	for _, source := range d.sidecar.sources.Statuses() {
		r.Lag = max(r.Lag, source.Lag)
		r.Invalidations += source.Counts[invalidation.WhatMarker] + source.Counts[invalidation.WhatUpdate] + source.Counts[invalidation.WhatEntity]
	}
	r.Up, r.Fetchers = d.fleet.Up()
	return r
}

// summarize says how it went since begin.
func (d *demonstration) summarize(begin demo.Reading) error {
	d.screen.Print(demo.Summary(begin, d.read()))
	if n, first := d.load.Errors(); n > 0 && !d.keys.Killed() {
		return fmt.Errorf("%d HMGETs were answered with an error, the first with %q", n, first)
	}
	return nil
}
