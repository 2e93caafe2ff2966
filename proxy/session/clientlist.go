package session

import (
	"fmt"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// describe is the session's line in CLIENT LIST, in Redis' order of fields.
// What only a store has (its buffers) is zero. Any goroutine may call it.
func (c *Session) describe(b *strings.Builder, now time.Time) {
	s := c.snapshot.Load()
	last := "NULL"
	if cmd := c.lastCommand.Load(); cmd != nil {
		last = cmd.Name
	}
	fmt.Fprintf(b, "id=%d addr=%s laddr=%s fd=0 name=%s age=%d idle=%d flags=%s db=%d sub=0 psub=0 ssub=0 multi=-1"+
		" qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=%s user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.ID, c.Remote, c.Local, s.name, now.Unix()-c.CreatedAt.Unix(), max(0, now.Unix()-c.lastActive.Load()), c.flags(s), s.db,
		last, field(s.user), s.proto, s.libName, s.libVersion)
}

// field keeps a user's name, which may be anything, from breaking the line.
func field(s string) string {
	if printable([]byte(s)) {
		return s
	}
	return fmt.Sprintf("%q", s)
}

func (c *Session) flags(s *snapshot) string {
	var b strings.Builder
	for _, f := range []struct {
		on     bool
		letter byte
	}{{s.pubSub, 'P'}, {c.unixSocket(), 'U'}, {s.readOnly, 'r'}, {s.noEvict, 'e'}} {
		if f.on {
			b.WriteByte(f.letter)
		}
	}
	if b.Len() == 0 {
		return "N"
	}
	return b.String()
}

func (c *Session) unixSocket() bool {
	return strings.HasPrefix(c.Local, "/") || strings.HasPrefix(c.Local, "@")
}

func clientInfo(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	c.Publish()
	var b strings.Builder
	c.describe(&b, c.server.config.Now())
	return resp.AppendVerbatim(out, c.Proto, b.String()), 0
}

// clientList is CLIENT LIST [TYPE type | ID id …].
func clientList(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	var listed []*Session
	switch {
	case len(args) == 2:
		listed = c.known()
	case len(args) == 4 && is(args[2], "type"):
		kind, ok := clientType(args[3])
		if !ok {
			return appendError(out, unknownType(args[3]))
		}
		for _, s := range c.known() {
			if s.kind() == kind {
				listed = append(listed, s)
			}
		}
	case len(args) > 3 && is(args[2], "id"):
		for _, arg := range args[3:] {
			id, ok := resp.ParseInt(arg)
			if !ok {
				return appendError(out, "ERR Invalid client ID")
			}
			if s := c.find(id); s != nil {
				listed = append(listed, s)
			}
		}
	default:
		return appendError(out, errSyntax)
	}
	var b strings.Builder
	now := c.server.config.Now()
	for _, s := range listed {
		s.describe(&b, now)
	}
	return resp.AppendVerbatim(out, c.Proto, b.String()), 0
}

// clientType reads a type of client; "slave" is the old word for a replica.
func clientType(arg []byte) (kind string, ok bool) {
	for _, kind := range []string{"normal", "pubsub", "master", "replica"} {
		if is(arg, kind) {
			return kind, true
		}
	}
	return "replica", is(arg, "slave")
}

func unknownType(arg []byte) string {
	return fmt.Sprintf("ERR Unknown client type '%s'", cString(arg, len(arg)))
}

// kind is the session's type. None is a master or replica of the proxy.
func (c *Session) kind() string {
	if c.snapshot.Load().pubSub {
		return "pubsub"
	}
	return "normal"
}
