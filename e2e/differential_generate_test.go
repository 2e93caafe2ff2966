//go:build e2e

package e2e

import (
	"math/rand/v2"
	"strings"
)

const (
	// connections take turns in a sequence.
	connections = 3
	// longestSequence is in turns. Longer ones find no more a second: what goes
	// wrong does so after a few requests that meet the same keys.
	longestSequence = 40
	// longestTurn is in requests.
	longestTurn = 10
)

// malformedRaw are bytes after which Redis hangs up.
var malformedRaw = []string{
	"*1\r\n$-5\r\n", "*1\r\n:5\r\n", "*abc\r\n", "*2\r\n$4\r\nPING\r\n+\r\n", "PING \"a\r\n", "*3000000000\r\n", "*1\r\n$99999999999\r\n",
	"*3\r\n$04\r\nHGET\r\n$2\r\nh1\r\n$2\r\nf0\r\n",
}

// hashes are the keys that most reads are of.
var hashes = []string{"h1", "h2", "h3", "{h}4", "h5"}

// inlineRaw are requests in the form of a line, each owed one reply.
var inlineRaw = []string{
	"PING\r\n", "ping\n", "HGET h1 f0\r\n", "hmget h1 f0 f1 f2\r\n", "HSET h1 f0 \"a\\x41 b\"\r\n", "ECHO 'it\\'s'\r\n", "  HMGET   h2 f0  f1 \r\n", "nothing like it\r\n", "HGET h1\r\n",
	"*2\r\n$3\r\nGET\r\n$2\r\nh1\r\n", "*-1\r\nPING\r\n", "*0\r\nPING\r\n", "\r\nPING\r\n", "MULTI x\r\n",
}

// generator makes sequences. It knows just enough of what they do to keep them
// from ending in the same few states.
type generator struct {
	phrasebook
	names []string // of commands, for wrong uses of them

	multi, subscribed [connections]bool
	// silent: CLIENT REPLY was sent in this turn; the test ends that state with the
	// turn, which it could not do within MULTI.
	silent bool
	// first: the request at hand begins a turn. One after which Redis hangs up is
	// a turn of its own, since it may hang up before it has sent the long replies
	// that come before.
	first bool
}

// generate makes the sequence of a seed.
func generate(seed uint64, names []string) sequence {
	const stream = 0x6673_7072_6f78_79 // any constant
	g := &generator{phrasebook: phrasebook{rand.New(rand.NewPCG(seed, stream))}, names: names}
	var s sequence
	for n := range connections {
		s = append(s, turn{connection: n, asks: []ask{{args: g.request("HELLO ( 2 | 2 | 3 )")}}})
	}
	for _, key := range hashes {
		s[len(s)-1].asks = append(s[len(s)-1].asks, ask{args: g.request("HSET " + key + " f0 <v> f1 <v> f2 <v> <fv> +")})
	}
	for range 5 + g.IntN(longestSequence-4) {
		s = append(s, g.turns(g.IntN(connections))...)
	}
	return s
}

// turns makes a turn of a connection, or two of which the second one ends what
// the first one waits for.
func (g *generator) turns(n int) []turn {
	if other := (n + 1) % connections; g.oneIn(60) && !g.busy(n) && !g.busy(other) {
		block := turn{connection: n, unread: true, asks: []ask{{args: []string{"BLPOP", "blocked", "0.2"}}, {args: g.request("HMGET <h> <fields>")}}}
		push := turn{connection: other, asks: []ask{{args: []string{"RPUSH", "blocked", "v"}}}}
		return []turn{block, push, {connection: n, asks: []ask{{args: []string{"PING"}}}}}
	}
	if g.oneIn(8) && !g.busy(n) {
		return []turn{g.fill(n)}
	}
	g.silent = false
	t := turn{connection: n}
	count := 1
	if g.oneIn(2) {
		count += g.IntN(longestTurn)
	}
	for range count {
		g.first = len(t.asks) == 0
		a := g.ask(n)
		t.asks = append(t.asks, a)
		if a.closes() || a.unpairs() {
			break
		}
	}
	if size := len(t.bytes()); g.oneIn(4) && size > 1 {
		for at := 0; at < size && len(t.cuts) < 4; {
			at += 1 + g.IntN(size)
			if at < size {
				t.cuts = append(t.cuts, at)
			}
		}
	}
	return []turn{t}
}

// fill makes a turn that reads most hashes into the cache, some of them in part.
func (g *generator) fill(n int) turn {
	t := turn{connection: n, rest: true}
	for _, key := range hashes {
		for range 1 + g.IntN(2) {
			t.asks = append(t.asks, ask{args: append([]string{"HMGET", key}, pick(g.phrasebook, projections)...)})
		}
	}
	return t
}

// busy tells whether a connection is in a state in which it cannot block.
func (g *generator) busy(n int) bool { return g.multi[n] || g.subscribed[n] }

func (g *generator) ask(n int) ask {
	if a, ok := g.rawAsk(n); ok {
		return a
	}
	args := g.allowed(n)
	args[0] = g.spelled(args[0])
	g.follow(n, args)
	return ask{args: args}
}

func (g *generator) rawAsk(n int) (ask, bool) {
	switch {
	case g.busy(n), g.silent:
	case g.first && g.oneIn(200):
		g.follow(n, []string{"QUIT"})
		return ask{raw: pick(g.phrasebook, malformedRaw), replies: untilClosed}, true
	case g.oneIn(30):
		return ask{raw: pick(g.phrasebook, inlineRaw), replies: 1}, true
	}
	return ask{}, false
}

// allowed makes requests until one may be sent in the connection's state.
func (g *generator) allowed(n int) []string {
	for {
		args := g.args(n)
		like, ok := likenessOf(args)
		switch {
		case args[0] == "":
		case ok && like.alike == nil:
		case g.multi[n] && strings.HasSuffix(strings.ToUpper(args[0]), "SUBSCRIBE"):
		case g.multi[n] && (strings.EqualFold(args[0], "CLIENT") || strings.EqualFold(args[0], "HELLO") && len(args) > 2):
		case g.subscribed[n] && strings.EqualFold(args[0], "HELLO"):
		case !g.first && strings.EqualFold(args[0], "QUIT"):
		case g.silent && strings.EqualFold(args[0], "MULTI"):
		default:
			return args
		}
	}
}

func (g *generator) args(n int) []string {
	switch {
	case g.multi[n] && g.oneIn(5):
		return g.request("( EXEC | EXEC | EXEC | EXEC | DISCARD )")
	case g.subscribed[n]:
		return g.request(pick(g.phrasebook, afterSubscribing))
	case g.oneIn(25):
		return g.misuse()
	}
	args := g.phrase()
	if g.oneIn(40) && len(args) > 1 && !beginsWithAny(args[0], risky) {
		if g.oneIn(2) {
			return args[:len(args)-1]
		}
		return append(args, g.request("<word>")...)
	}
	return args
}

func (g *generator) phrase() []string {
	sum := 0
	for _, family := range phrases {
		sum += family.weight
	}
	at := g.IntN(sum)
	for _, family := range phrases {
		if at -= family.weight; at < 0 {
			return g.request(pick(g.phrasebook, family.phrases))
		}
	}
	panic("unreachable")
}

// risky are commands that a wrong use may block for good, or let keys expire
// while the sequence lasts, or take out what chance says, or give a part of what
// is there, or say where the store is.
var risky = []string{"BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD", "XREADGROUP", "WAIT", "EXPIRE", "PEXPIRE", "SETEX", "PSETEX", "SPOP", "SCAN", "SSCAN", "HSCAN", "ZSCAN", "CONFIG", "XADD"}

// misuse makes a request of any command, or of none, with any arguments.
func (g *generator) misuse() []string {
	name := pick(g.phrasebook, g.names)
	for beginsWithAny(name, risky) || strings.HasSuffix(strings.ToUpper(name), "SUBSCRIBE") {
		name = pick(g.phrasebook, g.names)
	}
	if g.oneIn(8) {
		name = pick(g.phrasebook, []string{"NOSUCH", "hmgett", "x\r\ny", "HGETX", "h\x00get", strings.Repeat("n", 200)})
	}
	args := []string{name}
	for range g.IntN(6) {
		args = append(args, g.request("( <word> | <k> | <i> )")...)
	}
	return args
}

func beginsWithAny(name string, of []string) bool {
	for _, one := range of {
		if strings.EqualFold(name, one) {
			return true
		}
	}
	return false
}

func (g *generator) spelled(name string) string {
	switch g.IntN(6) {
	case 0:
		return strings.ToLower(name)
	case 1:
		if len(name) > 1 {
			return strings.ToLower(name[:1]) + name[1:]
		}
	}
	return name
}

// follow keeps up with what a request does to a connection.
func (g *generator) follow(n int, args []string) {
	switch name := strings.ToUpper(args[0]); {
	case (name == "RESET" && len(args) == 1) || name == "QUIT":
		g.multi[n], g.subscribed[n] = false, false
	case name == "MULTI" && len(args) == 1:
		g.multi[n] = true
	case name == "EXEC" || name == "DISCARD":
		g.multi[n] = g.multi[n] && len(args) > 1
	case strings.HasSuffix(name, "SUBSCRIBE"):
		g.subscribed[n] = true
	case beginsWith(args, "CLIENT REPLY"):
		g.silent = true
	}
}
