package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/wire"
)

// tunnel is a client's own connection to one store node, in the client's
// protocol version and database, for all that is not a cached read. Replies
// come in the order of requests.
type tunnel struct {
	client *client
	addr   string
	nc     net.Conn
	out    *wire.Output

	mu      sync.Mutex // protects what follows
	queued  []byte     // requests that were not sent yet
	waiting []passing  // requests that were not answered yet, oldest first
	piped   bool       // replies are passed on as they come
	hungUp  bool       // the store was told that nothing more comes
	// stateful: the store's side of the connection has held a transaction,
	// watches or subscriptions, so that it must not be replaced by another.
	stateful bool
	used     time.Time // when a request was put in line last
	// subscriber: it holds subscriptions, to so many channels and patterns, and
	// to so many shard channels, as of the last confirmation.
	subscriber              bool
	channels, shardChannels int
	err                     error // why the connection ended
}

// passing is a request on its way through a tunnel.
type passing struct {
	owed bool  // the client is to see the reply
	slot *slot // its place in line; nil for what the proxy itself asks
	// blocks: it may wait for another client to do something.
	blocks bool
	// subscribes: messages answer it; see pubsub.go.
	subscribes bool
	write      bool
	keys       []string // that it may write
	whole      bool     // it may write any key
	raw        []byte   // kept where the store may send it to another node
	hops       int      // times that it was
	pinned     bool     // it belongs to a transaction, and so to no other node

	join     *join     // not nil: it is a part of a request
	part     int       // which one
	filling  *filling  // not nil: its reply fills the cache
	decoding *decoding // not nil: makes of its reply what the client gets
	queue    *queue    // not nil: that of the transaction it belongs to
	exec     bool      // it is that transaction's EXEC
}

// maxHops bounds how often a request is sent on to where MOVED or ASK points.
const maxHops = 5

// tunnelTo returns the tunnel to the node at addr, connecting it if need be.
func (c *client) tunnelTo(addr string) (*tunnel, error) {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	if c.ended {
		return nil, net.ErrClosed
	}
	if t, ok := c.tunnels[addr]; ok && !t.lost() {
		return t, nil
	}
	t, err := c.dialTunnel(addr)
	if err != nil {
		return nil, err
	}
	c.tunnels[addr] = t
	return t, nil
}

// dialTunnel connects as the client's user and speaks its protocol version and
// database.
// The client's state is read under tunnelMu, which renewTunnels and this hold.
func (c *client) dialTunnel(addr string) (*tunnel, error) {
	s := c.server
	nc, err := c.dialStore(addr)
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	t := &tunnel{client: c, addr: addr, nc: nc, used: time.Now(), out: wire.NewOutput(nc, s.tuned.Load().Limits.RequestBytes+maxUnsent+sendAt)}
	if err := t.greet(c.proto, c.db); err != nil {
		_ = nc.Close()
		return nil, err
	}
	if s.tuned.Load().TunnelIdle > 0 {
		_ = nc.SetReadDeadline(time.Now().Add(s.tuned.Load().TunnelIdle))
	}
	c.wg.Go(t.run)
	return t, nil
}

// greetTimeout is how long a node that took the connection may take to agree to
// it: a bound for one that hangs, not for one that is busy.
const greetTimeout = time.Second

func (t *tunnel) greet(proto resp.Version, db int) error {
	if err := t.nc.SetDeadline(time.Now().Add(greetTimeout)); err != nil {
		return err
	}
	if proto == resp.V3 {
		if _, err := cluster.Ask1(t.nc, "HELLO", "3"); err != nil {
			return fmt.Errorf("the store refuses protocol version 3: %w", err)
		}
	}
	if db != 0 {
		if _, err := cluster.Ask1(t.nc, "SELECT", strconv.Itoa(db)); err != nil {
			return fmt.Errorf("the store refuses database %d: %w", db, err)
		}
	}
	return t.nc.SetDeadline(time.Time{})
}

// lost tells whether the connection has ended.
func (t *tunnel) lost() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil
}

// send puts requests in line, behind one another. They leave at the next flush,
// or now if they are many bytes.
func (t *tunnel) send(raw []byte, requests ...passing) {
	t.mu.Lock()
	if t.err != nil {
		err := t.err
		t.mu.Unlock()
		if errors.Is(err, errIdle) {
			if again, dialErr := t.client.tunnelTo(t.addr); dialErr == nil {
				again.send(raw, requests...)
				return
			} else {
				err = dialErr
			}
		}
		for _, p := range requests {
			t.client.gaveUp(p, err)
		}
		t.client.replies.Flush()
		return
	}
	t.used = time.Now()
	t.waiting = append(t.waiting, requests...)
	t.queued = append(t.queued, raw...)
	if len(t.queued) >= sendAt {
		t.flushLocked()
	}
	t.mu.Unlock()
}

func (t *tunnel) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flushLocked()
}

// flushLocked sends what is queued. An error ends the connection, and run gives
// up what waits.
func (t *tunnel) flushLocked() {
	if len(t.queued) > 0 && t.err == nil {
		_ = t.out.Write(t.queued)
	}
	if t.queued = t.queued[:0]; cap(t.queued) > 2*sendAt {
		t.queued = nil
	}
}

// run gives out replies until the connection ends.
func (t *tunnel) run() {
	err := t.read()
	_ = t.nc.Close()
	t.mu.Lock()
	if t.err == nil {
		t.err = fmt.Errorf("the connection to %s ended: %w", t.addr, err)
	}
	waiting, hungUp := t.waiting, t.hungUp
	loss := t.piped || t.subscriber && t.channels+t.shardChannels > 0
	t.waiting = nil
	t.mu.Unlock()
	for _, p := range waiting {
		p.owed = p.owed && !hungUp
		t.client.gaveUp(p, t.err)
	}
	t.client.replies.Flush()
	if loss {
		t.client.endPipe()
	}
	t.out.Wait()
}

func (t *tunnel) read() error {
	var (
		framer     = resp.NewFramer(t.client.server.tuned.Load().MaxOutputBytes)
		buf        = make([]byte, readBuffer)
		start, end int
	)
	for {
		if end == len(buf) && start > 0 {
			copy(buf, buf[start:end])
			start, end = 0, end-start
		} else if end == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := t.nc.Read(buf[end:])
		end += n
		if err != nil && t.mayIdle(err) {
			continue
		}
		if err != nil {
			return err
		}
		if t.isPiped() {
			if err := t.client.replies.send(buf[start:end]); err != nil {
				return err
			}
			start, end = 0, 0
			continue
		}
		for start < end {
			n, err := framer.Next(buf[start:end])
			if err != nil {
				return fmt.Errorf("read a reply: %w", err)
			}
			if n == 0 {
				break
			}
			if err := t.reply(buf[start : start+n]); err != nil {
				return err
			}
			start += n
		}
		if start == end {
			start, end = 0, 0
			if len(buf) > readBuffer {
				buf = make([]byte, readBuffer)
			}
		}
		t.client.replies.Flush()
	}
}

// errIdle is why a tunnel was closed that went unused. A new one serves as well.
var errIdle = errors.New("the connection was closed because it went unused")

// mayIdle tells whether reading is to go on after err, which is so when the time
// that the tunnel may go unused has passed but it was used, or must stay. Where
// it ends the tunnel, no request is lost: the decision is made under mu.
func (t *tunnel) mayIdle(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := t.client.server.tuned.Load().TunnelIdle
	unused := time.Since(t.used)
	if unused >= idle && len(t.waiting) == 0 && !t.stateful {
		t.err = errIdle
		return false
	}
	_ = t.nc.SetReadDeadline(time.Now().Add(max(idle-unused, idle/8)))
	return true
}

// holdState says that the store's side of the connection has state from here on.
func (t *tunnel) holdState() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stateful = true
}

// reply gives a frame to the oldest request that waits.
func (t *tunnel) reply(frame []byte) error {
	c := t.client
	t.mu.Lock()
	if frame[0] == '>' && !t.subscriber || t.subscriber && t.published(frame) {
		t.mu.Unlock()
		return c.replies.send(frame) // answers nothing; out of band
	}
	p, confirmed, err := t.answerTo(frame)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if confirmed != nil {
		c.answered(*confirmed, nil)
	}
	if frame[0] == '-' && c.redirect(t, p, frame) {
		return nil
	}
	c.answered(p, frame)
	return nil
}

// redirect sends a request to the node that the store pointed to. It runs on
// the tunnel's goroutine, so that requests keep their order.
func (c *client) redirect(from *tunnel, p passing, frame []byte) bool {
	kind, addr := cluster.Redirection(frame, from.addr)
	if kind != cluster.Moved && kind != cluster.Ask || !c.server.severalNodes() {
		return false
	}
	if kind == cluster.Moved {
		c.server.upstream.Refresh()
	}
	if p.raw == nil || p.hops >= maxHops { // of a transaction, or a chase without end
		c.gaveUp(p, errMoved)
		return true
	}
	to, err := c.tunnelTo(addr)
	if err != nil {
		c.gaveUp(p, err)
		return true
	}
	p.hops++
	if kind == cluster.Ask {
		to.send(append([]byte("*1\r\n$6\r\nASKING\r\n"), p.raw...), passing{}, p)
	} else {
		to.send(p.raw, p)
	}
	to.flush()
	return true
}

// answered completes a request.
func (c *client) answered(p passing, frame []byte) {
	if p.join != nil {
		p.join.take(p.part, frame)
		return
	}
	if p.filling != nil {
		p.filling.take(frame)
	}
	if p.write {
		c.invalidate(p)
		c.writing.Add(-1)
		c.server.writing.Add(-1)
	}
	if p.blocks {
		c.blocking.Add(-1)
	}
	if p.queue != nil {
		frame = p.queue.answered(p, frame)
	}
	if !p.owed {
		frame = nil
	}
	if p.decoding != nil && frame != nil {
		frame = p.decoding.of(frame)
	}
	if p.slot != nil {
		c.replies.complete(p.slot, frame)
	}
}

// gaveUp completes a request that got no reply. It may have been carried out.
func (c *client) gaveUp(p passing, err error) {
	c.answered(p, resp.AppendError(nil, errorText(err)))
}

// hangUp tells the store that the client has gone, while a request of its own
// waits there for what another client may do: what comes of that would be lost,
// as the element that BLPOP takes. The store carries out what it was sent, then
// gives up the client that waits, as if it had been connected to it.
func (c *client) hangUp() {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	for _, t := range c.tunnels {
		t.flush()
		t.mu.Lock()
		t.hungUp = true
		t.mu.Unlock()
		half, ok := t.nc.(interface{ CloseWrite() error })
		if !ok || t.out.Waiting() > 0 { // the store does not read
			_ = t.nc.Close()
			continue
		}
		_ = half.CloseWrite()
	}
}

func (c *client) hasTunnels() bool {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	return len(c.tunnels) > 0
}

// flushTunnels sends what was put in line during the read at hand.
func (c *client) flushTunnels() {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	for _, t := range c.tunnels {
		t.flush()
	}
	for _, t := range c.subscribers {
		t.flush()
	}
}

// endTunnels ends all tunnels for good. Any goroutine may call it.
func (c *client) endTunnels() {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	c.ended = true
	for _, t := range c.tunnels {
		_ = t.nc.Close()
	}
	for _, t := range c.subscribers {
		_ = t.nc.Close()
	}
}

// closeTunnels ends all tunnels. Connections made from here on are for the
// session as it is now.
func (c *client) closeTunnels() {
	c.tunnelMu.Lock()
	defer c.tunnelMu.Unlock()
	for addr, t := range c.tunnels {
		_ = t.nc.Close()
		delete(c.tunnels, addr)
	}
	c.proto, c.db = c.session.Proto, c.session.DB
	c.becomes()
}
