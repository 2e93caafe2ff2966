package session

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

const defaultUser = "default"

// Session is one connection. Its exported fields belong to the goroutine that
// reads the connection's requests; whoever changes one calls Publish, so that
// CLIENT LIST on other connections sees it.
type Session struct {
	ID            int64
	Remote, Local string
	CreatedAt     time.Time

	Name       string // CLIENT SETNAME
	LibName    string // CLIENT SETINFO
	LibVersion string
	User       string       // the one authenticated as
	Proto      resp.Version // what replies are written in
	DB         int          // SELECT
	ReadOnly   bool         // READONLY
	NoEvict    bool         // CLIENT NO-EVICT
	PubSub     bool         // a pure pipe by now: set by the connection, for CLIENT LIST
	Identity   any          // what Config.Authenticate returned; nil: nothing

	authenticated bool // or nobody has to be

	// CLIENT REPLY: off is OFF; skipNext is SKIP, meant for the next request;
	// skipping holds while that request is answered.
	off, skipNext, skipping bool

	server *Server
	kill   func()

	// What other goroutines read.
	snapshot    atomic.Pointer[snapshot]
	lastCommand atomic.Pointer[command.Command]
	lastActive  atomic.Int64 // Unix seconds
}

// snapshot is the part of a Session that changes and that others may see. It
// is immutable.
type snapshot struct {
	name, libName, libVersion, user string
	proto                           resp.Version
	db                              int
	readOnly, noEvict, pubSub       bool
}

// Publish makes the fields' present values visible to CLIENT LIST on other
// connections. Answer does it by itself.
func (c *Session) Publish() {
	now := snapshot{
		name: c.Name, libName: c.LibName, libVersion: c.LibVersion, user: c.User,
		proto: c.Proto, db: c.DB,
		readOnly: c.ReadOnly, noEvict: c.NoEvict, pubSub: c.PubSub,
	}
	if old := c.snapshot.Load(); old == nil || *old != now {
		fresh := now // a copy, so that only a change allocates
		c.snapshot.Store(&fresh)
	}
}

// Note records the command that the connection now runs, for CLIENT LIST. nil
// leaves the last one. Answer notes its own; for others once a read is enough.
func (c *Session) Note(cmd *command.Command, at time.Time) {
	if cmd != nil && c.lastCommand.Load() != cmd {
		c.lastCommand.Store(cmd)
	}
	if sec := at.Unix(); c.lastActive.Load() != sec {
		c.lastActive.Store(sec)
	}
}

// Owed tells whether the request now taken up is to be answered, and uses up a
// CLIENT REPLY SKIP that was meant for it. The connection calls it once for
// each request that Answer does not answer, and drops the reply where it is
// false.
func (c *Session) Owed() bool {
	c.skipping, c.skipNext = c.skipNext, false
	return !c.off && !c.skipping
}

// Silent tells whether CLIENT REPLY is in the way of the next reply, without
// using anything up.
func (c *Session) Silent() bool { return c.off || c.skipNext }

// Effect is what a connection has to do after an answer.
type Effect uint8

// The effects, any number of them at once.
const (
	// Close: send what is to be sent, then close (QUIT, CLIENT KILL of itself).
	Close Effect = 1 << iota
	// Reset: drop the tunnel and whatever state it had: transaction, watches.
	Reset
	// DBChanged: DB is another; a tunnel has to follow.
	DBChanged
	// ProtoChanged: Proto is another; a tunnel has to follow.
	ProtoChanged
	// AuthChanged: User or Identity is another; a tunnel has to follow.
	AuthChanged
	// Forward: not for the proxy to answer after all. Nothing was appended and
	// nothing used up: handle the request as if it were of class Tunnel.
	Forward
	// Pushed: what was appended is a message, which CLIENT REPLY does not hold
	// back.
	Pushed
)

var effectNames = [...]string{"close", "reset", "db", "proto", "auth", "forward", "pushed"}

// String names the effects, for logs and tests.
func (e Effect) String() string {
	var names []string
	for i, name := range effectNames {
		if e&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// handler answers one command whose number of arguments is right.
type handler func(c *Session, out []byte, args [][]byte) ([]byte, Effect)

// handlers has the answer to every command of class Local, by its full name. A
// test holds it to the table.
var handlers map[string]handler

func init() { // not a literal: some handlers read the map that it fills
	handlers = map[string]handler{}
	for _, family := range []map[string]handler{
		connectionHandlers, helloHandlers, clientHandlers, commandHandlers,
		configHandlers, infoHandlers, clusterHandlers, unsubscribeHandlers,
	} {
		for name, h := range family {
			handlers[name] = h
		}
	}
}

// Answer appends the reply to a request of class Local or Refused: exactly
// one, none where CLIENT REPLY wants none, none with Forward. args is the whole
// request, the command's name first; cmd is what Lookup or Resolve made of it,
// nil for an unknown command, which gets Redis' error.
func (c *Session) Answer(out []byte, cmd *command.Command, args [][]byte) ([]byte, Effect) {
	start := len(out)
	c.skipping, c.skipNext = c.skipNext, false
	proto, db, user, identity := c.Proto, c.DB, c.User, c.Identity

	out, effect := c.answer(out, cmd, args)
	if effect&Forward != 0 {
		c.skipNext = c.skipping
		return out[:start], Forward
	}
	if (c.off || c.skipping) && effect&Pushed == 0 {
		out = out[:start]
	}
	if c.Proto != proto {
		effect |= ProtoChanged
	}
	if c.DB != db {
		effect |= DBChanged
	}
	if c.User != user || c.Identity != identity {
		effect |= AuthChanged
	}
	c.Publish()
	return out, effect
}

// answer finds the subcommand, checks as Redis does before it runs a command,
// and calls the handler.
func (c *Session) answer(out []byte, cmd *command.Command, args [][]byte) ([]byte, Effect) {
	if cmd == nil {
		return AppendUnknownCommand(out, args), 0
	}
	if cmd.Subcommands != nil && len(args) > 1 {
		sub := cmd.Subcommand(args[1])
		if sub == nil {
			return appendUnknownSubcommand(out, args), 0
		}
		cmd = sub
	}
	if !cmd.ArityOK(len(args)) {
		return AppendWrongArity(out, cmd), 0
	}
	c.Note(cmd, c.server.config.Now())
	if cmd.Class == command.Refused {
		return AppendRefused(out, cmd), 0
	}
	h := handlers[cmd.Name]
	if h == nil {
		return out, Forward
	}
	return h(c, out, args)
}
