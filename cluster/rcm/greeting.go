package rcm

import (
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// What a client says to introduce itself, answered as Redis words it.

const (
	errNotInteger = "ERR value is not an integer or out of range"
	errSyntax     = "ERR syntax error"
	errWrongPass  = "WRONGPASS invalid username-password pair or user is disabled."
	errClientName = "ERR Client names cannot contain spaces, newlines or special characters."
)

func (c *client) ping(args [][]byte) {
	switch len(args) {
	case 1:
		c.out = redcon.AppendString(c.out, "PONG")
	case 2:
		c.out = redcon.AppendBulk(c.out, args[1])
	default:
		c.error("ERR wrong number of arguments for 'ping' command")
	}
}

func (c *client) echo(args [][]byte) { c.out = redcon.AppendBulk(c.out, args[1]) }

func (c *client) quit([][]byte) {
	c.out = redcon.AppendOK(c.out)
	c.done = true
}

func (c *client) reset([][]byte) {
	c.version = resp.V2
	c.setClientName("")
	c.admit(c.server.config.Password == "")
	c.out = redcon.AppendString(c.out, "RESET")
}

func (c *client) selectDatabase(args [][]byte) {
	switch n, ok := resp.ParseInt(args[1]); {
	case !ok:
		c.error(errNotInteger)
	case n != 0:
		c.error("ERR SELECT is not allowed in cluster mode")
	default:
		c.ok(args)
	}
}

// auth takes AUTH password and AUTH username password.
func (c *client) auth(args [][]byte) {
	user, password := []byte("default"), args[1]
	switch len(args) {
	case 2:
	case 3:
		user, password = args[1], args[2]
	default:
		c.error(errSyntax)
		return
	}
	if !c.login(user, password) {
		c.error(errWrongPass)
		return
	}
	c.ok(args)
}

// login compares in constant time. Without a configured password everybody is
// welcome: clients are set up for the store's, which need not be told here.
func (c *client) login(user, password []byte) bool {
	config := &c.server.config
	if config.Password == "" {
		return true
	}
	right := subtle.ConstantTimeCompare(user, []byte(config.Username)) &
		subtle.ConstantTimeCompare(password, []byte(config.Password))
	if right == 1 {
		c.admit(true)
	} else {
		c.server.logins.Add(1)
	}
	return right == 1
}

// hello takes HELLO [version [AUTH username password] [SETNAME name]]. Nothing
// of it holds unless all of it does.
func (c *client) hello(args [][]byte) {
	version := c.version
	if len(args) > 1 {
		n, ok := resp.ParseInt(args[1])
		if !ok {
			c.error("ERR Protocol version is not an integer or out of range")
			return
		}
		if n != 2 && n != 3 {
			c.error("NOPROTO unsupported protocol version")
			return
		}
		version = resp.Version(n)
	}
	name := c.name
	var user, password []byte
	presented := false
	for i := 2; i < len(args); i++ {
		switch option := strings.ToUpper(string(args[i])); {
		case option == "AUTH" && i+2 < len(args):
			user, password, presented = args[i+1], args[i+2], true
			i += 2
		case option == "SETNAME" && i+1 < len(args):
			if !validName(args[i+1]) {
				c.error(errClientName)
				return
			}
			name = string(args[i+1])
			i++
		default:
			c.error("ERR Syntax error in HELLO option '" + clip(args[i]) + "'")
			return
		}
	}
	if presented && !c.login(user, password) {
		c.error(errWrongPass)
		return
	}
	if !c.authenticated {
		c.error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	c.version = version
	c.setClientName(name)
	c.tellHello()
}

func (c *client) tellHello() {
	b := resp.AppendMap(c.out, c.version, 7)
	b = appendPair(b, "server", "redis")
	b = appendPair(b, "version", c.server.views.Load().version)
	b = redcon.AppendBulkString(b, "proto")
	b = redcon.AppendInt(b, int64(c.version))
	b = redcon.AppendBulkString(b, "id")
	b = redcon.AppendInt(b, c.id)
	b = appendPair(b, "mode", "cluster")
	b = appendPair(b, "role", "master")
	b = redcon.AppendBulkString(b, "modules")
	c.out = redcon.AppendArray(b, 0)
}

// validName is Redis' rule for the names of clients: printable, no blanks.
func validName(name []byte) bool {
	for _, b := range name {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}

// setInfo takes CLIENT SETINFO: what library a client is.
func (c *client) setInfo(args [][]byte) {
	attribute := clip(args[2])
	switch strings.ToLower(attribute) {
	case "lib-name", "lib-ver":
	default:
		c.error("ERR Unrecognized option '" + attribute + "'")
		return
	}
	if !validName(args[3]) {
		c.error("ERR " + attribute + " cannot contain spaces, newlines or special characters.")
		return
	}
	c.ok(args)
}

// onOff accepts a switch of the connection that changes nothing here: no key is
// ever read, and nobody is evicted.
func (c *client) onOff(args [][]byte) {
	switch strings.ToLower(string(args[2])) {
	case "on", "off":
		c.ok(args)
	default:
		c.error(errSyntax)
	}
}

func (c *client) setName(args [][]byte) {
	if !validName(args[2]) {
		c.error(errClientName)
		return
	}
	c.setClientName(string(args[2]))
	c.ok(args)
}

func (c *client) getName([][]byte) {
	if c.name == "" {
		c.out = resp.AppendNil(c.out, c.version)
		return
	}
	c.out = redcon.AppendBulkString(c.out, c.name)
}

// tellOfItself is CLIENT INFO, as far as it is known here.
func (c *client) tellOfItself([][]byte) {
	c.text(fmt.Sprintf("id=%d addr=%s laddr=%s name=%s db=0 resp=%d\n", c.id, c.conn.RemoteAddr(), c.conn.LocalAddr(), c.name, c.version))
}

// role is that of a primary without replicas: the RCM is a node without slots.
func (c *client) role([][]byte) {
	c.out = redcon.AppendArray(c.out, 3)
	c.out = redcon.AppendBulkString(c.out, "master")
	c.out = redcon.AppendInt(c.out, 0)
	c.out = redcon.AppendArray(c.out, 0)
}

func (c *client) time([][]byte) {
	now := time.Now()
	c.out = redcon.AppendArray(c.out, 2)
	c.out = redcon.AppendBulkString(c.out, strconv.FormatInt(now.Unix(), 10))
	c.out = redcon.AppendBulkString(c.out, strconv.Itoa(now.Nanosecond()/1000))
}

func (c *client) tellID([][]byte) { c.out = redcon.AppendInt(c.out, c.id) }
