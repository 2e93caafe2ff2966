//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
)

// likeness is how alike two answers to a request must be.
type likeness struct {
	words string // for the documentation
	alike func(proxy, store answer) bool
}

var (
	notSent = likeness{"not tried", nil}

	anyReply = likeness{"one reply", func(_, _ answer) bool { return true }}

	sameKind = likeness{"the same kind of reply", func(p, s answer) bool { return p.kind == s.kind }}

	sameLength = likeness{"the same kind and number of elements", func(p, s answer) bool {
		return p.kind == s.kind && len(p.elements) == len(s.elements)
	}}

	anyOrder = likeness{"the same elements in any order", func(p, s answer) bool {
		return p.sorted(1).equal(s.sorted(1))
	}}

	anyPairOrder = likeness{"the same pairs in any order", func(p, s answer) bool {
		return p.sorted(2).equal(s.sorted(2))
	}}

	// A cursor that is not 0 depends on the order in which a server keeps keys.
	scanned = likeness{"the same elements in any order, where one call returns all", func(p, s answer) bool {
		if len(p.elements) != 2 || len(s.elements) != 2 {
			return p.equal(s)
		}
		if p.elements[0].text != "0" || s.elements[0].text != "0" {
			return true
		}
		return p.elements[1].sorted(1).equal(s.elements[1].sorted(1))
	}}

	sameButNumbers = likeness{"the same but for numbers", func(p, s answer) bool { return p.equalButNumbers(s) }}

	nearly = likeness{"a number within 5 s", func(p, s answer) bool {
		const close = 5000 // ms, and more than enough for those in s
		x, err1 := strconv.Atoi(p.text)
		y, err2 := strconv.Atoi(s.text)
		if err1 != nil || err2 != nil || x < 0 || y < 0 {
			return p.equal(s)
		}
		return p.kind == s.kind && x-y < close && y-x < close
	}}
)

func (a answer) equalButNumbers(b answer) bool {
	if a.kind == ':' && b.kind == ':' {
		return true
	}
	if a.kind != b.kind || a.text != b.text || len(a.elements) != len(b.elements) {
		return false
	}
	for i, e := range a.elements {
		if !e.equalButNumbers(b.elements[i]) {
			return false
		}
	}
	return true
}

// difference is a request whose reply may differ from the store's own.
type difference struct {
	commands []string // in capitals; the words that a request begins with
	like     likeness
	reason   string
}

// differenceTables are all differences allowed, in the order in which
// docs/DIFFERENCES.md has them.
var differenceTables = []struct {
	name        string // of the markers in the document
	differences []difference
}{
	{"differences", []difference{
		{[]string{"CLIENT ID", "CLIENT INFO", "CLIENT LIST", "CLIENT KILL", "CLIENT UNBLOCK"}, sameKind, "The clients are fsproxy's, with numbers and addresses of its own"},
		{[]string{"HELLO"}, sameButNumbers, "The same: its `id` is the connection's number at fsproxy"},
		{[]string{"CLIENT SETINFO", "CLIENT NO-TOUCH"}, anyReply, "Taken whatever the store's version is: clients send them unasked"},
		{[]string{"CLIENT TRACKING", "CLIENT CACHING", "CLIENT GETREDIR", "CLIENT TRACKINGINFO"}, anyReply, "Client-side caching is not offered; the error is that of a server which never had it"},
		{[]string{"CLIENT HELP", "CONFIG HELP", "COMMAND HELP", "CLUSTER HELP"}, sameKind, "fsproxy's text, which is shorter"},
		{[]string{"INFO"}, sameKind, "Speaks of fsproxy, but for the sections that only the store has"},
		{[]string{"CLUSTER", "READONLY", "READWRITE", "ASKING"}, anyReply, "To its clients fsproxy is a cluster of one node, whatever the store is"},
		{[]string{"CONFIG GET CLUSTER-ENABLED"}, sameKind, "The same"},
		{[]string{"COMMAND", "COMMAND COUNT", "COMMAND DOCS", "COMMAND INFO", "COMMAND LIST"}, anyReply, "From fsproxy's own table, which knows commands of later versions, in the short form that old clients read too"},
		{[]string{"AUTH"}, anyReply, "Taken where fsproxy asks for no password: many clients send one out of habit"},
		{[]string{"SUBSCRIBE and its like in version 3"}, likeness{"the same messages and the same replies, each in their order", nil}, "Messages come over a connection of their own, so one may come before or behind a reply. In version 2 nothing can be asked meanwhile, and the order is the store's"},
		{[]string{"HELLO while subscribed"}, notSent, "Another version ends the subscriptions"},
		{[]string{"TIME"}, sameLength, "fsproxy's clock"},
		{[]string{"LOLWUT"}, anyReply, "Not worth a trip"},
	}},
	{"servers", []difference{
		{[]string{"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY"}, sameLength, "Random"},
		{[]string{"SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP", "KEYS", "HKEYS", "HVALS", "PUBSUB CHANNELS"}, anyOrder, "A server's hash tables are in an order that is random for each process"},
		{[]string{"HGETALL", "CONFIG GET"}, anyPairOrder, "The same"},
		{[]string{"DUMP"}, sameKind, "The same"},
		{[]string{"SCAN", "SSCAN", "HSCAN", "ZSCAN"}, scanned, "The same, and a cursor is a place in that order"},
		{[]string{"TTL", "PTTL", "OBJECT IDLETIME"}, nearly, "Time goes by between two commands"},
		{[]string{"XINFO", "XPENDING"}, sameButNumbers, "The same: idle times"},
		{[]string{"MEMORY USAGE"}, sameKind, "Depends on what the allocator did before"},
		{[]string{"SLOWLOG", "LATENCY", "LASTSAVE", "MEMORY", "ACL"}, sameKind, "Times, and what happened to the process before"},
	}},
	{"untried", []difference{
		{[]string{"DEBUG", "SHUTDOWN", "SAVE", "BGSAVE", "BGREWRITEAOF", "MODULE", "PFSELFTEST", "PFDEBUG"}, notSent, "Would end the store, stop it for a while, or write to its disk; forwarded as they are"},
		{[]string{"REPLICAOF", "SLAVEOF", "FAILOVER", "PSYNC", "SYNC", "REPLCONF", "MIGRATE", "WAIT"}, notSent, "Need more than one store; forwarded as they are"},
		{[]string{"MONITOR"}, notSent, "Shows times and addresses; forwarded as it is"},
		{[]string{"CLIENT within MULTI", "HELLO with options within MULTI"}, notSent, "Carried out by the store, so about fsproxy's connection to it: a name that is given there is not known to fsproxy. CLIENT REPLY is refused there, and EXEC with it: it would cut the reply to EXEC off in the middle"},
		{[]string{"CONFIG SET", "CONFIG RESETSTAT", "CONFIG REWRITE", "CLIENT PAUSE", "CLIENT UNPAUSE"}, notSent, "Would change what the next sequence meets; forwarded as they are"},
	}},
}

// likenessOf returns how alike the answers to a request must be; false: equal
// in each byte. The longest name in the tables counts.
func likenessOf(args []string) (likeness, bool) {
	var found likeness
	longest := 0
	for _, table := range differenceTables {
		for _, d := range table.differences {
			for _, name := range d.commands {
				if n := len(strings.Fields(name)); n > longest && beginsWith(args, name) {
					found, longest = d.like, n
				}
			}
		}
	}
	return found, longest > 0
}

func beginsWith(args []string, name string) bool {
	words := strings.Fields(name)
	return len(args) >= len(words) && strings.EqualFold(strings.Join(args[:len(words)], " "), name)
}

// markdownDifferences is a table for the document.
func markdownDifferences(differences []difference) string {
	var b strings.Builder
	b.WriteString("| request | how alike the replies are | why |\n| --- | --- | --- |\n")
	for _, d := range differences {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(d.commands, ", "), d.like.words, d.reason)
	}
	return b.String()
}
