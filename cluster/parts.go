package cluster

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// errLength says that a reply cannot be given out in parts.
var errLength = errors.New("the store's reply to HMGET is not an array of the length asked")

// deal gives a reply, or an error, to those that joined its fetch: to each the
// values that it asks for.
func deal(joiners []joiner, reply []byte, err error, done *flushers) {
	var ends []int
	var frame []byte
	for _, j := range joiners {
		if j.picks == nil || err != nil || reply[0] == '-' {
			done.add(j.fetch.Owner.Done(reply, true, err))
			continue
		}
		if len(ends) == 0 {
			var ok bool
			if ends, ok = resp.BulkArray(reply, j.fields, nil); !ok {
				done.add(j.fetch.Owner.Done(nil, true, errLength))
				continue
			}
		}
		frame = redcon.AppendArray(frame[:0], len(j.picks))
		for _, i := range j.picks {
			frame = append(frame, reply[ends[i]:ends[i+1]]...)
		}
		done.add(j.fetch.Owner.Done(frame, true, nil))
	}
}

// assembly is the reply to a fetch that several others bring.
type assembly struct {
	fetch *Fetch

	mu     sync.Mutex // protects what follows
	coming int        // parts that are not there yet
	wire   []byte     // of the values that are
	values []span     // in wire, by field
	failed []byte     // what the store said in the place of the first part that failed
	err    error      // or why there is none
}

type span struct{ from, to int }

// part is a fetch of some of the fields of another, and its owner.
type part struct {
	fetch   Fetch
	of      *assembly
	numbers []int32 // of the fields
}

// split makes fetches of what others bring of f, which join them, and one of the
// rest, if there is any, which is returned. fs are f's fields.
func split(f *Fetch, fs *fields, overlaps []overlap) (rest *Fetch) {
	a := &assembly{fetch: f, coming: len(overlaps), values: make([]span, fs.len())}
	for _, o := range overlaps {
		o.join(a.part(fs, o.numbers))
	}
	if len(fs.left) > 0 {
		a.coming++
		rest = a.part(fs, slices.Clone(fs.left))
	}
	return rest
}

// part is a fetch of the fields of those numbers. Its deadline is that of the
// whole.
func (a *assembly) part(fs *fields, numbers []int32) *Fetch {
	f := a.fetch
	p := &part{of: a, numbers: numbers}
	p.fetch = Fetch{
		Slot: f.Slot, Request: fs.requestOf(numbers), Owner: p,
		Entity: f.Entity, Began: f.Began,
		deadline: f.deadline, hash: f.hash,
	}
	if len(f.After) > 0 {
		p.fetch.After = make([]int64, len(numbers))
		for j, i := range numbers {
			p.fetch.After[j] = f.After[i]
		}
	}
	return &p.fetch
}

// Done implements Owner. It tells the owner of the whole with the last part.
func (p *part) Done(reply []byte, joined bool, err error) Flusher {
	a := p.of
	ends, ok := resp.BulkArray(reply, len(p.numbers), nil)
	if owner, fills := a.fetch.Owner.(PartOwner); fills && ok && !joined {
		owner.Part(reply, p.numbers, p.fetch.From())
	}
	a.mu.Lock()
	switch {
	case ok:
		a.take(p.numbers, reply, ends)
	case err == nil && reply[0] != '-':
		a.fail(nil, errLength)
	default:
		a.fail(reply, err)
	}
	a.coming--
	last := a.coming == 0
	a.mu.Unlock()
	if !last {
		return nil
	}
	return a.done()
}

// Part implements PartOwner, for parts of parts.
func (p *part) Part(reply []byte, numbers []int32, from string) {
	owner, fills := p.of.fetch.Owner.(PartOwner)
	if !fills {
		return
	}
	of := make([]int32, len(numbers))
	for j, i := range numbers {
		of[j] = p.numbers[i]
	}
	owner.Part(reply, of, from)
}

// take takes over the values of the fields of those numbers. Under mu.
func (a *assembly) take(numbers []int32, reply []byte, ends []int) {
	for j, i := range numbers {
		from := len(a.wire)
		a.wire = append(a.wire, reply[ends[j]:ends[j+1]]...)
		a.values[i] = span{from, len(a.wire)}
	}
}

// fail takes note of an error: the whole fails with the first. Under mu.
func (a *assembly) fail(reply []byte, err error) {
	if a.err == nil && a.failed == nil {
		a.failed, a.err = bytes.Clone(reply), err
	}
}

// done tells the owner, when all parts are there.
func (a *assembly) done() Flusher {
	if a.err != nil || a.failed != nil {
		return a.fetch.Owner.Done(a.failed, true, a.err)
	}
	frame := redcon.AppendArray(make([]byte, 0, len(a.wire)+len("*10000\r\n")), len(a.values))
	for _, v := range a.values {
		frame = append(frame, a.wire[v.from:v.to]...)
	}
	return a.fetch.Owner.Done(frame, true, nil)
}
