package session

import (
	"bytes"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/proxy/command"
)

func upper(b []byte) []byte { return bytes.ToUpper(cString(b, len(b))) }

// help answers the HELP of any container from the table, in the shape that
// Redis gives it: a simple string a line.
func help(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	container := command.Lookup(args[0])
	out = redcon.AppendArray(out, 2*len(container.Subcommands)+1)
	name := string(upper(args[0]))
	out = redcon.AppendString(out, name+" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, sub := range container.Subcommands {
		if sub.Name == container.Name+"|help" {
			continue
		}
		out = redcon.AppendString(out, string(upper([]byte(sub.Name[len(container.Name)+1:]))))
		out = redcon.AppendString(out, "    "+sub.Summary)
	}
	out = redcon.AppendString(out, "HELP")
	return redcon.AppendString(out, "    Prints this help."), 0
}
