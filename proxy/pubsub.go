package proxy

import (
	"bytes"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// A client's subscriptions have a connection to the store of their own, beside
// its tunnels: messages come there, and everything else goes on as before.
//
// A command that changes subscriptions is answered by one message a channel, in
// version 2 among the replies, in version 3 out of band. Where these end cannot
// be told from the command alone, so a PING follows it: what comes before its
// reply is the answer. In version 2 the PING's reply also says, by its shape,
// whether the connection is subscribed to anything now, and so whether the
// client may ask for anything else.

// subscription handles SUBSCRIBE, UNSUBSCRIBE and their like. In a transaction,
// or where the client wants no replies, the store alone can say what happens:
// the connection becomes a pipe.
func (c *client) subscription(cmd *command.Command, args [][]byte, raw []byte) error {
	switch {
	case c.opaque != nil || c.txn.active():
		return c.startPipe(cmd, args, raw)
	case !cmd.ArityOK(len(args)), cmd.Class == command.Local && !c.hasSubscribers():
		return c.answer(cmd, args, raw)
	case c.session.Silent():
		return c.startPipe(cmd, args, raw)
	}
	owed := c.session.Owed()
	t, err := c.subscriber(cmd, args)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	if err := c.waitBelow(1); err != nil {
		return err
	}
	c.server.other.add(cmd.Name, "tunnel")
	slot, err := c.replies.reserve(nil)
	if err != nil {
		return err
	}
	t.send(append(bytes.Clone(raw), "*2\r\n$4\r\nPING\r\n$8\r\nfsproxy?\r\n"...),
		passing{owed: true, slot: slot, subscribes: true}, passing{})
	t.flush()
	err = c.replies.waitBelow(1)
	if !t.isSubscribed() {
		t = c.anySubscribed()
	}
	c.subscribed = nil
	if c.session.Proto == resp.V2 {
		c.subscribed = t
	}
	c.session.PubSub = t != nil
	c.session.Publish()
	return err
}

// anySubscribed returns a connection that holds subscriptions; nil: none does.
func (c *client) anySubscribed() *tunnel {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	for _, t := range c.subscribers {
		if t.isSubscribed() {
			return t
		}
	}
	return nil
}

// whileSubscribed handles a request of a client that speaks version 2 and is
// subscribed: the store refuses nearly all of them, in its own words.
func (c *client) whileSubscribed(cmd *command.Command, args [][]byte, raw []byte) error {
	switch {
	case cmd != nil && isSubscription(cmd):
		return c.subscription(cmd, args, raw)
	case cmd != nil && (cmd.Name == "quit" || cmd.Name == "reset"):
		return c.answer(cmd, args, raw)
	}
	return c.pass(c.subscribed, passing{owed: c.session.Owed()}, raw)
}

// subscriber returns the connection that holds the subscriptions of a command's
// kind: one for channels and patterns, one for the shard channels of each node.
func (c *client) subscriber(cmd *command.Command, args [][]byte) (*tunnel, error) {
	keys := cmd.RouteKeys(args, nil)
	node, err := c.nodeOf(keys)
	if err != nil {
		return nil, err
	}
	name := ""
	if len(keys) > 0 {
		name = node
	}
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	if c.ended {
		return nil, net.ErrClosed
	}
	if cmd.Name == "sunsubscribe" && len(keys) == 0 {
		// All shard channels. Those of several nodes are left one node at a time.
		for _, t := range c.subscribers {
			if t.hasShardChannels() {
				return t, nil
			}
		}
	}
	if t, ok := c.subscribers[name]; ok && !t.lost() {
		return t, nil
	}
	t, err := c.dialTunnel(node)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.subscriber, t.stateful = true, true
	t.mu.Unlock()
	if c.subscribers == nil {
		c.subscribers = make(map[string]*tunnel)
	}
	c.subscribers[name] = t
	return t, nil
}

func (c *client) hasSubscribers() bool {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	return len(c.subscribers) > 0
}

// leaveSubscriptions has the store end them. What was asked or published before
// arrives first, and the store counts them no more once the client is told that
// they have ended.
func (c *client) leaveSubscriptions() error {
	c.tunnelMu.Lock()
	leaving := slices.Collect(maps.Values(c.subscribers))
	c.tunnelMu.Unlock()
	for _, t := range leaving {
		if err := c.pass(t, passing{}, []byte("*1\r\n$5\r\nRESET\r\n")); err != nil {
			return err
		}
	}
	err := c.waitBelow(1)
	c.endSubscriptions()
	return err
}

// endSubscriptions ends the connections that hold them.
func (c *client) endSubscriptions() {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	for name, t := range c.subscribers {
		t.mu.Lock()
		t.subscriber = false // its end is no loss
		t.mu.Unlock()
		_ = t.nc.Close()
		delete(c.subscribers, name)
	}
	c.subscribed = nil
	c.session.PubSub = false
}

// isSubscribed tells whether any subscription is left, as of the last
// confirmation.
func (t *tunnel) isSubscribed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.channels+t.shardChannels > 0
}

func (t *tunnel) hasShardChannels() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shardChannels > 0 && t.err == nil
}

// published tells whether frame, of a connection that holds subscriptions,
// answers no request: a message, or the confirmation of a subscription, whose
// count it notes.
func (t *tunnel) published(frame []byte) bool {
	if frame[0] != '>' && frame[0] != '*' {
		return false
	}
	line := bytes.IndexByte(frame, '\n') + 1
	if line >= len(frame) || frame[line] != '$' {
		return frame[0] == '>'
	}
	from := line + bytes.IndexByte(frame[line:], '\n') + 1
	kind, _, _ := bytes.Cut(frame[from:], []byte("\r\n"))
	switch string(kind) {
	case "message", "pmessage", "smessage":
		return true
	case "subscribe", "psubscribe", "unsubscribe", "punsubscribe":
		t.channels = lastInteger(frame)
		return true
	case "ssubscribe", "sunsubscribe":
		t.shardChannels = lastInteger(frame)
		return true
	}
	return frame[0] == '>'
}

// lastInteger reads the number at the end of a frame that ends with one.
func lastInteger(frame []byte) int {
	at := bytes.LastIndexByte(frame, ':')
	n, _ := strconv.Atoi(string(bytes.TrimSuffix(frame[at+1:], []byte("\r\n"))))
	return n
}

// answerTo gives an in-band frame to the request that it answers, of those that
// wait. A subscription that was confirmed by messages is over when the reply to
// what follows it comes.
func (t *tunnel) answerTo(frame []byte) (p passing, confirmed *passing, err error) {
	if len(t.waiting) == 0 {
		return p, nil, errors.New("a reply came that nobody asked for")
	}
	p = t.next()
	if p.subscribes && frame[0] != '-' {
		over := p
		if len(t.waiting) == 0 {
			return p, nil, errors.New("a subscription was answered by what is no message")
		}
		return t.next(), &over, nil
	}
	return p, nil, nil
}

// next takes the oldest request that waits.
func (t *tunnel) next() passing {
	p := t.waiting[0]
	t.waiting[0] = passing{}
	t.waiting = t.waiting[1:]
	return p
}
