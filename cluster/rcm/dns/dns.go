// Package dns finds the fleet of an RCM by names: one a shard, that of a
// headless service, whose addresses or SRV records are the shard's fetchers. It
// asks again and again, as DNS tells nobody of changes.
//
// An answer of no addresses, or that there is no such name, is believed only
// when it has lasted: a service whose Pods all fail their probes has no
// addresses, and neither has one that a name server has just lost. While a name
// server does not answer at all, what it last said stays.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

const (
	// DefaultInterval is how often names are asked for: cluster DNS lets its
	// answers live for 5 to 30 seconds.
	DefaultInterval = 10 * time.Second
	// DefaultKeep is how long a shard without addresses keeps those it had.
	DefaultKeep = 5 * time.Minute
	// lookupTimeout bounds one question.
	lookupTimeout = 5 * time.Second
	// atOnce bounds the questions under way.
	atOnce = 8
	// maxAddresses bounds the answer to one.
	maxAddresses = 1 << 14
)

// Resolver is what asks; *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addresses []string, err error)
	LookupSRV(ctx context.Context, service, proto, name string) (canonical string, records []*net.SRV, err error)
}

// Shard says under which name a shard's fetchers are found: its addresses, all
// at one port, or its SRV records.
type Shard struct {
	Slots []cluster.SlotRange
	Name  string // host:port; "": SRV is set
	SRV   string // as _redis._tcp.fetchers-0.features.svc.cluster.local
}

func (s *Shard) name() string {
	if s.SRV != "" {
		return s.SRV
	}
	return s.Name
}

// Check tells what of a shard cannot be, if anything.
func (s *Shard) Check() error {
	switch {
	case (s.Name == "") == (s.SRV == ""):
		return errors.New("name it by either address or srv")
	case s.Name != "":
		return cluster.CheckAddress(s.Name)
	case strings.ContainsFunc(s.SRV, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("srv %q is no name", s.SRV)
	}
	return nil
}

// Config says what is asked.
type Config struct {
	Shards   []Shard
	Interval time.Duration // jittered by a fifth; 0: DefaultInterval
	Keep     time.Duration // how long a shard without addresses keeps those it had; 0: DefaultKeep
	Resolver Resolver      // nil: net.DefaultResolver
	Logger   *slog.Logger  // nil: slog.Default()
}

// Source finds the fleet. Run it once.
type Source struct {
	config Config

	// shards are touched by Run alone, each by one goroutine at a time.
	shards []*known

	mu     sync.Mutex // protects status
	status fleet.Status
}

// known is what was found of a shard.
type known struct {
	Shard
	nodes   []fleet.Node
	emptyAt time.Time // since when the answer is none; zero: it is some
	err     error
}

// New returns a source that has asked nothing yet.
func New(config Config) *Source {
	if config.Interval <= 0 {
		config.Interval = DefaultInterval
	}
	if config.Keep <= 0 {
		config.Keep = DefaultKeep
	}
	if config.Resolver == nil {
		config.Resolver = net.DefaultResolver
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	s := &Source{config: config, status: fleet.Status{Kind: "dns"}}
	for _, shard := range config.Shards {
		s.shards = append(s.shards, &known{Shard: shard})
	}
	return s
}

// Run asks until ctx ends, and calls install with the fleet after each round in
// which any is known.
func (s *Source) Run(ctx context.Context, install func([]fleet.Shard)) {
	for {
		s.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if shards := s.gather(); len(shards) > 0 {
			install(shards)
		}
		wait := s.config.Interval*4/5 + rand.N(s.config.Interval*2/5+1)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Status tells of the source, at any time.
func (s *Source) Status() fleet.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// round asks for every shard once.
func (s *Source) round(ctx context.Context) {
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, k := range s.shards {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			nodes, err := s.lookup(ctx, &k.Shard)
			if ctx.Err() == nil {
				s.learn(k, nodes, err)
			}
		})
	}
	wg.Wait()
}

// lookup asks for one shard. No nodes and no error: there are none.
func (s *Source) lookup(ctx context.Context, shard *Shard) ([]fleet.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var addresses []string
	var err error
	if shard.SRV != "" {
		addresses, err = s.targets(ctx, shard.SRV)
	} else {
		addresses, err = s.hosts(ctx, shard.Name)
	}
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	var nodes []fleet.Node
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		if cluster.CheckAddress(address) == nil {
			nodes = append(nodes, fleet.Node{Address: address})
		}
	}
	return nodes, nil
}

func (s *Source) hosts(ctx context.Context, name string) (addresses []string, err error) {
	host, port, _ := net.SplitHostPort(name) // it was checked
	found, err := s.config.Resolver.LookupHost(ctx, host)
	for _, f := range found {
		if ip, err := netip.ParseAddr(f); err == nil {
			addresses = append(addresses, net.JoinHostPort(ip.String(), port))
		}
	}
	return addresses, err
}

func (s *Source) targets(ctx context.Context, name string) (addresses []string, err error) {
	_, records, err := s.config.Resolver.LookupSRV(ctx, "", "", name)
	for _, r := range records {
		addresses = append(addresses, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
	}
	if len(addresses) > 0 {
		err = nil // of some records that were malformed; the rest stands
	}
	return addresses, err
}

// learn takes in an answer. Each change of what is believed is one line.
func (s *Source) learn(k *known, nodes []fleet.Node, err error) {
	log := s.config.Logger.With("name", k.name())
	switch {
	case err != nil:
		if k.err == nil {
			log.Warn("a shard's name cannot be asked for; its fetchers last known stay", "error", err, "fetchers", len(k.nodes))
		}
		k.err = err
	case len(nodes) > 0:
		if k.err != nil || !k.emptyAt.IsZero() {
			log.Info("a shard's name has addresses again", "fetchers", len(nodes))
		}
		k.nodes, k.emptyAt, k.err = nodes, time.Time{}, nil
	case k.emptyAt.IsZero():
		log.Warn("a shard's name has no addresses; its fetchers last known stay for a while", "fetchers", len(k.nodes), "keep", s.config.Keep)
		k.emptyAt, k.err = time.Now(), nil
	case len(k.nodes) > 0 && time.Since(k.emptyAt) >= s.config.Keep:
		log.Error("a shard's name has had no addresses for too long: nobody is told of its fetchers any more", "since", k.emptyAt)
		k.nodes, k.err = nil, nil
	default:
		k.err = nil
	}
}

// gather is the fleet as it is believed to be.
func (s *Source) gather() (shards []fleet.Shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Err, s.status.Found = nil, 0
	any, answered := false, false
	fresh := s.fresh()
	for _, k := range s.shards {
		if k.err != nil {
			s.status.Errors++
			s.status.Err = fmt.Errorf("%s: %w", k.name(), k.err)
		} else {
			answered = true
		}
		if k.stale() {
			k.nodes = slices.DeleteFunc(k.nodes, func(n fleet.Node) bool { return fresh[n.Address] })
		}
		s.status.Found += len(k.nodes)
		any = any || len(k.nodes) > 0
		shards = append(shards, fleet.Shard{Slots: k.Slots, Nodes: k.nodes})
	}
	if answered {
		s.status.Heard = time.Now()
	}
	if !any {
		return nil
	}
	return shards
}

// stale tells whether the nodes are those of an earlier answer.
func (k *known) stale() bool { return k.err != nil || !k.emptyAt.IsZero() }

// fresh are the addresses that some shard's name has just now. A Pod that ended
// gives its address back, and a fetcher of another shard may get it: whoever is
// sent there for the old shard's slots would be told that nothing is there.
func (s *Source) fresh() map[string]bool {
	addresses := make(map[string]bool)
	for _, k := range s.shards {
		if !k.stale() {
			for _, n := range k.nodes {
				addresses[n.Address] = true
			}
		}
	}
	return addresses
}
