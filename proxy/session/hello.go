package session

import (
	"fmt"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

var helloHandlers = map[string]handler{
	"hello": hello,
	"auth":  auth,
}

// hello is HELLO [version [AUTH user password] [SETNAME name]]. What came
// before a mistake has already taken effect, as in Redis; the version has not.
func hello(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	version := int64(c.Proto)
	if len(args) > 1 {
		var ok bool
		if version, ok = resp.ParseInt(args[1]); !ok {
			return appendError(out, "ERR Protocol version is not an integer or out of range")
		}
		if version != 2 && version != 3 {
			return appendError(out, "NOPROTO unsupported protocol version")
		}
	}
	for i := 2; i < len(args); i++ {
		more := len(args) - 1 - i
		switch {
		case is(args[i], "auth") && more >= 2:
			if refusal := c.authenticate(string(args[i+1]), true, args[i+2]); refusal != "" {
				return appendError(out, refusal)
			}
			i += 2
		case is(args[i], "setname") && more >= 1:
			if !c.setName(args[i+1]) {
				return appendError(out, errName)
			}
			i++
		default:
			return appendError(out, fmt.Sprintf("ERR Syntax error in HELLO option '%s'", cString(args[i], len(args[i]))))
		}
	}
	if !c.authenticated {
		return appendError(out, errHelloFirst)
	}
	c.Proto = resp.Version(version)
	return c.appendHello(out), 0
}

// appendHello says standalone, not cluster: clients meant for one server refuse
// a cluster, and those meant for a cluster ask for CLUSTER SLOTS anyway.
func (c *Session) appendHello(out []byte) []byte {
	out = resp.AppendMap(out, c.Proto, 7)
	for _, f := range []Field{{"server", "redis"}, {"version", c.server.version()}} {
		out = redcon.AppendBulkString(out, f.Name)
		out = redcon.AppendBulkString(out, f.Value)
	}
	out = redcon.AppendBulkString(out, "proto")
	out = redcon.AppendInt(out, int64(c.Proto))
	out = redcon.AppendBulkString(out, "id")
	out = redcon.AppendInt(out, c.ID)
	for _, f := range []Field{{"mode", "standalone"}, {"role", "master"}} {
		out = redcon.AppendBulkString(out, f.Name)
		out = redcon.AppendBulkString(out, f.Value)
	}
	out = redcon.AppendBulkString(out, "modules")
	return redcon.AppendArray(out, 0)
}

// auth is AUTH [user] password.
func auth(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	user := defaultUser
	switch len(args) {
	case 2:
	case 3:
		user = string(args[1])
	default:
		return appendError(out, errSyntax)
	}
	if refusal := c.authenticate(user, len(args) == 3, args[len(args)-1]); refusal != "" {
		return appendError(out, refusal)
	}
	return appendOK(out)
}
