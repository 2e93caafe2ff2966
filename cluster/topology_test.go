package cluster

import (
	"reflect"
	"strings"
	"testing"
)

func mustTopology(t *testing.T, kind Kind, assignments ...Assignment) *Topology {
	t.Helper()
	topology, err := NewTopology(kind, "7.0.15", assignments)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

func TestTopologyTellsTheOwnerOfEachSlot(t *testing.T) {
	topology := mustTopology(t, Cluster,
		Assignment{[]SlotRange{{8192, 16383}}, []string{"b:1", "c:1"}},
		Assignment{[]SlotRange{{0, 0}, {2, 8191}}, []string{"a:1"}},
		Assignment{[]SlotRange{{1, 1}}, []string{"b:1", "c:1"}},
	)
	for slot, node := range map[uint16]string{0: "a:1", 1: "b:1", 2: "a:1", 8191: "a:1", 8192: "b:1", 16383: "b:1"} {
		index, ok := topology.ShardOf(slot)
		if !ok || topology.Shards[index].Nodes[0] != node {
			t.Errorf("slot %d: shard %d, %v; want that of %s", slot, index, ok, node)
		}
	}
	if _, ok := topology.ShardOf(16384); ok {
		t.Error("slot 16384 has an owner")
	}
	if len(topology.Shards) != 2 || topology.Covered() != Slots || len(topology.Nodes()) != 3 {
		t.Errorf("%d shards, %d covered, nodes %v", len(topology.Shards), topology.Covered(), topology.Nodes())
	}
	want := [][]SlotRange{{{0, 0}, {2, 8191}}, {{1, 1}, {8192, 16383}}}
	if got := topology.Ranges(); !reflect.DeepEqual(got, want) {
		t.Errorf("ranges %v, want %v", got, want)
	}
}

func TestTopologyLeavesGapsUnowned(t *testing.T) {
	topology := mustTopology(t, RCM, Assignment{[]SlotRange{{10, 19}}, []string{"a:1"}})
	if _, ok := topology.ShardOf(9); ok || topology.Covered() != 10 {
		t.Errorf("slot 9 owned: %v; %d covered", ok, topology.Covered())
	}
}

func TestTopologyRefusesWhatCannotBe(t *testing.T) {
	all := []SlotRange{AllSlots}
	for name, test := range map[string]struct {
		assignments []Assignment
		says        string
	}{
		"nothing":      {nil, "no shard"},
		"no slots":     {[]Assignment{{nil, []string{"a:1"}}}, "owns no slot"},
		"no nodes":     {[]Assignment{{all, nil}}, "no node"},
		"overlap":      {[]Assignment{{all, []string{"a:1"}}, {[]SlotRange{{5, 5}}, []string{"b:1"}}}, "slot 5 of 5 is already owned by a:1"},
		"overlap self": {[]Assignment{{[]SlotRange{{1, 3}, {3, 4}}, []string{"a:1"}}}, "slot 3 of 3-4"},
		"past the end": {[]Assignment{{[]SlotRange{{0, 16384}}, []string{"a:1"}}}, "not a range within 0-16383"},
		"reversed":     {[]Assignment{{[]SlotRange{{2, 1}}, []string{"a:1"}}}, "not a range"},
		"twice":        {[]Assignment{{all, []string{"a:1", "a:1"}}}, "listed twice"},
		"no port":      {[]Assignment{{all, []string{"a"}}}, "not host:port"},
		"port 0":       {[]Assignment{{all, []string{"a:0"}}}, "between 1 and 65535"},
		"port 65536":   {[]Assignment{{all, []string{"a:65536"}}}, "between 1 and 65535"},
		"no host":      {[]Assignment{{all, []string{":1"}}}, "no valid host"},
		"line break":   {[]Assignment{{all, []string{"a\r\n:1"}}}, "no valid host"},
	} {
		if _, err := NewTopology(Cluster, "", test.assignments); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, test.says)
		}
	}
}

func TestEqualTopologiesSayTheSame(t *testing.T) {
	low := Assignment{[]SlotRange{{0, 99}}, []string{"a:1", "b:1"}}
	high := Assignment{[]SlotRange{{100, 199}}, []string{"c:1"}}
	one := mustTopology(t, RCM, low, high)
	if !one.Equal(mustTopology(t, RCM, high, low)) {
		t.Error("the order in which shards are listed matters")
	}
	for name, other := range map[string]*Topology{
		"kind":   mustTopology(t, Cluster, low, high),
		"slots":  mustTopology(t, RCM, low, Assignment{[]SlotRange{{100, 198}}, []string{"c:1"}}),
		"nodes":  mustTopology(t, RCM, low, Assignment{[]SlotRange{{100, 199}}, []string{"d:1"}}),
		"order":  mustTopology(t, RCM, Assignment{low.Slots, []string{"b:1", "a:1"}}, high),
		"shards": mustTopology(t, RCM, low),
		"nil":    nil,
	} {
		if one.Equal(other) {
			t.Errorf("equal in spite of its %s", name)
		}
	}
}
