package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
	"github.com/fsproxy/fsproxy/pause"
)

// The keys under which a Pod tells of itself, unless others are configured.
const (
	DefaultShardKey = "fsproxy.io/shard"
	DefaultSlotsKey = "fsproxy.io/slots"
	DefaultPortKey  = "fsproxy.io/port"
	DefaultZoneKey  = "fsproxy.io/zone"
	DefaultPort     = "redis"

	// topologyZone is the label that Kubernetes itself gives Pods from 1.35 on.
	topologyZone = "topology.kubernetes.io/zone"
)

// mostShown is how many of what is left out one log line names.
const mostShown = 5

// Config says which Pods are the fleet. Keys are looked up among a Pod's
// annotations, then among its labels.
type Config struct {
	Server     string   // https://host:port; "": that of the cluster this Pod is in
	TokenFile  string   // "": the service account's
	CAFile     string   // "": the service account's
	Namespaces []string // empty: the Pod's own; "*": all
	Selector   string   // label selector; "": all Pods that name a shard

	ShardKey string // a number, or number/count: 3/16
	SlotsKey string // ranges, 0-8191; goes before ShardKey
	PortKey  string // annotation: a number; goes before Port
	ZoneKey  string
	Port     string // the name of a container's port, or a number
	Shards   int    // how many shards share the slots evenly; 0: Pods say

	Logger *slog.Logger // nil: slog.Default()
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		value *string
		usual string
	}{
		{&c.ShardKey, DefaultShardKey},
		{&c.SlotsKey, DefaultSlotsKey},
		{&c.PortKey, DefaultPortKey},
		{&c.ZoneKey, DefaultZoneKey},
		{&c.Port, DefaultPort},
	} {
		if *d.value == "" {
			*d.value = d.usual
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// Check tells what of the configuration cannot be, if anything.
func (c *Config) Check() error {
	if c.Shards < 0 || c.Shards > cluster.Slots {
		return fmt.Errorf("kubernetes.shards %d: use 1 to %d, or 0 where Pods say", c.Shards, cluster.Slots)
	}
	if c.Server != "" && !strings.HasPrefix(c.Server, "https://") && !strings.HasPrefix(c.Server, "http://") {
		return fmt.Errorf("kubernetes.server %q: write https://host:port", c.Server)
	}
	if slices.Contains(c.Namespaces, "*") && len(c.Namespaces) > 1 {
		return errors.New(`kubernetes.namespaces: "*" stands for all of them: name no others beside it`)
	}
	return nil
}

// Source finds the fleet. Run it once.
type Source struct {
	config Config
	api    *api
	timing timing

	mu       sync.Mutex // protects what follows
	pods     map[string]map[string]*pod
	listed   int // namespaces that were listed at least once
	total    int // namespaces
	status   fleet.Status
	failures map[string]error // by namespace
	changed  chan struct{}    // holds a token while something is new
}

// New returns a source that has asked nothing yet.
func New(config Config) (*Source, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	config.setDefaults()
	s := &Source{
		config: config, timing: usualTiming,
		api:      &api{base: strings.TrimSuffix(config.Server, "/"), tokenFile: config.TokenFile, caFile: config.CAFile},
		pods:     make(map[string]map[string]*pod),
		failures: make(map[string]error),
		changed:  make(chan struct{}, 1),
		status:   fleet.Status{Kind: "kubernetes"},
	}
	if config.Server == "" {
		var err error
		if s.api.base, err = serverAddress(); err != nil {
			return nil, err
		}
		if config.TokenFile == "" {
			s.api.tokenFile = filepath.Join(accountFolder, "token")
		}
		if config.CAFile == "" {
			s.api.caFile = filepath.Join(accountFolder, "ca.crt")
		}
	}
	switch {
	case slices.Contains(config.Namespaces, "*"):
		s.config.Namespaces = []string{""}
	case len(config.Namespaces) == 0:
		own, err := ownNamespace()
		if err != nil {
			return nil, err
		}
		s.config.Namespaces = []string{own}
	}
	s.config.Namespaces = slices.Compact(slices.Sorted(slices.Values(s.config.Namespaces)))
	s.total = len(s.config.Namespaces)
	return s, nil
}

// Run watches until ctx ends, and calls install with the fleet when it may have
// changed: first when every namespace was listed.
func (s *Source) Run(ctx context.Context, install func([]fleet.Shard)) {
	var wg sync.WaitGroup
	defer s.api.close()
	defer wg.Wait()
	for _, namespace := range s.config.Namespaces {
		w := &watcher{source: s, namespace: namespace}
		wg.Go(func() { w.run(ctx) })
	}
	var said string
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
		// Pods change in crowds: what comes together is one change of the fleet.
		if !pause.For(ctx, s.timing.quiet) {
			return
		}
		found, ok := s.gather()
		if !ok {
			continue
		}
		if now := strings.Join(found.leftOut, "; "); now != said {
			said = now
			s.say(found.leftOut)
		}
		install(found.shards)
	}
}

func (s *Source) say(leftOut []string) {
	if len(leftOut) == 0 {
		s.config.Logger.Info("all Pods of the selector that run are told")
		return
	}
	s.config.Logger.Warn("not all Pods of the fleet are as they should be", "count", len(leftOut),
		"first", leftOut[:min(len(leftOut), mostShown)])
}

// gather makes shards of what is known; false until all namespaces were listed.
func (s *Source) gather() (found, bool) {
	s.mu.Lock()
	var pods []*pod
	for _, known := range s.pods {
		pods = slices.AppendSeq(pods, maps.Values(known))
	}
	complete := s.listed == s.total
	s.mu.Unlock()
	if !complete {
		return found{}, false
	}
	f := s.config.shardsOf(pods)
	s.mu.Lock()
	s.status.Found, s.status.LeftOut = f.pods, len(f.leftOut)
	s.mu.Unlock()
	return f, true
}

// Status tells of the source, at any time.
func (s *Source) Status() fleet.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	for _, namespace := range s.config.Namespaces {
		if err := s.failures[namespace]; err != nil {
			status.Err = err
			break
		}
	}
	return status
}

func (s *Source) signal() {
	select {
	case s.changed <- struct{}{}:
	default: // there is a token already
	}
}

// replace takes in a whole list. The Pods handed over are not changed after.
func (s *Source) replace(namespace string, pods map[string]*pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods[namespace] == nil {
		s.listed++
	} else {
		s.status.Relists++
	}
	s.pods[namespace] = pods
	s.signal()
}

// put takes in one Pod; gone: it is no more, or no longer selected.
func (s *Source) put(namespace string, p *pod, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.pods[namespace], p.name())
	} else {
		s.pods[namespace][p.name()] = p
	}
	s.signal()
}

// heard notes that the server answers for the namespace.
func (s *Source) heard(namespace string) (recovered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Heard = time.Now()
	recovered = s.failures[namespace] != nil
	delete(s.failures, namespace)
	return recovered
}

// failed notes that it does not; news: for another reason than before.
func (s *Source) failed(namespace string, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Errors++
	before := s.failures[namespace]
	s.failures[namespace] = err
	return before == nil || before.Error() != err.Error()
}
