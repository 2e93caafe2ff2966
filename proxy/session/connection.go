package session

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

var connectionHandlers = map[string]handler{
	"ping":      ping,
	"echo":      echo,
	"quit":      quit,
	"select":    selectDB,
	"reset":     reset,
	"time":      timeOfDay,
	"role":      role,
	"readonly":  readOnly,
	"readwrite": readWrite,
	"asking":    asking,
	"lolwut":    lolwut,
}

func ping(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	switch len(args) {
	case 1:
		return append(out, "+PONG\r\n"...), 0
	case 2:
		return redcon.AppendBulk(out, args[1]), 0
	}
	return AppendWrongArity(out, command.Lookup(args[0])), 0
}

func echo(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	return redcon.AppendBulk(out, args[1]), 0
}

func quit(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	out, _ = appendOK(out)
	return out, Close
}

func selectDB(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	n, ok := resp.ParseInt(args[1])
	switch {
	case !ok:
		return appendError(out, errNotInteger)
	case n < math.MinInt32 || n > math.MaxInt32:
		return appendError(out, fmt.Sprintf("ERR value is out of range, value must between %d and %d", math.MinInt32, math.MaxInt32))
	case n < 0 || n >= int64(c.server.config.Databases):
		return appendError(out, "ERR DB index is out of range")
	}
	c.DB = int(n)
	return appendOK(out)
}

// reset makes the session what it was when it was opened. As in Redis, the
// library's name stays, and a CLIENT REPLY SKIP before it still holds.
func reset(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	c.Proto, c.DB, c.User, c.Name = resp.V2, 0, defaultUser, ""
	c.ReadOnly = false
	c.Identity, c.authenticated = nil, c.server.config.Authenticate == nil
	c.off, c.skipNext = false, false
	return append(out, "+RESET\r\n"...), Reset
}

func timeOfDay(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	now := c.server.config.Now()
	out = redcon.AppendArray(out, 2)
	out = redcon.AppendBulkString(out, strconv.FormatInt(now.Unix(), 10))
	return redcon.AppendBulkString(out, strconv.Itoa(now.Nanosecond()/1000)), 0
}

func role(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	out = redcon.AppendArray(out, 3)
	out = redcon.AppendBulkString(out, "master")
	out = redcon.AppendInt(out, 0)
	return redcon.AppendArray(out, 0), 0
}

func readOnly(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	c.ReadOnly = true
	return appendOK(out)
}

func readWrite(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	c.ReadOnly = false
	return appendOK(out)
}

// asking is what a cluster client says after -ASK. The proxy never sends one,
// so there is nothing to remember.
func asking(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) { return appendOK(out) }

func lolwut(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return resp.AppendVerbatim(out, c.Proto, "Redis ver. "+c.server.version()+"\n"), 0
}
