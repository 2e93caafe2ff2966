package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// joined is what a joiner makes of replies; "" if it refuses them.
func joined(how joiner, version resp.Version, replies ...string) string {
	j := &join{joiner: how, version: version, request: &scattered{}}
	for _, r := range replies {
		j.replies = append(j.replies, []byte(r))
	}
	out, ok := how(j, nil)
	if !ok {
		return ""
	}
	return string(out)
}

func TestRepliesAreJoined(t *testing.T) {
	const failed = "-ERR failed\r\n"
	for _, c := range []struct {
		name    string
		how     joiner
		replies []string
		want    string
	}{
		{"sum", joinSum, []string{":1\r\n", ":0\r\n", ":41\r\n"}, ":42\r\n"},
		{"sum of a string", joinSum, []string{":1\r\n", "+OK\r\n"}, ""},
		{"least", joinLeast, []string{":3\r\n", ":1\r\n", ":2\r\n"}, ":1\r\n"},
		{"least of arrays", joinLeast, []string{"*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:1\r\n"}, "*2\r\n:1\r\n:0\r\n"},
		{"least of arrays of one", joinLeast, []string{"*1\r\n:1\r\n", "*1\r\n:0\r\n"}, "*1\r\n:0\r\n"},
		{"least of unequal arrays", joinLeast, []string{"*2\r\n:1\r\n:0\r\n", "*1\r\n:1\r\n"}, ""},
		{"least of a null", joinLeast, []string{":1\r\n", "$-1\r\n"}, ""},
		{"arrays", joinArrays, []string{"*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n*1\r\n:1\r\n"}, "*3\r\n$1\r\na\r\n$1\r\nb\r\n*1\r\n:1\r\n"},
		{"arrays and a null", joinArrays, []string{"*0\r\n", "*-1\r\n"}, ""},
		{"first", joinFirst, []string{"+OK\r\n", "+OK\r\n"}, "+OK\r\n"},
		{"first success", joinFirstSuccess, []string{"-NOTBUSY no\r\n", "+OK\r\n", "-NOTBUSY no\r\n"}, "+OK\r\n"},
		{"no success", joinFirstSuccess, []string{"-NOTBUSY a\r\n", "-NOTBUSY b\r\n"}, "-NOTBUSY a\r\n"},
		{"one random key", joinRandom, []string{"$-1\r\n", "$1\r\nk\r\n", "_\r\n"}, "$1\r\nk\r\n"},
		{"no random key", joinRandom, []string{"$-1\r\n", "$-1\r\n"}, "$-1\r\n"},
		{"no random key in version 3", joinRandom, []string{"_\r\n", "_\r\n"}, "_\r\n"},
		{"random number", joinRandom, []string{":1\r\n"}, ""},
		{"a failure", unlessFailed(joinSum), []string{":1\r\n", failed, "-ERR later\r\n"}, failed},
		{"a failure of version 3", unlessFailed(joinFirst), []string{"+OK\r\n", "!5\r\nERR x\r\n"}, "!5\r\nERR x\r\n"},
		{"no failure", unlessFailed(joinSum), []string{":1\r\n"}, ":1\r\n"},
	} {
		if got := joined(c.how, resp.V2, c.replies...); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.name, c.replies, got, c.want)
		}
	}
}

func TestKeyspacesAreAddedUp(t *testing.T) {
	bulk := func(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
	a := "# Keyspace\r\ndb0:keys=10,expires=1,avg_ttl=100\r\n"
	b := "# Keyspace\r\n"
	c := "# Keyspace\r\ndb0:keys=5,expires=3,avg_ttl=500\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
	want := "# Keyspace\r\ndb0:keys=15,expires=4,avg_ttl=400\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
	if got := joined(joinKeyspace, resp.V2, bulk(a), bulk(b), bulk(c)); got != bulk(want) {
		t.Errorf("%q, want %q", got, bulk(want))
	}
	verbatim := fmt.Sprintf("=%d\r\ntxt:%s\r\n", len(want)+4, want)
	if got := joined(joinKeyspace, resp.V3, bulk(a), bulk(c)); got != verbatim {
		t.Errorf("in version 3: %q, want %q", got, verbatim)
	}
	if got := joined(joinKeyspace, resp.V2, bulk(a), bulk("db0:keys=many")); got != "" {
		t.Errorf("nonsense is joined to %q", got)
	}
}

// The values of a split request, whatever the parts and the order in which they
// are answered, stand where the request has their keys.
func TestValuesStandWhereTheirKeysDo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 1 + rng.IntN(30)
		parts := make([]part, 1+rng.IntN(6))
		want := fmt.Sprintf("*%d\r\n", n)
		bodies := make([]string, len(parts))
		for i := range n {
			value := fmt.Sprintf("$%d\r\n%d\r\n", len(fmt.Sprint(i)), i)
			if rng.IntN(4) == 0 {
				value = "$-1\r\n"
			}
			p := rng.IntN(len(parts))
			parts[p].places = append(parts[p].places, i)
			bodies[p] += value
			want += value
		}
		j := &join{request: &scattered{parts: parts, operands: n}}
		for i, b := range bodies {
			j.replies = append(j.replies, fmt.Appendf(nil, "*%d\r\n%s", len(parts[i].places), b))
		}
		if got, ok := joinValues(j, nil); !ok || string(got) != want {
			t.Fatalf("%q, %v, want %q", got, ok, want)
		}
		short := j.replies[rng.IntN(len(parts))]
		short[1]++ // another length
		if got, ok := joinValues(j, nil); ok {
			t.Fatalf("a reply of another length is joined to %q", got)
		}
	}
}

// A cursor of any node and slot is read back as it was, and none is 0, which
// would end the scan.
func TestCursorsAreReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	cursors := []string{"1", "0", "1125899906842623", "1125899906842624", "18446744073709551615", "_key", "a@b", ""}
	for range 1000 {
		cursors = append(cursors, fmt.Sprint(rng.Uint64()>>rng.IntN(64)))
	}
	for _, cursor := range cursors {
		slot := uint16(rng.IntN(cluster.Slots))
		if slot == 0 && cursor == "0" {
			continue // the beginning
		}
		text := joinCursor(slot, []byte(cursor))
		gotSlot, got, ok := splitCursor(text)
		if !ok || gotSlot != slot || string(got) != cursor {
			t.Fatalf("cursor %q of slot %d is written %q and read %q of slot %d, %v", cursor, slot, text, got, gotSlot, ok)
		}
		if string(text) == "0" {
			t.Fatalf("cursor %q of slot %d ends the scan", cursor, slot)
		}
	}
	if slot, cursor, ok := splitCursor([]byte("0")); !ok || slot != 0 || string(cursor) != "0" {
		t.Errorf("the beginning is read as %q of slot %d, %v", cursor, slot, ok)
	}
	for _, text := range []string{"", "x", "-1", "1.5", "18446744073709551616", "16384@0", "@0", "x@1"} {
		if _, _, ok := splitCursor([]byte(text)); ok {
			t.Errorf("%q is read as a cursor", text)
		}
	}
}

// topologyOf has each range of slots owned by a node of its own.
func topologyOf(t *testing.T, owners ...[]cluster.SlotRange) *cluster.Topology {
	t.Helper()
	var all []cluster.Assignment
	for i, slots := range owners {
		all = append(all, cluster.Assignment{Slots: slots, Nodes: []string{fmt.Sprintf("node:%d", i+1)}})
	}
	topology, err := cluster.NewTopology(cluster.Cluster, "", all)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// A scan visits each shard once, also where shards own several ranges and some
// slots have no owner, and then ends.
func TestScanVisitsEachShardOnce(t *testing.T) {
	for _, owners := range [][][]cluster.SlotRange{
		{{cluster.AllSlots}},
		{{{First: 0, Last: 99}, {First: 5000, Last: 6000}}, {{First: 100, Last: 4999}}, {{First: 6001, Last: 16383}}},
		{{{First: 3, Last: 3}}, {{First: 16383, Last: 16383}}},
		{{{First: 8000, Last: 16383}}, {{First: 0, Last: 7999}}},
	} {
		topology := topologyOf(t, owners...)
		visited := 0
		slot := uint16(0)
		for {
			shard, ok := shardFrom(topology, slot)
			if !ok || shard != visited {
				t.Fatalf("visit %d of %v is to shard %d, %v", visited, owners, shard, ok)
			}
			visited++
			next := nextCursor(topology, slot, []byte("0"))
			if string(next) == "0" {
				break
			}
			// The node has more than one page.
			again, cursor, _ := splitCursor(nextCursor(topology, slot, []byte("7")))
			if s, ok := shardFrom(topology, again); !ok || s != shard || string(cursor) != "7" {
				t.Fatalf("the next page of shard %d is at shard %d, cursor %q", shard, s, cursor)
			}
			slot, _, _ = splitCursor(next)
		}
		if visited != len(owners) {
			t.Errorf("%d of %d shards of %v were visited", visited, len(owners), owners)
		}
	}
}

// What Redis documents of how a command spans nodes is what is done, or there is
// a reason.
func TestScatteringsFollowRedisOwnDocumentation(t *testing.T) {
	exceptions := map[string]string{
		"ping": "answered here", "client|setinfo": "answered here",
		"msetnx":         "all or nothing, which several slots cannot promise: refused as Redis Cluster does",
		"function|stats": "special: of one process", "latency|doctor": "special", "latency|graph": "special",
		"latency|histogram": "special", "latency|history": "special", "latency|latest": "special",
		"memory|doctor": "special", "memory|malloc-stats": "special", "memory|stats": "special",
	}
	var missing []string
	seen := map[string]bool{}
	for c := range command.All() {
		for _, c := range append([]*command.Command{c}, c.Subcommands...) {
			_, known := scatterings[c.Name]
			seen[c.Name] = true
			if c.RequestPolicy != "" && !known && exceptions[c.Name] == "" {
				missing = append(missing, c.Name)
			}
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("neither scattered nor excepted: %s", strings.Join(missing, ", "))
	}
	for name := range scatterings {
		if !seen[name] {
			t.Errorf("%s is scattered, and no command", name)
		}
	}
}
