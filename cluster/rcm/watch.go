package rcm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/dns"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
	"github.com/fsproxy/fsproxy/cluster/rcm/kubernetes"
)

// WatchInterval is how often the file is looked at by default. It is read whole
// rather than waited for: that works for a ConfigMap, which changes by the swap
// of a symlink two folders up, and on file systems that tell nothing, and costs
// a read of a few kilobytes.
const WatchInterval = 2 * time.Second

// Source finds a fleet somewhere.
type Source interface {
	// Run looks until ctx ends, and calls install with the fleet whenever it may
	// have changed. What it cannot find out, it leaves as it was.
	Run(ctx context.Context, install func([]fleet.Shard))
	// Status may be called at any time.
	Status() fleet.Status
}

// Follower keeps what a Server tells as a file has it, or as the source that
// the file names finds it.
type Follower struct {
	server   *Server
	file     string
	interval time.Duration
	logger   *slog.Logger

	content []byte // that is in force; owned by Run, once it runs
	unused  string // why what was found last is not used; owned by the source's goroutine

	mu     sync.Mutex // protects what follows
	origin *Origin
	source Source // nil: the file is all there is
	read   time.Time
	err    error // of the file
}

// Follow reads file, and has server tell what it holds. A source that it names
// is asked once Run runs. interval is how often Run looks at the file; 0:
// WatchInterval.
func Follow(file string, interval time.Duration, server *Server, logger *slog.Logger) (*Follower, error) {
	if interval <= 0 {
		interval = WatchInterval
	}
	f := &Follower{server: server, file: file, interval: interval, logger: logger}
	content, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("topology file: %w", err)
	}
	origin, source, err := f.prepare(content)
	if err != nil {
		return nil, err
	}
	f.enforce(content, origin, source)
	return f, nil
}

// prepare checks content, and makes the source that it names.
func (f *Follower) prepare(content []byte) (*Origin, Source, error) {
	origin, err := parse(f.file, content)
	if err != nil {
		return nil, nil, err
	}
	source, err := origin.open(f.logger)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return origin, source, nil
}

// enforce puts in force what was prepared. No other source runs meanwhile, that
// would have the last word.
func (f *Follower) enforce(content []byte, origin *Origin, source Source) {
	f.mu.Lock()
	f.content, f.origin, f.source, f.read, f.err = content, origin, source, time.Now(), nil
	f.mu.Unlock()
	if origin.Topology != nil {
		f.server.set(origin.Topology, origin.Networks)
	}
}

// open makes the source that is named; nil: none is.
func (o *Origin) open(logger *slog.Logger) (Source, error) {
	switch {
	case o.Kubernetes != nil:
		config := *o.Kubernetes
		config.Logger = logger
		return kubernetes.New(config)
	case o.DNS != nil:
		config := *o.DNS
		config.Logger = logger
		return dns.New(config), nil
	}
	return nil, nil
}

// Run follows until ctx ends. A file that cannot be read or is wrong is reported
// once and changes nothing.
func (f *Follower) Run(ctx context.Context) {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	stop := f.start(ctx)
	defer func() { stop() }()
	var trouble string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		content, err := readFile(f.file)
		if err == nil && bytes.Equal(content, f.content) {
			f.note(nil)
			trouble = ""
			continue
		}
		if err == nil {
			origin, source, wrong := f.prepare(content)
			if err = wrong; err == nil {
				stop()
				f.enforce(content, origin, source)
				stop = f.start(ctx)
				trouble = ""
				continue
			}
		}
		f.note(err)
		if err.Error() != trouble {
			trouble = err.Error()
			f.logger.Error("the new topology is not used; the last good one stays in force", "error", err)
		}
	}
}

func (f *Follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil {
		f.read = time.Now()
	}
}

// start runs the source in force, if there is one. stop ends it and waits.
func (f *Follower) start(ctx context.Context) (stop func()) {
	if f.source == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	source, origin := f.source, f.origin
	wg.Go(func() { source.Run(ctx, func(shards []fleet.Shard) { f.install(origin, shards) }) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// install has the server tell a fleet that was found. One of nobody never takes
// another's place: that every fetcher is gone at once is a slip in a selector
// much sooner than the truth, and where it is the truth nobody is helped by it.
func (f *Follower) install(origin *Origin, shards []fleet.Shard) {
	empty := true
	for _, s := range shards {
		empty = empty && len(s.Nodes) == 0
	}
	if empty {
		f.refuse("no fetcher is found at all; the last fleet, if there was any, stays in force", nil)
		return
	}
	topology, err := fleet.Topology(origin.Version, shards)
	if err != nil {
		f.refuse("the fleet that was found is not used; the last good one stays in force", err)
		return
	}
	f.unused = ""
	f.server.set(topology, origin.Networks)
}

// refuse says why what was found is not used, once: a source finds it again and
// again.
func (f *Follower) refuse(why string, err error) {
	reason := fmt.Sprint(why, err)
	if reason == f.unused {
		return
	}
	f.unused = reason
	if err != nil {
		f.logger.Error(why, "error", err)
		return
	}
	f.logger.Error(why)
}

// Status tells where the fleet comes from, and how that goes.
func (f *Follower) Status() fleet.Status {
	f.mu.Lock()
	source, err := f.source, f.err
	status := fleet.Status{Kind: "file", Heard: f.read}
	f.mu.Unlock()
	if source != nil {
		status = source.Status()
	}
	if err != nil {
		status.Err = err
	}
	return status
}

// Topology is what clients are told just now; nil: nothing yet.
func (s *Server) Topology() *cluster.Topology { return s.views.Load().topology }
