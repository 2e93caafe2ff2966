package demo

import (
	"slices"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
)

func TestTheRCMTellsTheFleetsTopology(t *testing.T) {
	fleet := newTestFleet(t, 3, 2)
	discovery := cluster.NewDiscovery(cluster.DiscoveryConfig{Kind: cluster.KindRCM, Addresses: []string{fleet.RCM()}})
	defer discovery.Close()
	told, err := discovery.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if told.Covered() != cluster.Slots || len(told.Shards) != 3 || len(told.Nodes()) != 6 {
		t.Errorf("told %d slots, %d shards, %d nodes", told.Covered(), len(told.Shards), len(told.Nodes()))
	}
	for i, shard := range told.Shards {
		// The order of a shard's nodes differs by who asks.
		want := slices.Sorted(slices.Values(fleet.Topology().Shards[i].Nodes))
		if got := slices.Sorted(slices.Values(shard.Nodes)); !slices.Equal(got, want) {
			t.Errorf("shard %d: told %v, is %v", i, got, want)
		}
	}
}

func TestAWriteReplacesOnlyWhatItNames(t *testing.T) {
	fleet := newTestFleet(t, 2, 2)
	fleet.Write("st_1", "a", "1", "b", "2")
	fleet.Write("st_1", "b", "3")
	fleet.Write("st_1")
	shard, _ := fleet.Topology().ShardOf(cluster.Slot([]byte("st_1")))
	checkHeld(t, fleet, shard, "st_1", map[string]string{"a": "1", "b": "3"})
}

func TestAClosedFleetIsGone(t *testing.T) {
	fleet := newTestFleet(t, 1, 1)
	fleet.Close()
	fleet.Close() // a second time harms nothing
	discovery := cluster.NewDiscovery(cluster.DiscoveryConfig{Kind: cluster.KindRCM, Addresses: []string{fleet.RCM()}})
	defer discovery.Close()
	if _, err := discovery.Discover(t.Context()); err == nil {
		t.Error("the RCM still answers")
	}
}
