package session

import (
	"strings"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

var unsubscribeHandlers = map[string]handler{
	"unsubscribe":  unsubscribe,
	"punsubscribe": unsubscribe,
	"sunsubscribe": unsubscribe,
}

// unsubscribe answers one that is subscribed to nothing: with a message for each
// channel named, or one without a channel.
func unsubscribe(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	kind := strings.ToLower(string(args[0]))
	for _, channel := range args[1:] {
		out = redcon.AppendBulk(appendMessage(out, c.Proto, kind), channel)
		out = redcon.AppendInt(out, 0)
	}
	if len(args) == 1 {
		out = redcon.AppendInt(resp.AppendNil(appendMessage(out, c.Proto, kind), c.Proto), 0)
	}
	return out, Pushed
}

// appendMessage appends the beginning of a message of three parts: version 3 has
// a type of its own for what comes unasked.
func appendMessage(out []byte, v resp.Version, kind string) []byte {
	if v == resp.V3 {
		out = append(out, ">3\r\n"...)
	} else {
		out = redcon.AppendArray(out, 3)
	}
	return redcon.AppendBulkString(out, kind)
}
