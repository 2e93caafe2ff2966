//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// storePatience bounds the wait for a reply that the store may not owe: how
	// many it owes is worked out from the requests, and can be too many for one
	// that is itself in doubt.
	storePatience = 500 * time.Millisecond
	// proxyPatience bounds the wait for a reply that the store has given.
	proxyPatience = 5 * time.Second
	// cutPause lets the receiver read what was written before a cut.
	cutPause = 200 * time.Microsecond
	// restTime is longer than the time from a write to the moment from which a
	// value that is fetched counts as newer: a tick of fsproxy's clock, 10 ms.
	restTime = 15 * time.Millisecond
	// syncToken is what the last request of a subscriber's turn asks back.
	syncToken = "differential-sync"
)

// link is a connection to one side.
type link struct {
	*wire
	ended bool // the server hung up
}

func dialLink(addr string) (*link, error) {
	c, err := net.DialTimeout("tcp", addr, wireTimeout)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", addr, err)
	}
	return &link{wire: &wire{Conn: c, r: bufio.NewReaderSize(c, wireBuffer)}}, nil
}

// send writes b in the pieces that cuts makes of it. An error shows when the
// replies are read.
func (l *link) send(b []byte, cuts []int) {
	_ = l.SetWriteDeadline(time.Now().Add(wireTimeout))
	at := 0
	for _, cut := range cuts {
		if cut <= at || cut >= len(b) {
			continue
		}
		if _, err := l.Write(b[at:cut]); err != nil {
			return
		}
		time.Sleep(cutPause)
		at = cut
	}
	_, _ = l.Write(b[at:])
}

// read reads n replies, or, with untilClosed or an until, as many as come
// before the server hangs up or one holds that text. Fewer come when patience
// is at its end.
func (l *link) read(n int, until string, patience time.Duration) []string {
	var replies []string
	for n == untilClosed || len(replies) < n {
		if l.SetReadDeadline(time.Now().Add(patience)) != nil {
			l.ended = true
			return replies
		}
		reply, err := l.readReply()
		if err != nil {
			// What is left of a reply that did not come whole counts as one.
			if reply != "" {
				replies = append(replies, reply)
			}
			l.ended = !errors.Is(err, os.ErrDeadlineExceeded)
			return replies
		}
		replies = append(replies, reply)
		if until != "" && strings.Contains(reply, until) {
			return replies
		}
	}
	return replies
}

// hangsUp waits for the end of a connection that is to end.
func (l *link) hangsUp() bool {
	if !l.ended {
		_ = l.SetReadDeadline(time.Now().Add(proxyPatience))
		_, err := l.r.ReadByte()
		l.ended = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	return l.ended
}

// speaker is one connection of a sequence: to both sides, with what its
// requests mean for the replies to expect.
type speaker struct {
	proxy, store *link

	off, skip  bool  // CLIENT REPLY
	multi      bool  // within MULTI
	queued     []ask // since MULTI
	subscribed bool  // has asked for messages: replies no longer pair with requests
	pending    []ask // asked, owed a reply, and unread so far
}

// owed notes what a request changes, and tells whether it is owed a reply.
func (p *speaker) owed(a ask) bool {
	silent := p.off || p.skip
	p.skip = false
	if len(a.args) == 0 {
		return a.replies != 0 && !silent
	}
	name := strings.ToUpper(a.args[0])
	switch {
	case name == "RESET" && len(a.args) == 1:
		p.off, p.skip, p.multi, p.queued, p.subscribed = false, false, false, nil, false
		return true
	case name == "QUIT":
		return !silent
	case p.multi:
		switch {
		case name == "DISCARD" && len(a.args) == 1:
			p.multi, p.queued = false, nil
		case name == "EXEC" && len(a.args) == 1:
			p.multi = false
		case name == "WATCH" || name == "MULTI":
		default:
			p.queued = append(p.queued, a)
		}
		return !silent
	case name == "MULTI" && len(a.args) == 1:
		p.multi, p.queued = true, nil
	case strings.HasSuffix(name, "SUBSCRIBE") && len(a.args) > 0:
		p.subscribed = true
	case len(a.args) == 3 && beginsWith(a.args, "CLIENT REPLY"):
		switch strings.ToUpper(a.args[2]) {
		case "ON":
			p.off = false
			return true
		case "OFF":
			p.off = true
			return false
		case "SKIP":
			p.skip = !p.off
			return false
		}
	}
	return !silent
}

// contest runs sequences against both sides.
type contest struct {
	proxy, store string             // addresses
	fields       func() fieldCounts // what fsproxy did with reads so far
	speakers     map[int]*speaker
}

// mismatch is where the sides differ.
type mismatch struct {
	turn         int
	request      string
	proxy, store string
}

func (m *mismatch) String() string {
	return fmt.Sprintf("turn %d, %s\n  fsproxy: %.2000q\n  store:   %.2000q", m.turn, m.request, m.proxy, m.store)
}

// signature is equal for mismatches that are likely to have the same cause.
func (m *mismatch) signature() string {
	name, _, _ := strings.Cut(strings.ToUpper(m.request), " ")
	return fmt.Sprintf("%s %.12q %.12q", name, m.proxy, m.store)
}

// resets are sent to both sides before a sequence.
var resets = [][]string{{"FLUSHALL"}, {"FUNCTION", "FLUSH"}, {"SCRIPT", "FLUSH"}, {"PING"}}

// run sends a sequence to both sides, which are empty, and returns the first
// difference, nil if there is none.
func (c *contest) run(s sequence) (*mismatch, error) {
	c.speakers = map[int]*speaker{}
	defer func() {
		for _, p := range c.speakers {
			p.close()
		}
	}()
	for _, addr := range []string{c.proxy, c.store} {
		l, err := dialLink(addr)
		if err != nil {
			return nil, err
		}
		_, err = l.pipeline(resets...)
		_ = l.Close()
		if err != nil {
			return nil, fmt.Errorf("emptying %s: %w", addr, err)
		}
	}
	for i, t := range s {
		if m, err := c.turn(t); m != nil || err != nil {
			if m != nil {
				m.turn = i
			}
			return m, err
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.speakers)) {
		// Whatever comes that was not asked for comes before the token.
		last := turn{connection: n, asks: []ask{{args: []string{"RESET"}}, {args: []string{"PING", syncToken}}}}
		if m, err := c.turn(last); m != nil || err != nil {
			if m != nil {
				m.turn, m.request = len(s), "at the end: "+m.request
			}
			return m, err
		}
	}
	return nil, nil
}

func (p *speaker) close() {
	if p.proxy != nil {
		_ = p.proxy.Close()
	}
	if p.store != nil {
		_ = p.store.Close()
	}
}

// speaker returns the connection of that number, a fresh one where the last
// has ended.
func (c *contest) speaker(n int) (*speaker, error) {
	p := c.speakers[n]
	if p != nil && !p.store.ended && !p.proxy.ended {
		return p, nil
	}
	if p != nil {
		p.close()
	}
	p = &speaker{}
	c.speakers[n] = p
	var err error
	if p.proxy, err = dialLink(c.proxy); err != nil {
		return nil, err
	}
	if p.store, err = dialLink(c.store); err != nil {
		_ = p.proxy.Close()
		delete(c.speakers, n)
		return nil, err
	}
	return p, nil
}

func (c *contest) turn(t turn) (*mismatch, error) {
	p, err := c.speaker(t.connection)
	if err != nil {
		return nil, err
	}
	sent := t.bytes()
	closes, messages := false, p.subscribed
	pairs := 0 // of what is asked now, how many are answered one by one
	if !messages {
		pairs = len(p.pending)
	}
	for _, a := range t.asks {
		queued := slices.Clone(p.queued)
		if p.owed(a) {
			if len(a.args) == 1 && strings.EqualFold(a.args[0], "exec") {
				a.executes = queued
			}
			p.pending = append(p.pending, a)
			if !messages && !p.subscribed {
				pairs++
			}
		}
		closes, messages = closes || a.closes(), messages || p.subscribed
	}
	until := ""
	switch {
	case closes || t.unread:
	case p.off || p.skip:
		// Nothing else says when the turn is over.
		sent = appendCommand(appendCommand(sent, "CLIENT", "REPLY", "ON"), "PING", syncToken)
		p.off, p.skip, until = false, false, syncToken
	case messages && !p.multi:
		sent = appendCommand(sent, "PING", syncToken)
		until = syncToken
	}
	if t.rest {
		time.Sleep(restTime)
	}
	p.store.send(sent, t.cuts)
	p.proxy.send(sent, t.cuts)
	if t.unread {
		return nil, nil
	}
	asked := p.pending
	p.pending = nil
	return p.compare(asked, pairs, until, closes), nil
}

// closes tells whether the server may hang up after the request.
func (a ask) closes() bool {
	return a.replies == untilClosed && len(a.args) == 0 || len(a.args) > 0 && strings.EqualFold(a.args[0], "quit")
}

// unpairs tells whether replies may not pair with requests from here on, or do
// so again.
func (a ask) unpairs() bool {
	return len(a.args) > 0 && (strings.EqualFold(a.args[0], "reset") || strings.HasSuffix(strings.ToUpper(a.args[0]), "SUBSCRIBE"))
}

// compare reads the replies of both sides and compares them. The first pairs of
// them belong to what was asked, one to each.
func (p *speaker) compare(asked []ask, pairs int, until string, closes bool) *mismatch {
	n := 0
	for _, a := range asked {
		if len(a.args) > 0 {
			n++
			continue
		}
		n += max(a.replies, 0)
	}
	patience := storePatience
	if closes || until != "" {
		n = untilClosed
	}
	if until != "" {
		patience = proxyPatience
	}
	want := p.store.read(n, until, patience)
	expect := len(want)
	if p.store.ended {
		expect = untilClosed
	}
	got := p.proxy.read(expect, "", proxyPatience)
	if pairs < len(asked) || until != "" {
		want, got = repliesFirst(want), repliesFirst(got)
	}
	for i := range max(len(want), len(got)) {
		m := mismatch{request: requestOf(asked, i), proxy: "(nothing)", store: "(nothing)"}
		if i < len(got) {
			m.proxy = got[i]
		}
		if i < len(want) {
			m.store = want[i]
		}
		if m.proxy == m.store {
			continue
		}
		paired := i < pairs && len(asked[i].args) > 0
		if !paired || !alike(asked[i], m.proxy, m.store) {
			return &m
		}
	}
	if p.store.ended && !p.proxy.hangsUp() {
		return &mismatch{request: "the connection's end", proxy: "(open)", store: "(closed)"}
	}
	return nil
}

// repliesFirst moves the messages that version 3 has beside the replies behind
// them: which of the two comes first is a matter of two connections.
func repliesFirst(all []string) []string {
	isMessage := func(reply string) bool { return reply[0] == '>' }
	replies := slices.DeleteFunc(slices.Clone(all), isMessage)
	return append(replies, slices.DeleteFunc(all, func(reply string) bool { return !isMessage(reply) })...)
}

func requestOf(asked []ask, i int) string {
	if i < len(asked) {
		return asked[i].String()
	}
	return "after what was asked"
}

// alike tells whether two replies that differ may do so.
func alike(a ask, proxy, store string) bool {
	x, err1 := parseAnswer(proxy)
	y, err2 := parseAnswer(store)
	return err1 == nil && err2 == nil && a.alike(x, y)
}

func (a ask) alike(x, y answer) bool {
	if x.equal(y) {
		return true
	}
	if len(a.executes) > 0 && x.kind == '*' && y.kind == '*' && len(x.elements) == len(y.elements) && len(a.executes) == len(x.elements) {
		for i, queued := range a.executes {
			if !queued.alike(x.elements[i], y.elements[i]) {
				return false
			}
		}
		return true
	}
	like, ok := likenessOf(a.args)
	switch {
	case !ok || like.alike == nil:
		return false
	case like.words != anyReply.words && (x.kind == '-' || y.kind == '-'):
		return false // errors are equal, whatever the rest is
	}
	return like.alike(x, y)
}

// mustRun is run; it fails the test when a side cannot be reached.
func (c *contest) mustRun(t testing.TB, s sequence) *mismatch {
	t.Helper()
	m, err := c.run(s)
	if err != nil {
		t.Fatalf("%v, in\n%s", err, s)
	}
	return m
}
