package proxy

import (
	"net"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
)

// View is the form in which the clients of a listener get the values that they
// read with HMGET and HGET. The zero View is as the store has them.
type View struct {
	Decoded  bool // the others mean something only then
	Arrays   bool // lists of ints and of strings as arrays
	Doubles  bool // floats as doubles, for clients that speak version 3
	Defaults bool // the catalogue's default for what the store lacks
}

// Listener is l for clients that get values in the view v.
func (v View) Listener(l net.Listener) net.Listener { return viewed{l, v} }

type viewed struct {
	net.Listener
	view View
}

func viewOf(l net.Listener) View {
	if v, ok := l.(viewed); ok {
		return v.view
	}
	return View{}
}

// form is the view in which a client that speaks version v has projections.
func (v View) form(version resp.Version) cache.View {
	return cache.View{
		Decoded: v.Decoded, Arrays: v.Arrays, Defaults: v.Defaults,
		Doubles: v.Doubles && version == resp.V3,
	}
}

// Forms are the views in which clients have projections, whatever version of the
// protocol they speak.
func (v View) Forms() []cache.View { return []cache.View{v.form(resp.V2), v.form(resp.V3)} }

// take has the client get values in a view from here on.
func (c *client) take(view View) {
	c.view = view
	if form := view.form(c.session.Proto); form != c.form {
		c.form, c.known = form, recognizer{}
	}
}

// keepUp forgets the projections that the client is known to ask for, if what
// they are made of has changed.
func (c *client) keepUp() {
	if now := c.server.cache.Generation(); now != c.generation {
		c.generation, c.known = now, recognizer{}
	}
}

// decodeHeld looks again for what p asks of entity, after what is held as stored
// was decoded.
func (c *client) decodeHeld(entity []byte, p *cache.Projection, found cache.Found) cache.Found {
	held := c.server.cache
	if !held.DecodeHeld(entity, p, &found, c.now) {
		return found
	}
	return held.Lookup(entity, p, c.now)
}

// decoding makes of the store's reply to an HMGET, or, if single, to an HGET, that
// went past the cache what the client is to get. It does so on the goroutine that
// brings the reply.
type decoding struct {
	cache   *cache.Cache
	form    cache.View
	version resp.Version
	fields  [][]byte
	single  bool
	named   *named // not nil: it is a read by name
}

// of is what the client gets in the place of frame, of which it keeps nothing.
func (d *decoding) of(frame []byte) []byte {
	if d.single {
		if !resp.IsBulk(frame) {
			return frame // an error
		}
		return d.cache.AppendIn(nil, d.form, d.fields[0], frame, d.version)
	}
	ends, ok := resp.BulkArray(frame, len(d.fields), nil)
	if !ok {
		return frame
	}
	out := d.named.appendHeader(make([]byte, 0, 2*len(frame)), len(d.fields), d.version)
	for i, field := range d.fields {
		var from int
		out, from = d.named.appendName(out, i)
		out = d.cache.AppendIn(out, d.form, field, frame[ends[i]:ends[i+1]], d.version)
		out = d.named.finish(out, from, d.version)
	}
	return out
}

// shapes says what becomes of the reply to a request that a client of a decoded
// listener sends to the store: whatever answers an HMGET or HGET, its values are
// decoded.
func (c *client) shapes(p *passing, raw []byte) {
	if p.exec {
		return
	}
	if !c.txn.open {
		c.txn.queue = nil
	}
	if p.decoding == nil {
		p.decoding = c.decodingOf(raw)
	}
	if !c.txn.open {
		return
	}
	if c.txn.queue == nil {
		c.txn.queue = new(queue)
	}
	p.queue = c.txn.queue
}

// decodingOf is what decodes the reply to a request; nil: it is no read of fields.
func (c *client) decodingOf(raw []byte) *decoding {
	parser := resp.NewParser(c.server.tuned.Load().Limits)
	if n, err := parser.Next(raw); n == 0 || err != nil {
		return nil
	}
	const shortest = 3 // "HGET entity field"
	args := parser.Args()
	if len(args) < shortest {
		return nil
	}
	single := isName(args[0], "hget")
	if !single && !isName(args[0], "hmget") || single && len(args) != shortest {
		return nil
	}
	fields := make([][]byte, len(args)-2)
	for i, field := range args[2:] {
		fields[i] = append([]byte(nil), field...)
	}
	return &decoding{cache: c.server.cache, form: c.form, version: c.session.Proto, fields: fields, single: single}
}

// isName tells whether b is a command's name, which is in lower case, in any case.
func isName(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != name[i] {
			return false
		}
	}
	return true
}

// queue is what decodes the replies to what a transaction queued at the store, in order. All
// replies of a transaction come on one tunnel, whose goroutine alone uses it once
// the first was sent.
type queue struct {
	decodings []*decoding // nil: a reply stays as it is
}

// answered takes note of the reply to a request of the transaction, and returns
// what the client is to get.
func (q *queue) answered(p passing, frame []byte) []byte {
	if !p.exec {
		if string(frame) == "+QUEUED\r\n" {
			q.decodings = append(q.decodings, p.decoding)
		}
		return frame
	}
	ends, ok := resp.Elements(frame, nil)
	if !ok || len(ends) != len(q.decodings)+1 {
		return frame // an error, or a transaction that WATCH had fail
	}
	out := redcon.AppendArray(nil, len(q.decodings))
	for i, d := range q.decodings {
		element := frame[ends[i]:ends[i+1]]
		if d != nil {
			element = d.of(element)
		}
		out = append(out, element...)
	}
	return out
}

// queueOf is the queue of a transaction that has reads alone; nil where the client
// wants values as they are stored.
func (c *client) queueOf(reads []heldRead) *queue {
	if !c.view.Decoded {
		return nil
	}
	q := &queue{decodings: make([]*decoding, len(reads))}
	for i, r := range reads {
		fields := make([][]byte, r.projection.Len())
		for k, f := range r.projection.Fields {
			fields[k] = []byte(f.Name)
		}
		q.decodings[i] = &decoding{
			cache: c.server.cache, form: r.projection.View, version: c.session.Proto, fields: fields, single: r.single,
		}
	}
	return q
}
