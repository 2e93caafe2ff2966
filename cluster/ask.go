package cluster

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// Ask sends a read whose key is in slot, and waits for its reply, which may be
// an error that the store answered. It has the time and the tries of any fetch,
// and never joins another. From is the address of the fetcher that answered.
//
// Where at is not "", that fetcher alone is asked, as a cursor needs it, unless
// it points elsewhere itself.
func (u *Upstream) Ask(ctx context.Context, at string, slot uint16, args ...string) (reply []byte, from string, err error) {
	q := &question{told: make(chan outcome, 1)}
	q.fetch = Fetch{Slot: slot, Request: resp.AppendCommand(nil, args...), Owner: q}
	if at == "" {
		u.Send([]*Fetch{&q.fetch})
	} else if err := u.sendOnly(at, &q.fetch); err != nil {
		return nil, at, err
	}
	select {
	case a := <-q.told:
		return a.reply, a.from, a.err
	case <-ctx.Done():
		return nil, at, context.Cause(ctx)
	}
}

// sendOnly is Send to the fetcher at addr and to no other.
func (u *Upstream) sendOnly(addr string, f *Fetch) error {
	u.mu.Lock()
	to, ok := u.fetchers[addr]
	u.mu.Unlock()
	if !ok {
		return errLeft
	}
	f.deadline = time.Now().Add(u.cfg().FetchTimeout)
	f.tries = maxTries - 1 // this one is its last
	if to.reserve(1) == 0 {
		return fmt.Errorf("%s has %d fetches unanswered (upstream.max_in_flight)", addr, u.cfg().MaxInFlight)
	}
	var done flushers
	u.sendTo(to, []*Fetch{f}, &done)
	done.flush()
	return nil
}

// question is a fetch that somebody waits for.
type question struct {
	fetch Fetch
	told  chan outcome // has room, so that nobody waits for one who has left
}

type outcome struct {
	reply []byte
	from  string
	err   error
}

// Done implements Owner.
func (q *question) Done(reply []byte, _ bool, err error) Flusher {
	a := outcome{reply: bytes.Clone(reply), err: err}
	if q.fetch.fetcher != nil {
		a.from = q.fetch.fetcher.addr
	}
	q.told <- a
	return nil
}
