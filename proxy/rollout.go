package proxy

import (
	"math/rand/v2"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/rollout"
)

// heed takes over the rules that are in force.
func (c *client) heed(rules *rollout.Rules) {
	c.rules, c.off, c.ruled = rules, rules.Off(), !rules.Plain()
	c.direct = c.bypass() == bypassNot
}

// obey does with a read what the rules say. Not done: it is to be answered from
// memory like any other.
func (c *client) obey(entity []byte, p *cache.Projection, single bool, raw []byte) (done bool, err error) {
	mode, share := c.rules.Decide(p, entity)
	switch mode {
	case rollout.Off:
		if c.looping {
			return true, errMayWait
		}
		return true, c.readPast(bypassMode, entity, p.Len(), single, raw)
	case rollout.DryRun:
		return true, c.dryRun(entity, p, single)
	}
	return share > 0 && uint64(rand.Uint32()) < share && c.hitVerified(entity, p, single), nil
}

// hitVerified answers a read from memory, if all of it is there and fresh, and
// has the answer compared with the store.
func (c *client) hitVerified(entity []byte, p *cache.Projection, single bool) bool {
	found := c.server.cache.Lookup(entity, p, c.now)
	if !found.Complete {
		return false
	}
	if !single {
		c.reply = append(c.reply, p.Header...)
	}
	c.reply = found.Append(c.reply, c.session.Proto)
	c.counts.hit(single, p.Len(), found.Negatives, 0)
	c.tally(p)
	c.server.rollout.Verify(entity, p, &found, c.now)
	return true
}

// dryRun has the store answer a read, all of it, as if nothing were in memory;
// what memory would have answered is compared with that, when the client has its
// reply. It joins no other fetch, nor others it, and has no stale values where it fails: the
// store's answer is what the client would have got without this proxy.
func (c *client) dryRun(entity []byte, p *cache.Projection, single bool) error {
	m, err := c.newMiss(entity, p, single, cache.Found{})
	if err != nil {
		return err
	}
	m.dryRun, m.fetch.Entity = true, nil
	m.beside = c.server.rollout.Consult(entity, p, c.now, c.session.Proto)
	c.counts.bypass(bypassDryRun, single, p.Len())
	return c.awaitMiss(m)
}

// compare hands over what the store answered to a read in dry-run.
func (m *miss) compare(reply []byte, ok bool) {
	if !ok {
		reply = nil
	}
	m.beside.Answered(reply, m.fetch.From())
}

// allLive tells whether the rules let all of these reads be answered from memory.
func (c *client) allLive(reads []heldRead) bool {
	if !c.ruled {
		return true
	}
	for _, r := range reads {
		if mode, _ := c.rules.Decide(r.projection, r.entity); mode != rollout.Live {
			return false
		}
	}
	return true
}

// beside is what becomes of the values that the store answers to a read within a
// transaction.
type beside struct {
	mode rollout.Mode
	read *rollout.Read // in dry-run: what to compare them with; nil: nothing
}

// consultHeld is that for reads which the store is about to answer; nil: all are
// kept.
func (c *client) consultHeld(reads []heldRead) []beside {
	if !c.ruled {
		return nil
	}
	all := make([]beside, len(reads))
	for i, r := range reads {
		all[i].mode, _ = c.rules.Decide(r.projection, r.entity)
		if all[i].mode == rollout.DryRun {
			all[i].read = c.server.rollout.Consult(r.entity, r.projection, c.now, c.session.Proto)
		}
	}
	return all
}

// aside does with the store's answer to read i what the rules say, and tells
// whether that is all. Not ok: it is no answer to a read.
func (f *filling) aside(i int, frame []byte, ok bool) bool {
	if f.beside == nil || f.beside[i].mode == rollout.Live {
		return false
	}
	switch {
	case !ok:
		frame = nil
	case f.reads[i].single:
		frame = append([]byte("*1\r\n"), frame...)
	}
	f.beside[i].read.Answered(frame, f.from)
	return true
}

// abandon says that there is no answer. The reader and the tunnel's goroutine may
// both find that out.
func (f *filling) abandon() {
	if f.settled.Swap(true) {
		return
	}
	for i := range f.beside {
		f.beside[i].read.Answered(nil, "")
	}
}
