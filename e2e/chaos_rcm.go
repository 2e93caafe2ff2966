//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// rubbish is a way in which an RCM may answer wrongly: it serves a connection
// until that ends.
type rubbish struct {
	name  string
	serve func(c net.Conn, of *fleet)
}

// rubbishes are all of them.
var rubbishes = []rubbish{
	{"bytes by chance", func(c net.Conn, _ *fleet) {
		b := make([]byte, 4096)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		_, _ = c.Write(b)
		drain(c)
	}},
	{"no answer", func(c net.Conn, _ *fleet) { drain(c) }},
	{"a closed connection", func(net.Conn, *fleet) {}},
	{"half a reply", func(c net.Conn, of *fleet) {
		said := slotsReply(of)
		answerSlots(c, said[:len(said)/2], true)
	}},
	{"no slots", func(c net.Conn, _ *fleet) { answerSlots(c, "*0\r\n", false) }},
	{"half of the slots", func(c net.Conn, of *fleet) {
		answerSlots(c, slotsReply(&fleet{shards: of.shards[:1]}), false)
	}},
	{"slots without nodes", func(c net.Conn, _ *fleet) {
		answerSlots(c, fmt.Sprintf("*1\r\n*2\r\n:0\r\n:%d\r\n", slotCount-1), false)
	}},
	{"a reply without end", func(c net.Conn, _ *fleet) {
		more := strings.Repeat(":1\r\n", 4096)
		_, err := io.WriteString(c, "*1000000000\r\n")
		for err == nil {
			_, err = io.WriteString(c, more)
		}
	}},
	{"lengths past all bounds", func(c net.Conn, _ *fleet) {
		answerSlots(c, "*2\r\n$999999999999\r\nx\r\n", true)
	}},
	{"errors", func(c net.Conn, _ *fleet) { answerSlots(c, "-ERR internal error\r\n", false) }},
	{"that it is no cluster", func(c net.Conn, _ *fleet) {
		answerSlots(c, "-ERR This instance has cluster support disabled\r\n", false)
	}},
	{"that it knows no CLUSTER", func(c net.Conn, _ *fleet) {
		answerSlots(c, "-ERR unknown command 'CLUSTER'\r\n", false)
	}},
}

// drain takes what a connection brings, until its end.
func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// slotsReply is the right reply to CLUSTER SLOTS.
func slotsReply(of *fleet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(of.shards))
	for _, s := range of.shards {
		fmt.Fprintf(&b, "*%d\r\n:%d\r\n:%d\r\n", 2+len(s.nodes), s.first, s.last)
		for _, n := range s.nodes {
			host, port, _ := net.SplitHostPort(n.addr)
			fmt.Fprintf(&b, "*3\r\n$%d\r\n%s\r\n:%s\r\n$40\r\n%040d\r\n", len(host), host, port, len(port))
		}
	}
	return b.String()
}

// answerSlots answers as an RCM, and any question for the topology with reply;
// then, if that is the last, the connection is closed.
func answerSlots(c net.Conn, reply string, last bool) {
	r := bufio.NewReader(c)
	for {
		args, err := readArguments(r)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(args[0]) {
		case "CLUSTER":
			answer = reply
		case "INFO":
			const about = "# Server\r\nredis_version:7.0.15\r\nfsproxy_rcm:1\r\n"
			answer = fmt.Sprintf("$%d\r\n%s\r\n", len(about), about)
		}
		if _, err := io.WriteString(c, answer); err != nil || last && answer == reply {
			return
		}
	}
}

// readArguments reads a command.
func readArguments(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*')
	if err != nil || n < 1 {
		return nil, errors.Join(err, errors.New("no command"))
	}
	args := make([]string, n)
	for i := range args {
		size, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("reading argument %d: %w", i, err)
		}
		args[i] = string(b[:size])
	}
	return args, nil
}

// readLength reads a line that holds a number after the given letter.
func readLength(r *bufio.Reader, letter byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reading a length: %w", err)
	}
	if line[0] != letter {
		return 0, fmt.Errorf("a line %q, want one that begins with %c", line, letter)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// front stands before a real RCM, and can answer rubbish in its place.
type front struct {
	listener net.Listener
	rcm      string
	fleet    *fleet
	says     atomic.Pointer[rubbish] // nil: what the RCM says
	asked    atomic.Int64            // connections that got rubbish
	running  sync.WaitGroup
}

// startFront runs a front of the RCM at addr.
func startFront(t testing.TB, addr string, of *fleet) *front {
	t.Helper()
	listener, err := net.Listen("tcp", loopback(freePort(t)))
	if err != nil {
		t.Fatalf("listening before the RCM: %v", err)
	}
	f := &front{listener: listener, rcm: addr, fleet: of}
	f.running.Go(f.accept)
	t.Cleanup(func() { _ = listener.Close(); f.running.Wait() })
	return f
}

func (f *front) addr() string { return f.listener.Addr().String() }

func (f *front) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.running.Go(func() {
			defer c.Close()
			if says := f.says.Load(); says != nil {
				f.asked.Add(1)
				says.serve(c, f.fleet)
				return
			}
			f.pass(c)
		})
	}
}

// pass lets a connection talk to the RCM.
func (f *front) pass(c net.Conn) {
	rcm, err := net.Dial("tcp", f.rcm)
	if err != nil {
		return
	}
	defer rcm.Close()
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(c, rcm)
		_ = c.Close() // ends the copying below
	})
	_, _ = io.Copy(rcm, c)
	_ = rcm.Close()
	answers.Wait()
}
