package rcm

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/redis/rueidis"

	"github.com/fsproxy/fsproxy/cluster"
)

// miniFleet is two shards of two plain servers, each holding its shard's entities
// alone, behind an RCM.
type miniFleet struct {
	rcm      string
	topology *cluster.Topology
	members  map[string]*miniredis.Miniredis
	entities []string
}

func startFleet(t *testing.T) *miniFleet { return startFleetOf(t, 2, 0) }

// startFleetOf starts so many nodes a shard, of which clients are told a subset.
func startFleetOf(t *testing.T, nodes, subset int) *miniFleet {
	t.Helper()
	return startFleetUnder(t, nodes, subset, nil)
}

// startFleetUnder is startFleetOf under TLS, RCM and nodes alike; nil: without.
func startFleetUnder(t *testing.T, nodes, subset int, secured *tls.Config) *miniFleet {
	t.Helper()
	f := &miniFleet{members: make(map[string]*miniredis.Miniredis)}
	var shards []cluster.Assignment
	for _, r := range []cluster.SlotRange{{First: 0, Last: 8191}, {First: 8192, Last: 16383}} {
		a := cluster.Assignment{Slots: []cluster.SlotRange{r}}
		for range nodes {
			m := miniredis.NewMiniRedis()
			begin := m.Start
			if secured != nil {
				begin = func() error { return m.StartTLS(secured) }
			}
			if err := begin(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(m.Close)
			// A plain server is part of no cluster.
			m.Server().SetPreHook(func(c *server.Peer, name string, _ ...string) bool {
				switch name {
				case "CLUSTER", "READONLY":
					c.WriteError("ERR This instance has cluster support disabled")
					return true
				}
				return false
			})
			f.members[m.Addr()] = m
			a.Nodes = append(a.Nodes, m.Addr())
		}
		shards = append(shards, a)
	}
	f.topology = testTopology(t, shards...)
	for i := range 50 {
		entity := fmt.Sprintf("st_%d", i)
		f.entities = append(f.entities, entity)
		index, _ := f.topology.ShardOf(cluster.Slot([]byte(entity)))
		for _, address := range f.topology.Shards[index].Nodes {
			f.members[address].HSet(entity, "f", "value of "+entity)
		}
	}
	_, f.rcm = startSecured(t, Config{Topology: f.topology, Subset: subset}, secured)
	return f
}

func TestGoRedisReadsThroughTheRCM(t *testing.T) {
	f := startFleet(t)
	for _, protocol := range []int{2, 3} {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{f.rcm}, Protocol: protocol})
		pipeline := client.Pipeline()
		var replies []*redis.SliceCmd
		for _, entity := range f.entities {
			got, err := client.HMGet(t.Context(), entity, "f", "none").Result()
			if err != nil || !reflect.DeepEqual(got, []any{"value of " + entity, nil}) {
				t.Errorf("RESP%d: %s: %v, %v", protocol, entity, got, err)
			}
			replies = append(replies, pipeline.HMGet(t.Context(), entity, "f"))
		}
		if _, err := pipeline.Exec(t.Context()); err != nil {
			t.Error(err)
		}
		for i, r := range replies {
			if got := r.Val(); !reflect.DeepEqual(got, []any{"value of " + f.entities[i]}) {
				t.Errorf("RESP%d: pipelined %s: %v", protocol, f.entities[i], got)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestGoRedisParsesWhatTheRCMTells(t *testing.T) {
	f := startFleet(t)
	for _, protocol := range []int{2, 3} {
		client := redis.NewClient(&redis.Options{Addr: f.rcm, Protocol: protocol, ClientName: "app"})
		//lint:ignore SA1019 clients in use ask it
		slots, err := client.ClusterSlots(t.Context()).Result()
		if err != nil || len(slots) != 2 || len(slots[0].Nodes) != 2 || slots[1].Start != 8192 || slots[1].End != 16383 {
			t.Errorf("RESP%d: slots %+v, %v", protocol, slots, err)
		}
		shards, err := client.ClusterShards(t.Context()).Result()
		if err != nil || len(shards) != 2 || len(shards[0].Nodes) != 2 || shards[0].Nodes[0].Role != "master" || shards[0].Nodes[0].Health != "online" {
			t.Errorf("RESP%d: shards %+v, %v", protocol, shards, err)
		}
		if nodes, err := client.ClusterNodes(t.Context()).Result(); err != nil || strings.Count(nodes, "\n") != 5 {
			t.Errorf("RESP%d: nodes %q, %v", protocol, nodes, err)
		}
		entries, err := client.Command(t.Context()).Result()
		if err != nil || len(entries) != len(commands) || !entries["hmget"].ReadOnly || entries["hmget"].FirstKeyPos != 1 {
			t.Errorf("RESP%d: command %v, %v", protocol, entries["hmget"], err)
		}
		if name, err := client.ClientGetName(t.Context()).Result(); err != nil || name != "app" {
			t.Errorf("RESP%d: name %q, %v", protocol, name, err)
		}
		if _, err := client.Get(t.Context(), "st_1").Result(); err == nil || !strings.HasPrefix(err.Error(), "MOVED ") {
			t.Errorf("RESP%d: GET: %v", protocol, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRueidisReadsThroughTheRCM(t *testing.T) {
	f := startFleet(t)
	for name, option := range map[string]rueidis.ClientOption{
		"RESP2":              {AlwaysRESP2: true},
		"RESP3":              {},
		"reads at replicas":  {SendToReplicas: func(rueidis.Completed) bool { return true }},
		"shards, not slots":  {ClusterOption: rueidis.ClusterOption{PreferClusterShards: true}},
		"with another seed":  {InitAddress: []string{"127.0.0.1:1", f.rcm}},
		"named and password": {ClientName: "app", Username: "u", Password: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			if option.InitAddress == nil {
				option.InitAddress = []string{f.rcm}
			}
			if option.Password != "" {
				for _, m := range f.members {
					m.RequireUserAuth(option.Username, option.Password)
					defer m.RequireUserAuth(option.Username, "")
				}
			}
			option.DisableCache = true
			client, err := rueidis.NewClient(option)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for _, entity := range f.entities {
				got, err := client.Do(ctx, client.B().Hmget().Key(entity).Field("f").Build()).AsStrSlice()
				if err != nil || !reflect.DeepEqual(got, []string{"value of " + entity}) {
					t.Fatalf("%s: %v, %v", entity, got, err)
				}
			}
		})
	}
}

func TestDiscoveryRecognisesTheRCM(t *testing.T) {
	f := startFleet(t)
	for _, wanted := range []string{cluster.KindAuto, cluster.KindRCM} {
		d := cluster.NewDiscovery(cluster.DiscoveryConfig{Kind: wanted, Addresses: []string{f.rcm}, Password: "any"})
		topology, err := d.Discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if topology.Kind != cluster.RCM || topology.Version != defaultVersion || len(topology.Shards) != 2 || len(topology.Nodes()) != 4 {
			t.Errorf("%+v", topology.Shards)
		}
		for slot := range uint16(cluster.Slots) {
			a, _ := topology.ShardOf(slot)
			if b, _ := f.topology.ShardOf(slot); a != b {
				t.Fatalf("slot %d: shard %d, want %d", slot, a, b)
			}
		}
		d.Close()
	}
}

// reads counts the HMGETs that each member is asked.
func (f *miniFleet) reads() (counts map[string]int, mu *sync.Mutex) {
	counts, mu = make(map[string]int), new(sync.Mutex)
	for address, m := range f.members {
		m.Server().SetPreHook(func(c *server.Peer, name string, _ ...string) bool {
			switch name {
			case "HMGET":
				mu.Lock()
				counts[address]++
				mu.Unlock()
			case "CLUSTER", "READONLY":
				c.WriteError("ERR This instance has cluster support disabled")
				return true
			}
			return false
		})
	}
	return counts, mu
}

// Clients of other libraries that know nothing of subsets read from theirs
// alone, and together from all of the fleet.
func TestRealClientsKeepToTheirSubsets(t *testing.T) {
	const nodes, subset, clients = 6, 2, 40
	f := startFleetOf(t, nodes, subset)
	counts, mu := f.reads()
	everybody := make(map[string]bool)
	for i := range clients {
		name := fmt.Sprintf("fsproxy:pod-%d", i)
		var read func(entity string) error
		var done func()
		if i%2 == 0 {
			client := redis.NewClusterClient(&redis.ClusterOptions{
				Addrs: []string{f.rcm}, ClientName: name,
				// These leave goroutines behind.
				MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
			})
			read = func(entity string) error { return client.HMGet(t.Context(), entity, "f").Err() }
			done = func() { _ = client.Close() }
		} else {
			client, err := rueidis.NewClient(rueidis.ClientOption{
				InitAddress: []string{f.rcm}, ClientName: name, DisableCache: true,
				SendToReplicas: func(rueidis.Completed) bool { return i%4 == 1 },
			})
			if err != nil {
				t.Fatal(err)
			}
			read = func(entity string) error {
				return client.Do(t.Context(), client.B().Hmget().Key(entity).Field("f").Build()).Error()
			}
			done = client.Close
		}
		for _, entity := range f.entities {
			if err := read(entity); err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
		}
		done()
		mu.Lock()
		if len(counts) > 2*subset {
			t.Errorf("client %d read from %d nodes; it was told %d of each of two shards", i, len(counts), subset)
		}
		for address := range counts {
			everybody[address] = true
		}
		clear(counts)
		mu.Unlock()
	}
	if len(everybody) != 2*nodes {
		t.Errorf("%d of %d nodes were read from", len(everybody), 2*nodes)
	}
}

// fsproxy's own discovery tells who it is and where, and learns of zones.
func TestDiscoveryAnnouncesItself(t *testing.T) {
	s, address := start(t, Config{Topology: fleetOf(t, 300, 1), Subset: 3})
	d := cluster.NewDiscovery(cluster.DiscoveryConfig{Addresses: []string{address}, ClientID: "pod 7@host", Zone: "b", Zones: true})
	defer d.Close()
	topology, err := d.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := s.views.Load().of(identify(&net.TCPAddr{}, "fsproxy:pod_7_host@b"))
	got := topology.Shards[0].Nodes
	if len(got) != 3 {
		t.Fatalf("%d nodes of a subset of three", len(got))
	}
	for i, n := range want.shards[0].nodes {
		if got[i] != net.JoinHostPort(n.host, "6379") || topology.Zone(got[i]) != "b" {
			t.Errorf("node %d is %s of zone %q, want %s of b", i, got[i], topology.Zone(got[i]), n.host)
		}
	}
}
