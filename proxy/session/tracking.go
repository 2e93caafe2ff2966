package session

import (
	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// Client-side caching is not offered: a client that kept values by itself would
// have to be told of every change by the proxy. The refusal is the error of a
// server that never had it, which clients with a fallback understand.

func clientTracking(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	on, ok := onOff(args[2])
	switch {
	case !ok:
		return appendError(out, errSyntax)
	case on:
		return appendUnknownSubcommand(out, args), 0
	}
	return appendOK(out)
}

func clientCaching(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return appendError(out, "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
}

func clientGetRedir(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return redcon.AppendInt(out, -1), 0
}

func clientTrackingInfo(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	out = resp.AppendMap(out, c.Proto, 3)
	out = redcon.AppendBulkString(out, "flags")
	out = resp.AppendSet(out, c.Proto, 1)
	out = redcon.AppendBulkString(out, "off")
	out = redcon.AppendBulkString(out, "redirect")
	out = redcon.AppendInt(out, -1)
	out = redcon.AppendBulkString(out, "prefixes")
	return redcon.AppendArray(out, 0), 0
}
