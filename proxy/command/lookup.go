package command

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// row is a command as the tables hold it.
type row struct {
	name              string
	arity             int
	flags             string // names between blanks
	first, last, step int
	categories        string // names between blanks
	keys              string // key specs, see parseSpecs
	tips              string // between blanks
	group, since      string
	summary           string
}

// maxName is the length in bytes of the longest name that Lookup may have to
// find; a test holds it to the table.
const maxName = 32

var (
	all      []*Command          // without subcommands, by name
	byName   map[string]*Command // without subcommands
	fullName map[string]*Command // with subcommands as "container|subcommand"
)

func init() { // the tables' text made into commands, once
	fullName = make(map[string]*Command, len(table)+len(newer))
	byName = make(map[string]*Command, len(table)+len(newer))
	for _, r := range slices.Concat(table, newer) {
		if fullName[r.name] != nil {
			panic(fmt.Sprintf("command: %s is twice in the tables", r.name))
		}
		c := r.command()
		fullName[c.Name] = c
		if container, _, ok := strings.Cut(c.Name, "|"); ok {
			c.Container = fullName[container]
			c.Container.Subcommands = append(c.Container.Subcommands, c)
		} else {
			byName[c.Name] = c
			all = append(all, c)
		}
	}
	order := func(a, b *Command) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(all, order)
	for _, c := range all {
		slices.SortFunc(c.Subcommands, order)
	}
	classify()
}

func (r *row) command() *Command {
	c := &Command{
		Name: r.name, Arity: r.arity, Flags: parseFlags(r.flags),
		First: r.first, Last: r.last, Step: r.step,
		Categories: strings.Fields(r.categories),
		Group:      r.group, Since: r.since, Summary: r.summary,
		specs: parseSpecs(r.keys), findKeys: finders[r.name],
	}
	for tip := range strings.FieldsSeq(r.tips) {
		if policy, ok := strings.CutPrefix(tip, "request_policy:"); ok {
			c.RequestPolicy = policy
		}
		if policy, ok := strings.CutPrefix(tip, "response_policy:"); ok {
			c.ResponsePolicy = policy
		}
	}
	return c
}

// Lookup finds a command by its name, in any case; nil means that it is
// unknown. It allocates nothing. For a container (CLIENT, XGROUP …) see
// Resolve.
func Lookup(name []byte) *Command {
	if len(name) > maxName {
		return nil
	}
	var buf [maxName]byte
	lower := buf[:len(name)]
	for i, c := range name {
		lower[i] = lowerByte(c)
	}
	return byName[string(lower)]
}

// Resolve finds the command of a request: the subcommand where the command is
// a container and knows it, else the command itself, so that an unknown
// subcommand has its container's class and no keys. nil means unknown.
func Resolve(args [][]byte) *Command {
	if len(args) == 0 {
		return nil
	}
	c := Lookup(args[0])
	if c == nil || c.Subcommands == nil || len(args) == 1 {
		return c
	}
	if sub := c.Subcommand(args[1]); sub != nil {
		return sub
	}
	return c
}

// Named finds a command or subcommand ("client|kill") by its full name, in any
// case, as COMMAND INFO does; nil means that it is unknown.
func Named(name []byte) *Command {
	return fullName[strings.ToLower(string(name))]
}

// All goes through all commands by name, subcommands left out: see
// Command.Subcommands.
func All() iter.Seq[*Command] { return slices.Values(all) }

// Count is the number of commands that All goes through.
func Count() int { return len(all) }
