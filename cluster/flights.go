package cluster

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// flightShards keeps the locks of fetches in flight apart.
const flightShards = 64

// maxLooks bounds the fetches in flight that are looked through for one that may
// be joined, so that a client which sends thousands of HGETs of one entity at once
// does not pay for each with a look at all others. What is beyond is asked twice.
const maxLooks = 64

// flights are the fetches in flight that others may join.
//
// A field that is in flight is not asked for again, unless it was invalidated
// since: who asks for it is answered by the fetch that brings it, however much
// else either asks for. What a fetch joins others for is a fetch too, with a
// deadline and an owner of its own, that is sent only if the other brings nothing
// in its own time. So nobody gets the deadline of another, and nothing waits for
// what is not itself on its way to the store.
type flights [flightShards]flightShard

type flightShard struct {
	mu sync.Mutex
	// newest of those that lead, by the hash of their entity; the others follow.
	// Protected by mu, and so is what they have for flights. None is listed any
	// more when its owner is told, so that its request may be looked at until then,
	// and needs no copy.
	newest map[uint64]*Fetch
}

// joiner waits for the reply to a fetch that leads.
type joiner struct {
	fetch *Fetch
	// picks are the numbers, of fields that the reply has, of those that fetch asks
	// for, in its order; nil: they ask for the same.
	picks  []int32
	fields int
}

// overlap is a part of what a fetch asks for that another in flight brings.
type overlap struct {
	lead    *Fetch
	numbers []int32 // of the fields
	picks   []int32 // and where they are among the lead's
}

// flightSeed keeps those who choose the names from choosing the hashes.
var flightSeed = maphash.MakeSeed()

// board has f join what is in flight of what it asks for, and tells whether it
// joined any. leaving is what is to be sent for it, which others may join: f
// itself, or a fetch of the rest; nil: nothing is. Nothing is joined that may be
// over later than slack after f's own deadline.
func (fl *flights) board(f *Fetch, slack time.Duration) (leaving *Fetch, joined bool) {
	if f.Entity == nil {
		return f, false
	}
	f.hash = maphash.Bytes(flightSeed, f.Entity)
	shard := &fl[f.hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.newest[f.hash] == nil {
		shard.list(f)
		return f, false
	}
	latest := f.deadline.Add(slack)
	if lead := shard.same(f, latest); lead != nil {
		lead.joiners = append(lead.joiners, joiner{fetch: f})
		return nil, true
	}
	fs := readFields(f.Request)
	if fs == nil {
		return f, false
	}
	overlaps := shard.overlaps(f, fs, latest)
	if len(overlaps) == 0 {
		shard.list(f)
		f.fields = fs
		return f, false
	}
	defer fs.release()
	if len(overlaps) == 1 && len(fs.left) == 0 {
		overlaps[0].join(f)
		return nil, true
	}
	rest := split(f, fs, overlaps)
	if rest != nil {
		shard.list(rest)
	}
	return rest, true
}

// list lets others join f. Under mu.
func (s *flightShard) list(f *Fetch) {
	if s.newest == nil {
		s.newest = make(map[uint64]*Fetch)
	}
	if f.next = s.newest[f.hash]; f.next != nil {
		f.next.prev = f
	}
	s.newest[f.hash], f.leads = f, true
}

// same is a fetch that answers all that f asks for as it comes; nil: none does.
// Under mu.
func (s *flightShard) same(f *Fetch, latest time.Time) *Fetch {
	after := int64(0)
	if len(f.After) > 0 {
		after = slices.Max(f.After)
	}
	looks := maxLooks
	for lead := s.newest[f.hash]; lead != nil && looks > 0; lead = lead.next {
		if lead.Began > after && !lead.deadline.After(latest) && bytes.Equal(lead.Request, f.Request) {
			return lead
		}
		looks--
	}
	return nil
}

// overlaps are what others bring of what f asks for; fs.left is the rest. Under mu.
func (s *flightShard) overlaps(f *Fetch, fs *fields, latest time.Time) (overlaps []overlap) {
	fs.left = fs.left[:0]
	for i := range fs.len() {
		fs.left = append(fs.left, int32(i))
	}
	looks := maxLooks
	for lead := s.newest[f.hash]; lead != nil && looks > 0 && len(fs.left) > 0; lead = lead.next {
		looks--
		if lead.deadline.After(latest) || !bytes.Equal(lead.Entity, f.Entity) {
			continue
		}
		if lead.fields == nil {
			if lead.fields = readFields(lead.Request); lead.fields == nil {
				continue
			}
		}
		if found := f.overlapOf(lead, fs); found.numbers != nil {
			overlaps = append(overlaps, found)
		}
	}
	return overlaps
}

// overlapOf takes from fs.left what lead brings.
func (f *Fetch) overlapOf(lead *Fetch, fs *fields) (found overlap) {
	found.lead = lead
	left := fs.left[:0]
	for _, i := range fs.left {
		at := int32(-1)
		if len(f.After) == 0 || lead.Began > f.After[i] {
			at = lead.fields.find(fs, i)
		}
		if at < 0 {
			left = append(left, i)
			continue
		}
		if found.numbers == nil {
			both := make([]int32, 2*len(fs.left)) // as many at most
			found.numbers, found.picks = both[:0:len(fs.left)], both[len(fs.left):len(fs.left)]
		}
		found.numbers, found.picks = append(found.numbers, i), append(found.picks, at)
	}
	fs.left = left
	return found
}

// join has a fetch of what they share wait for it.
func (o *overlap) join(f *Fetch) {
	o.lead.joiners = append(o.lead.joiners, joiner{f, o.picks, o.lead.fields.len()})
}

// land takes f out of those that may be joined, and returns who did.
func (fl *flights) land(f *Fetch) []joiner {
	if !f.leads {
		return nil
	}
	shard := &fl[f.hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	switch {
	case f.prev != nil:
		f.prev.next = f.next
	case f.next != nil:
		shard.newest[f.hash] = f.next
	default:
		delete(shard.newest, f.hash)
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.fields.release()
	joiners := f.joiners
	f.leads, f.next, f.prev, f.fields, f.joiners = false, nil, nil, nil, nil
	return joiners
}
