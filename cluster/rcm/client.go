package rcm

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

const (
	// firstBuffer is what an idle client costs in buffers, in bytes. It holds
	// the greeting of any client.
	firstBuffer = 512
	// flushAt is how much may wait to be written while requests are answered,
	// in bytes.
	flushAt = 64 << 10
	// writeTimeout is how long a client may take to read what it asked for.
	writeTimeout = 10 * time.Second
	// requestTimeout is how long a begun request may take to arrive. A client
	// between two requests may be silent for ever.
	requestTimeout = 30 * time.Second
	// hurryTimeout is how long a client may still take once the server stops.
	hurryTimeout = time.Second
	// drainBytes is how much is read and dropped so that an error reaches a
	// client that is still sending: closing with unread input resets the
	// connection, and the error is lost.
	drainBytes = 1 << 20
)

// client is one connection. One goroutine owns it.
type client struct {
	ctx    context.Context // ends when the server stops
	server *Server
	conn   net.Conn
	parser *resp.Parser
	who    identity
	id     int64

	version       resp.Version
	name          string
	authenticated bool

	out  []byte
	err  error // of a write
	done bool  // to be closed once out is written
}

func newClient(ctx context.Context, s *Server, conn net.Conn) *client {
	c := &client{
		ctx: ctx, server: s, conn: conn,
		parser:  resp.NewParser(s.config.Limits),
		who:     identify(conn.RemoteAddr(), ""),
		id:      s.ids.Add(1),
		version: resp.V2,
	}
	c.admit(s.config.Password == "")
	return c
}

// admit says whether the client has authenticated. Those who have not may send no
// long requests.
func (c *client) admit(is bool) {
	c.authenticated = is
	c.parser.Stranger(!is)
}

// view is what this client is told, as of now.
func (c *client) view() *view { return c.server.views.Load().of(c.who) }

// setClientName is what the client calls itself from now on.
func (c *client) setClientName(name string) {
	c.name = name
	c.who = identify(c.conn.RemoteAddr(), name)
}

// serve reads and answers until the client leaves or the server stops.
func (c *client) serve() {
	buf := make([]byte, 0, firstBuffer)
	partial := false // a read deadline is set for a request that has begun
	for {
		n, err := c.conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := c.answerAll(buf)
		c.flush()
		if c.done {
			c.finish()
		}
		if err != nil || c.err != nil || c.done || c.ctx.Err() != nil {
			return
		}
		buf = keep(buf, rest)
		if begun := len(buf) > 0; begun != partial {
			partial = begun
			if begun {
				c.setDeadline(c.conn.SetReadDeadline, requestTimeout)
			} else {
				c.setDeadline(c.conn.SetReadDeadline, 0)
			}
		}
	}
}

// answerAll answers the whole requests in buf and returns what is left.
func (c *client) answerAll(buf []byte) []byte {
	for !c.done && c.err == nil && len(buf) > 0 {
		n, err := c.parser.Next(buf)
		if err != nil {
			c.fail("ERR " + err.Error())
			return nil
		}
		if n == 0 {
			break
		}
		if args := c.parser.Args(); len(args) > 0 {
			c.answer(args)
		}
		if len(c.out) > flushAt {
			c.flush()
		}
		buf = buf[n:]
	}
	return buf
}

// keep moves rest, the end of buf, to the front of a buffer with room to read
// into.
func keep(buf, rest []byte) []byte {
	switch {
	case len(rest) == 0 && cap(buf) > firstBuffer:
		return make([]byte, 0, firstBuffer) // an idle client gives back what a long request took
	case len(rest) == cap(buf):
		grown := make([]byte, len(rest), 2*cap(buf))
		copy(grown, rest)
		return grown
	}
	return append(buf[:0], rest...)
}

// write sends a rendered reply, which it does not change or keep.
func (c *client) write(reply []byte) {
	if len(c.out)+len(reply) <= flushAt {
		c.out = append(c.out, reply...)
		return
	}
	c.flush()
	c.send(reply)
}

// flush sends what waits.
func (c *client) flush() {
	c.send(c.out)
	c.out = c.out[:0]
	if cap(c.out) > firstBuffer {
		c.out = nil
	}
}

func (c *client) send(b []byte) {
	if len(b) == 0 || c.err != nil {
		return
	}
	c.setDeadline(c.conn.SetWriteDeadline, writeTimeout)
	_, c.err = c.conn.Write(b)
}

// fail answers with an error that ends the connection.
func (c *client) fail(text string) {
	c.out = resp.AppendError(c.out, text)
	c.done = true
}

// finish writes what is left and closes so that it arrives.
func (c *client) finish() {
	c.flush()
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.setDeadline(c.conn.SetReadDeadline, hurryTimeout)
	_, err := io.CopyN(io.Discard, c.conn, drainBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		c.server.config.Logger.Debug("a client was closed while it was sending", "client", c.conn.RemoteAddr(), "error", err)
	}
}

// close ends the connection. TLS would write a farewell first, and wait seconds
// for someone who does not read: those get none.
func (c *client) close() {
	if secured, ok := c.conn.(*tls.Conn); ok && c.err != nil {
		_ = secured.NetConn().Close()
		return
	}
	_ = c.conn.Close()
}

// setDeadline lets a direction take no longer than d from now; 0 is for ever.
// The context is looked at behind it, hurry sets deadlines behind the context's
// end: whichever comes last, none outlasts hurryTimeout once the server stops.
func (c *client) setDeadline(set func(time.Time) error, d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	_ = set(at) // an error shows at the next read or write
	if c.ctx.Err() != nil {
		c.hurry()
	}
}

// hurry wakes the reader and bounds the writer, when the server stops.
func (c *client) hurry() {
	now := time.Now()
	_ = c.conn.SetReadDeadline(now)
	_ = c.conn.SetWriteDeadline(now.Add(hurryTimeout))
}
