package proxy

import (
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

// miss is a read that waits for some or all of its values. It is in the hands
// of its fetch from Send to Done.
type miss struct {
	fetch      cluster.Fetch
	client     *client
	slot       *slot
	entity     []byte
	projection *cache.Projection
	found      cache.Found // what was in the cache when the request came
	missing    []int32     // positions to fetch
	stale      int         // of them, that are held and no longer fresh
	version    resp.Version
	single     bool // HGET
	began      time.Time
	dryRun     bool          // nothing was looked for in memory: the store answers, whatever it says
	beside     *rollout.Read // what to compare its answer with; nil: nothing

	forms   cache.Forms // of what was fetched, where the client wants it decoded
	named   *named      // not nil: it is a read by name
	request []byte
	after   []int64 // ticks, by what is missing
	ends    []int
	out     []byte
}

var misses = sync.Pool{New: func() any { return new(miss) }}

// miss takes a place in line for the reply and has what is missing fetched.
func (c *client) miss(entity []byte, p *cache.Projection, single bool, found cache.Found) error {
	m, err := c.newMiss(entity, p, single, found)
	if err != nil {
		return err
	}
	c.counts.miss(single, m.countFound(), len(m.missing), m.stale)
	c.server.cache.NoteServed(&m.found, c.now)
	return c.awaitMiss(m)
}

// newMiss waits until there is room for another reply.
func (c *client) newMiss(entity []byte, p *cache.Projection, single bool, found cache.Found) (*miss, error) {
	if c.replies.count() >= c.server.tuned.Load().MaxInFlight {
		if c.looping {
			return nil, errMayWait
		}
		if err := c.waitBelow(c.server.tuned.Load().MaxInFlight); err != nil {
			return nil, err
		}
	}
	m := misses.Get().(*miss)
	m.client, m.projection, m.single, m.found = c, p, single, found
	m.version, m.began = c.session.Proto, time.Now()
	m.entity = append(m.entity[:0], entity...)
	m.missing, m.stale = found.Missing(m.missing[:0], p, c.now)
	m.request = appendFetch(m.request[:0], m.entity, p, m.missing)
	m.after = c.server.cache.AppendInvalidated(m.after[:0], m.entity, p, m.missing, c.now)
	m.fetch = cluster.Fetch{
		Slot:    cluster.Slot(m.entity),
		Request: m.request,
		Owner:   m,
		Entity:  m.entity,
		Began:   int64(c.now),
		After:   m.after,
	}
	return m, nil
}

// awaitMiss takes a place in line for the reply.
func (c *client) awaitMiss(m *miss) error {
	slot, err := c.replies.reserve(c.reply)
	c.reply = c.reply[:0]
	if err != nil {
		m.beside.Answered(nil, "")
		return err
	}
	m.slot = slot
	c.fetching.Add(1)
	c.fetches = append(c.fetches, &m.fetch)
	m.projection.CountMiss(m.missing)
	return nil
}

// countFound counts the values that need no fetch: all, and nils among them.
func (m *miss) countFound() (f foundFields) {
	next := 0
	for i := range m.projection.Len() {
		if next < len(m.missing) && int(m.missing[next]) == i {
			next++
			continue
		}
		f.all++
		if m.found.IsNegative(i) {
			f.negative++
		}
	}
	return f
}

// Done completes the reply, and fills the cache with what came.
func (m *miss) Done(reply []byte, joined bool, err error) cluster.Flusher {
	c := m.client
	s := c.server
	var ok, rescued bool
	m.ends, ok = resp.BulkArray(reply, len(m.missing), m.ends[:0])
	if !m.dryRun && failed(reply, ok, err) {
		m.out, rescued = m.answerStale(m.out[:0])
	}
	switch {
	case rescued:
	case err != nil:
		m.out = resp.AppendError(m.out[:0], "ERR fsproxy: "+err.Error())
	case ok:
		fetched := cache.Fetched{
			Projection: m.projection, Positions: m.missing,
			Frame: reply, Ends: m.ends, Began: cache.Tick(m.fetch.Began), From: m.fetch.From(),
		}
		if m.projection.View.Decoded {
			fetched.Derive(&m.forms)
		}
		if !c.replies.ended() { // thousands may wait when a client is given up
			m.out = m.answer(m.out[:0], func(out []byte, j, _ int) []byte { return fetched.AppendValue(out, j, m.version) })
		}
		if !joined && !m.dryRun {
			s.cache.Fill(m.entity, &fetched, m.version)
		}
	case reply[0] == '-':
		m.out = append(m.out[:0], reply...) // WRONGTYPE and the like: the client's to see
	default:
		m.out = resp.AppendError(m.out[:0], "ERR fsproxy: the store's reply to HMGET is not an array of the length asked")
	}
	if !ok && !rescued {
		s.fetchErrors.Add(1)
		s.failed.Store(&FailedRead{At: time.Now(), Error: errorLine(m.out)})
	}
	switch {
	case m.dryRun:
	case m.found.Any():
		s.latency.mixed.Observe(time.Since(m.began).Seconds())
	default:
		s.latency.miss.Observe(time.Since(m.began).Seconds())
	}
	c.replies.complete(m.slot, m.out)
	c.fetching.Add(-1)
	if m.dryRun {
		m.compare(reply, ok)
	}
	if ok && !joined {
		s.rollout.Shadow(m.entity, m.projection, m.missing, reply, m.fetch.From())
	}
	m.release()
	return c.replies
}

// Part fills the cache with what came where others bring the rest.
func (m *miss) Part(reply []byte, numbers []int32, from string) {
	s, positions := m.client.server, pick(m.missing, numbers)
	fillWith(s.cache, m.entity, m.projection, positions, reply, cache.Tick(m.fetch.Began), from, m.version)
	s.rollout.Shadow(m.entity, m.projection, positions, reply, from)
}

// answer appends the whole reply: what was found, and for what was missing what
// appendMissing appends, of value j of these, which is i of all.
func (m *miss) answer(out []byte, appendMissing func(out []byte, j, i int) []byte) []byte {
	p := m.projection
	if !m.single {
		out = m.named.appendHeader(out, p.Len(), m.version)
	}
	next, from := 0, 0
	for i := range p.Len() {
		out, from = m.named.appendName(out, i)
		if next < len(m.missing) && int(m.missing[next]) == i {
			out = appendMissing(out, next, i)
			next++
		} else {
			out = m.found.AppendValue(out, i, m.version)
		}
		out = m.named.finish(out, from, m.version)
	}
	return out
}

// keepMiss is how large a miss's buffers may be to be used again, in bytes.
const keepMiss = 16 << 10

func (m *miss) release() {
	if cap(m.out) > keepMiss || cap(m.request) > keepMiss || cap(m.entity) > keepMiss {
		return
	}
	*m = miss{
		forms:  m.forms,
		entity: m.entity[:0], missing: m.missing[:0], request: m.request[:0], after: m.after[:0],
		ends: m.ends[:0], out: m.out[:0],
	}
	misses.Put(m)
}
