package proxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// peer is a client's connection as the wire sees it: bytes out, whole replies
// in.
type peer struct {
	t *testing.T
	net.Conn
	framer *resp.Framer
	buf    []byte
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	nc, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &peer{t: t, Conn: nc, framer: resp.NewFramer(256 << 20)}
}

func (s *stack) dial() *peer {
	s.t.Helper()
	return dial(s.t, s.addr)
}

// cmd is a request, words apart by blanks.
func cmd(words string) string {
	return string(resp.AppendCommand(nil, strings.Fields(words)...))
}

// cmds are several requests in one piece.
func cmds(all ...string) string {
	var b strings.Builder
	for _, words := range all {
		b.WriteString(cmd(words))
	}
	return b.String()
}

func (p *peer) send(bytes string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, bytes); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// do sends a request and returns its reply.
func (p *peer) do(words string) string {
	p.t.Helper()
	p.send(cmd(words))
	return p.reply()
}

// reply reads one whole reply.
func (p *peer) reply() string {
	p.t.Helper()
	frame, err := p.next()
	if err != nil {
		p.t.Fatalf("read a reply: %v (so far %.200q)", err, p.buf)
	}
	return frame
}

func (p *peer) next() (string, error) {
	for {
		n, err := p.framer.Next(p.buf)
		if err != nil {
			return "", err
		}
		if n > 0 {
			frame := string(p.buf[:n])
			p.buf = p.buf[n:]
			return frame, nil
		}
		if err := p.more(patience); err != nil {
			return "", err
		}
	}
}

func (p *peer) more(wait time.Duration) error {
	_ = p.SetReadDeadline(time.Now().Add(wait))
	chunk := make([]byte, 256<<10)
	n, err := p.Read(chunk)
	p.buf = append(p.buf, chunk[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// wants reads replies and compares each.
func (p *peer) wants(replies ...string) {
	p.t.Helper()
	for i, want := range replies {
		if got := p.reply(); got != want {
			p.t.Fatalf("reply %d is %.300q, want %.300q", i, got, want)
		}
	}
}

// wantsDone sends a request and compares its reply.
func (p *peer) wantsDone(words, want string) {
	p.t.Helper()
	if got := p.do(words); got != want {
		p.t.Fatalf("%s: %.300q, want %.300q", words, got, want)
	}
}

// wantsError reads an error reply that holds text.
func (p *peer) wantsError(text string) {
	p.t.Helper()
	if got := p.reply(); !strings.HasPrefix(got, "-") || !strings.Contains(got, text) {
		p.t.Fatalf("reply is %.300q, want an error with %q", got, text)
	}
}

// wantsEnd reads the orderly end of the connection: no byte more, no reset.
func (p *peer) wantsEnd() {
	p.t.Helper()
	if err := p.more(patience); !errors.Is(err, io.EOF) || len(p.buf) > 0 {
		p.t.Fatalf("the connection did not end in order: %v, left %.200q", err, p.buf)
	}
}

// wantsSilence tells that nothing has come, and that the connection is open.
func (p *peer) wantsSilence(while time.Duration) {
	p.t.Helper()
	if err := p.more(while); !errors.Is(err, os.ErrDeadlineExceeded) || len(p.buf) > 0 {
		p.t.Fatalf("something came: %v, %.200q", err, p.buf)
	}
}

func bulk(s string) string { return string(resp.AppendCommand(nil, s)[len("*1\r\n"):]) }

// array is a reply of bulk strings; "-" stands for a null.
func array(values ...string) string {
	all := string(resp.AppendCommand(nil, values...))
	return strings.ReplaceAll(all, "$1\r\n-\r\n", resp.Nil2)
}
