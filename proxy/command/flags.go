package command

import (
	"fmt"
	"strings"
)

// Flags are Redis' command flags, as COMMAND reports them.
type Flags uint32

// The flags, in Redis' order and with Redis' meaning.
const (
	FlagWrite Flags = 1 << iota
	FlagReadOnly
	FlagDenyOOM
	FlagModule
	FlagAdmin
	FlagPubSub
	FlagNoScript
	FlagBlocking
	FlagLoading
	FlagStale
	FlagSkipMonitor
	FlagSkipSlowlog
	FlagAsking
	FlagFast
	FlagNoAuth
	FlagNoMandatoryKeys
	FlagNoAsyncLoading
	FlagNoMulti
	FlagMovableKeys
	FlagAllowBusy
)

var flagNames = [...]string{
	"write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript",
	"blocking", "loading", "stale", "skip_monitor", "skip_slowlog", "asking",
	"fast", "no_auth", "no_mandatory_keys", "no_async_loading", "no_multi",
	"movablekeys", "allow_busy",
}

// Names are the flags' names in Redis' order.
func (f Flags) Names() []string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// parseFlags reads names between blanks. The tables are part of the program,
// so an unknown name is a mistake in it.
func parseFlags(s string) Flags {
	var f Flags
next:
	for name := range strings.FieldsSeq(s) {
		for i, known := range flagNames {
			if name == known {
				f |= 1 << i
				continue next
			}
		}
		panic(fmt.Sprintf("command: unknown flag %q", name))
	}
	return f
}
