package kubernetes

import (
	"encoding/json"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

// read is a Pod as the source reads it.
func read(t *testing.T, o object) *pod {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := new(pod)
	if err := json.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func testConfig() *Config {
	c := &Config{}
	c.setDefaults()
	return c
}

// told renders shards for comparison: "0-8191=10.0.0.1:6379@a,…".
func told(shards []fleet.Shard) string {
	var all []string
	for _, s := range shards {
		var nodes []string
		for _, n := range s.Nodes {
			text := n.Address
			if n.Zone != "" {
				text += "@" + n.Zone
			}
			nodes = append(nodes, text)
		}
		all = append(all, fleet.FormatSlots(s.Slots)+"="+strings.Join(nodes, ","))
	}
	return strings.Join(all, " ")
}

func TestPodsSayWhatTheyHold(t *testing.T) {
	set := func(path, key string, value any) func(object) {
		return func(o object) { o[path].(object)[key] = value }
	}
	for _, test := range []struct {
		name   string
		change func(object)
		shards int
		want   string // "": left out, for the reason
		reason string
	}{
		{"slots by annotation", nil, 0, "0-99=10.0.0.1:6379", ""},
		{"slots by label", set("metadata", "labels", object{"fsproxy.io/slots": "5-7"}), 0, "0-99=10.0.0.1:6379", ""},
		{"label alone", func(o object) {
			o.meta()["annotations"], o.meta()["labels"] = nil, object{"fsproxy.io/slots": "5-7"}
		}, 0, "5-7=10.0.0.1:6379", ""},
		{"several ranges", set("metadata", "annotations", object{"fsproxy.io/slots": "5-7, 1,2"}), 0, "1-2,5-7=10.0.0.1:6379", ""},
		{"number and count", set("metadata", "annotations", object{"fsproxy.io/shard": "1/2"}), 0, "8192-16383=10.0.0.1:6379", ""},
		{"number", func(o object) {
			o.meta()["annotations"], o.meta()["labels"] = nil, object{"fsproxy.io/shard": "0"}
		}, 4, "0-4095=10.0.0.1:6379", ""},
		{"number of none", set("metadata", "annotations", object{"fsproxy.io/shard": "0"}), 0, "", "says not of how many"},
		{"number too high", set("metadata", "annotations", object{"fsproxy.io/shard": "2/2"}), 0, "", "not within 0-1"},
		{"count zero", set("metadata", "annotations", object{"fsproxy.io/shard": "0/0"}), 0, "", "number/count"},
		{"count huge", set("metadata", "annotations", object{"fsproxy.io/shard": "0/99999"}), 0, "", "number/count"},
		{"no number", set("metadata", "annotations", object{"fsproxy.io/shard": "x/2"}), 0, "", "not within"},
		{"nothing said", set("metadata", "annotations", object{}), 0, "", "neither"},
		{"wrong slots", set("metadata", "annotations", object{"fsproxy.io/slots": "9-1"}), 0, "", "no range"},
		{"zone of the cluster", set("metadata", "labels", object{"topology.kubernetes.io/zone": "eu-1a"}), 0, "0-99=10.0.0.1:6379@eu-1a", ""},
		{"zone of its own", func(o object) {
			o.meta()["labels"] = object{"topology.kubernetes.io/zone": "eu-1a"}
			o.meta()["annotations"] = object{"fsproxy.io/slots": "0-99", "fsproxy.io/zone": "b"}
		}, 0, "0-99=10.0.0.1:6379@b", ""},
		{"zone that is none", set("metadata", "annotations", object{"fsproxy.io/slots": "0-99", "fsproxy.io/zone": "a b\n"}), 0, "0-99=10.0.0.1:6379", ""},
		{"port by annotation", set("metadata", "annotations", object{"fsproxy.io/slots": "0-99", "fsproxy.io/port": "7000"}), 0, "0-99=10.0.0.1:7000", ""},
		{"port that is none", set("metadata", "annotations", object{"fsproxy.io/slots": "0-99", "fsproxy.io/port": "70000"}), 0, "", "no container has a port"},
		{"port in letters", set("metadata", "annotations", object{"fsproxy.io/slots": "0-99", "fsproxy.io/port": "redis"}), 0, "", "write a number"},
		{"port of a sidecar", set("spec", "initContainers", []object{{"ports": []object{{"name": "redis", "containerPort": 1}}}}), 0, "0-99=10.0.0.1:6379", ""},
		{"no port", set("spec", "containers", nil), 0, "", `no container has a port named "redis"`},
		{"IPv6", set("status", "podIP", "fd00::1"), 0, "0-99=[fd00::1]:6379", ""},
		{"no address", set("status", "podIP", "x"), 0, "", "is none"},
		{"an address of no one", set("status", "podIP", "0.0.0.0"), 0, "", "is none"},
		{"an address with a zone", set("status", "podIP", "fe80::1%x y"), 0, "", "is none"},
		{"two families", set("status", "podIPs", []object{{"ip": "10.0.0.1"}, {"ip": "fd00::1"}}), 0, "0-99=10.0.0.1:6379", ""},
		{"not yet an address", set("status", "podIP", ""), 0, "", ""},
		{"finished", set("status", "phase", "Succeeded"), 0, "", ""},
		{"pending", set("status", "phase", "Pending"), 0, "", ""},
		{"ending", set("metadata", "deletionTimestamp", "2030-01-01T00:00:00Z"), 0, "", ""},
	} {
		o := podObject("a", "10.0.0.1", "0-99")
		if test.change != nil {
			test.change(o)
		}
		c := testConfig()
		c.Shards = test.shards
		f := c.shardsOf([]*pod{c.slim(read(t, o))})
		if got := told(f.shards); got != test.want {
			t.Errorf("%s: told %q, want %q", test.name, got, test.want)
		}
		if says := strings.Join(f.leftOut, "; "); !strings.Contains(says, test.reason) || (says == "") != (test.reason == "") {
			t.Errorf("%s: left out %q, want %q", test.name, says, test.reason)
		}
	}
}

func TestAShardWithoutReadyPodsIsToldTheOnesThatRun(t *testing.T) {
	c := testConfig()
	pods := []*pod{read(t, podObject("a", "10.0.0.1", "0-99").unready()), read(t, podObject("b", "10.0.0.2", "0-99").unready())}
	if got := told(c.shardsOf(pods).shards); got != "0-99=10.0.0.1:6379,10.0.0.2:6379" {
		t.Errorf("none is ready: %s", got)
	}
	pods = append(pods, read(t, podObject("c", "10.0.0.3", "0-99")))
	if got := told(c.shardsOf(pods).shards); got != "0-99=10.0.0.3:6379" {
		t.Errorf("one is ready: %s", got)
	}
}

func TestContradictionsAreSettledAlikeWhateverTheOrder(t *testing.T) {
	c := testConfig()
	pods := []*pod{
		read(t, podObject("old-0", "10.0.0.1", "0-16383")),
		read(t, podObject("old-1", "10.0.0.2", "0-16383")),
		read(t, podObject("low-0", "10.0.1.1", "0-99")),             // overlaps, and is fewer
		read(t, podObject("twin", "10.0.0.1", "0-16383").unready()), // an address that another ready Pod has
		read(t, podObject("wrong", "10.0.2.1", "not slots")),        //
	}
	want := c.shardsOf(pods)
	if got := told(want.shards); got != "0-16383=10.0.0.1:6379,10.0.0.2:6379" {
		t.Errorf("told %s", got)
	}
	if len(want.leftOut) != 3 {
		t.Errorf("left out: %q", want.leftOut)
	}
	for range 20 {
		rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
		if got := c.shardsOf(pods); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, then %+v", want, got)
		}
	}
}

func FuzzPodsNeverMakeATopologyThatIsRefused(f *testing.F) {
	f.Add("0-8191", "", "10.0.0.1", "redis", "a", "0-8191", "1/2")
	f.Add("", "0/3", "fd00::1", "7000", "eu 1", "1,2,3", "")
	f.Add("-", "/", "", "-1", "", "16383", "65536/2")
	f.Fuzz(func(t *testing.T, slots, shard, ip, port, zone, slots2, shard2 string) {
		make := func(name, ip, slots, shard string) *pod {
			p := new(pod)
			p.Metadata.Name, p.Status.PodIP, p.Status.Phase = name, ip, "Running"
			p.Metadata.Annotations = map[string]string{DefaultSlotsKey: slots, DefaultShardKey: shard, DefaultPortKey: port, DefaultZoneKey: zone}
			return p
		}
		c := testConfig()
		c.Port = "6379"
		found := c.shardsOf([]*pod{make("a", ip, slots, shard), make("b", "10.9.9.9", slots2, shard2)})
		if len(found.shards) == 0 {
			return
		}
		topology, err := fleet.Topology("", found.shards)
		if err != nil {
			t.Fatalf("%+v: %v", found.shards, err)
		}
		for _, node := range topology.Nodes() {
			if cluster.CheckAddress(node) != nil || topology.Zone(node) != "" && !fleet.ValidZone(topology.Zone(node)) {
				t.Fatalf("%q in %q", node, topology.Zone(node))
			}
		}
	})
}
