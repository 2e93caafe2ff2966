package rcm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// renderSlots renders the reply to CLUSTER SLOTS, of which both versions of the
// protocol have the same. Nodes have the three elements that every client
// reads; the fourth of Redis 7 breaks some.
func (w *view) renderSlots() []byte {
	count := 0
	for _, s := range w.shards {
		count += len(s.ranges)
	}
	b := redcon.AppendArray(nil, count)
	for _, s := range w.shards {
		for _, r := range s.ranges {
			b = redcon.AppendArray(b, 2+len(s.nodes))
			b = redcon.AppendInt(b, int64(r.First))
			b = redcon.AppendInt(b, int64(r.Last))
			for _, n := range s.nodes {
				b = redcon.AppendArray(b, 3)
				b = redcon.AppendBulkString(b, n.host)
				b = redcon.AppendInt(b, int64(n.port))
				b = redcon.AppendBulkString(b, n.id)
			}
		}
	}
	return b
}

// renderShards renders the reply to CLUSTER SHARDS.
func (w *view) renderShards(v resp.Version) []byte {
	b := redcon.AppendArray(nil, len(w.shards))
	for _, s := range w.shards {
		b = resp.AppendMap(b, v, 2)
		b = redcon.AppendBulkString(b, "slots")
		b = redcon.AppendArray(b, 2*len(s.ranges))
		for _, r := range s.ranges {
			b = redcon.AppendInt(b, int64(r.First))
			b = redcon.AppendInt(b, int64(r.Last))
		}
		b = redcon.AppendBulkString(b, "nodes")
		b = redcon.AppendArray(b, len(s.nodes))
		for i, n := range s.nodes {
			role := "replica"
			if i == 0 {
				role = "master"
			}
			pairs := 7
			if n.zone != "" {
				pairs++
			}
			b = resp.AppendMap(b, v, pairs)
			b = appendPair(b, "id", n.id)
			b = redcon.AppendBulkString(b, "port")
			b = redcon.AppendInt(b, int64(n.port))
			b = appendPair(b, "ip", n.host)
			b = appendPair(b, "endpoint", n.host)
			b = appendPair(b, "role", role)
			b = redcon.AppendBulkString(b, "replication-offset")
			b = redcon.AppendInt(b, 0)
			b = appendPair(b, "health", "online")
			if n.zone != "" {
				b = appendPair(b, "availability-zone", n.zone)
			}
		}
	}
	return b
}

func appendPair(b []byte, name, value string) []byte {
	b = redcon.AppendBulkString(b, name)
	return redcon.AppendBulkString(b, value)
}

// renderNodes renders the fleet's lines of CLUSTER NODES.
func (w *view) renderNodes() []byte {
	var b []byte
	for i, s := range w.shards {
		epoch := i + 1
		for j, n := range s.nodes {
			if j > 0 {
				b = appendNodeLine(b, n, "slave", s.nodes[0].id, epoch, nil)
				continue
			}
			b = appendNodeLine(b, n, "master", "-", epoch, s.ranges)
		}
	}
	return b
}

// appendNodeLine appends one line of CLUSTER NODES:
//
//	id ip:port@cport[,,availability-zone=zone] flags primary ping pong epoch link slot…
//
// The empty part is for a host name. Where no zone is known the line is as it
// was in all versions of Redis.
func appendNodeLine(b []byte, n *node, flags, primary string, epoch int, ranges []cluster.SlotRange) []byte {
	b = fmt.Appendf(b, "%s %s:%d@%d", n.id, n.host, n.port, n.busPort())
	if n.zone != "" {
		b = append(append(b, ",,availability-zone="...), n.zone...)
	}
	b = fmt.Appendf(b, " %s %s 0 0 %d connected", flags, primary, epoch)
	for _, r := range ranges {
		b = append(append(b, ' '), r.String()...)
	}
	return append(b, '\n')
}

// clusterInfo is the text of CLUSTER INFO. It counts what the client is told: the
// fleet may be larger.
func (w *view) clusterInfo() string {
	v, covered, state := w.parent, 0, "fail"
	if v.topology != nil {
		covered = v.topology.Covered()
	}
	if covered == cluster.Slots {
		state = "ok"
	}
	var b strings.Builder
	for _, line := range [][2]string{
		{"cluster_state", state},
		{"cluster_slots_assigned", strconv.Itoa(covered)},
		{"cluster_slots_ok", strconv.Itoa(covered)},
		{"cluster_slots_pfail", "0"},
		{"cluster_slots_fail", "0"},
		{"cluster_known_nodes", strconv.Itoa(w.count() + 1)}, // the RCM is one, as in CLUSTER NODES
		{"cluster_size", strconv.Itoa(len(v.shards))},
		{"cluster_current_epoch", strconv.Itoa(len(v.shards))},
		{"cluster_my_epoch", "0"},
	} {
		b.WriteString(line[0] + ":" + line[1] + "\r\n")
	}
	return b.String()
}

// infoSections are the sections of INFO: what clients look for, each where they
// look for it. %s is the version.
var infoSections = []struct{ name, text string }{
	{"server", "# Server\r\nredis_version:%s\r\nredis_mode:cluster\r\n" + cluster.RCMInfoField + ":1\r\n"},
	{"persistence", "# Persistence\r\nloading:0\r\n"},
	{"replication", "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"},
	{"cluster", "# Cluster\r\ncluster_enabled:1\r\n"},
}

// info is the text of INFO with the sections named, or all of them.
func (v *views) info(names [][]byte) string {
	all := len(names) == 0
	wanted := make(map[string]bool)
	for _, name := range names {
		switch n := strings.ToLower(string(name)); n {
		case "all", "default", "everything":
			all = true
		default:
			wanted[n] = true
		}
	}
	var sections []string
	for _, s := range infoSections {
		if all || wanted[s.name] {
			sections = append(sections, strings.Replace(s.text, "%s", v.version, 1))
		}
	}
	return strings.Join(sections, "\r\n")
}
