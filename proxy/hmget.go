package proxy

import (
	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/proxy/session"
	"github.com/fsproxy/fsproxy/resp"
)

// read answers an HMGET, or, if single, an HGET, of p's fields of entity. raw
// is the whole request. Nothing of either is kept.
func (c *client) read(entity []byte, p *cache.Projection, single bool, raw []byte) error {
	if !c.direct || c.writing.Load() > 0 {
		if why := c.bypass(); why != bypassNot {
			if c.hold(entity, p, single) {
				return nil
			}
			return c.readPast(why, entity, p.Len(), single, raw)
		}
	}
	if c.ruled {
		if done, err := c.obey(entity, p, single, raw); done {
			return err
		}
	}
	if c.followed != nil {
		c.tellFollowers(entity, p)
	}
	found := c.server.cache.Lookup(entity, p, c.now)
	if !found.Complete && c.view.Decoded {
		found = c.decodeHeld(entity, p, found)
	}
	stale := 0
	if !found.Complete {
		var ok bool
		if stale, ok = c.revalidate(entity, p, &found); !ok {
			return c.miss(entity, p, single, found)
		}
	}
	if !single {
		c.reply = append(c.reply, p.Header...)
	}
	c.reply = found.Append(c.reply, c.session.Proto)
	c.counts.hit(single, p.Len(), found.Negatives, stale)
	c.tally(p)
	return nil
}

// tally counts a hit of p. One after the other of the same projection are told
// together.
func (c *client) tally(p *cache.Projection) {
	if p != c.tallied {
		c.tellTally()
		c.tallied = p
	}
	c.hits++
}

func (c *client) tellTally() {
	if c.hits > 0 {
		c.tallied.CountHits(c.hits, c.number)
		c.hits = 0
	}
}

// readNew answers an HMGET or HGET whose projection this connection did not
// ask for lately, or that came in a form of its own.
func (c *client) readNew(args [][]byte, single bool, raw []byte) error {
	entity, fields := args[1], args[2:]
	if why := c.bypass(); why != bypassNot && why != bypassCanned {
		return c.readPast(why, entity, len(fields), single, raw)
	}
	c.wire = canonical(c.wire[:0], fields)
	p := c.server.cache.ProjectionIn(c.form, c.wire, fields)
	if p == nil {
		return c.readPast(bypassBound, entity, len(fields), single, raw)
	}
	c.known.remember(p)
	return c.read(entity, p, single, raw)
}

// readPast answers a read without the cache.
func (c *client) readPast(why bypassReason, entity []byte, fields int, single bool, raw []byte) error {
	if why == bypassCanned {
		c.reply = append(c.reply, c.server.canned...)
		return nil
	}
	if why == bypassNoAuth {
		c.reply = resp.AppendError(c.reply, session.NoAuth)
		return nil
	}
	err := c.forwardRead(why, entity, fields, single, raw)
	c.direct = c.bypass() == bypassNot
	return err
}

// bypassReason says why a read does not go through the cache.
type bypassReason uint8

const (
	bypassNot         bypassReason = iota
	bypassMode                     // mode is off, of the process or of a rule
	bypassTransaction              // within MULTI or after WATCH
	bypassWrite                    // a write of this connection was not answered yet
	bypassDatabase                 // a database other than 0 is selected
	bypassReply                    // CLIENT REPLY OFF or SKIP
	bypassBound                    // too many features, projections or layouts
	bypassOpaque                   // a transaction held SELECT or the like
	bypassUser                     // the store may show this user something else
	bypassNoAuth                   // who asks has yet to authenticate, and gets an error
	bypassMissing                  // within a MULTI of reads alone, of which not all was there
	bypassCanned                   // this server answers canned bytes: see ServeCanned
	bypassSubscribed               // version 2, and subscribed: the store refuses it
	bypassDryRun                   // the store answers, and memory is compared aside
	bypassReasons
)

var bypassNames = [bypassReasons]string{"", "mode_off", "transaction", "write_in_flight", "database", "client_reply", "interning_bound", "unknown_state", "user", "", "transaction_miss", "", "subscribed", "dry_run"}

// bypass tells whether reads of this connection must not be answered from the
// cache now.
func (c *client) bypass() bypassReason {
	switch {
	case c.server.canned != nil:
		return bypassCanned
	case !c.session.Authenticated():
		return bypassNoAuth
	case c.off:
		return bypassMode
	case c.stranger:
		return bypassUser
	case c.txn.active():
		return bypassTransaction
	case c.writing.Load() > 0:
		// A fetch could overtake the write; the tunnel keeps their order.
		return bypassWrite
	case c.session.DB != 0:
		return bypassDatabase
	case c.session.Silent():
		return bypassReply
	case c.subscribed != nil:
		return bypassSubscribed
	case c.opaque != nil:
		return bypassOpaque
	}
	return bypassNot
}

// appendFetch appends the request for the missing positions of p.
func appendFetch(b, entity []byte, p *cache.Projection, missing []int32) []byte {
	b = redcon.AppendArray(b, len(missing)+2)
	b = append(b, "$5\r\nHMGET\r\n"...)
	b = redcon.AppendBulk(b, entity)
	if len(missing) == p.Len() {
		return append(b, p.Wire...)
	}
	for _, i := range missing {
		b = append(b, p.Fields[i].Wire()...)
	}
	return b
}
