package session

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

var configHandlers = map[string]handler{
	"config|get":       configGet,
	"config|help":      help,
	"config|resetstat": configChange,
	"config|rewrite":   configChange,
	"config|set":       configChange,
}

// settings are what clients and tools ask for when they connect, with the
// answers that fit a cache in front of a store: nothing is saved here, nothing
// is evicted for memory's sake by a policy of Redis', no client is idle for too
// long, no events are sent.
var settings = map[string]string{
	"appendonly":             "no",
	"cluster-enabled":        "yes",
	"databases":              "", // from Config
	"maxmemory":              "0",
	"maxmemory-policy":       "noeviction",
	"notify-keyspace-events": "",
	"proto-max-bulk-len":     "536870912",
	"save":                   "",
	"tcp-keepalive":          "300",
	"timeout":                "0",
}

// configGet is CONFIG GET pattern …, answered here when everything that is
// asked for is named in full and known here. A pattern may mean what only the
// store has, so it is passed on, as is everything once a client has changed the
// store's configuration.
func configGet(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if c.server.configured.Load() {
		return out, Forward
	}
	known := c.server.settings()
	var found []Field
	for _, arg := range args[2:] {
		if bytes.ContainsAny(arg, "[*?") {
			return out, Forward
		}
		value, ok := known[string(bytes.ToLower(arg))]
		if !ok {
			return out, Forward
		}
		// Redis repeats the name in the case in which it was asked for.
		if f := (Field{string(arg), value}); !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	out = resp.AppendMap(out, c.Proto, len(found))
	for _, f := range found {
		out = redcon.AppendBulkString(out, f.Name)
		out = redcon.AppendBulkString(out, f.Value)
	}
	return out, 0
}

func (s *Server) settings() map[string]string {
	known := maps.Clone(settings)
	known["databases"] = strconv.Itoa(s.config.Databases)
	maps.Copy(known, s.config.Settings)
	return known
}

// configChange passes on what changes the store's configuration.
func configChange(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	c.server.configured.Store(true)
	return out, Forward
}
