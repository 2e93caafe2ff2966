package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

// FEATURES.GET and FEATURES.MGET read features by their names, for people and for
// new clients, on any listener: each entity is read as by an HMGET of the fields,
// through the cache, and its values are decoded on the way out. Nothing is held
// for their sake in another form.

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
		var t *typed
		if t, err = c.server.typed(names, c.view.Defaults, c.session.Proto); err == nil {
			if !owed {
				return nil // nothing else would come of it
			}
			return c.readEach(cmd, entities, t)
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
func (c *client) readEach(cmd *command.Command, entities [][]byte, t *typed) error {
	if cmd.Name == featuresMget {
		c.reply = redcon.AppendArray(c.reply, len(entities))
	}
	var wire []byte
	for _, field := range t.fields {
		wire = redcon.AppendBulk(wire, field)
	}
	p := c.server.cache.ProjectionIn(cache.View{Aside: true}, wire, t.fields)
	past := p == nil || c.bypass() != bypassNot
	outcome := "local"
	if past {
		outcome = "tunnel"
	}
	c.server.other.add(cmd.Name, outcome)
	for _, entity := range entities {
		var err error
		if past || c.ruledOut(entity, p) {
			err = c.readNamesPast(entity, wire, t)
		} else {
			err = c.readNames(entity, p, t)
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
func (c *client) readNames(entity []byte, p *cache.Projection, t *typed) error {
	found := c.server.cache.Lookup(entity, p, c.now)
	if !found.Complete {
		m, err := c.newMiss(entity, p, false, found)
		if err != nil {
			return err
		}
		m.shaper = t
		c.server.cache.NoteServed(&m.found, c.now)
		return c.awaitMiss(m)
	}
	frame := found.Append([]byte(p.Header), c.session.Proto)
	c.reply = append(c.reply, t.shape(frame)...)
	c.tally(p)
	return nil
}

// readNamesPast has the store answer for one entity.
func (c *client) readNamesPast(entity, wire []byte, t *typed) error {
	tunnel, err := c.tunnelFor([][]byte{entity})
	if err != nil {
		return c.cannotForward(true, err)
	}
	raw := redcon.AppendArray(nil, len(t.fields)+2)
	raw = append(raw, "$5\r\nHMGET\r\n"...)
	raw = append(redcon.AppendBulk(raw, entity), wire...)
	return c.pass(tunnel, passing{owed: true, shaper: t}, raw)
}

// typed is the shaper of a read by name: a map of the names with their values,
// each of the type that it has.
type typed struct {
	names, fields [][]byte
	definitions   []*feature.Definition // nil: its values are given as stored
	defaults      bool
	version       resp.Version
}

// typed finds the fields of names. It keeps nothing of them.
func (s *Server) typed(names [][]byte, defaults bool, v resp.Version) (*typed, error) {
	catalogue := feature.Empty()
	if s.cfg.Catalogue != nil {
		catalogue = s.cfg.Catalogue()
	}
	t := &typed{
		names: make([][]byte, len(names)), fields: make([][]byte, len(names)),
		definitions: make([]*feature.Definition, len(names)), defaults: defaults, version: v,
	}
	for i, name := range names {
		field, err := fieldOf(catalogue, string(name))
		if err != nil {
			return nil, err
		}
		t.names[i], t.fields[i] = append([]byte(nil), name...), []byte(field)
		t.definitions[i] = catalogue.Lookup(field)
	}
	return t, nil
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
	hint := ""
	if near := catalogue.Nearest(name); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return "", fmt.Errorf("no feature is called %q in the catalogue%s", name, hint)
}

func (t *typed) shape(frame []byte) []byte {
	ends, ok := resp.BulkArray(frame, len(t.fields), nil)
	if !ok {
		return frame // an error
	}
	out := resp.AppendMap(nil, t.version, len(t.names))
	var decoded []byte
	for i, name := range t.names {
		out = redcon.AppendBulk(out, name)
		element, d := frame[ends[i]:ends[i+1]], t.definitions[i]
		missing := resp.IsNil(element)
		if d == nil && !missing {
			out = append(out, element...)
			continue
		}
		if !missing {
			stored, _ := resp.Text(element)
			var err error
			decoded, err = d.Decode(decoded[:0], stored)
			if err == nil {
				out = appendTyped(out, d.Form, decoded, t.version)
				continue
			}
			if !errors.Is(err, codec.ErrNull) {
				out = append(out, element...)
				continue
			}
		}
		if t.defaults && d != nil && d.Default != nil {
			out = appendTyped(out, d.Form, d.Default, t.version)
			continue
		}
		out = resp.AppendNil(out, t.version)
	}
	return out
}

// appendTyped appends a decoded value as what it is.
func appendTyped(out []byte, form codec.Form, decoded []byte, v resp.Version) []byte {
	width := form.ElementBytes()
	switch {
	case form.Type == codec.Float:
		return appendNumber(out, decoded, v)
	case form.Type == codec.Int:
		return append(append(append(out, ':'), decoded...), "\r\n"...)
	case form.Type == codec.Bool && v == resp.V3:
		return append(append(append(out, '#'), "ft"[decoded[0]-'0']), "\r\n"...)
	case form.Type == codec.Bool:
		return append(append(append(out, ':'), decoded...), "\r\n"...)
	case form.Type == codec.StringList:
		return appendStrings(out, decoded)
	case width == 0:
		return redcon.AppendBulk(out, decoded)
	}
	out = redcon.AppendArray(out, len(decoded)/width)
	for ; len(decoded) >= width; decoded = decoded[width:] {
		switch {
		case form.Type == codec.IntList:
			out = redcon.AppendInt(out, int64(binary.LittleEndian.Uint64(decoded)))
		case width == 4:
			x := math.Float32frombits(binary.LittleEndian.Uint32(decoded))
			out = appendNumber(out, codec.AppendFloat(nil, float64(x), 32), v)
		default:
			x := math.Float64frombits(binary.LittleEndian.Uint64(decoded))
			out = appendNumber(out, codec.AppendFloat(nil, x, 64), v)
		}
	}
	return out
}

func appendStrings(out, decoded []byte) []byte {
	var list [][]byte
	_ = codec.Strings(decoded, func(s []byte) bool { list = append(list, s); return true })
	out = redcon.AppendArray(out, len(list))
	for _, s := range list {
		out = redcon.AppendBulk(out, s)
	}
	return out
}

// appendNumber appends a float: a double, which version 2 has none of.
func appendNumber(out, text []byte, v resp.Version) []byte {
	if v == resp.V3 {
		return append(append(append(out, ','), text...), "\r\n"...)
	}
	return redcon.AppendBulk(out, text)
}
