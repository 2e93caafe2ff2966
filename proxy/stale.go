package proxy

import (
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// revalidate tells whether a read may be answered with what was found, so many
// of it stale by a marker, and sees to it that it is fetched anew in its turn.
func (c *client) revalidate(entity []byte, p *cache.Projection, found *cache.Found) (stale int, ok bool) {
	held := c.server.cache
	r, ok := held.Revalidate(found, entity, p, c.now)
	if ok && r.Due && held.BeginRefresh(entity) {
		c.refresh(entity, p, *found)
	}
	return r.Stale, ok
}

// refresh is a fetch of what a marker made stale. Nobody waits for it: it fills
// the cache and no more.
type refresh struct {
	fetch      cluster.Fetch
	cache      *cache.Cache
	entity     []byte
	projection *cache.Projection
	positions  []int32 // to fetch
	version    resp.Version
}

// refresh has the stale values of what was found fetched.
func (c *client) refresh(entity []byte, p *cache.Projection, found cache.Found) {
	r := &refresh{
		cache: c.server.cache, entity: append([]byte(nil), entity...),
		projection: p, version: c.session.Proto,
	}
	r.positions, _ = found.Missing(nil, p, c.now)
	r.fetch = cluster.Fetch{
		Slot:    cluster.Slot(r.entity),
		Request: appendFetch(nil, r.entity, p, r.positions),
		Owner:   r,
		Entity:  r.entity,
		Began:   int64(c.now),
		After:   r.cache.AppendInvalidated(nil, r.entity, p, r.positions, c.now),
	}
	c.fetches = append(c.fetches, &r.fetch)
}

// Done fills the cache with what came, if anything did. If not, the next who
// reads it tries again.
func (r *refresh) Done(reply []byte, joined bool, err error) cluster.Flusher {
	if err == nil && !joined {
		fillWith(r.cache, r.entity, r.projection, r.positions, reply, cache.Tick(r.fetch.Began), r.fetch.From(), r.version)
	}
	r.cache.EndRefresh(r.entity)
	return nil
}

// Part is Done for a part.
func (r *refresh) Part(reply []byte, numbers []int32, from string) {
	fillWith(r.cache, r.entity, r.projection, pick(r.positions, numbers), reply, cache.Tick(r.fetch.Began), from, r.version)
}

// pick returns those of positions that have the given numbers.
func pick(positions, numbers []int32) []int32 {
	picked := make([]int32, len(numbers))
	for j, i := range numbers {
		picked[j] = positions[i]
	}
	return picked
}

// fillWith fills the cache with a reply to a fetch that began at that tick, if it
// is one. from is who gave it.
func fillWith(held *cache.Cache, entity []byte, p *cache.Projection, positions []int32, reply []byte, began cache.Tick, from string, v resp.Version) {
	ends, ok := resp.BulkArray(reply, len(positions), nil)
	if !ok {
		return
	}
	held.Fill(entity, &cache.Fetched{Projection: p, Positions: positions, Frame: reply, Ends: ends, Began: began, From: from}, v)
}

// failed tells whether a fetch brought nothing that its readers could use: no
// reply, not one to HMGET, or one that says that the store cannot answer now. An
// error like WRONGTYPE is an answer.
func failed(reply []byte, ok bool, err error) bool {
	if ok || err != nil {
		return !ok
	}
	if reply[0] != '-' {
		return true
	}
	kind, _ := cluster.Redirection(reply, "")
	return kind != cluster.Here
}

// answerStale appends the whole reply, made of what was found and of stale
// values in the place of those whose fetch failed. False, and nothing appended:
// not all of these may be served.
func (m *miss) answerStale(out []byte) ([]byte, bool) {
	s, p := m.client.server, m.projection
	now := s.clock.Now()
	// Not from m.found: something may have been updated or forgotten since.
	held := s.cache.Lookup(m.entity, p, now)
	stale, ok := s.cache.OnError(&held, p, m.missing, now)
	if !ok {
		return out, false
	}
	s.staleOnError.Add(uint64(stale))
	out = m.answer(out, func(out []byte, _, i int) []byte { return held.AppendValue(out, i, m.version) })
	return out, true
}
