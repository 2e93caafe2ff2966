package proxy

import (
	"bytes"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// SCAN over several nodes goes through them one after the other. Its cursor is
// the node's own with the lowest slot of the node's shard behind it, which means
// the same on every connection, at every proxy, and after other shards came or
// went.
//
// As a number it stays below 2^53, the last that JavaScript counts to, while the
// node's is below 2^39. A node whose cursors are no numbers below 2^50 gets
// "slot@cursor", which only clients understand that take a cursor as it is.

const (
	slotBits   = 14 // of the cursor: cluster.Slots is 1 << slotBits
	cursorBits = 64 - slotBits
)

const errCursor redisError = "ERR invalid cursor"

// nextOfScan asks the node whose turn it is.
func nextOfScan(s *Server, _ *command.Command, args [][]byte, _ []byte) (*scattered, error) {
	topology, _ := s.upstream.Topology()
	slot, cursor, ok := splitCursor(args[1])
	if !ok {
		return nil, errCursor
	}
	shard, ok := shardFrom(topology, slot)
	if !ok {
		return nil, errCursor // of a topology that is no more
	}
	raw := redcon.AppendArray(nil, len(args))
	raw = redcon.AppendBulk(raw, args[0])
	raw = redcon.AppendBulk(raw, cursor)
	for _, a := range args[2:] {
		raw = redcon.AppendBulk(raw, a)
	}
	return &scattered{
		parts:    []part{{node: topology.Shards[shard].Nodes[0], raw: raw}},
		scanned:  slot,
		topology: topology,
	}, nil
}

// joinScan replaces the node's cursor in its reply.
func joinScan(j *join, out []byte) ([]byte, bool) {
	frame := j.replies[0]
	ends, ok := resp.Elements(frame, nil)
	if !ok || len(ends) != 3 {
		return out, false
	}
	cursor, ok := resp.Text(frame[ends[0]:ends[1]])
	if !ok {
		return out, false
	}
	out = redcon.AppendArray(out, 2)
	out = redcon.AppendBulk(out, nextCursor(j.request.topology, j.request.scanned, cursor))
	return append(out, frame[ends[1]:]...), true
}

// splitCursor takes a client's cursor apart.
func splitCursor(text []byte) (slot uint16, cursor []byte, ok bool) {
	if before, after, found := bytes.Cut(text, []byte("@")); found {
		n, err := strconv.ParseUint(string(before), 10, slotBits)
		return uint16(n), after, err == nil
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, nil, false
	}
	return uint16(n % cluster.Slots), strconv.AppendUint(nil, n/cluster.Slots, 10), true
}

// joinCursor puts a node's cursor and a slot together.
func joinCursor(slot uint16, cursor []byte) []byte {
	n, err := strconv.ParseUint(string(cursor), 10, cursorBits)
	if err != nil {
		return append(append(strconv.AppendUint(nil, uint64(slot), 10), '@'), cursor...)
	}
	return strconv.AppendUint(nil, n*cluster.Slots+uint64(slot), 10)
}

// nextCursor is where a scan goes on after a node's cursor: at the next shard if
// the node has no more; "0" at the end of all.
func nextCursor(t *cluster.Topology, slot uint16, cursor []byte) []byte {
	if string(cursor) != "0" {
		return joinCursor(slot, cursor)
	}
	shard, ok := shardFrom(t, slot)
	for next := int(slot) + 1; ok && next < cluster.Slots; next++ {
		// Shards are in the order of their lowest slots.
		if s, owned := t.ShardOf(uint16(next)); owned && s > shard {
			return joinCursor(uint16(next), []byte("0"))
		}
	}
	return cursor
}

// shardFrom is the owner of slot, or of the next slot that has one.
func shardFrom(t *cluster.Topology, slot uint16) (int, bool) {
	for at := int(slot); at < cluster.Slots; at++ {
		if shard, ok := t.ShardOf(uint16(at)); ok {
			return shard, true
		}
	}
	return 0, false
}
