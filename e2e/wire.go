//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// wireTimeout bounds each exchange on a wire, so that a lost reply fails
	// the test rather than hang it.
	wireTimeout = 30 * time.Second
	// wireBuffer is the read buffer of a wire, in bytes.
	wireBuffer = 64 << 10
)

// wire is a connection that speaks the protocol by hand: replies are compared
// as the bytes they came in, which no client library shows.
type wire struct {
	net.Conn
	r *bufio.Reader
}

// dialWire connects to addr; the connection closes with the test.
func dialWire(t testing.TB, addr string) *wire {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, wireTimeout)
	if err != nil {
		t.Fatalf("dialling %s: %v", addr, err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have closed it before
	return &wire{Conn: c, r: bufio.NewReaderSize(c, wireBuffer)}
}

// appendCommand appends a command in the protocol's form to b.
func appendCommand(b []byte, args ...string) []byte {
	b = append(b, '*')
	b = strconv.AppendInt(b, int64(len(args)), 10)
	b = append(b, '\r', '\n')
	for _, a := range args {
		b = append(b, '$')
		b = strconv.AppendInt(b, int64(len(a)), 10)
		b = append(b, '\r', '\n')
		b = append(b, a...)
		b = append(b, '\r', '\n')
	}
	return b
}

// pipeline sends all commands in one write and returns their replies as raw
// bytes.
func (w *wire) pipeline(commands ...[]string) ([]string, error) {
	var b []byte
	for _, c := range commands {
		b = appendCommand(b, c...)
	}
	return w.exchange(b, len(commands))
}

// exchange sends request in one write and reads n replies.
func (w *wire) exchange(request []byte, n int) ([]string, error) {
	if err := w.SetDeadline(time.Now().Add(wireTimeout)); err != nil {
		return nil, fmt.Errorf("setting the deadline: %w", err)
	}
	if _, err := w.Write(request); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	replies := make([]string, 0, n)
	for i := range n {
		reply, err := w.readReply()
		if err != nil {
			return replies, fmt.Errorf("reading reply %d of %d: %w", i+1, n, err)
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

// do sends one command and returns its reply as raw bytes; it fails the test
// when none comes.
func (w *wire) do(t testing.TB, args ...string) string {
	t.Helper()
	replies, err := w.pipeline(args)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return replies[0]
}

// mustPipeline is pipeline; it fails the test when a reply is missing.
func (w *wire) mustPipeline(t testing.TB, commands ...[]string) []string {
	t.Helper()
	replies, err := w.pipeline(commands...)
	if err != nil {
		t.Fatalf("%v: %v", commands, err)
	}
	return replies
}

// readReply reads one reply of RESP2 or RESP3, nested ones included, and
// returns its bytes.
func (w *wire) readReply() (string, error) {
	var b []byte
	b, err := w.appendReply(b)
	return string(b), err
}

func (w *wire) appendReply(b []byte) ([]byte, error) {
	line, err := w.r.ReadSlice('\n')
	if err != nil {
		return b, err
	}
	b = append(b, line...)
	if len(line) < 3 {
		return b, fmt.Errorf("malformed reply line %q", line)
	}
	kind, length := line[0], strings.TrimSpace(string(line[1:]))
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return b, nil
	case '$', '=', '!':
		return w.appendBulk(b, length)
	case '*', '~', '>':
		return w.appendElements(b, length, 1)
	case '%':
		return w.appendElements(b, length, 2)
	default:
		return b, fmt.Errorf("unknown kind of reply %q", line)
	}
}

func (w *wire) appendBulk(b []byte, length string) ([]byte, error) {
	n, err := strconv.Atoi(length)
	if err != nil {
		return b, fmt.Errorf("bulk length: %w", err)
	}
	if n < 0 {
		return b, nil
	}
	at := len(b)
	b = append(b, make([]byte, n+len("\r\n"))...)
	_, err = io.ReadFull(w.r, b[at:])
	return b, err
}

func (w *wire) appendElements(b []byte, length string, each int) ([]byte, error) {
	n, err := strconv.Atoi(length)
	if err != nil {
		return b, fmt.Errorf("number of elements: %w", err)
	}
	for range n * each {
		if b, err = w.appendReply(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// bulks returns the wire form of an array of bulk strings, "" standing for nil.
func bulks(values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(values))
	for _, v := range values {
		if v == "" {
			b.WriteString("$-1\r\n")
			continue
		}
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(v), v)
	}
	return b.String()
}
