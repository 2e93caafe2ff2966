package rcm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "topology.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadReadsShards(t *testing.T) {
	origin, err := Load(writeFile(t, `
redis_version: 7.2.4
shards:
  - slots: 0-100, 200-8191
    nodes: ["127.0.0.1:7001", "127.0.0.1:7002"]
  - {slots: "101-199", nodes: ["[::1]:7003"]}
  - slots: 8192
    nodes: [fetcher-4:7004]
  - slots: 8193-16383
    nodes: [fetcher-5:7005]
`))
	if err != nil {
		t.Fatal(err)
	}
	topology := origin.Topology
	if topology.Kind != cluster.RCM || topology.Version != "7.2.4" || topology.Covered() != cluster.Slots || len(topology.Shards) != 4 {
		t.Errorf("%s %s, %d slots, %d shards", topology.Kind, topology.Version, topology.Covered(), len(topology.Shards))
	}
	for slot, want := range map[uint16]string{0: "127.0.0.1:7001", 200: "127.0.0.1:7001", 150: "[::1]:7003", 8192: "fetcher-4:7004"} {
		if i, _ := topology.ShardOf(slot); topology.Shards[i].Nodes[0] != want {
			t.Errorf("slot %d: %v, want %s first", slot, topology.Shards[i].Nodes, want)
		}
	}
}

func TestLoadReadsWhereTheFleetIs(t *testing.T) {
	load := func(content string) *Origin {
		t.Helper()
		origin, err := Load(writeFile(t, content))
		if err != nil {
			t.Fatal(err)
		}
		return origin
	}
	o := load("zones: {a: [10.1.0.0/16], b: [10.2.0.0/16, \"fd00::/8\"]}\nshards: [{slots: 0-16383, nodes: [\"x:1\", {address: \"y:1\", zone: a}]}]")
	if o.Topology.Zone("y:1") != "a" || o.Topology.Zone("x:1") != "" || len(o.Networks) != 3 || o.Networks[0].Zone != "a" || o.Networks[0].Prefix.Bits() != 16 {
		t.Errorf("%+v %+v", o.Topology.Shards, o.Networks)
	}
	o = load("redis_version: 7.2.4\nkubernetes: {selector: app=fetcher, namespaces: [features, more], shards: 16, port: \"6379\", shard_key: s, slots_key: l, port_key: p, zone_key: z, server: \"https://a\", token_file: t, ca_file: c}")
	if k := o.Kubernetes; o.Topology != nil || o.DNS != nil || o.Version != "7.2.4" || k.Selector != "app=fetcher" || len(k.Namespaces) != 2 || k.Shards != 16 ||
		k.Port+k.ShardKey+k.SlotsKey+k.PortKey+k.ZoneKey+k.Server+k.TokenFile+k.CAFile != "6379slpzhttps://atc" {
		t.Errorf("%+v", k)
	}
	o = load("dns:\n  interval: 3s\n  keep: 1m\n  shards:\n  - {slots: 0-99, address: \"a:1\"}\n  - {slots: 100-16383, srv: _redis._tcp.b}")
	if d := o.DNS; o.Topology != nil || o.Kubernetes != nil || d.Interval != 3*time.Second || d.Keep != time.Minute || len(d.Shards) != 2 ||
		d.Shards[0].Name != "a:1" || d.Shards[1].SRV != "_redis._tcp.b" || d.Shards[1].Slots[0].First != 100 {
		t.Errorf("%+v", d)
	}
}

func TestLoadNamesFileLineAndRemedy(t *testing.T) {
	for content, says := range map[string]string{
		"":             "topology.yaml: no shards: write shards:",
		"shards: []":   "no shards",
		"shards:\n- {": ":2: did not find expected",
		"shards:\n- slot: 0-16383\n  nodes: [a:1]": `:2: unknown key "slot": the keys are`,
		"shard: 1": `:1: unknown key "shard"`,
		"shards:\n- slots: 0-16383\n  nodes: [a:1]\n---\nshards: []":                 "more than one document",
		"shards:\n- slots: 0-16383\n  slots: 1\n  nodes: [a:1]":                      `:3: mapping key "slots" already defined`,
		"shards:\n- slots: 0-16383\n":                                                ":2: shard 1 has no nodes: add nodes",
		"shards:\n- nodes: [a:1]\n":                                                  ":2: shard 1 has no slots: add slots",
		"shards:\n- slots: 0-16384\n  nodes: [a:1]":                                  `:2: slots "0-16384": "0-16384" is no range within 0-16383: write`,
		"shards:\n- slots: 9-1\n  nodes: [a:1]":                                      `:2: slots "9-1"`,
		"shards:\n- slots: 0-1,,3\n  nodes: [a:1]":                                   `:2: slots "0-1,,3": "" is no range`,
		"shards:\n- slots: [1, 2]\n  nodes: [a:1]":                                   ":2: one value is needed here: write ranges as",
		"shards:\n- slots: 0-16383\n  nodes: [a]":                                    `:3: address "a" is not host:port: write`,
		"shards:\n- slots: 0-16383\n  nodes: [a:1,\n    a:1]":                        ":4: node a:1 was listed before (line 3): list each node once",
		"shards:\n- slots: 0-99\n  nodes: [a:1]\n- slots: 99-16383\n  nodes: [b:1]":  ":4: slot 99 belongs to shard 1 (line 2) already: give",
		"shards:\n- slots: 0-99\n  nodes: [a:1]\n- slots: 101-16383\n  nodes: [b:1]": ":4: slots 100 belong to no shard: give",
		"redis_version: new\nshards:\n- slots: 0-16383\n  nodes: [a:1]":              `:1: redis_version "new": write it`,
		"shards: 3": ":1:",
		"zones: {a b: [10.0.0.0/8]}\nshards:\n- slots: 0-16383\n  nodes: [a:1]":                `:1: zone "a b"`,
		"zones: {a: [10.0.0.0]}\nshards:\n- slots: 0-16383\n  nodes: [a:1]":                    `:1: network "10.0.0.0": write`,
		"zones: {a: [10.0.0.0/8], b: [10.1.0.0/8]}\nshards:\n- slots: 0-16383\n  nodes: [a:1]": ":1: network 10.0.0.0/8 is in zone a and in b",
		"shards:\n- slots: 0-16383\n  nodes: [{address: a:1, zone: \"?\"}]":                    `:3: zone "?"`,
		"shards:\n- slots: 0-16383\n  nodes: [{host: a:1}]":                                    `:3: unknown key "host"`,
		"shards:\n- slots: 0-16383\n  nodes: [{zone: a}]":                                      ":3: address \"\" is not host:port",
		"kubernetes: {selector: a=b}\ndns: {}":                                                 "keep one of",
		"kubernetes: {selector: a=b}\nshards:\n- slots: 0-16383\n  nodes: [a:1]":               "keep one of",
		"kubernetes: {}": "kubernetes.selector is empty",
		"kubernetes: {selector: a=b, shards: -1}":                                     "kubernetes.shards -1",
		"kubernetes: {selector: a=b, server: x}":                                      `kubernetes.server "x"`,
		"kubernetes: {selector: a=b, namespaces: [\"*\", a]}":                         "name no others",
		"kubernetes: {selektor: a=b}":                                                 `:1: unknown key "selektor"`,
		"dns: {}":                                                                     "dns.shards is empty",
		"dns:\n  interval: 1ms":                                                       `:2: dns.interval "1ms": write a duration of at least 1s`,
		"dns:\n  keep: x":                                                             `:2: dns.keep "x"`,
		"dns:\n  shards:\n  - {slots: 0-16383}":                                       ":3: shard 1: name it by either",
		"dns:\n  shards:\n  - {slots: 0-16383, address: a}":                           `:3: shard 1: address "a" is not host:port`,
		"dns:\n  shards:\n  - {slots: 0-99, address: \"a:1\"}":                        ":3: slots 100-16383 belong to no shard",
		"dns:\n  shards:\n  - {address: \"a:1\"}":                                     ":3: shard 1 has no slots",
		"shards:\n- slots: 0-16383\n  nodes: [a:1]\n#" + strings.Repeat("x", maxFile): "longer than",
	} {
		file := writeFile(t, content)
		_, err := Load(file)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), file) {
			t.Errorf("%.60q: error %v\nwant one that names the file and says %q", content, err, says)
		}
	}
	if _, err := Load("/nowhere/topology.yaml"); err == nil || !strings.Contains(err.Error(), "/nowhere/topology.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("zones: {a: [10.0.0.0/8]}\ndns: {interval: 10s, shards: [{slots: 0-16383, srv: _redis._tcp.a}]}")
	f.Add("kubernetes: {selector: app=fetcher, shards: 16}")
	f.Add("shards: [{slots: 0-16383, nodes: [{address: \"a:1\", zone: b}]}]")
	f.Add("shards: [{slots: 0-8191, nodes: [\"127.0.0.1:7001\"]}, {slots: \"8192-16383\", nodes: [b:1]}]")
	f.Fuzz(func(t *testing.T, content string) {
		origin, err := parse("f", []byte(content))
		if err == nil && origin.Topology != nil && origin.Topology.Covered() != cluster.Slots {
			t.Errorf("%d slots", origin.Topology.Covered())
		}
	})
}
