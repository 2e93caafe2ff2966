package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	readBuffer   = 256 << 10        // bytes: a batch of replies in one read
	stallTimeout = 30 * time.Second // without a byte from the server, it hangs
	dialTimeout  = 5 * time.Second  // on this machine or near it
)

// client is one connection of the load generator. Writing and reading are
// independent of each other, so one goroutine may do each.
type client struct {
	conn       net.Conn
	out        []byte // requests not yet written
	in         []byte // in[start:end] is received and not yet taken
	start, end int
	deadline   time.Time // of reads, renewed about once a second
	check      checker
}

// dial connects to a server. The connection is closed when ctx ends.
func dial(ctx context.Context, address string) (*client, error) {
	network, address := splitAddress(address)
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	c := &client{conn: conn, in: make([]byte, readBuffer)}
	context.AfterFunc(ctx, c.close)
	return c, nil
}

// splitAddress tells the network of an address as options write it.
func splitAddress(address string) (network, rest string) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "unix", path
	}
	return "tcp", address
}

func (c *client) close() { _ = c.conn.Close() }

// flush writes what has been put into out.
func (c *client) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if err != nil {
		return fmt.Errorf("writing requests: %w", err)
	}
	return nil
}

// buffered takes the next whole reply out of what was received, nil if there is
// none. It is valid until the next call of receive.
func (c *client) buffered() ([]byte, error) {
	n, err := frameLength(c.in[c.start:c.end])
	if err != nil {
		return nil, fmt.Errorf("%w: %.60q", err, c.in[c.start:c.end])
	}
	if n == 0 {
		return nil, nil
	}
	frame := c.in[c.start : c.start+n]
	c.start += n
	return frame, nil
}

// receive reads more, making room for it.
func (c *client) receive() error {
	if c.start > 0 {
		c.end = copy(c.in, c.in[c.start:c.end])
		c.start = 0
	}
	if c.end == len(c.in) {
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	if now := time.Now(); now.Add(stallTimeout - time.Second).After(c.deadline) {
		c.deadline = now.Add(stallTimeout)
		_ = c.conn.SetReadDeadline(c.deadline)
	}
	n, err := c.conn.Read(c.in[c.end:])
	c.end += n
	if err != nil {
		return fmt.Errorf("reading replies: %w", err)
	}
	return nil
}

// reply waits for the next whole reply.
func (c *client) reply() ([]byte, error) {
	for {
		frame, err := c.buffered()
		if frame != nil || err != nil {
			return frame, err
		}
		if err := c.receive(); err != nil {
			return nil, err
		}
	}
}

// strictness is how closely replies are looked at.
type strictness int

const (
	checkFrames  strictness = iota // a whole frame
	checkLengths                   // and of the length that the loaded values have
	checkValues                    // and equal to what was loaded
)

// checker judges the replies of one connection and counts error replies. A wrong
// reply ends the measurement; an error reply does not.
type checker struct {
	data       *dataset
	strictness strictness
	expected   []byte // scratch
	errors     int64
	firstError string
}

// reply judges the reply to a.
func (c *checker) reply(frame []byte, a ask) error {
	if frame[0] == '-' || frame[0] == '!' {
		if c.errors++; c.firstError == "" {
			c.firstError = strings.TrimSpace(string(frame))
		}
		return nil
	}
	switch c.strictness {
	case checkLengths:
		if want := c.data.replyLength(a); len(frame) != want {
			return fmt.Errorf("a reply to %s is of %d bytes, not %d: %.200q", c.data.describe(a), len(frame), want, frame)
		}
	case checkValues:
		c.expected = c.data.appendReply(c.expected[:0], a)
		if !bytes.Equal(frame, c.expected) {
			return fmt.Errorf("a reply to %s is %.200q…, but %.200q… was loaded", c.data.describe(a), frame, c.expected)
		}
	}
	return nil
}

// describe names a request for a message.
func (d *dataset) describe(a ask) string {
	return fmt.Sprintf("HMGET %s%d by projection %d", d.shape.Prefix, firstKey+int(a.entity), a.projection)
}
