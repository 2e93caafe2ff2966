package session

import (
	"slices"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

var commandHandlers = map[string]handler{
	"command":         commandAll,
	"command|count":   commandCount,
	"command|docs":    commandDocs,
	"command|getkeys": commandGetKeys,
	"command|help":    help,
	"command|info":    commandInfo,
	"command|list":    commandList,
}

func commandAll(c *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	out = redcon.AppendArray(out, command.Count())
	for cmd := range command.All() {
		out = appendCommandInfo(out, c.Proto, cmd)
	}
	return out, 0
}

// appendCommandInfo appends the first six elements of Redis 7's ten, as Redis
// up to 5 had them: some clients read no others and fail on more.
func appendCommandInfo(out []byte, v resp.Version, cmd *command.Command) []byte {
	out = redcon.AppendArray(out, 6)
	out = redcon.AppendBulkString(out, cmd.Name)
	out = redcon.AppendInt(out, int64(cmd.Arity))
	flags := cmd.Flags.Names()
	out = resp.AppendSet(out, v, len(flags))
	for _, f := range flags {
		out = redcon.AppendString(out, f)
	}
	out = redcon.AppendInt(out, int64(cmd.First))
	out = redcon.AppendInt(out, int64(cmd.Last))
	return redcon.AppendInt(out, int64(cmd.Step))
}

func commandCount(_ *Session, out []byte, _ [][]byte) ([]byte, Effect) {
	return redcon.AppendInt(out, int64(command.Count())), 0
}

func commandInfo(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	if len(args) == 2 {
		return commandAll(c, out, args)
	}
	out = redcon.AppendArray(out, len(args)-2)
	for _, name := range args[2:] {
		if cmd := command.Named(name); cmd != nil {
			out = appendCommandInfo(out, c.Proto, cmd)
		} else {
			out = resp.AppendNil(out, c.Proto)
		}
	}
	return out, 0
}

// commandList is COMMAND LIST [FILTERBY MODULE name | ACLCAT category |
// PATTERN pattern].
func commandList(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	keep := func(*command.Command) bool { return true }
	if len(args) > 2 {
		if len(args) != 5 || !is(args[2], "filterby") {
			return appendError(out, errSyntax)
		}
		switch {
		case is(args[3], "module"):
			keep = func(*command.Command) bool { return false }
		case is(args[3], "aclcat"):
			keep = func(c *command.Command) bool {
				return slices.ContainsFunc(c.Categories, func(category string) bool { return is(args[4], category) })
			}
		case is(args[3], "pattern"):
			keep = func(c *command.Command) bool { return globMatch(args[4], c.Name) }
		default:
			return appendError(out, errSyntax)
		}
	}
	var names []string
	for cmd := range command.All() {
		for _, cmd := range append([]*command.Command{cmd}, cmd.Subcommands...) {
			if keep(cmd) {
				names = append(names, cmd.Name)
			}
		}
	}
	out = redcon.AppendArray(out, len(names))
	for _, name := range names {
		out = redcon.AppendBulkString(out, name)
	}
	return out, 0
}

func commandGetKeys(_ *Session, out []byte, args [][]byte) ([]byte, Effect) {
	request := args[2:]
	cmd := command.Resolve(request)
	switch {
	case cmd == nil || cmd.Subcommands != nil && len(request) > 1:
		return appendError(out, "ERR Invalid command specified")
	case !cmd.HasKeys():
		return appendError(out, "ERR The command has no key arguments")
	case !cmd.ArityOK(len(request)):
		return appendError(out, "ERR Invalid number of arguments specified for command")
	}
	keys := cmd.Keys(request, nil)
	if len(keys) == 0 && cmd.Flags&command.FlagNoMandatoryKeys == 0 {
		return appendError(out, "ERR Invalid arguments specified for command")
	}
	out = redcon.AppendArray(out, len(keys))
	for _, k := range keys {
		out = redcon.AppendBulk(out, k)
	}
	return out, 0
}

// commandDocs is COMMAND DOCS [name …]. It leaves out what redis-cli only uses
// for hints while typing (arguments, history), which would be most of it.
func commandDocs(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	var listed []*command.Command
	if len(args) == 2 {
		listed = slices.Collect(command.All())
	}
	for _, name := range args[2:] {
		if cmd := command.Named(name); cmd != nil {
			listed = append(listed, cmd)
		}
	}
	out = resp.AppendMap(out, c.Proto, len(listed))
	for _, cmd := range listed {
		out = appendCommandDocs(out, c.Proto, cmd)
	}
	return out, 0
}

// appendCommandDocs appends a name and the map that belongs to it.
func appendCommandDocs(out []byte, v resp.Version, cmd *command.Command) []byte {
	out = redcon.AppendBulkString(out, cmd.Name)
	fields := []Field{{"summary", cmd.Summary}, {"since", cmd.Since}, {"group", cmd.Group}}
	n := len(fields)
	if cmd.Subcommands != nil {
		n++
	}
	out = resp.AppendMap(out, v, n)
	for _, f := range fields {
		out = redcon.AppendBulkString(out, f.Name)
		out = redcon.AppendBulkString(out, f.Value)
	}
	if cmd.Subcommands != nil {
		out = redcon.AppendBulkString(out, "subcommands")
		out = resp.AppendMap(out, v, len(cmd.Subcommands))
		for _, sub := range cmd.Subcommands {
			out = appendCommandDocs(out, v, sub)
		}
	}
	return out
}
