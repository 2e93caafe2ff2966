package proxy

import (
	"errors"
	"strings"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/proxy/session"
	"github.com/fsproxy/fsproxy/resp"
)

// dispatch handles a request that is not a read in the form that readHead
// knows. Neither args nor raw, the same request as it came, is kept.
func (c *client) dispatch(args [][]byte, raw []byte) error {
	cmd := command.Resolve(args)
	if cmd == nil && isHTTP(args[0]) {
		c.server.log.Warn("closed a connection that speaks HTTP: a web page may be trying to reach the store through a browser",
			"client", c.session.Remote)
		return errHTTP
	}
	if !c.session.Admits(cmd) {
		c.turnAway(cmd, args)
		return nil
	}
	if c.subscribed != nil {
		return c.whileSubscribed(cmd, args, raw)
	}
	if cmd == nil {
		return c.forward(nil, args, raw) // the store may know it
	}
	c.session.Note(cmd, c.server.clock.Time(c.now))
	switch {
	case cmd.Class == command.Refused:
		c.txn.broken = c.txn.open
		return c.answer(cmd, args, raw)
	case c.presentsOwn(cmd, args):
		c.txn.broken = c.txn.open
		c.refuse(c.session.Owed(), errNotInTransaction(cmd))
		return nil
	case readsByName(cmd):
		return c.featuresRead(cmd, args)
	case c.opaque != nil && leaves(cmd, args):
		return c.answer(cmd, args, raw)
	case cmd.Name == "client|reply":
		return c.replyMode(cmd, args, raw)
	case c.opaque != nil && isTransaction(cmd):
		return c.transactOpaque(cmd, args, raw)
	case c.opaque != nil && (cmd.Class == command.Stream || isSubscription(cmd)):
		return c.startPipe(cmd, args, raw)
	case c.opaque != nil:
		if err := c.nameOpaque(); err != nil {
			return err
		}
		return c.forward(cmd, args, raw)
	case isTransaction(cmd):
		return c.transact(cmd, args, raw)
	case c.txn.active() && changesState(cmd) && cmd.ArityOK(len(args)):
		err := c.forward(cmd, args, raw)
		c.opaque = c.txn.tunnel
		c.unnamed = cmd.Name != "hello" || len(args) <= 2 // HELLO may name it
		return err
	case c.txn.open && !leaves(cmd, args):
		return c.queue(cmd, args, raw)
	}
	if isSubscription(cmd) {
		return c.subscription(cmd, args, raw)
	}
	switch cmd.Class {
	case command.Cached:
		if !cmd.ArityOK(len(args)) {
			return c.answer(cmd, args, raw)
		}
		return c.readNew(args, cmd.Name == "hget", raw)
	case command.Local, command.Refused:
		return c.answer(cmd, args, raw)
	case command.Stream:
		return c.startPipe(cmd, args, raw)
	}
	return c.forward(cmd, args, raw)
}

// leaves tells whether a request ends all that the connection is in: RESET and
// QUIT, within a transaction as well. A RESET that is wrong is a mistake like any
// other, which fails the transaction.
func leaves(cmd *command.Command, args [][]byte) bool {
	return (cmd.Name == "quit" || cmd.Name == "reset") && cmd.ArityOK(len(args))
}

// queue forwards a request within MULTI: the store queues it, whatever it is.
func (c *client) queue(cmd *command.Command, args [][]byte, raw []byte) error {
	if cmd.Class == command.Cached && cmd.ArityOK(len(args)) {
		if c.holdNew(args, cmd.Name == "hget") {
			return nil
		}
		return c.forwardRead(bypassTransaction, args[1], len(args)-2, cmd.Name == "hget", raw)
	}
	if isSubscription(cmd) && !c.txn.broken {
		return c.startPipe(cmd, args, raw)
	}
	return c.forward(cmd, args, raw)
}

// isHTTP tells whether a command is the beginning of an HTTP request, which
// Redis knows by the same two words, and hangs up without a word.
func isHTTP(name []byte) bool {
	return strings.EqualFold(string(name), "post") || strings.EqualFold(string(name), "host:")
}

var errHTTP = errors.New("an HTTP request")

// changesState tells whether a command, between WATCH or MULTI and EXEC, changes
// what the store's connection is to the client without the proxy's knowing.
func changesState(cmd *command.Command) bool {
	switch cmd.Name {
	case "select", "hello", "auth":
		return true
	}
	return false
}

// nameOpaque tells the store the client's name, for which it may be asked from
// here on; within MULTI that would become a part of the transaction.
func (c *client) nameOpaque() error {
	if !c.unnamed || c.txn.open {
		return nil
	}
	c.unnamed = false
	return c.nameTunnel(c.opaque)
}

// replyMode handles CLIENT REPLY, which is never the store's: its replies are
// always awaited here, whether or not the client is to see them. As part of a
// transaction it would cut the reply to EXEC off in the middle.
func (c *client) replyMode(cmd *command.Command, args [][]byte, raw []byte) error {
	if !c.txn.open {
		return c.answer(cmd, args, raw)
	}
	c.txn.broken = true
	c.refuse(c.session.Owed(), errReplyInTransaction)
	return nil
}

var errReplyInTransaction = errors.New("CLIENT REPLY cannot be part of a transaction")

// answer answers a request here.
func (c *client) answer(cmd *command.Command, args [][]byte, raw []byte) error {
	var effect session.Effect
	if !cmd.ArityOK(len(args)) && cmd.Class == command.Cached {
		if c.session.Owed() {
			c.reply = session.AppendWrongArity(c.reply, cmd)
		}
		c.server.other.add(cmd.Name, "error")
		return nil
	}
	if c.mayAskStore(cmd) {
		// What came before must not wait for it too.
		if err := c.flush(); err != nil {
			return err
		}
	}
	if leaves(cmd, args) && c.hasSubscribers() {
		if err := c.leaveSubscriptions(); err != nil {
			return err
		}
	}
	before := len(c.reply)
	if c.reply, effect = c.session.Answer(c.reply, cmd, args); effect&session.Forward != 0 {
		return c.forward(cmd, args, raw)
	}
	outcome := "local"
	if len(c.reply) > before && c.reply[before] == '-' {
		outcome = "error"
	}
	c.server.other.add(cmd.Name, outcome)
	if effect&session.Close != 0 {
		return errLeaving
	}
	if effect&(session.Reset|session.DBChanged|session.ProtoChanged) != 0 ||
		effect&session.AuthChanged != 0 && c.session.Identity != nil {
		return c.renewTunnels(effect&session.Reset != 0)
	}
	return nil
}

// renewTunnels lets go of connections to the store that were made for another
// database or protocol version, once they have answered what they owe.
func (c *client) renewTunnels(reset bool) error {
	if reset {
		c.txn, c.opaque = transaction{}, nil
	}
	if reset || c.session.Proto != c.proto {
		c.endSubscriptions()
	}
	if c.hasTunnels() {
		if err := c.waitBelow(1); err != nil {
			return err
		}
	}
	c.closeTunnels()
	return nil
}

// forward sends a request through the tunnel of the node that it belongs to.
// cmd is nil for a command that is in no table.
func (c *client) forward(cmd *command.Command, args [][]byte, raw []byte) error {
	if cmd != nil {
		if done, err := c.scatter(cmd, args, raw); done {
			return err
		}
	}
	owed := c.session.Owed()
	name := "unknown"
	var keys [][]byte
	if cmd != nil {
		name = cmd.Name
		keys = cmd.RouteKeys(args, c.keys[:0])
	} else {
		// The first argument is a key of most commands.
		keys = append(c.keys[:0], args[1:min(2, len(args))]...)
	}
	c.server.other.add(name, "tunnel")
	defer func() { clear(keys[:cap(keys)]); c.keys = keys[:0] }()

	t, err := c.tunnelFor(keys)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	p := writes(cmd, args)
	p.owed = owed
	p.blocks = cmd != nil && cmd.Flags&command.FlagBlocking != 0
	return c.pass(t, p, raw)
}

// writes says what a request writes. What a command that is in no table names
// may be written by it.
func writes(cmd *command.Command, args [][]byte) (p passing) {
	written := args[1:]
	if cmd != nil {
		p.whole = cmd.WholeKeyspace
		if cmd.Class != command.Write {
			return p
		}
		if !isScript(cmd) {
			written = cmd.Written(args, nil)
		}
	}
	p.write = true
	for _, k := range written {
		p.keys = append(p.keys, string(k))
	}
	return p
}

// isScript tells whether a command runs code that may write keys which it did
// not declare. Those among its arguments are invalidated too; keys that the code
// makes up by itself cannot be known.
func isScript(cmd *command.Command) bool {
	switch cmd.Name {
	case "eval", "evalsha", "fcall":
		return true
	}
	return false
}

// cannotForward answers a request that has no tunnel. A transaction cannot
// succeed without it; a connection whose state was lost is ended.
func (c *client) cannotForward(owed bool, err error) error {
	c.txn.broken = c.txn.open
	c.refuse(owed, err)
	if c.opaque != nil && c.opaque.lost() {
		return errLeaving
	}
	return nil
}

// forwardRead forwards an HMGET or HGET that does not go through the cache.
func (c *client) forwardRead(why bypassReason, entity []byte, fields int, single bool, raw []byte) error {
	c.counts.bypass(why, single, fields)
	p := passing{owed: c.session.Owed()}
	t, err := c.tunnelFor([][]byte{entity})
	if err != nil {
		return c.cannotForward(p.owed, err)
	}
	return c.pass(t, p, raw)
}

// refuse answers a request with an error.
func (c *client) refuse(owed bool, err error) {
	if owed {
		c.reply = resp.AppendError(c.reply, errorText(err))
	}
}

// errorText is what a client is told of an error: Redis' own words as they are,
// ours marked as such.
func errorText(err error) string {
	var redis redisError
	if errors.As(err, &redis) {
		return string(redis)
	}
	return "ERR fsproxy: " + err.Error()
}

// redisError is an error in Redis' own words.
type redisError string

func (e redisError) Error() string { return string(e) }

const (
	errCrossSlot redisError = "CROSSSLOT Keys in request don't hash to the same slot"
	errExecAbort redisError = "EXECABORT Transaction discarded because of previous errors."
	errNested    redisError = "ERR MULTI calls can not be nested"
	// errWatchInMulti, like errNested, does not make EXEC fail.
	errWatchInMulti redisError = "ERR WATCH inside MULTI is not allowed"
	// errMoved is for a request that cannot follow its slot to another node:
	// clients know no nodes, and those that know of slots try again at this.
	errMoved redisError = "TRYAGAIN The hash slot of this request has moved to another node"
)

// nodeOf returns the node that a command with these keys belongs to.
func (c *client) nodeOf(keys [][]byte) (string, error) {
	up := c.server.upstream
	if len(keys) == 0 {
		return up.Route(-1)
	}
	node, err := up.Route(int(cluster.Slot(keys[0])))
	if err != nil {
		return "", err
	}
	for _, k := range keys[1:] {
		if other, err := up.Route(int(cluster.Slot(k))); err != nil {
			return "", err
		} else if other != node {
			return "", errCrossSlot
		}
	}
	return node, nil
}

// pass hands a request to a tunnel, in order with the reads of this connection.
func (c *client) pass(t *tunnel, p passing, raw []byte) error {
	if c.view.Decoded {
		c.shapes(&p, raw)
	}
	if err := c.place(&p); err != nil {
		return err
	}
	if !p.pinned && !c.txn.active() && c.opaque == nil && c.server.severalNodes() {
		p.raw = append([]byte(nil), raw...)
	}
	t.send(raw, p)
	if t.out.Waiting() > maxUnsent {
		return c.waitBelow(1)
	}
	return nil
}

// place takes the place in line of a request that is about to be sent.
func (c *client) place(p *passing) error {
	if p.write {
		// Reads before it must have been answered, or they could see it.
		if c.fetching.Load() > 0 {
			if err := c.waitBelow(1); err != nil {
				return err
			}
		}
		c.txn.noteWrites(*p)
		c.server.writing.Add(1)
		c.invalidate(*p)
		c.writing.Add(1)
	}
	if c.replies.count() >= c.server.tuned.Load().MaxInFlight {
		if err := c.waitBelow(c.server.tuned.Load().MaxInFlight); err != nil {
			return err
		}
	}
	// One that is not owed has a place as well, though nothing comes of it: it is
	// waited for and bounded like any other.
	slot, err := c.replies.reserve(c.reply)
	c.reply = c.reply[:0]
	if err != nil {
		return err
	}
	p.slot = slot
	if p.blocks {
		c.blocking.Add(1)
	}
	return nil
}

// maxUnsent is how much may wait for a store that does not read, in bytes; then
// the client waits. It keeps the kernel's buffers busy meanwhile.
const maxUnsent = 1 << 20

// invalidate drops from the cache what a write touches.
func (c *client) invalidate(p passing) {
	s := c.server
	if p.whole {
		s.cache.InvalidateAll(s.tuned.Load().WriteSettle)
	}
	for _, k := range p.keys {
		s.cache.Invalidate([]byte(k), s.tuned.Load().WriteSettle)
	}
	if s.cfg.Wrote != nil {
		s.cfg.Wrote()
	}
}
