package rcm

import (
	"fmt"
	"strings"
	"testing"
)

// members are the addresses that a reply to CLUSTER SLOTS names, in order.
func members(reply string) (all []string) {
	lines := strings.Split(reply, "\r\n")
	for i := range lines {
		if i+5 < len(lines) && lines[i] == "*3" { // a node, or a range of one
			if strings.HasPrefix(lines[i+1], "$") {
				all = append(all, lines[i+2]+lines[i+3])
			}
		}
	}
	return all
}

func TestWhatAClientAnnouncesChoosesItsSubset(t *testing.T) {
	_, address := start(t, Config{Topology: fleetOf(t, 300, 1), Subset: 3})
	p := dial(t, address)
	ask := func(words ...string) string {
		if len(words) > 0 {
			p.ask(words...)
		}
		got := members(p.ask("CLUSTER", "SLOTS"))
		if len(got) != 3 {
			t.Fatalf("%q: %d nodes of a subset of three", words, len(got))
		}
		return strings.Join(got, " ")
	}
	byAddress := ask()
	if ask("CLIENT", "SETNAME", "app") != byAddress || ask("CLIENT", "SETNAME", "fsproxy") != byAddress {
		t.Error("a name that announces nothing moves the client")
	}
	one := ask("CLIENT", "SETNAME", "fsproxy:pod-1")
	two := ask("HELLO", "2", "SETNAME", "fsproxy:pod-2")
	if one == byAddress || two == byAddress || one == two {
		t.Error("what is announced does not choose")
	}
	if ask("CLIENT", "SETNAME", "fsproxy:pod-1") != one {
		t.Error("the same id is told other nodes")
	}
	zone := ask("CLIENT", "SETNAME", "fsproxy:pod-1@b")
	info := p.ask("CLUSTER", "NODES")
	if strings.Count(info, ",,availability-zone=b ") != 3 {
		t.Errorf("not all of %s are of zone b: %s", zone, info)
	}
	if shards := p.ask("CLUSTER", "SHARDS"); strings.Count(shards, bulk("availability-zone")+bulk("b")) != 3 || strings.Count(shards, "*16\r\n") != 3 {
		t.Errorf("shards do not tell zones: %q", shards)
	}
	if !strings.Contains(p.ask("CLUSTER", "INFO"), "cluster_known_nodes:4\r\n") {
		t.Error("CLUSTER INFO does not count what CLUSTER NODES tells")
	}
	if ask("RESET") != byAddress {
		t.Error("RESET leaves the id")
	}
}

// Whoever follows a MOVED comes to a node that it was told of.
func TestMovedNeverLeavesTheSubset(t *testing.T) {
	_, address := start(t, Config{Topology: fleetOf(t, 300, 4), Subset: 2})
	for i := range 20 {
		p := dial(t, address)
		p.ask("CLIENT", "SETNAME", fmt.Sprintf("fsproxy:pod-%d", i))
		told := p.ask("CLUSTER", "NODES")
		for j := range 50 {
			moved := strings.Fields(p.ask("HMGET", fmt.Sprintf("st_%d", j), "f"))
			if moved[0] != "-MOVED" || !strings.Contains(told, " "+moved[2]+"@") {
				t.Fatalf("%v, told %s", moved, told)
			}
		}
	}
}

func TestReplicasAreTheRestOfTheSubset(t *testing.T) {
	_, address := start(t, Config{Topology: fleetOf(t, 9, 1), Subset: 3})
	p := dial(t, address)
	lines := strings.Split(p.ask("CLUSTER", "NODES"), "\n")
	first := strings.Fields(lines[2])[0] // behind the length and the RCM's own
	replicas := p.ask("CLUSTER", "REPLICAS", first)
	if !strings.HasPrefix(replicas, "*2\r\n") || !strings.Contains(replicas, lines[3]) || !strings.Contains(replicas, lines[4]) {
		t.Errorf("%q of %q", replicas, lines)
	}
}
