package cluster

import (
	"bytes"
	"net"
	"strings"
)

// Whereto is what an error reply says about where its request belongs.
type Whereto uint8

// The kinds of error reply.
const (
	Here      Whereto = iota // an error like any other
	Moved                    // the slot is served by another node: the topology changed
	Ask                      // this once, behind ASKING: the slot is moving
	Elsewhere                // this node cannot answer now; another of its shard may
)

// tooMany begins what Redis says, behind "ERR ", to a connection that it has no
// room for, before it closes it.
var tooMany = []byte("max number of clients")

// Redirection reads an error reply that came from the node at from. For Moved
// and Ask it returns the address to go to; an empty host means from's own.
func Redirection(reply []byte, from string) (Whereto, string) {
	line := bytes.TrimSuffix(bytes.TrimPrefix(reply, []byte("-")), []byte("\r\n"))
	word, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(word) {
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN", "DENIED":
		return Elsewhere, ""
	case "ERR":
		if bytes.HasPrefix(rest, tooMany) {
			return Elsewhere, ""
		}
		return Here, ""
	case "MOVED", "ASK":
	default:
		return Here, ""
	}
	_, addr, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return Here, ""
	}
	// An IPv6 host stands without brackets: the port is behind the last colon.
	colon := bytes.LastIndexByte(addr, ':')
	if colon < 0 || colon == len(addr)-1 {
		return Here, ""
	}
	host, port := strings.Trim(string(addr[:colon]), "[]"), string(addr[colon+1:])
	if host == "" && CheckAddress(from) == nil {
		host, _, _ = net.SplitHostPort(from)
	}
	to := net.JoinHostPort(host, port)
	if host == "?" || CheckAddress(to) != nil {
		return Here, "" // "?" is Redis' word for a host that it does not know
	}
	kind := Moved
	if word[0] == 'A' {
		kind = Ask
	}
	return kind, to
}
