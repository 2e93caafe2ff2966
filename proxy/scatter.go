package proxy

import (
	"bytes"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
)

// scattering says how a command that spans nodes is split, and how the replies
// to the parts are joined.
type scattering struct {
	split splitter
	join  joiner
}

// scatterings are the commands for which the result is well defined. For all
// others keys on several nodes are refused, as Redis Cluster refuses them, and a
// request without a key goes to one node. Redis' own documentation says the same
// of these commands (Command.RequestPolicy and ResponsePolicy).
//
// "Every node" is every one that tunnels go to: the primary of each shard, or
// the same one of its equals.
var scatterings = map[string]scattering{
	"mget":   {byKey(1), unlessFailed(joinValues)},
	"mset":   {byKey(2), unlessFailed(joinFirst)},
	"del":    {byKey(1), unlessFailed(joinSum)},
	"unlink": {byKey(1), unlessFailed(joinSum)},
	"exists": {byKey(1), unlessFailed(joinSum)},
	"touch":  {byKey(1), unlessFailed(joinSum)},

	"scan":      {nextOfScan, unlessFailed(joinScan)},
	"keys":      {toEveryNode, unlessFailed(joinArrays)},
	"dbsize":    {toEveryNode, unlessFailed(joinSum)},
	"randomkey": {toEveryNode, unlessFailed(joinRandom)},
	"info":      {keyspaceOfEveryNode, unlessFailed(joinKeyspace)},
	"flushall":  {toEveryNode, unlessFailed(joinFirst)},
	"flushdb":   {toEveryNode, unlessFailed(joinFirst)},
	"swapdb":    {toEveryNode, unlessFailed(joinFirst)},

	"publish": {toSubscribers, unlessFailed(joinSum)},

	"script|load":      {toEveryNode, unlessFailed(joinFirst)},
	"script|flush":     {toEveryNode, unlessFailed(joinFirst)},
	"script|exists":    {toEveryNode, unlessFailed(joinLeast)},
	"script|kill":      {toEveryNode, joinFirstSuccess},
	"function|load":    {toEveryNode, unlessFailed(joinFirst)},
	"function|delete":  {toEveryNode, unlessFailed(joinFirst)},
	"function|flush":   {toEveryNode, unlessFailed(joinFirst)},
	"function|restore": {toEveryNode, unlessFailed(joinFirst)},
	"function|kill":    {toEveryNode, joinFirstSuccess},

	"wait":             {toEveryNode, unlessFailed(joinLeast)},
	"waitaof":          {toEveryNode, unlessFailed(joinLeast)},
	"client|pause":     {toEveryNode, unlessFailed(joinFirst)},
	"client|unpause":   {toEveryNode, unlessFailed(joinFirst)},
	"config|set":       {toEveryNode, unlessFailed(joinFirst)},
	"config|resetstat": {toEveryNode, unlessFailed(joinFirst)},
	"latency|reset":    {toEveryNode, unlessFailed(joinSum)},
	"memory|purge":     {toEveryNode, unlessFailed(joinFirst)},
	"slowlog|get":      {toEveryNode, unlessFailed(joinArrays)},
	"slowlog|len":      {toEveryNode, unlessFailed(joinSum)},
	"slowlog|reset":    {toEveryNode, unlessFailed(joinFirst)},
}

// scattered is a request in parts.
type scattered struct {
	parts    []part
	operands int               // keys, or pairs of key and value, in the request
	scanned  uint16            // SCAN: the slot that its cursors name
	topology *cluster.Topology // SCAN: where it goes on from there
}

// part is what one node is asked.
type part struct {
	node   string
	raw    []byte // the request
	places []int  // of its operands in the whole request
}

// splitter makes parts of a request whose number of arguments is right. Nil
// means that it need not be split. raw is the request as it came; parts may not
// keep it.
type splitter func(s *Server, cmd *command.Command, args [][]byte, raw []byte) (*scattered, error)

// scatter handles a request if it spans nodes. False: it does not, and nothing
// was done.
func (c *client) scatter(cmd *command.Command, args [][]byte, raw []byte) (done bool, err error) {
	how, known := scatterings[cmd.Name]
	if !known || c.opaque != nil || !c.server.severalNodes() || !cmd.ArityOK(len(args)) {
		return false, nil
	}
	if c.txn.open && cmd.HasKeys() {
		return false, nil // refused by tunnelFor, if at all
	}
	request, err := how.split(c.server, cmd, args, raw)
	if request == nil && err == nil {
		return false, nil
	}
	if c.txn.open && err == nil {
		err = errCrossSlot // a transaction belongs to one node
	}
	owed := c.session.Owed()
	if err != nil {
		c.server.other.add(cmd.Name, "error")
		return true, c.cannotForward(owed, err)
	}
	c.server.other.add(cmd.Name, "tunnel")
	whole := writes(cmd, args)
	whole.owed = owed
	return true, c.passParts(&join{
		client: c, name: cmd.Name, whole: whole, joiner: how.join, version: c.session.Proto,
		request: request, limit: c.server.tuned.Load().MaxOutputBytes,
	})
}

// passParts hands each part to the tunnel of its node. Nothing is sent unless
// all nodes can be reached.
func (c *client) passParts(j *join) error {
	parts := j.request.parts
	tunnels := make([]*tunnel, len(parts))
	for i, p := range parts {
		var err error
		if tunnels[i], err = c.tunnelTo(p.node); err != nil {
			return c.cannotForward(j.whole.owed, err)
		}
	}
	if err := c.place(&j.whole); err != nil {
		return err
	}
	j.replies, j.left = make([][]byte, len(parts)), len(parts)
	unsent := 0
	for i, t := range tunnels {
		t.send(parts[i].raw, passing{join: j, part: i, raw: parts[i].raw})
		unsent = max(unsent, t.out.Waiting())
	}
	if unsent > maxUnsent {
		return c.waitBelow(1)
	}
	return nil
}

// byKey splits a request whose operands are all keys, or, if each is 2, pairs of
// key and value, by their slots: a node of a Redis Cluster refuses keys of
// different slots even if it owns them all.
func byKey(each int) splitter {
	return func(s *Server, cmd *command.Command, args [][]byte, _ []byte) (*scattered, error) {
		operands := args[1:]
		if len(operands)%each != 0 {
			return nil, redisError("ERR wrong number of arguments for '" + cmd.Name + "' command")
		}
		places := map[uint16][]int{} // by slot
		var slots []uint16           // in the order in which they come
		for i := 0; i < len(operands); i += each {
			slot := cluster.Slot(operands[i])
			if places[slot] == nil {
				slots = append(slots, slot)
			}
			places[slot] = append(places[slot], i/each)
		}
		if len(slots) == 1 {
			return nil, nil
		}
		request := &scattered{operands: len(operands) / each}
		for _, slot := range slots {
			node, err := s.upstream.Route(int(slot))
			if err != nil {
				return nil, err
			}
			p := part{node: node, places: places[slot]}
			p.raw = redcon.AppendArray(nil, 1+each*len(p.places))
			p.raw = redcon.AppendBulk(p.raw, args[0])
			for _, at := range p.places {
				for _, o := range operands[each*at : each*(at+1)] {
					p.raw = redcon.AppendBulk(p.raw, o)
				}
			}
			request.parts = append(request.parts, p)
		}
		return request, nil
	}
}

// toEveryNode sends the request as it is to the node of each shard.
func toEveryNode(s *Server, _ *command.Command, _ [][]byte, raw []byte) (*scattered, error) {
	topology, _ := s.upstream.Topology()
	request, same := &scattered{}, append([]byte(nil), raw...)
	for _, shard := range topology.Shards {
		request.parts = append(request.parts, part{node: shard.Nodes[0], raw: same})
	}
	return request, nil
}

// toSubscribers sends a message to where its subscribers are. A Redis Cluster
// passes it on by itself. The nodes of a fleet know nothing of each other, and
// which of them is first differs from client to client, so each gets it.
func toSubscribers(s *Server, _ *command.Command, _ [][]byte, raw []byte) (*scattered, error) {
	topology, _ := s.upstream.Topology()
	if topology.Kind == cluster.Cluster {
		return nil, nil
	}
	request, same := &scattered{}, append([]byte(nil), raw...)
	for _, node := range topology.Nodes() {
		request.parts = append(request.parts, part{node: node, raw: same})
	}
	return request, nil
}

// keyspaceOfEveryNode is for INFO keyspace. Other sections speak of a process,
// and those of several cannot be added up.
func keyspaceOfEveryNode(s *Server, cmd *command.Command, args [][]byte, raw []byte) (*scattered, error) {
	for _, section := range args[1:] {
		if !bytes.EqualFold(section, []byte("keyspace")) {
			return nil, nil
		}
	}
	if len(args) == 1 {
		return nil, nil
	}
	return toEveryNode(s, cmd, args, raw)
}
