package command

import (
	"fmt"
	"strings"
)

// A decision gives commands another class than their flags would: Write for
// those with the write flag, Tunnel for all others. A container's decision
// holds for its subcommands unless they have one of their own.
type decision struct {
	class Class
	whole bool   // WholeKeyspace
	names string // full names between blanks
	why   string
}

var decisions = []decision{
	{class: Cached, names: "hmget hget", why: "answered from rows; what is missing is fetched"},
	{class: Cached, names: "features.get features.mget", why: "fsproxy's own: reads by name instead of field, decoded; see FEATURES.md"},

	{class: Local, names: "ping echo quit hello auth select reset", why: "about the connection, which is between client and proxy"},
	{class: Local, names: "client", why: "the store does not know the proxy's clients; CLIENT PAUSE and UNPAUSE are passed on after a check of their arguments"},
	{class: Local, names: "command", why: "answered from this table"},
	{class: Tunnel, names: "command|getkeysandflags", why: "needs the flags of each key, which the store has"},
	{class: Local, names: "info", why: "speaks of the proxy, in the store's version; sections that only the store can fill are passed on when asked for alone"},
	{class: Local, names: "config", why: "CONFIG GET of what clients ask when they connect; anything else is passed on"},
	{class: Local, names: "role readonly readwrite asking", why: "to its clients the proxy is the one master of a cluster of one node"},
	{class: Local, names: "cluster", why: "to its clients the proxy is a cluster of one node that owns every slot"},
	{class: Local, names: "time lolwut", why: "needs no store"},

	{
		class: Refused, why: "would change a cluster that the client does not see",
		names: "cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|meet cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot",
	},

	{class: Stream, names: "subscribe psubscribe ssubscribe", why: "messages arrive unasked from here on, by a connection to the store of their own"},
	{class: Local, names: "unsubscribe punsubscribe sunsubscribe", why: "answered here where nothing is subscribed to; otherwise as SUBSCRIBE is"},
	{class: Stream, names: "monitor", why: "the store's log follows"},
	{class: Stream, names: "sync psync replconf", why: "a replica's link: the store's data follows"},

	{class: Write, names: "eval evalsha fcall", why: "a script may write the keys that it names"},
	{class: Write, whole: true, names: "flushall flushdb swapdb", why: "changes every key of a database"},
	{class: Write, whole: true, names: "replicaof slaveof", why: "replaces the store's data"},
	{class: Write, whole: true, names: "debug", why: "some of its subcommands drop, reload or change data, and they differ between versions"},
	{class: Tunnel, names: "function|delete function|flush function|load function|restore", why: "writes libraries, no keys"},
}

// classify gives each command its class.
func classify() {
	for _, c := range fullName {
		if c.Flags&FlagWrite != 0 {
			c.Class = Write
		}
	}
	for _, d := range decisions {
		for name := range strings.FieldsSeq(d.names) {
			c := fullName[name]
			if c == nil {
				panic(fmt.Sprintf("command: decision on unknown command %q", name))
			}
			d.apply(c)
		}
	}
	for _, c := range all {
		c.inheritWrite()
	}
}

func (d *decision) apply(c *Command) {
	c.Class, c.WholeKeyspace, c.Why = d.class, d.whole, d.why
	for _, sub := range c.Subcommands {
		d.apply(sub)
	}
}

// inheritWrite makes a container a Write when a subcommand is one: whoever
// looks at the container alone must not miss it.
func (c *Command) inheritWrite() {
	for _, sub := range c.Subcommands {
		if c.Class == Tunnel && sub.Class == Write {
			c.Class = Write
		}
	}
}
