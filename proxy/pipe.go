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

// endPipe ends the client's connection because the store ended its own.
func (c *client) endPipe() {
	c.out.Wait()
	_ = c.nc.Close()
}
