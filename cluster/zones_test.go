package cluster

import (
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
)

// Zones come from CLUSTER SHARDS, which is asked only for them.
func TestZonesAreReadFromTheStore(t *testing.T) {
	noLeaks(t)
	node := func(port int, zone string) []any {
		return []any{"id", fmt.Sprint("n", port), "port", int64(port), "ip", "10.0.0.1", "endpoint", "10.0.0.1", "role", "replica", "health", "online", "availability-zone", zone}
	}
	reply := []any{
		[]any{"slots", []any{int64(0), int64(Slots - 1)}, "nodes", []any{node(1, "a"), node(2, "b"), node(3, "")}},
		"nonsense",
	}
	zones := parseZones(reply, "10.0.0.9:1", false)
	if len(zones) != 3 || zones["10.0.0.1:1"] != "a" || zones["10.0.0.1:2"] != "b" || zones["10.0.0.1:3"] != "" {
		t.Errorf("got %v", zones)
	}
	for _, nothing := range []any{nil, "text", []any{}, []any{[]any{"nodes"}}} {
		if zones := parseZones(nothing, "10.0.0.9:1", false); len(zones) != 0 {
			t.Errorf("%v has zones %v", nothing, zones)
		}
	}
	topology, err := NewTopology(RCM, "", []Assignment{{Slots: []SlotRange{AllSlots}, Nodes: []string{"10.0.0.1:2", "10.0.0.1:1", "10.0.0.1:3"}}})
	if err != nil {
		t.Fatal(err)
	}
	topology.zones = zones
	for zone, near := range map[string]int{"a": 1, "b": 1, "": 3, "elsewhere": 3} {
		nodes := []*fetcher{{addr: "10.0.0.1:2"}, {addr: "10.0.0.1:1"}, {addr: "10.0.0.1:3"}}
		if got := nearest(nodes, topology, zone); got != near || near == 1 && topology.Zone(nodes[0].addr) != zone {
			t.Errorf("zone %q: %d near, the first is %s", zone, got, nodes[0].addr)
		}
	}
}

// A node whose zone the store does not tell for once stays in the one it was in;
// one that is told to be in none is in none, and one that leaves is forgotten.
func TestZonesLastKnownStayWhileTheStoreDoesNotTell(t *testing.T) {
	noLeaks(t)
	node := func(port, zone string) string {
		return "*6\r\n" + bulk("port") + ":" + port + "\r\n" + bulk("ip") + bulk("a") + bulk("availability-zone") + bulk(zone)
	}
	shards := func(count int, nodes string) string {
		return fmt.Sprintf("*1\r\n*4\r\n%s*2\r\n:0\r\n:16383\r\n%s*%d\r\n%s", bulk("slots"), bulk("nodes"), count, nodes)
	}
	slots := func(ports ...string) string {
		text := fmt.Sprintf("*1\r\n*%d\r\n:0\r\n:16383\r\n", 2+len(ports))
		for _, port := range ports {
			text += "*2\r\n" + bulk("a") + ":" + port + "\r\n"
		}
		return text
	}
	var replies atomic.Pointer[map[string]string]
	address := fakeStore(t, func(n int, args [][]byte) string { return store(*replies.Load())(n, args) })
	d := NewDiscovery(DiscoveryConfig{Addresses: []string{address}, Zones: true})
	defer d.Close()
	const loading = "-LOADING later\r\n"
	for i, step := range []struct {
		slots, shards string
		want          map[string]string
	}{
		{slots("1", "2"), loading, nil},
		{slots("1", "2"), shards(2, node("1", "x")+node("2", "y")), map[string]string{"a:1": "x", "a:2": "y"}},
		{slots("1", "2"), loading, map[string]string{"a:1": "x", "a:2": "y"}},
		{slots("1", "2"), "*1\r\n:1\r\n", map[string]string{"a:1": "x", "a:2": "y"}},
		{slots("1", "2", "3"), shards(1, node("1", "z")), map[string]string{"a:1": "z", "a:2": "y"}},
		{slots("1", "2"), shards(2, node("1", "z")+node("2", "")), map[string]string{"a:1": "z"}},
		{slots("2"), loading, nil},
		{slots("1", "2"), loading, nil},
	} {
		replies.Store(&map[string]string{"CLUSTER SLOTS": step.slots, "CLUSTER SHARDS": step.shards})
		topology, err := d.Discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(topology.zones, step.want) {
			t.Errorf("step %d: %v, want %v", i, topology.zones, step.want)
		}
	}
}
