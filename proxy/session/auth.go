package session

import (
	"strings"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// WrongPass is what Redis says of a user that it does not know, or whose
// password is another.
const WrongPass = "WRONGPASS invalid username-password pair or user is disabled."

// NoAuth is what Redis says of nearly every command to who has yet to
// authenticate.
const NoAuth = "NOAUTH Authentication required."

const (
	// execAbort is what Redis puts in front of an error to EXEC, even where there
	// is no transaction to discard.
	execAbort     = "EXECABORT Transaction discarded because of: "
	errHelloFirst = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
)

// Authenticated tells whether the client may go on: it has authenticated, or
// nobody has to.
func (c *Session) Authenticated() bool { return c.authenticated }

// Admits tells whether the client may run cmd, nil for an unknown one, as far as
// it has authenticated.
func (c *Session) Admits(cmd *command.Command) bool {
	return c.authenticated || cmd != nil && cmd.Flags&command.FlagNoAuth != 0
}

// AppendNoAuth appends Redis' error for a command that is not admitted. What is
// no command at all, Redis says first.
func AppendNoAuth(out []byte, cmd *command.Command, args [][]byte) []byte {
	if cmd == nil {
		return AppendUnknownCommand(out, args)
	}
	if cmd.Subcommands != nil && len(args) > 1 {
		sub := cmd.Subcommand(args[1])
		if sub == nil {
			return appendUnknownSubcommand(out, args)
		}
		cmd = sub
	}
	failure := NoAuth
	if !cmd.ArityOK(len(args)) {
		failure = "ERR " + wrongArity(cmd)
	}
	if cmd.Name == "exec" {
		failure = execAbort + strings.TrimPrefix(failure, "ERR ")
	}
	return resp.AppendError(out, failure)
}

// authenticate has what the client presents judged. A refusal leaves it who it
// was, as in Redis. Where nobody has to authenticate, anything is taken: many
// clients send a password out of habit, and Redis' own error for that would keep
// them from connecting.
func (c *Session) authenticate(user string, named bool, password []byte) (refusal string) {
	if judge := c.server.config.Authenticate; judge != nil {
		identity, refusal := judge(user, named, string(password))
		if refusal != "" {
			return refusal
		}
		c.Identity, c.authenticated = identity, true
	}
	c.User = user
	return ""
}
