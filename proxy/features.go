package proxy

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

// FEATURES.GET and FEATURES.MGET read features by their names, for people and for
// new clients, on any listener: each entity is read as by an HMGET of the fields,
// through the cache. Values are held as the reply has them, of the entities that
// are read so and of no others, so that a hit decodes nothing.

const (
	featuresGet  = "features.get"
	featuresMget = "features.mget"
)

func readsByName(cmd *command.Command) bool {
	return cmd.Name == featuresGet || cmd.Name == featuresMget
}

// featuresRead answers FEATURES.GET entity name… and FEATURES.MGET count entity…
// name….
func (c *client) featuresRead(cmd *command.Command, args [][]byte) error {
	owed := c.session.Owed()
	entities, names, err := namesOf(cmd, args)
	switch {
	case err != nil:
	case c.txn.open:
		err = errNotInTransaction(cmd)
	default:
		var n *named
		if n, err = c.server.named(names); err == nil {
			if !owed {
				return nil // nothing else would come of it
			}
			return c.readEach(cmd, entities, n)
		}
	}
	c.txn.broken = c.txn.broken || c.txn.open
	c.server.other.add(cmd.Name, "error")
	c.refuse(owed, err)
	return nil
}

// namesOf are the entities and names that a request names.
func namesOf(cmd *command.Command, args [][]byte) (entities, names [][]byte, err error) {
	const wrongArity redisError = "ERR wrong number of arguments for '%s' command"
	if !cmd.ArityOK(len(args)) {
		return nil, nil, redisError(fmt.Sprintf(string(wrongArity), cmd.Name))
	}
	if cmd.Name == featuresGet {
		return args[1:2], args[2:], nil
	}
	n, err := strconv.Atoi(string(args[1]))
	if err != nil || n < 1 {
		return nil, nil, redisError("ERR numentities should be greater than 0")
	}
	if n > len(args)-3 { // at least one name
		return nil, nil, redisError("ERR Number of entities can't be greater than number of args")
	}
	return args[2 : 2+n], args[2+n:], nil
}

// readEach reads the features of each entity, and answers with one reply for each,
// in an array if there may be several.
func (c *client) readEach(cmd *command.Command, entities [][]byte, n *named) error {
	if cmd.Name == featuresMget {
		c.reply = redcon.AppendArray(c.reply, len(entities))
	}
	c.wire = canonical(c.wire[:0], n.fields)
	view := cache.View{Decoded: true, Typed: true, Defaults: c.view.Defaults, Aside: true}
	p := c.server.cache.ProjectionIn(view, c.wire, n.fields)
	past := p == nil || c.bypass() != bypassNot
	outcome := "local"
	if past {
		outcome = "tunnel"
	}
	c.server.other.add(cmd.Name, outcome)
	for _, entity := range entities {
		var err error
		if past || c.ruledOut(entity, p) {
			err = c.readNamesPast(entity, n, view)
		} else {
			err = c.readNames(entity, p, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ruledOut tells whether the rules say that the store is to answer.
func (c *client) ruledOut(entity []byte, p *cache.Projection) bool {
	if !c.ruled {
		return false
	}
	mode, _ := c.rules.Decide(p, entity)
	return mode != rollout.Live
}

// readNames reads one entity through the cache.
func (c *client) readNames(entity []byte, p *cache.Projection, n *named) error {
	found := c.server.cache.Lookup(entity, p, c.now)
	if !found.Complete {
		found = c.decodeHeld(entity, p, found)
	}
	if !found.Complete {
		m, err := c.newMiss(entity, p, false, found)
		if err != nil {
			return err
		}
		m.named = n
		c.server.cache.NoteServed(&m.found, c.now)
		return c.awaitMiss(m)
	}
	version := c.session.Proto
	c.reply = n.appendHeader(c.reply, p.Len(), version)
	for i := range p.Len() {
		out, from := n.appendName(c.reply, i)
		out = found.AppendValue(out, i, version)
		c.reply = n.finish(out, from, version)
	}
	c.tally(p)
	return nil
}

// readNamesPast has the store answer for one entity.
func (c *client) readNamesPast(entity []byte, n *named, view cache.View) error {
	tunnel, err := c.tunnelFor([][]byte{entity})
	if err != nil {
		return c.cannotForward(true, err)
	}
	raw := redcon.AppendArray(nil, len(n.fields)+2)
	raw = append(raw, "$5\r\nHMGET\r\n"...)
	raw = canonical(redcon.AppendBulk(raw, entity), n.fields)
	shaped := &decoding{cache: c.server.cache, form: view, version: c.session.Proto, fields: n.fields, named: n}
	return c.pass(tunnel, passing{owed: true, decoding: shaped}, raw)
}

// named is what a read by name asks for, and how its reply is written: a map of
// the names with their values, each of the type that it has. Nil writes that of an
// HMGET.
type named struct {
	names, fields [][]byte
}

// named finds the fields of names. It keeps nothing of them.
func (s *Server) named(names [][]byte) (*named, error) {
	catalogue := feature.Empty()
	if s.cfg.Catalogue != nil {
		catalogue = s.cfg.Catalogue()
	}
	n := &named{names: make([][]byte, len(names)), fields: make([][]byte, len(names))}
	for i, name := range names {
		field, err := fieldOf(catalogue, string(name))
		if err != nil {
			return nil, err
		}
		n.names[i], n.fields[i] = append([]byte(nil), name...), []byte(field)
	}
	return n, nil
}

// fieldOf is the store's field for what a client calls a feature: its name, or the
// field itself. Where there is a catalogue, a name that is not in it is a mistake.
func fieldOf(catalogue *feature.Catalogue, name string) (string, error) {
	if catalogue.Len() == 0 || catalogue.Feature(name) != nil {
		return catalogue.Field(name), nil
	}
	if _, listed := catalogue.Name(name); listed {
		return name, nil
	}
	hint := "name one that is listed, or list it in features_file"
	if near := catalogue.Nearest(name); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "", fmt.Errorf("no feature is called %q in the catalogue; %s", name, hint)
}

// appendHeader begins the reply of so many values.
func (n *named) appendHeader(out []byte, count int, v resp.Version) []byte {
	if n == nil {
		return redcon.AppendArray(out, count)
	}
	return resp.AppendMap(out, v, count)
}

// appendName appends what stands before value i. The value begins at from.
func (n *named) appendName(out []byte, i int) (_ []byte, from int) {
	if n != nil {
		out = redcon.AppendBulk(out, n.names[i])
	}
	return out, len(out)
}

// finish has the value that begins at from be one of version v: it was appended as
// version 3 has it.
func (n *named) finish(out []byte, from int, v resp.Version) []byte {
	if n == nil || v == resp.V3 || !newer(out[from:]) {
		return out
	}
	value := append([]byte(nil), out[from:]...)
	return appendOlder(out[:from], value)
}

// newer tells whether a value is of a type that version 2 does not have, or is an
// array, which may hold such.
func newer(value []byte) bool { return value[0] == ',' || value[0] == '#' || value[0] == '*' }

// appendOlder appends it as version 2 can have it: doubles as text, truths as 1 and
// 0.
func appendOlder(out, value []byte) []byte {
	for len(value) > 0 {
		end := bytes.IndexByte(value, '\n') + 1
		text := value[1 : end-len("\r\n")]
		switch {
		case value[0] == ',':
			out = redcon.AppendBulk(out, text)
		case value[0] == '#':
			out = redcon.AppendInt(out, int64(bytes.IndexByte([]byte("ft"), text[0])))
		case value[0] == '$': // of an array: the others have been told apart before
			return append(out, value...)
		default:
			out = append(out, value[:end]...)
		}
		value = value[end:]
	}
	return out
}
