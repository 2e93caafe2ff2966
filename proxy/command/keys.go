package command

// Keys appends the keys in args, a whole request with the command's name
// first, to dst. They alias args. Of arguments that cannot be right it appends
// nothing, as COMMAND GETKEYS does: the store will refuse them.
func (c *Command) Keys(args, dst [][]byte) [][]byte {
	return c.keys(args, dst, "rw")
}

// Written appends the keys that the command may write, create or delete: those
// to invalidate. The sources of SUNIONSTORE or COPY, say, are not among them.
// It appends nothing for a command that is not of class Write. A command that
// writes beyond the keys it names has WholeKeyspace.
func (c *Command) Written(args, dst [][]byte) [][]byte {
	return c.keys(args, dst, "w")
}

// RouteKeys appends whatever decides on the node that a request belongs to:
// its keys and the shard channels of SPUBLISH and SSUBSCRIBE.
func (c *Command) RouteKeys(args, dst [][]byte) [][]byte {
	return c.keys(args, dst, "rwx")
}

func (c *Command) keys(args, dst [][]byte, access string) [][]byte {
	if c.Subcommands != nil && len(args) > 1 {
		if sub := c.Subcommand(args[1]); sub != nil {
			c = sub
		}
	}
	if access == "w" && c.Class != Write {
		return dst
	}
	if c.findKeys != nil {
		return c.findKeys(args, dst)
	}
	start := len(dst)
	for i := range c.specs {
		s := &c.specs[i]
		if !contains(access, s.access) {
			continue
		}
		first, last, none, ok := s.span(args)
		if none {
			continue
		}
		if !ok {
			return dst[:start]
		}
		for k := first; k <= last; k += s.step {
			dst = append(dst, args[k])
		}
	}
	return dst
}

func contains(set string, c byte) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// HasKeys tells whether the command can have keys at all.
func (c *Command) HasKeys() bool {
	if c.findKeys != nil {
		return true
	}
	for _, s := range c.specs {
		if s.access != 'x' {
			return true
		}
	}
	return false
}

// Finders of keys that no key spec describes.
var finders = map[string]func(args, dst [][]byte) [][]byte{
	"sort":              sortKeys,
	"georadius":         geoKeys(6),
	"georadiusbymember": geoKeys(5),
	"migrate":           migrateKeys,
}

// sortKeys finds SORT key … [STORE destination]. Of several STORE the last one
// counts. What its BY and GET patterns read cannot be known.
func sortKeys(args, dst [][]byte) [][]byte {
	if len(args) < 2 {
		return dst
	}
	dst = append(dst, args[1])
	store := 0
	for i := 2; i < len(args); i++ {
		switch {
		case equalFold(args[i], "limit"):
			i += 2
		case equalFold(args[i], "get"), equalFold(args[i], "by"):
			i++
		case equalFold(args[i], "store") && i+1 < len(args):
			store = i + 1
		}
	}
	if store > 0 {
		dst = append(dst, args[store])
	}
	return dst
}

// geoKeys finds GEORADIUS key … [STORE | STOREDIST destination], the options
// beginning at argument options. The last destination counts.
func geoKeys(options int) func(args, dst [][]byte) [][]byte {
	return func(args, dst [][]byte) [][]byte {
		if len(args) < 2 {
			return dst
		}
		dst = append(dst, args[1])
		store := 0
		for i := options; i+1 < len(args); i++ {
			if equalFold(args[i], "store") || equalFold(args[i], "storedist") {
				i++
				store = i
			}
		}
		if store > 0 {
			dst = append(dst, args[store])
		}
		return dst
	}
}

// migrateKeys finds MIGRATE host port key|"" db timeout [COPY] [REPLACE]
// [AUTH password] [AUTH2 user password] [KEYS key …].
func migrateKeys(args, dst [][]byte) [][]byte {
	if len(args) < 4 {
		return dst
	}
	for i := 6; i < len(args); i++ {
		switch {
		case equalFold(args[i], "keys"):
			if len(args[3]) > 0 {
				return dst // a syntax error
			}
			return append(dst, args[i+1:]...)
		case equalFold(args[i], "auth"):
			i++
		case equalFold(args[i], "auth2"):
			i += 2
		}
	}
	return append(dst, args[3])
}
