package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"

	"github.com/fsproxy/fsproxy/resp"
)

// MaxReply bounds a reply that describes a topology, in bytes. Two thousand
// nodes and slots in as many pieces as there can be, at about 60 bytes for each
// mention of a node, come to half of it.
const MaxReply = 32 << 20

const (
	// maxElements bounds the elements of a reply. rueidis keeps 40 bytes for
	// each, so a reply of the smallest ones would grow by more than tenfold.
	maxElements = 1 << 20
	// firstRead is the buffer that a connection begins with, in bytes; it
	// holds a whole INFO or a small topology.
	firstRead = 4 << 10
	// keptRead is the largest buffer that is kept when it is empty, in bytes.
	keptRead = 64 << 10
)

// Checked wraps a connection to a store for a reader that trusts what it reads,
// as rueidis does: a negative or huge length, or a reply that nobody asked for,
// panics there in a goroutine where nothing recovers. It passes on only whole,
// well-formed replies of at most maxReply bytes, one for each request written;
// pushes and attributes, which belong to no request, are refused too. Anything
// else is an error of Read, and the connection is of no use from then on.
//
// One goroutine may read while another writes, no more of either.
func Checked(conn net.Conn, maxReply int) net.Conn {
	return &checked{Conn: conn, framer: resp.NewFramer(maxReply)}
}

type checked struct {
	net.Conn

	// Requests written and not yet answered. The writer adds before the bytes
	// leave, so that no honest reply can come before it is owed.
	owed    atomic.Int64
	request requestCount // the writer's

	// The reader's.
	framer *resp.Framer
	buf    []byte
	off    int // bytes of buf already passed on
	good   int // bytes of buf that are whole, checked replies
	err    error
}

// Write counts the requests in p and writes it.
func (c *checked) Write(p []byte) (int, error) {
	n, err := c.request.add(p)
	if err != nil {
		return 0, err
	}
	c.owed.Add(n)
	return c.Conn.Write(p)
}

// Read returns bytes of checked replies.
func (c *checked) Read(p []byte) (int, error) {
	for c.off == c.good {
		if c.err != nil {
			return 0, c.err
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
		c.check()
	}
	n := copy(p, c.buf[c.off:c.good])
	c.off += n
	return n, nil
}

// fill reads more bytes behind those that are not yet a whole reply.
func (c *checked) fill() error {
	if c.off > 0 {
		rest := c.buf[c.off:]
		if len(rest) == 0 && cap(c.buf) > keptRead {
			c.buf = nil
		}
		c.buf = append(c.buf[:0], rest...)
		c.off, c.good = 0, 0
	}
	if len(c.buf) == cap(c.buf) {
		grown := make([]byte, len(c.buf), max(firstRead, 2*cap(c.buf)))
		copy(grown, c.buf)
		c.buf = grown
	}
	n, err := c.Conn.Read(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	if n > 0 {
		return nil // an error comes back with the next Read
	}
	return err
}

// check moves good past the replies that are whole. What is wrong with the
// next one is kept until those before it have been passed on.
func (c *checked) check() {
	for c.err == nil && c.good < len(c.buf) {
		n, err := c.framer.Next(c.buf[c.good:])
		if err == nil && n == 0 {
			return
		}
		if err == nil {
			err = checkReply(c.buf[c.good : c.good+n])
		}
		if err == nil && c.owed.Add(-1) < 0 {
			err = fmt.Errorf("a reply to no request: %q", clip(string(c.buf[c.good:c.good+min(n, 200)])))
		}
		if err != nil {
			c.err = fmt.Errorf("%s sent what cannot be passed on: %w", c.RemoteAddr(), err)
			return
		}
		c.good += n
	}
}

// checkReply looks at each element of a whole reply for what a Framer lets pass
// and rueidis does not bear. Elements follow each other however they nest, so a
// flat walk meets them all.
func checkReply(frame []byte) error {
	for elements := 0; len(frame) > 0; elements++ {
		if elements == maxElements {
			return fmt.Errorf("more than %d elements in a reply", maxElements)
		}
		end := bytes.IndexByte(frame, '\n')
		if end < 2 {
			return errors.New("an element without a line")
		}
		line := frame[1 : end-1]
		body := 0
		switch kind := frame[0]; kind {
		case '+', '-', ',', '(':
		case ':':
			if _, err := strconv.ParseInt(string(line), 10, 64); err != nil {
				return fmt.Errorf("%q is no integer", clip(string(line)))
			}
		case '_':
			if len(line) != 0 {
				return errors.New("a null with content")
			}
		case '#':
			if s := string(line); s != "t" && s != "f" {
				return errors.New("a boolean that is neither t nor f")
			}
		case '$', '=', '!', '*', '~', '%':
			n, err := strconv.Atoi(string(line))
			if err != nil || n < -1 || n == -1 && kind != '$' && kind != '*' {
				return fmt.Errorf("%q is no length", clip(string(line)))
			}
			if n >= 0 && (kind == '$' || kind == '=' || kind == '!') {
				body = n + len("\r\n")
			}
		default:
			return fmt.Errorf("an element of type %q", kind)
		}
		if end+1+body > len(frame) {
			return errors.New("an element past the end of its reply")
		}
		frame = frame[end+1+body:]
	}
	return nil
}

// requestCount counts the requests that end in a stream of them: arrays of bulk
// strings, cut anywhere. It reads what this process itself writes, so it checks
// no more than it needs to keep count.
type requestCount struct {
	args int    // arguments still to come
	skip int    // bytes of the argument still to come, its CRLF included
	line []byte // of an incomplete length line; below 32 bytes
}

var errRequest = errors.New("what was written is no request: an array of bulk strings is needed")

func (r *requestCount) add(p []byte) (requests int64, err error) {
	for len(p) > 0 {
		if r.skip > 0 {
			n := min(r.skip, len(p))
			r.skip -= n
			p = p[n:]
			if r.skip == 0 {
				r.args--
			}
		} else {
			end := bytes.IndexByte(p, '\n')
			if len(r.line)+max(end, 0) > 32 || end < 0 && len(r.line)+len(p) > 32 {
				return requests, errRequest
			}
			if end < 0 {
				r.line = append(r.line, p...)
				return requests, nil
			}
			r.line = append(r.line, p[:end+1]...)
			p = p[end+1:]
			if err := r.header(); err != nil {
				return requests, err
			}
		}
		if r.args == 0 && r.skip == 0 {
			requests++
		}
	}
	return requests, nil
}

// header takes the length line that is complete in line.
func (r *requestCount) header() error {
	line := bytes.TrimRight(r.line, "\r\n")
	r.line = r.line[:0]
	want := byte('$')
	if r.args == 0 {
		want = '*'
	}
	if len(line) < 2 || line[0] != want {
		return errRequest
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil || n < 0 || want == '*' && n == 0 {
		return errRequest
	}
	if want == '*' {
		r.args = n
	} else {
		r.skip = n + len("\r\n")
	}
	return nil
}
