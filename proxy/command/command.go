package command

// Class is what fsproxy does with a command.
type Class uint8

// The classes. The zero value is the one that is right for what fsproxy knows
// nothing about.
const (
	Tunnel  Class = iota // forwarded on the connection's tunnel; writes nothing
	Write                // forwarded; the keys of Written are invalidated before and after
	Cached               // answered from rows where possible
	Local                // answered here, no store needed
	Stream               // forwarded, and what comes back does not pair with requests
	Refused              // answered with an error, since a sidecar cannot do it rightly
)

var classNames = [...]string{"tunnel", "write", "cached", "local", "stream", "refused"}

// String is the class as docs and metrics name it.
func (c Class) String() string { return classNames[c] }

// Command is one command, or one subcommand of a container such as CLIENT.
type Command struct {
	Name  string // lower case; a subcommand's is "container|subcommand"
	Arity int    // arguments, name included; negative: at least that many
	Flags Flags

	// Positions of keys as COMMAND reports them: first and last argument
	// (negative: from the end) and step. They cannot describe every command;
	// Keys can.
	First, Last, Step int

	Categories []string // ACL categories, without their "@"
	Group      string   // as in COMMAND DOCS
	Since      string   // version that brought it
	Summary    string
	// How Redis' own documentation says that a command over several nodes is
	// split and its replies joined: "multi_shard", "agg_sum" … Empty: not said.
	RequestPolicy, ResponsePolicy string

	Class Class
	// WholeKeyspace marks a write whose effect has no keys, or not only the
	// keys that it names: everything may have changed.
	WholeKeyspace bool
	// Why the class is not what the flags alone would say; empty where it is.
	Why string

	Subcommands []*Command // of a container, by name
	Container   *Command   // of a subcommand

	specs    []keySpec
	findKeys func(args [][]byte, dst [][]byte) [][]byte // where specs do not suffice
}

// ArityOK tells whether n arguments, the name included, can be right. Ask it
// of commands answered here: stores newer than this table may take others, so
// what is forwarded is theirs to judge.
func (c *Command) ArityOK(n int) bool {
	if c.Arity >= 0 {
		return n == c.Arity
	}
	return n >= -c.Arity
}

// Subcommand finds a container's subcommand by its name, in any case; nil if
// it has none of that name.
func (c *Command) Subcommand(name []byte) *Command {
	for _, s := range c.Subcommands {
		if equalFold(name, s.Name[len(c.Name)+1:]) {
			return s
		}
	}
	return nil
}

// equalFold compares name with lower, which is in lower case, as Redis does:
// ASCII letters only.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if lowerByte(c) != lower[i] {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
