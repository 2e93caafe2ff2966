package session

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// busPortOffset is how far above its port a node's cluster bus is by Redis'
// default. The proxy has no bus; clients only parse the number.
const busPortOffset = 10000

var clusterHandlers = map[string]handler{
	"cluster|count-failure-reports": clusterCountFailureReports,
	"cluster|countkeysinslot":       clusterCountKeysInSlot,
	"cluster|getkeysinslot":         clusterGetKeysInSlot,
	"cluster|help":                  help,
	"cluster|info":                  clusterInfo,
	"cluster|keyslot":               clusterKeySlot,
	"cluster|links":                 clusterLinks,
	"cluster|myid":                  clusterMyID,
	"cluster|myshardid":             clusterMyID,
	"cluster|nodes":                 clusterNodes,
	"cluster|replicas":              clusterReplicas,
	"cluster|shards":                clusterShards,
	"cluster|slaves":                clusterReplicas,
	"cluster|slots":                 clusterSlots,
}

// address is where the client is told to find the one node: where it has just
// found it, unless the configuration announces another place. A host is never
// empty, which several clients do not survive.
func (c *Session) address() (host string, port int) {
	for _, address := range []string{c.server.config.Announce, c.Local} {
		h, p, err := net.SplitHostPort(address)
		if err != nil || h == "" || strings.ContainsAny(h, "/@") {
			continue
		}
		if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			return h, int(n)
		}
	}
	return "127.0.0.1", 0
}

// clusterSlots gives each node three elements, without Redis 7's fourth, which
// older clients do not read past.
func clusterSlots(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	host, port := c.address()
	out = redcon.AppendArray(out, 1)
	out = redcon.AppendArray(out, 3)
	out = redcon.AppendInt(out, 0)
	out = redcon.AppendInt(out, slots-1)
	out = redcon.AppendArray(out, 3)
	out = redcon.AppendBulkString(out, host)
	out = redcon.AppendInt(out, int64(port))
	return redcon.AppendBulkString(out, c.server.nodeID), 0
}

func clusterShards(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	host, port := c.address()
	out = redcon.AppendArray(out, 1)
	out = resp.AppendMap(out, c.Proto, 2)
	out = redcon.AppendBulkString(out, "slots")
	out = redcon.AppendArray(out, 2)
	out = redcon.AppendInt(out, 0)
	out = redcon.AppendInt(out, slots-1)
	out = redcon.AppendBulkString(out, "nodes")
	out = redcon.AppendArray(out, 1)
	out = resp.AppendMap(out, c.Proto, 7)
	out = redcon.AppendBulkString(out, "id")
	out = redcon.AppendBulkString(out, c.server.nodeID)
	out = redcon.AppendBulkString(out, "port")
	out = redcon.AppendInt(out, int64(port))
	out = redcon.AppendBulkString(out, "ip")
	out = redcon.AppendBulkString(out, host)
	out = redcon.AppendBulkString(out, "endpoint")
	out = redcon.AppendBulkString(out, host)
	out = redcon.AppendBulkString(out, "role")
	out = redcon.AppendBulkString(out, "master")
	out = redcon.AppendBulkString(out, "replication-offset")
	out = redcon.AppendInt(out, 0)
	out = redcon.AppendBulkString(out, "health")
	return redcon.AppendBulkString(out, "online"), 0
}

func clusterNodes(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	host, port := c.address()
	line := fmt.Sprintf("%s %s:%d@%d myself,master - 0 0 1 connected 0-%d\n", c.server.nodeID, host, port, port+busPortOffset, slots-1)
	return resp.AppendVerbatim(out, c.Proto, line), 0
}

func clusterInfo(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	const text = "cluster_state:ok\r\n" +
		"cluster_slots_assigned:16384\r\n" +
		"cluster_slots_ok:16384\r\n" +
		"cluster_slots_pfail:0\r\n" +
		"cluster_slots_fail:0\r\n" +
		"cluster_known_nodes:1\r\n" +
		"cluster_size:1\r\n" +
		"cluster_current_epoch:1\r\n" +
		"cluster_my_epoch:1\r\n" +
		"cluster_stats_messages_sent:0\r\n" +
		"cluster_stats_messages_received:0\r\n" +
		"total_cluster_links_buffer_limit_exceeded:0\r\n"
	return resp.AppendVerbatim(out, c.Proto, text), 0
}

func clusterMyID(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return redcon.AppendBulkString(out, c.server.nodeID), 0
}

func clusterLinks(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return redcon.AppendArray(out, 0), 0
}

func clusterKeySlot(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if c.server.config.KeySlot == nil {
		return out, Forward
	}
	return redcon.AppendInt(out, int64(c.server.config.KeySlot(args[2]))), 0
}

// clusterCountKeysInSlot finds none: what the proxy holds is no one's data, and
// what the store holds is not all in one node.
func clusterCountKeysInSlot(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	slot, ok := resp.ParseInt(args[2])
	if !ok {
		return appendError(out, errNotInteger)
	}
	if slot < 0 || slot >= slots {
		return appendError(out, "ERR Invalid slot")
	}
	return redcon.AppendInt(out, 0), 0
}

func clusterGetKeysInSlot(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	slot, ok := resp.ParseInt(args[2])
	count, ok2 := resp.ParseInt(args[3])
	if !ok || !ok2 {
		return appendError(out, errNotInteger)
	}
	if slot < 0 || slot >= slots || count < 0 {
		return appendError(out, "ERR Invalid slot or number of keys")
	}
	return redcon.AppendArray(out, 0), 0
}

func clusterReplicas(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if string(args[2]) != c.server.nodeID {
		return appendError(out, unknownNode(args[2]))
	}
	return redcon.AppendArray(out, 0), 0
}

func clusterCountFailureReports(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if string(args[2]) != c.server.nodeID {
		return appendError(out, unknownNode(args[2]))
	}
	return redcon.AppendInt(out, 0), 0
}

func unknownNode(id []byte) string {
	return fmt.Sprintf("ERR Unknown node %s", cString(id, len(id)))
}
