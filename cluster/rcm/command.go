package rcm

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// command is one command, or one subcommand.
type command struct {
	arity int // arguments, the command's name included; negative: at least
	flags string
	// Where the keys are, as COMMAND tells it: the first, the last (negative:
	// from the end), the step. 0: no keys.
	first, last, step int
	// answer appends the reply. nil: a command on data, which is answered by
	// telling who has them.
	answer func(c *client, args [][]byte)
	sub    map[string]*command // by lower-case name; nil: no subcommands
	open   bool                // may be said before AUTH
}

// commands are all that are known, by lower-case name.
var commands = make(map[string]*command)

func init() {
	const ofConnection = "fast loading stale"
	for name, c := range map[string]*command{
		"ping":      {arity: -1, flags: ofConnection, answer: (*client).ping},
		"echo":      {arity: 2, flags: ofConnection, answer: (*client).echo},
		"hello":     {arity: -1, flags: ofConnection, answer: (*client).hello, open: true},
		"auth":      {arity: -2, flags: ofConnection, answer: (*client).auth, open: true},
		"quit":      {arity: -1, flags: ofConnection, answer: (*client).quit, open: true},
		"reset":     {arity: 1, flags: ofConnection, answer: (*client).reset, open: true},
		"select":    {arity: 2, flags: ofConnection, answer: (*client).selectDatabase},
		"readonly":  {arity: 1, flags: ofConnection, answer: (*client).ok},
		"readwrite": {arity: 1, flags: ofConnection, answer: (*client).ok},
		"asking":    {arity: 1, flags: "fast", answer: (*client).ok},
		"info":      {arity: -1, flags: "loading stale", answer: (*client).info},
		"role":      {arity: 1, flags: ofConnection, answer: (*client).role},
		"time":      {arity: 1, flags: ofConnection, answer: (*client).time},
		"dbsize":    {arity: 1, flags: "readonly fast", answer: (*client).zero},
		"config": {arity: -2, sub: map[string]*command{
			"get": {arity: -3, answer: (*client).configGet},
		}},
		"client": {arity: -2, sub: map[string]*command{
			"setinfo":  {arity: 4, answer: (*client).setInfo},
			"setname":  {arity: 3, answer: (*client).setName},
			"getname":  {arity: 2, answer: (*client).getName},
			"id":       {arity: 2, answer: (*client).tellID},
			"info":     {arity: 2, answer: (*client).tellOfItself},
			"tracking": {arity: -3, answer: (*client).onOff},
			"no-evict": {arity: 3, answer: (*client).onOff},
			"no-touch": {arity: 3, answer: (*client).onOff},
		}},
		"cluster": {arity: -2, sub: map[string]*command{
			"slots":           {arity: 2, answer: (*client).clusterSlots},
			"shards":          {arity: 2, answer: (*client).clusterShards},
			"nodes":           {arity: 2, answer: (*client).clusterNodes},
			"info":            {arity: 2, answer: (*client).clusterInfo},
			"myid":            {arity: 2, answer: (*client).clusterMyID},
			"keyslot":         {arity: 3, answer: (*client).clusterKeySlot},
			"countkeysinslot": {arity: 3, answer: (*client).clusterCountKeysInSlot},
			"getkeysinslot":   {arity: 4, answer: (*client).clusterGetKeysInSlot},
			"myshardid":       {arity: 2, answer: (*client).clusterMyID}, // the RCM is a shard without slots
			"replicas":        {arity: 3, answer: (*client).clusterReplicas},
			"slaves":          {arity: 3, answer: (*client).clusterReplicas},
			"links":           {arity: 2, answer: (*client).none},
		}},
		"command": {arity: -1, flags: "loading stale", answer: (*client).commandList, sub: map[string]*command{
			"count": {arity: 2, answer: (*client).commandCount},
			"docs":  {arity: -2, answer: (*client).commandDocs},
			"info":  {arity: -2, answer: (*client).commandInfo},
		}},
	} {
		if c.sub != nil {
			c.sub["help"] = &command{arity: 2, answer: (*client).help}
		}
		commands[name] = c
	}
	addDataCommands()
}

// addDataCommands adds the commands on data that feature stores are read and
// written with.
func addDataCommands() {
	add := func(flags string, arity, last, step int, names string) {
		for name := range strings.FieldsSeq(names) {
			commands[name] = &command{arity: arity, flags: flags, first: 1, last: last, step: step}
		}
	}
	add("readonly fast", 2, 1, 1, "get strlen ttl pttl type hlen llen scard zcard")
	add("readonly", 2, 1, 1, "hgetall hkeys hvals smembers dump")
	add("readonly fast", 3, 1, 1, "hget hexists hstrlen sismember zscore getbit")
	add("readonly fast", -3, 1, 1, "hmget zmscore")
	add("readonly", -3, 1, 1, "hscan sscan zscan")
	add("readonly", -2, 1, 1, "hrandfield")
	add("readonly", 4, 1, 1, "getrange lrange")
	add("readonly", -4, 1, 1, "zrange")
	add("readonly fast", -2, -1, 1, "mget exists touch")
	add("write denyoom", -3, 1, 1, "set")
	add("write denyoom", -3, -1, 2, "mset")
	add("write denyoom fast", -4, 1, 1, "hset hmset")
	add("write denyoom fast", 4, 1, 1, "hsetnx hincrby hincrbyfloat")
	add("write denyoom", 4, 1, 1, "setex psetex")
	add("write denyoom fast", 3, 1, 1, "setnx incrby")
	add("write denyoom fast", 2, 1, 1, "incr decr")
	add("write fast", -3, 1, 1, "hdel expire pexpire expireat")
	add("write fast", 2, 1, 1, "persist")
	add("write", -2, -1, 1, "del unlink")
}

// answer answers one request.
func (c *client) answer(args [][]byte) {
	name := strings.ToLower(string(args[0]))
	cmd, ok := commands[name]
	if !ok {
		c.server.request(requestUnknown)
		c.error(unknownCommand(args))
		return
	}
	open := cmd.open
	if cmd.sub != nil && len(args) > 1 {
		sub, ok := cmd.sub[strings.ToLower(string(args[1]))]
		if !ok {
			c.server.request(requestUnknown)
			c.error("ERR unknown subcommand '" + clip(args[1]) + "'. Try " + strings.ToUpper(name) + " HELP.")
			return
		}
		cmd, name = sub, name+"|"+strings.ToLower(string(args[1]))
	}
	switch {
	case cmd.arity > 0 && len(args) != cmd.arity, len(args) < -cmd.arity:
		c.error("ERR wrong number of arguments for '" + name + "' command")
	case !c.authenticated && !open:
		c.error("NOAUTH Authentication required.")
	case cmd.answer == nil:
		c.server.request(requestOfData)
		c.redirect(cmd, args)
	default:
		c.server.request(name)
		cmd.answer(c, args)
	}
}

// clip cuts what a client sent as Redis cuts it in its errors, to 128 bytes.
func clip(b []byte) string { return string(b[:min(len(b), 128)]) }

// unknownCommand is Redis' error, word for word: clients compare it.
func unknownCommand(args [][]byte) string {
	var quoted strings.Builder
	for _, a := range args[1:] {
		room := 128 - quoted.Len()
		if room <= 0 {
			break
		}
		quoted.WriteString("'" + string(a[:min(len(a), room)]) + "' ")
	}
	return "ERR unknown command '" + clip(args[0]) + "', with args beginning with: " + quoted.String()
}

// redirect tells which node has the keys.
func (c *client) redirect(cmd *command, args [][]byte) {
	last := cmd.last
	if last < 0 {
		last += len(args)
	}
	slot := cluster.Slot(args[cmd.first])
	for i := cmd.first; i <= last; i += cmd.step {
		if cluster.Slot(args[i]) != slot {
			c.error("CROSSSLOT Keys in request don't hash to the same slot")
			return
		}
	}
	n, ok := c.view().owner(slot)
	if !ok {
		c.error("CLUSTERDOWN Hash slot not served")
		return
	}
	c.error("MOVED " + strconv.Itoa(int(slot)) + " " + n.host + ":" + strconv.Itoa(n.port))
}

func (c *client) ok([][]byte) { c.out = redcon.AppendOK(c.out) }

func (c *client) error(text string) { c.out = resp.AppendError(c.out, text) }

func (c *client) text(text string) { c.out = resp.AppendVerbatim(c.out, c.version, text) }

func (c *client) info(args [][]byte) { c.text(c.server.views.Load().info(args[1:])) }

func (c *client) clusterSlots([][]byte) { c.write(c.view().slots()) }

func (c *client) clusterShards([][]byte) {
	if c.version == resp.V3 {
		c.write(c.view().shards3())
	} else {
		c.write(c.view().shards2())
	}
}

// clusterNodes tells the fleet, and first the RCM itself as a primary without
// slots: clients look for the line that says "myself".
func (c *client) clusterNodes([][]byte) {
	lines := c.view().nodes()
	own := appendNodeLine(nil, c.self(), "myself,master", "-", 0, nil)
	if c.version == resp.V3 {
		c.out = append(c.out, '=')
		c.out = strconv.AppendInt(c.out, int64(len("txt:")+len(own)+len(lines)), 10)
		c.out = append(c.out, "\r\ntxt:"...)
	} else {
		c.out = append(c.out, '$')
		c.out = strconv.AppendInt(c.out, int64(len(own)+len(lines)), 10)
		c.out = append(c.out, "\r\n"...)
	}
	c.out = append(c.out, own...)
	c.write(lines)
	c.out = append(c.out, "\r\n"...)
}

// self is the RCM as this client reached it.
func (c *client) self() *node {
	address := c.conn.LocalAddr().String()
	n := newNode(address)
	if n.host == "" { // a Unix socket
		n = &node{id: nodeID(address), host: "127.0.0.1"}
	}
	return n
}

func (c *client) clusterInfo([][]byte) { c.text(c.view().clusterInfo()) }

func (c *client) clusterMyID([][]byte) { c.out = redcon.AppendBulkString(c.out, c.self().id) }

func (c *client) clusterKeySlot(args [][]byte) {
	c.out = redcon.AppendInt(c.out, int64(cluster.Slot(args[2])))
}

func (c *client) clusterCountKeysInSlot(args [][]byte) {
	slot, ok := resp.ParseInt(args[2])
	switch {
	case !ok:
		c.error(errNotInteger)
	case slot < 0 || slot >= cluster.Slots:
		c.error("ERR Invalid slot")
	default:
		c.out = redcon.AppendInt(c.out, 0)
	}
}

func (c *client) clusterGetKeysInSlot(args [][]byte) {
	slot, ok1 := resp.ParseInt(args[2])
	count, ok2 := resp.ParseInt(args[3])
	switch {
	case !ok1 || !ok2:
		c.error(errNotInteger)
	case slot < 0 || slot >= cluster.Slots || count < 0:
		c.error("ERR Invalid slot or number of keys")
	default:
		c.none(args)
	}
}

// clusterReplicas lists those that the client's view has behind the first of a
// shard; behind the RCM itself there is none.
func (c *client) clusterReplicas(args [][]byte) {
	w, id := c.view(), string(args[2])
	if id == c.self().id {
		c.none(args)
		return
	}
	replica := false
	for i, s := range w.shards {
		if s.nodes[0].id != id {
			replica = replica || slices.ContainsFunc(s.nodes[1:], func(n *node) bool { return n.id == id })
			continue
		}
		c.out = redcon.AppendArray(c.out, len(s.nodes)-1)
		for _, n := range s.nodes[1:] {
			line := appendNodeLine(nil, n, "slave", id, i+1, nil)
			c.out = redcon.AppendBulk(c.out, line[:len(line)-1])
		}
		return
	}
	if replica {
		c.error("ERR The specified node is not a master")
		return
	}
	c.error("ERR Unknown node " + clip(args[2]))
}

// help lists the subcommands.
func (c *client) help(args [][]byte) {
	name := strings.ToUpper(string(args[0]))
	lines := []string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, sub := range slices.Sorted(maps.Keys(commands[strings.ToLower(name)].sub)) {
		if sub != "help" {
			lines = append(lines, strings.ToUpper(sub))
		}
	}
	lines = append(lines, "HELP", "    Print this help.")
	c.out = redcon.AppendArray(c.out, len(lines))
	for _, line := range lines {
		c.out = redcon.AppendString(c.out, line)
	}
}

// none tells of an empty list, where there can be nothing in it.
func (c *client) none([][]byte) { c.out = redcon.AppendArray(c.out, 0) }

func (c *client) zero([][]byte) { c.out = redcon.AppendInt(c.out, 0) }

// configGet knows no parameter: some clients ask for a few as they connect.
func (c *client) configGet([][]byte) { c.out = resp.AppendMap(c.out, c.version, 0) }

// commandLists are the reply to COMMAND in both versions of the protocol.
var commandLists = sync.OnceValue(func() map[resp.Version][]byte {
	lists := make(map[resp.Version][]byte)
	for _, v := range []resp.Version{resp.V2, resp.V3} {
		b := redcon.AppendArray(nil, len(commands))
		for _, name := range slices.Sorted(maps.Keys(commands)) {
			b = appendCommandEntry(b, v, name)
		}
		lists[v] = b
	}
	return lists
})

// appendCommandEntry describes a command in six elements, which all clients
// read; the ten of Redis 7 are too many for some.
func appendCommandEntry(b []byte, v resp.Version, name string) []byte {
	cmd := commands[name]
	flags := strings.Fields(cmd.flags)
	b = redcon.AppendArray(b, 6)
	b = redcon.AppendBulkString(b, name)
	b = redcon.AppendInt(b, int64(cmd.arity))
	b = resp.AppendSet(b, v, len(flags))
	for _, flag := range flags {
		b = redcon.AppendString(b, flag)
	}
	b = redcon.AppendInt(b, int64(cmd.first))
	b = redcon.AppendInt(b, int64(cmd.last))
	return redcon.AppendInt(b, int64(cmd.step))
}

func (c *client) commandList([][]byte) { c.write(commandLists()[c.version]) }

func (c *client) commandCount([][]byte) { c.out = redcon.AppendInt(c.out, int64(len(commands))) }

func (c *client) commandDocs([][]byte) { c.out = resp.AppendMap(c.out, c.version, 0) }

func (c *client) commandInfo(args [][]byte) {
	if len(args) == 2 {
		c.commandList(args)
		return
	}
	c.out = redcon.AppendArray(c.out, len(args)-2)
	for _, arg := range args[2:] {
		name := strings.ToLower(string(arg))
		if _, ok := commands[name]; ok {
			c.out = appendCommandEntry(c.out, c.version, name)
		} else {
			c.out = resp.AppendNilArray(c.out, c.version)
		}
	}
}
