package proxy

import (
	"errors"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
)

// transaction is what MULTI and WATCH have begun. Its commands belong to one
// node, and to one connection to it: a new one would know of neither.
type transaction struct {
	open     bool    // MULTI was answered, EXEC or DISCARD not seen
	watching bool    // WATCH was forwarded
	tunnel   *tunnel // of that node; nil: no key has named it yet
	sent     bool    // the node knows of the MULTI
	broken   bool    // a command could not be queued: EXEC must fail

	// While holding, it has reads alone, which the store does not know of.
	holding   bool
	held      []heldRead
	heldBytes int  // that their requests have
	crossed   bool // reads that were held belong to several nodes

	// queue has what becomes of the answers, where the client wants them decoded;
	// nil: it wants them as they are.
	queue *queue

	writes []string // keys that EXEC will write
	whole  bool     // it may write any key
}

// active tells whether requests have to go through the transaction's tunnel.
func (t *transaction) active() bool { return t.open || t.watching }

// noteWrites remembers what EXEC will write.
func (t *transaction) noteWrites(p passing) {
	if t.open {
		t.writes = append(t.writes, p.keys...)
		t.whole = t.whole || p.whole
	}
}

func isTransaction(cmd *command.Command) bool {
	switch cmd.Name {
	case "multi", "exec", "discard", "watch", "unwatch":
		return true
	}
	return false
}

var errTransactionLost = errors.New("the connection to the store that held the transaction was lost")

// transact handles MULTI, EXEC, DISCARD, WATCH and UNWATCH. MULTI is answered
// here where reads may follow that need no store, or the store is several nodes,
// and sent on when something has to be.
func (c *client) transact(cmd *command.Command, args [][]byte, raw []byte) error {
	if !cmd.ArityOK(len(args)) {
		return c.forward(cmd, args, raw)
	}
	switch cmd.Name {
	case "multi":
		return c.multi(cmd, args, raw)
	case "exec", "discard":
		return c.endTransaction(cmd, args, raw)
	case "watch":
		if c.txn.open && !c.txn.sent {
			c.refuse(c.session.Owed(), errWatchInMulti)
			return nil
		}
		if c.txn.open {
			return c.forward(cmd, args, raw) // an error, in the store's words
		}
		c.txn.watching = true
		return c.forward(cmd, args, raw)
	}
	if c.txn.open {
		return c.forward(cmd, args, raw)
	}
	defer func() { c.txn = transaction{} }()
	if c.txn.tunnel == nil {
		return c.say("+OK\r\n")
	}
	return c.forward(cmd, args, raw)
}

// say answers with a line of Redis' own.
func (c *client) say(line string) error {
	if c.session.Owed() {
		c.reply = append(c.reply, line...)
	}
	return nil
}

func (c *client) multi(cmd *command.Command, args [][]byte, raw []byte) error {
	if c.txn.open {
		if c.txn.sent {
			return c.forward(cmd, args, raw)
		}
		c.refuse(c.session.Owed(), errNested)
		return nil
	}
	cacheable := c.bypass() == bypassNot
	if c.txn.tunnel == nil && (cacheable || c.server.severalNodes()) {
		c.txn.open, c.txn.holding = true, cacheable
		c.server.other.add(cmd.Name, "local")
		return c.say("+OK\r\n")
	}
	c.txn.open, c.txn.sent = true, true
	return c.forward(cmd, args, raw)
}

// abort is why EXEC of a transaction that is broken fails: Redis Cluster looks
// at the slots first.
func (t *transaction) abort() redisError {
	if t.crossed {
		return errCrossSlot
	}
	return errExecAbort
}

// severalNodes tells whether commands on different keys may belong to different
// nodes.
func (s *Server) severalNodes() bool {
	t, _ := s.upstream.Topology()
	return t != nil && t.Kind != cluster.Standalone
}

const discard = "*1\r\n$7\r\nDISCARD\r\n"

func (c *client) endTransaction(cmd *command.Command, args [][]byte, raw []byte) error {
	txn := c.txn
	if !txn.open {
		return c.forward(cmd, args, raw)
	}
	exec := cmd.Name == "exec"
	lost := txn.tunnel != nil && txn.tunnel.lost()
	switch {
	case exec && (txn.broken || lost):
		c.txn = transaction{}
		if txn.sent && !lost {
			if err := c.pass(txn.tunnel, passing{}, []byte(discard)); err != nil {
				return err
			}
		}
		c.refuse(c.session.Owed(), txn.abort())
		return nil
	case exec && len(txn.held) > 0:
		c.txn = transaction{}
		return c.execHeld(txn.held, raw)
	case !exec && lost:
		c.txn = transaction{}
		return c.say("+OK\r\n")
	case !txn.sent && exec:
		c.txn = transaction{}
		return c.say("*0\r\n")
	case !txn.sent:
		c.txn = transaction{}
		return c.say("+OK\r\n")
	}
	p := passing{owed: c.session.Owed(), pinned: true}
	if exec {
		p.write, p.keys, p.whole = true, txn.writes, txn.whole
		p.queue, p.exec = txn.queue, true
	}
	c.txn = transaction{}
	return c.pass(txn.tunnel, p, raw)
}

// transactOpaque does the same where the connection's state is not known here:
// the store judges everything, but what EXEC writes has to be known, and a
// command that was refused here has to fail it.
func (c *client) transactOpaque(cmd *command.Command, args [][]byte, raw []byte) error {
	txn := &c.txn
	if !cmd.ArityOK(len(args)) {
		return c.forward(cmd, args, raw)
	}
	if cmd.Name != "exec" {
		txn.open = txn.open && cmd.Name != "discard" || cmd.Name == "multi"
		return c.forward(cmd, args, raw)
	}
	owed := c.session.Owed()
	p := passing{owed: owed, write: true, keys: txn.writes, whole: txn.whole, queue: txn.queue, exec: true}
	broken := txn.broken
	txn.open, txn.broken, txn.writes, txn.whole, txn.queue = false, false, nil, false, nil
	t, err := c.tunnelFor(nil)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	if !broken {
		return c.pass(t, p, raw)
	}
	if err := c.pass(t, passing{}, []byte(discard)); err != nil {
		return err
	}
	c.refuse(owed, errExecAbort)
	return nil
}

// tunnelFor returns the tunnel for a command with these keys: the one of the
// transaction, if there is one, which must then be the right one.
func (c *client) tunnelFor(keys [][]byte) (*tunnel, error) {
	if c.subscribed != nil {
		return c.subscribed, nil
	}
	if c.opaque != nil {
		if c.opaque.lost() {
			return nil, errTransactionLost
		}
		return c.opaque, nil
	}
	txn := &c.txn
	if txn.holding {
		if err := c.release(); err != nil {
			return nil, err
		}
	}
	if !txn.active() {
		node, err := c.nodeOf(keys)
		if err != nil {
			return nil, err
		}
		return c.tunnelTo(node)
	}
	if txn.tunnel != nil && txn.tunnel.lost() {
		return nil, errTransactionLost
	}
	if txn.tunnel != nil && len(keys) == 0 {
		return txn.tunnel, nil
	}
	node, err := c.nodeOf(keys)
	if err != nil {
		return nil, err
	}
	if txn.tunnel == nil {
		if txn.tunnel, err = c.tunnelTo(node); err != nil {
			return nil, err
		}
		txn.tunnel.holdState()
	}
	if txn.tunnel.addr != node {
		return nil, errCrossSlot
	}
	if txn.open && !txn.sent {
		txn.sent = true
		if err := c.tellOf(txn.tunnel, nil, bypassTransaction); err != nil {
			return nil, err
		}
	}
	return txn.tunnel, nil
}
