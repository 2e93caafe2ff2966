package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

var (
	errMissing = &net.DNSError{Err: "no such host", IsNotFound: true}
	errServer  = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
)

// zone is a name server.
type zone struct {
	mu      sync.Mutex
	hosts   map[string][]string
	records map[string][]*net.SRV
	err     error // of every question
	asked   []time.Time
}

func (z *zone) LookupHost(_ context.Context, host string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, time.Now())
	if z.err != nil {
		return nil, z.err
	}
	if addresses, ok := z.hosts[host]; ok {
		return addresses, nil
	}
	return nil, errMissing
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if service != "" || proto != "" {
		return "", nil, errors.New("the name is asked for as it is")
	}
	if records, ok := z.records[name]; ok {
		return name, records, z.err
	}
	return "", nil, errMissing
}

func (z *zone) set(host string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.hosts[host] = addresses
}

func (z *zone) fail(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.err = err
}

// follow runs a source in a bubble of synctest. now tells the fleet last
// installed.
func follow(t *testing.T, z *zone, shards ...Shard) (s *Source, now func() string) {
	var mu sync.Mutex
	var last string
	s = New(Config{Shards: shards, Resolver: z, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Run(ctx, func(shards []fleet.Shard) {
			var all []string
			for _, shard := range shards {
				var nodes []string
				for _, n := range shard.Nodes {
					nodes = append(nodes, n.Address)
				}
				all = append(all, fleet.FormatSlots(shard.Slots)+"="+strings.Join(nodes, ","))
			}
			mu.Lock()
			defer mu.Unlock()
			last = strings.Join(all, " ")
		})
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s, func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

func slots(first, last uint16) []cluster.SlotRange {
	return []cluster.SlotRange{{First: first, Last: last}}
}

func TestAShardIsKeptUntilItsAbsenceHasLasted(t *testing.T) {
	for name, empty := range map[string]func(*zone){
		"no such name": func(z *zone) { z.mu.Lock(); delete(z.hosts, "b"); z.mu.Unlock() },
		"no addresses": func(z *zone) { z.set("b") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := &zone{hosts: map[string][]string{"a": {"10.0.0.1"}, "b": {"10.0.0.3", "10.0.0.2", "fd00::1"}}}
				_, now := follow(t, z, Shard{Slots: slots(0, 99), Name: "a:6379"}, Shard{Slots: slots(100, 199), Name: "b:7000"})
				whole := "0-99=10.0.0.1:6379 100-199=10.0.0.2:7000,10.0.0.3:7000,[fd00::1]:7000"
				if got := now(); got != whole {
					t.Fatalf("the fleet is %q, want %q", got, whole)
				}
				empty(z)
				time.Sleep(DefaultKeep - DefaultInterval)
				if got := now(); got != whole {
					t.Fatalf("not yet lasting, the fleet is %q", got)
				}
				time.Sleep(4 * DefaultInterval)
				if got := now(); got != "0-99=10.0.0.1:6379 100-199=" {
					t.Fatalf("lasting, the fleet is %q", got)
				}
				z.set("b", "10.0.0.9")
				time.Sleep(2 * DefaultInterval)
				if got := now(); got != "0-99=10.0.0.1:6379 100-199=10.0.0.9:7000" {
					t.Fatalf("back, the fleet is %q", got)
				}
			})
		})
	}
}

// Whoever asks an address for slots that it does not hold is told nil.
func TestAnAddressThatAnotherShardGotIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a": {"10.0.0.1", "10.0.0.2"}, "b": {"10.0.0.3"}}}
		_, now := follow(t, z, Shard{Slots: slots(0, 99), Name: "a:6379"}, Shard{Slots: slots(100, 199), Name: "b:6379"})
		now()
		z.set("a")
		z.set("b", "10.0.0.2", "10.0.0.3")
		time.Sleep(2 * DefaultInterval)
		if got := now(); got != "0-99=10.0.0.1:6379 100-199=10.0.0.2:6379,10.0.0.3:6379" {
			t.Errorf("the fleet is %q", got)
		}
	})
}

// An absence that is interrupted begins anew.
func TestAShortAbsenceCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a": {"10.0.0.1"}}}
		_, now := follow(t, z, Shard{Slots: slots(0, 99), Name: "a:6379"})
		for range 5 {
			z.set("a")
			time.Sleep(DefaultKeep * 3 / 4)
			z.set("a", "10.0.0.1")
			time.Sleep(2 * DefaultInterval)
		}
		if got := now(); got != "0-99=10.0.0.1:6379" {
			t.Errorf("the fleet is %q", got)
		}
	})
}

func TestTheLastFleetStaysWhileTheNameServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a": {"10.0.0.1"}}}
		s, now := follow(t, z, Shard{Slots: slots(0, 99), Name: "a:6379"})
		now()
		z.fail(errServer)
		time.Sleep(24 * time.Hour)
		if got := now(); got != "0-99=10.0.0.1:6379" {
			t.Errorf("the fleet is %q", got)
		}
		status := s.Status()
		if status.Err == nil || !strings.Contains(status.Err.Error(), "a:6379") || status.Errors < 100 || time.Since(status.Heard) < 23*time.Hour {
			t.Errorf("%+v", status)
		}
		z.fail(nil)
		time.Sleep(2 * DefaultInterval)
		now()
		if status := s.Status(); status.Err != nil || time.Since(status.Heard) > 2*DefaultInterval {
			t.Errorf("%+v", status)
		}
	})
}

func TestServiceRecordsNameFetchersAndTheirPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := "_redis._tcp.fetchers.svc"
		z := &zone{records: map[string][]*net.SRV{name: {
			{Target: "fetcher-1.fetchers.svc.", Port: 6380},
			{Target: "fetcher-0.fetchers.svc.", Port: 6379},
			{Target: "fetcher-0.fetchers.svc.", Port: 6379},
			{Target: ".", Port: 6379},
			{Target: "x", Port: 0},
		}}, err: errors.New("some records were malformed")}
		_, now := follow(t, z, Shard{Slots: slots(0, 99), SRV: name})
		if got := now(); got != "0-99=fetcher-0.fetchers.svc:6379,fetcher-1.fetchers.svc:6380" {
			t.Errorf("the fleet is %q", got)
		}
	})
}

func TestQuestionsAreSpreadInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string][]string{"a": {"10.0.0.1"}}}
		_, now := follow(t, z, Shard{Slots: slots(0, 99), Name: "a:6379"})
		time.Sleep(100 * DefaultInterval)
		now()
		gaps := make(map[time.Duration]bool)
		for i := 1; i < len(z.asked); i++ {
			gap := z.asked[i].Sub(z.asked[i-1])
			gaps[gap] = true
			if gap < DefaultInterval*4/5 || gap > DefaultInterval*6/5 {
				t.Fatalf("asked again after %s", gap)
			}
		}
		if len(gaps) < 50 {
			t.Errorf("%d different gaps of %d: RCMs that start together ask together", len(gaps), len(z.asked))
		}
	})
}

func TestAShardHasOneName(t *testing.T) {
	for _, s := range []Shard{{}, {Name: "a:1", SRV: "b"}, {Name: "a"}, {SRV: "a b"}} {
		if s.Check() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
	for _, s := range []Shard{{Name: "a:1"}, {SRV: "_redis._tcp.a"}} {
		if err := s.Check(); err != nil {
			t.Error(fmt.Errorf("%+v: %w", s, err))
		}
	}
}
