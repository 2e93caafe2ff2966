package proxy

import (
	"sync"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// Asked is a read of a client.
type Asked struct {
	Entity     []byte
	Projection *cache.Projection // in the client's view
}

// followers are told what clients ask for. To a connection that reads while there
// are none they cost an atomic load for all that it reads at once.
type followers struct {
	mu  sync.Mutex // orders changes of all
	all []chan Asked
}

// Follow gives out what clients ask for until stop is called: as many reads as
// there is room for, and what comes when there is none is left out.
func (s *Server) Follow(room int) (asked <-chan Asked, stop func()) {
	ch := make(chan Asked, room)
	s.following.mu.Lock()
	defer s.following.mu.Unlock()
	s.setFollowers(append(s.following.all[:len(s.following.all):len(s.following.all)], ch))
	return ch, func() {
		s.following.mu.Lock()
		defer s.following.mu.Unlock()
		var left []chan Asked
		for _, other := range s.following.all {
			if other != ch {
				left = append(left, other)
			}
		}
		s.setFollowers(left)
	}
}

// setFollowers is called under following.mu.
func (s *Server) setFollowers(all []chan Asked) {
	s.following.all = all
	if len(all) == 0 {
		s.followed.Store(nil)
		return
	}
	s.followed.Store(&all)
}

// tellFollowers tells of a read.
func (c *client) tellFollowers(entity []byte, p *cache.Projection) {
	for _, ch := range *c.followed {
		if len(ch) == cap(ch) {
			continue // before the copy is made
		}
		select {
		case ch <- Asked{append([]byte(nil), entity...), p}:
		default:
		}
	}
}

// warming is a fetch that nobody waits for.
type warming struct {
	fetch      cluster.Fetch
	cache      *cache.Cache
	entity     []byte
	projection *cache.Projection
	positions  []int32
	done       func(failed bool)
}

// Warm has what the cache lacks of some fields of entity, for clients that have
// them in that view, fetched and kept. It calls done when that is over, from any
// goroutine, or before it returns where nothing is lacking, and no fetcher is asked.
// It keeps entity, and nothing of fields.
func (s *Server) Warm(view cache.View, entity []byte, fields [][]byte, done func(failed bool)) (asked bool) {
	p := s.cache.ProjectionIn(view, canonical(nil, fields), fields)
	if p == nil {
		done(true)
		return false
	}
	now := s.clock.Now()
	found := s.cache.Lookup(entity, p, now)
	if !found.Complete && s.cache.DecodeHeld(entity, p, &found, now) {
		found = s.cache.Lookup(entity, p, now)
	}
	if found.Complete {
		done(false)
		return false
	}
	w := &warming{cache: s.cache, entity: entity, projection: p, done: done}
	w.positions, _ = found.Missing(nil, p, now)
	w.fetch = cluster.Fetch{
		Slot:    cluster.Slot(entity),
		Request: appendFetch(nil, entity, p, w.positions),
		Owner:   w,
		Entity:  entity,
		Began:   int64(now),
		After:   s.cache.AppendInvalidated(nil, entity, p, w.positions, now),
	}
	s.upstream.Send([]*cluster.Fetch{&w.fetch})
	return true
}

// Done fills the cache with what came.
func (w *warming) Done(reply []byte, joined bool, err error) cluster.Flusher {
	if err == nil && !joined {
		fillWith(w.cache, w.entity, w.projection, w.positions, reply, cache.Tick(w.fetch.Began), w.fetch.From(), resp.V2)
	}
	w.done(err != nil)
	return nil
}

// Part is Done for a part.
func (w *warming) Part(reply []byte, numbers []int32, from string) {
	fillWith(w.cache, w.entity, w.projection, pick(w.positions, numbers), reply, cache.Tick(w.fetch.Began), from, resp.V2)
}
