package proxy

import (
	"fmt"

	"github.com/fsproxy/fsproxy/proxy/command"
)

// startPipe makes the connection a pure pipe to a store node: from a command on
// after which replies no longer pair with requests (SUBSCRIBE, MONITOR …),
// bytes pass both ways as they are until either side ends.
func (c *client) startPipe(cmd *command.Command, args [][]byte, raw []byte) error {
	if c.txn.open {
		return c.forward(cmd, args, raw) // queued or refused, in the store's words
	}
	node, err := c.nodeOf(cmd.RouteKeys(args, nil))
	if err != nil {
		c.refuse(c.session.Owed(), err)
		return nil
	}
	if err := c.waitBelow(1); err != nil {
		return err
	}
	t, err := c.tunnelTo(node)
	if err != nil {
		c.refuse(c.session.Owed(), err)
		return nil
	}
	c.server.other.add(cmd.Name, "tunnel")
	c.session.PubSub = true
	c.session.Publish()
	t.setPiped()
	c.pipe = t
	return t.pass(raw)
}

func (t *tunnel) setPiped() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.piped = true
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
