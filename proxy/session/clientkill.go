package session

import (
	"fmt"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// victims is which clients CLIENT KILL means: those that every filter given
// lets through.
type victims struct {
	id          int64 // 0: any
	addr, laddr []byte
	kind, user  string
	byUser      bool // user is given, though it may be empty
	skipMe      bool
}

func (v *victims) match(c, me *Session) bool {
	switch {
	case v.id != 0 && c.ID != v.id,
		v.addr != nil && c.Remote != string(v.addr),
		v.laddr != nil && c.Local != string(v.laddr),
		v.kind != "" && c.kind() != v.kind,
		v.byUser && c.snapshot.Load().user != v.user,
		v.skipMe && c == me:
		return false
	}
	return true
}

// clientKill is CLIENT KILL addr, or CLIENT KILL filter value …. Its clients
// are the proxy's. One that kills itself is answered first.
func clientKill(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	v := victims{addr: args[2]}
	if len(args) > 3 {
		var failure string
		if v, failure = killFilters(c, args[2:]); failure != "" {
			return appendError(out, failure)
		}
	}
	killed, effect := 0, Effect(0)
	for _, s := range c.known() {
		if !v.match(s, c) {
			continue
		}
		killed++
		if s == c {
			effect = Close
		} else if s.kill != nil {
			s.kill()
		}
	}
	switch {
	case len(args) > 3:
		return redcon.AppendInt(out, int64(killed)), effect
	case killed == 0:
		return appendError(out, "ERR No such client")
	}
	out, _ = appendOK(out)
	return out, effect
}

// killFilters reads pairs of filter and value; failure is the error to answer.
func killFilters(c *Session, args [][]byte) (v victims, failure string) {
	v.skipMe = true
	for ; len(args) > 0; args = args[2:] {
		if len(args) == 1 {
			return v, errSyntax
		}
		value := args[1]
		switch ok := true; {
		case is(args[0], "id"):
			if v.id, ok = resp.ParseInt(value); !ok || v.id < 1 {
				return v, "ERR client-id should be greater than 0"
			}
		case is(args[0], "type"):
			if v.kind, ok = clientType(value); !ok {
				return v, unknownType(value)
			}
		case is(args[0], "addr"):
			v.addr = value
		case is(args[0], "laddr"):
			v.laddr = value
		case is(args[0], "user"):
			v.user, v.byUser = string(value), true
			if !c.knowsUser(v.user) {
				return v, fmt.Sprintf("ERR No such user '%s'", cString(value, len(value)))
			}
		case is(args[0], "skipme") && is(value, "yes"):
			v.skipMe = true
		case is(args[0], "skipme") && is(value, "no"):
			v.skipMe = false
		default:
			return v, errSyntax
		}
	}
	return v, ""
}

// knowsUser tells whether someone is connected under that name, or could be
// without saying so.
func (c *Session) knowsUser(user string) bool {
	if user == defaultUser {
		return true
	}
	for _, other := range c.known() {
		if other.snapshot.Load().user == user {
			return true
		}
	}
	return false
}
