package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/invalidation"
)

// Source reads topics and acts on a memory. It is an [invalidation.Source].
type Source struct {
	tuned   atomic.Pointer[Config]
	secured atomic.Pointer[security]
	log     *slog.Logger
	topics  []*topic
	connect func(context.Context) cluster
	brokers cluster       // while Run runs
	hurry   chan struct{} // asks the watch to look soon

	followers sync.WaitGroup
	mu        sync.Mutex     // protects followed, and the partitions of topics
	followed  map[int32]bool // brokers that a goroutine reads from

	// The watch's alone.
	refreshed  time.Time // when the brokers last told the layout
	refreshErr error     // why they did not since
}

// New returns a source whose topics' features are suspended until Run has found
// where each begins.
func New(cfg Config, memory invalidation.Memory, log *slog.Logger) (*Source, error) {
	if len(cfg.Brokers) == 0 || len(cfg.Topics) == 0 {
		return nil, errors.New("read from Kafka: at least one broker and one topic are needed")
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("read from Kafka: %w", err)
	}
	s := &Source{log: log, hurry: make(chan struct{}, 1), followed: make(map[int32]bool)}
	s.tuned.Store(&cfg)
	s.secured.Store(&security{cfg.TLS, mechanism})
	for _, c := range cfg.Topics {
		t, err := newTopic(c, cfg, memory, log)
		if err != nil {
			return nil, fmt.Errorf("read topic %s: %w", c.Guard.Name, err)
		}
		s.topics = append(s.topics, t)
	}
	s.connect = func(ctx context.Context) cluster {
		return newClient(ctx, cfg.Brokers, s.names(), &s.secured)
	}
	for _, t := range s.topics {
		t.guard.Start()
	}
	return s, nil
}

// Tune takes over from cfg what may change while topics are read: how connections to
// come are encrypted and authenticated, how often is checked, for how long fetchers
// may be behind, how far behind a topic may be and what a loss means. Nothing has
// changed until what it returns is called, which cannot fail.
func (s *Source) Tune(cfg Config) (apply func(), err error) {
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("read from Kafka: %w", err)
	}
	return func() {
		before := s.tuned.Load()
		tuned := *before
		tuned.TLS, tuned.SASL = cfg.TLS, cfg.SASL
		tuned.CheckInterval, tuned.RefreshInterval = cfg.CheckInterval, cfg.RefreshInterval
		s.tuned.Store(&tuned)
		s.secured.Store(&security{cfg.TLS, mechanism})
		for _, t := range s.topics {
			at := slices.IndexFunc(cfg.Topics, func(c TopicConfig) bool { return c.Guard.Name == t.name })
			if at >= 0 {
				t.guard.Tune(cfg.Topics[at].Guard)
			}
		}
		s.lookSoon()
	}, nil
}

// Config is what is in force, but for what depends on topics: see Statuses.
func (s *Source) Config() Config { return *s.tuned.Load() }

func (s *Source) names() []string {
	var names []string
	for _, t := range s.topics {
		names = append(names, t.name)
	}
	return names
}

// Run implements invalidation.Source.
func (s *Source) Run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.brokers = s.connect(ctx)
	var wg sync.WaitGroup
	for _, t := range s.topics {
		wg.Go(func() { t.guard.Run(ctx) })
		if t.marks != nil {
			wg.Go(func() { t.marks.Run(ctx) })
		}
	}
	s.watch(ctx)
	wg.Wait()
	s.followers.Wait()
	s.brokers.close()
}

// Statuses implements invalidation.Source.
func (s *Source) Statuses() []invalidation.Status {
	var statuses []invalidation.Status
	for _, t := range s.topics {
		statuses = append(statuses, t.status())
	}
	return statuses
}

// lookSoon asks the watch not to wait for its interval.
func (s *Source) lookSoon() {
	select {
	case s.hurry <- struct{}{}:
	default:
	}
}

var _ invalidation.Source = (*Source)(nil)
