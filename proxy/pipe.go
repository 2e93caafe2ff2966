package proxy

import (
	"fmt"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// startPipe makes the connection a pure pipe to a store node: from a command on
// after which replies no longer pair with requests (MONITOR, SYNC, or SUBSCRIBE
// as part of a transaction), bytes pass both ways as they are until either side
// ends.
func (c *client) startPipe(cmd *command.Command, args [][]byte, raw []byte) error {
	if c.txn.open && !isSubscription(cmd) {
		return c.forward(cmd, args, raw) // queued or refused, in the store's words
	}
	owed := c.session.Owed()
	t, err := c.pipeTunnel(cmd, args)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	if !c.txn.open && (c.opaque == nil || c.unnamed) {
		if err := c.nameTunnel(t); err != nil {
			return err
		}
	}
	if err := c.waitBelow(1); err != nil {
		return err
	}
	c.server.other.add(cmd.Name, "tunnel")
	c.session.PubSub = true
	c.session.Publish()
	t.setPiped()
	c.pipe = t
	if c.session.Silent() && !c.txn.open {
		if err := t.pass([]byte(replyOff)); err != nil {
			return err
		}
	}
	return t.pass(raw)
}

const replyOff = "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"

// nameTunnel tells the store the client's name, if it has one.
func (c *client) nameTunnel(t *tunnel) error {
	if c.session.Name == "" {
		return nil
	}
	return c.pass(t, passing{}, resp.AppendCommand(nil, "CLIENT", "SETNAME", c.session.Name))
}

// isSubscription tells whether a command has replies that do not pair with
// requests even as part of a transaction: one for each channel.
func isSubscription(cmd *command.Command) bool {
	switch cmd.Name {
	case "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe":
		return true
	}
	return false
}

// pipeTunnel returns the tunnel that the connection becomes a pipe to.
func (c *client) pipeTunnel(cmd *command.Command, args [][]byte) (*tunnel, error) {
	if c.opaque != nil {
		return c.tunnelFor(nil)
	}
	if c.txn.active() {
		return c.tunnelFor(cmd.RouteKeys(args, nil))
	}
	node, err := c.nodeOf(cmd.RouteKeys(args, nil))
	if err != nil {
		return nil, err
	}
	return c.tunnelTo(node)
}

func (t *tunnel) setPiped() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.piped, t.stateful = true, true
}

func (t *tunnel) isPiped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.piped
}

// pass sends bytes on as they are, at the pace at which the store takes them.
func (t *tunnel) pass(b []byte) error {
	if _, err := t.nc.Write(b); err != nil {
		return fmt.Errorf("pass on to %s: %w", t.addr, err)
	}
	return nil
}

// passOn sends on the requests in b that are whole, and returns their length.
// What they write is invalidated now: their replies cannot be told from
// messages, so settle has to cover the time until they have been carried out.
func (c *client) passOn(b []byte) (int, error) {
	whole := 0
	for whole < len(b) {
		n, err := c.parser.Next(b[whole:])
		if err != nil {
			whole = len(b) // the store's to refuse
			break
		}
		if n == 0 {
			break
		}
		if args := c.parser.Args(); len(args) > 0 {
			c.notePiped(args)
		}
		whole += n
	}
	if whole == 0 {
		return 0, nil
	}
	return whole, c.pipe.pass(b[:whole])
}

// notePiped invalidates what a request that goes through a pipe writes, and
// again at EXEC if it is only queued.
func (c *client) notePiped(args [][]byte) {
	cmd := command.Resolve(args)
	if cmd != nil && !cmd.ArityOK(len(args)) {
		return // changes nothing
	}
	if cmd != nil && cmd.Name == "exec" {
		c.invalidate(passing{keys: c.txn.writes, whole: c.txn.whole})
		c.txn = transaction{}
		return
	}
	if cmd != nil && cmd.Name == "multi" {
		c.txn.open = true
	}
	if p := writes(cmd, args); p.write {
		c.txn.noteWrites(p)
		c.invalidate(p)
	}
}

// endPipe ends the client's connection because the store ended its own.
func (c *client) endPipe() {
	c.out.Wait()
	c.out.Abort()
}
