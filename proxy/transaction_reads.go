package proxy

import (
	"errors"
	"sync/atomic"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
)

// Many clients wrap every pipeline in MULTI and EXEC. As long as such a
// transaction holds reads alone, the store is not told of it: MULTI and the reads
// are answered as Redis would and held, and EXEC is answered from the cache if
// all that they ask is there. If anything is missing, or as soon as anything but
// a read comes, the store gets all of it, and its answers to what was answered
// here already are dropped.

const (
	// maxHeldReads and maxHeldBytes bound what a connection may hold back, in
	// reads and in bytes of their requests: some pipelines of every model at
	// once. What is more goes to the store.
	maxHeldReads = 4096
	maxHeldBytes = 1 << 20
	// heldOverhead is what the request of a read has beside its entity and
	// fields, in bytes: "*52\r\n$5\r\nHMGET\r\n$10\r\n" and the line's end.
	heldOverhead = 32
)

const multiRequest = "*1\r\n$5\r\nMULTI\r\n"

// heldRead is an HMGET, or, if single, an HGET, within MULTI of which the store
// does not know.
type heldRead struct {
	entity     []byte
	projection *cache.Projection
	single     bool
}

// hold queues a read here, if the transaction holds nothing else so far. It
// keeps nothing of entity.
func (c *client) hold(entity []byte, p *cache.Projection, single bool) bool {
	txn := &c.txn
	size := len(entity) + len(p.Wire) + heldOverhead
	if !txn.holding || len(txn.held) == maxHeldReads || txn.heldBytes+size > maxHeldBytes {
		return false
	}
	txn.heldBytes += size
	txn.held = append(txn.held, heldRead{append([]byte(nil), entity...), p, single})
	c.reply = append(c.reply, "+QUEUED\r\n"...)
	return true
}

// holdNew is hold for a read that was parsed.
func (c *client) holdNew(args [][]byte, single bool) bool {
	if !c.txn.holding {
		return false
	}
	c.wire = canonical(c.wire[:0], args[2:])
	p := c.server.cache.ProjectionIn(c.form, c.wire, args[2:])
	if p == nil {
		return false
	}
	c.known.remember(p)
	return c.hold(args[1], p, single)
}

// release has the store queue what was held, as it will queue what follows.
func (c *client) release() error {
	txn := &c.txn
	reads := txn.held
	txn.holding, txn.held = false, nil
	if len(reads) == 0 {
		return nil
	}
	node, err := c.nodeOfReads(reads)
	if errors.Is(err, errCrossSlot) {
		// The client has been told that they are queued, so EXEC has to tell it.
		txn.broken, txn.crossed, reads = true, true, reads[:1]
		node, err = c.nodeOfReads(reads)
	}
	if err != nil {
		return err
	}
	if txn.tunnel, err = c.tunnelTo(node); err != nil {
		return err
	}
	txn.tunnel.holdState()
	txn.sent = true
	return c.tellOf(txn.tunnel, reads, bypassTransaction)
}

func (c *client) nodeOfReads(reads []heldRead) (string, error) {
	entities := make([][]byte, len(reads))
	for i, r := range reads {
		entities[i] = r.entity
	}
	return c.nodeOf(entities)
}

// tellOf sends MULTI and reads of which the client has been told already.
func (c *client) tellOf(t *tunnel, reads []heldRead, why bypassReason) error {
	told := passing{pinned: true}
	if err := c.pass(t, told, []byte(multiRequest)); err != nil {
		return err
	}
	for _, r := range reads {
		c.counts.bypass(why, r.single, r.projection.Len())
		c.wire = appendRead(c.wire[:0], r)
		if err := c.pass(t, told, c.wire); err != nil {
			return err
		}
	}
	return nil
}

// appendRead appends the request for a read.
func appendRead(b []byte, r heldRead) []byte {
	b = redcon.AppendArray(b, r.projection.Len()+2)
	if r.single {
		b = append(b, "$4\r\nHGET\r\n"...)
	} else {
		b = append(b, "$5\r\nHMGET\r\n"...)
	}
	b = redcon.AppendBulk(b, r.entity)
	return append(b, r.projection.Wire...)
}

// execHeld answers the EXEC of a transaction that held reads alone. The
// transaction is over.
func (c *client) execHeld(reads []heldRead, raw []byte) error {
	if c.answerHeld(reads) {
		c.server.other.add("exec", "local")
		return nil
	}
	c.server.other.add("exec", "tunnel")
	owed := c.session.Owed()
	node, err := c.nodeOfReads(reads)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	t, err := c.tunnelTo(node)
	if err != nil {
		return c.cannotForward(owed, err)
	}
	// The tick comes before the first byte: what the store reads at EXEC is not
	// older.
	filling := &filling{cache: c.server.cache, reads: reads, began: c.now, version: c.session.Proto, from: t.addr}
	if err := c.tellOf(t, reads, bypassMissing); err != nil {
		return err
	}
	filling.beside = c.consultHeld(reads)
	err = c.pass(t, passing{owed: owed, pinned: true, filling: filling, queue: c.queueOf(reads), exec: true}, raw)
	if err != nil {
		filling.abandon()
	}
	return err
}

// answerHeld answers reads from the cache, if all they ask is there at once.
func (c *client) answerHeld(reads []heldRead) bool {
	if c.bypass() != bypassNot || !c.allLive(reads) {
		return false
	}
	found := make([]cache.Found, len(reads))
	for i, r := range reads {
		if found[i] = c.server.cache.Lookup(r.entity, r.projection, c.now); !found[i].Complete {
			return false
		}
	}
	// A write by another connection may have fallen between two lookups. A row
	// that is still the same was there when the last one was looked up.
	for i := range len(reads) - 1 {
		again := c.server.cache.Lookup(reads[i].entity, reads[i].projection, c.now)
		if !again.Complete || !again.Same(&found[i]) {
			return false
		}
	}
	c.reply = redcon.AppendArray(c.reply, len(reads))
	for i, r := range reads {
		if !r.single {
			c.reply = append(c.reply, r.projection.Header...)
		}
		c.reply = found[i].Append(c.reply, c.session.Proto)
		c.counts.hit(r.single, r.projection.Len(), found[i].Negatives, 0)
		c.tally(r.projection)
	}
	return true
}

// filling is an EXEC of reads alone on its way: its reply fills the cache.
type filling struct {
	cache   *cache.Cache
	reads   []heldRead
	began   cache.Tick // before the transaction was sent
	version resp.Version
	from    string // the node that answers
	beside  []beside
	settled atomic.Bool // beside was told
}

// take fills the cache with what a reply to EXEC holds, and keeps nothing of it.
// What is not an answer to its read (an error, say) is left out.
func (f *filling) take(frame []byte) {
	elements, ok := resp.Elements(frame, nil)
	if !ok || len(elements) != len(f.reads)+1 {
		f.abandon()
		return
	}
	if f.settled.Swap(true) {
		return
	}
	for i, r := range f.reads {
		fetched := cache.Fetched{
			Projection: r.projection, Frame: frame[elements[i]:elements[i+1]], Began: f.began,
		}
		n := r.projection.Len()
		if r.single {
			fetched.Ends, ok = []int{0, len(fetched.Frame)}, resp.IsBulk(fetched.Frame)
		} else {
			fetched.Ends, ok = resp.BulkArray(fetched.Frame, n, nil)
		}
		if f.aside(i, fetched.Frame, ok) || !ok {
			continue
		}
		for k := range n {
			fetched.Positions = append(fetched.Positions, int32(k))
		}
		f.cache.Fill(r.entity, &fetched, f.version)
	}
}
