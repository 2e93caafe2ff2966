package session

import (
	"fmt"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

var clientHandlers = map[string]handler{
	"client|caching":      clientCaching,
	"client|getname":      clientGetName,
	"client|getredir":     clientGetRedir,
	"client|help":         help,
	"client|id":           clientID,
	"client|info":         clientInfo,
	"client|kill":         clientKill,
	"client|list":         clientList,
	"client|no-evict":     clientNoEvict,
	"client|no-touch":     clientNoTouch,
	"client|pause":        clientPause,
	"client|reply":        clientReply,
	"client|setinfo":      clientSetInfo,
	"client|setname":      clientSetName,
	"client|tracking":     clientTracking,
	"client|trackinginfo": clientTrackingInfo,
	"client|unblock":      clientUnblock,
	"client|unpause":      clientUnpause,
}

const errName = "ERR Client names cannot contain spaces, newlines or special characters."

func clientID(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return redcon.AppendInt(out, c.ID), 0
}

func clientGetName(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	if c.Name == "" {
		return resp.AppendNil(out, c.Proto), 0
	}
	return redcon.AppendBulkString(out, c.Name), 0
}

func clientSetName(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if !c.setName(args[2]) {
		return appendError(out, errName)
	}
	return appendOK(out)
}

// setName is false for a name that would break the lines of CLIENT LIST.
func (c *Session) setName(name []byte) bool {
	if !printable(name) {
		return false
	}
	c.Name = string(name)
	return true
}

// printable tells whether b is ASCII without blanks and control characters.
func printable(b []byte) bool {
	for _, ch := range b {
		if ch < '!' || ch > '~' {
			return false
		}
	}
	return true
}

// clientSetInfo is of Redis 7.2, whatever the store's version: clients send it
// unasked, and the proxy can tell them apart by it.
func clientSetInfo(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	var field *string
	var name string
	switch {
	case is(args[2], "lib-name"):
		field, name = &c.LibName, "lib-name"
	case is(args[2], "lib-ver"):
		field, name = &c.LibVersion, "lib-ver"
	default:
		return appendError(out, fmt.Sprintf("ERR Unrecognized option '%s'", cString(args[2], len(args[2]))))
	}
	if !printable(args[3]) {
		return appendError(out, "ERR "+name+" cannot contain spaces, newlines or special characters.")
	}
	*field = string(args[3])
	return appendOK(out)
}

// clientReply changes which replies are owed: see Owed.
func clientReply(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	switch {
	case is(args[2], "on"):
		c.off, c.skipping = false, false
		return appendOK(out)
	case is(args[2], "off"):
		c.off = true
		return out, 0
	case is(args[2], "skip"):
		c.skipNext = !c.off
		return out, 0
	}
	return appendError(out, errSyntax)
}

func clientNoEvict(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	on, ok := onOff(args[2])
	if !ok {
		return appendError(out, errSyntax)
	}
	c.NoEvict = on
	return appendOK(out)
}

// clientNoTouch is accepted: what the proxy answers from memory touches no key
// of the store in any case.
func clientNoTouch(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if _, ok := onOff(args[2]); !ok {
		return appendError(out, errSyntax)
	}
	return appendOK(out)
}

func onOff(arg []byte) (on, ok bool) {
	on = is(arg, "on")
	return on, on || is(arg, "off")
}

// clientPause checks its arguments and leaves the pausing to the store, whose
// clients it is about.
func clientPause(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if len(args) > 4 {
		return appendSubcommandSyntax(out, args), 0
	}
	if len(args) == 4 && !is(args[3], "write") && !is(args[3], "all") {
		return appendError(out, "ERR CLIENT PAUSE mode must be WRITE or ALL")
	}
	ms, ok := resp.ParseInt(args[2])
	if !ok {
		return appendError(out, "ERR timeout is not an integer or out of range")
	}
	if ms < 0 {
		return appendError(out, "ERR timeout is negative")
	}
	return out, Forward
}

func clientUnpause(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) { return out, Forward }

// clientUnblock never finds a blocked client: those block in the store, under
// ids of the store's.
func clientUnblock(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if len(args) > 4 {
		return appendSubcommandSyntax(out, args), 0
	}
	if len(args) == 4 && !is(args[3], "timeout") && !is(args[3], "error") {
		return appendError(out, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
	}
	if _, ok := resp.ParseInt(args[2]); !ok {
		return appendError(out, errNotInteger)
	}
	return redcon.AppendInt(out, 0), 0
}

// appendSubcommandSyntax is Redis' error for a subcommand whose arguments make
// no sense to it although their number is allowed.
func appendSubcommandSyntax(out []byte, args [][]byte) []byte {
	return resp.AppendError(out, fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP.",
		cString(args[1], quoted), upper(args[0])))
}
