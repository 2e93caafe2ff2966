package rcm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	topology, err := Load(writeFile(t, `
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
	if topology.Kind != cluster.RCM || topology.Version != "7.2.4" || topology.Covered() != cluster.Slots || len(topology.Shards) != 4 {
		t.Errorf("%s %s, %d slots, %d shards", topology.Kind, topology.Version, topology.Covered(), len(topology.Shards))
	}
	for slot, want := range map[uint16]string{0: "127.0.0.1:7001", 200: "127.0.0.1:7001", 150: "[::1]:7003", 8192: "fetcher-4:7004"} {
		if i, _ := topology.ShardOf(slot); topology.Shards[i].Nodes[0] != want {
			t.Errorf("slot %d: %v, want %s first", slot, topology.Shards[i].Nodes, want)
		}
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
	f.Add("shards: [{slots: 0-8191, nodes: [\"127.0.0.1:7001\"]}, {slots: \"8192-16383\", nodes: [b:1]}]")
	f.Fuzz(func(t *testing.T, content string) {
		topology, err := parse("f", []byte(content))
		if err == nil && topology.Covered() != cluster.Slots {
			t.Errorf("%d slots", topology.Covered())
		}
	})
}
