package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"
)

// session is one server under measurement and the connections to it.
type session struct {
	name       string
	address    string
	process    *process // nil if this program did not start it
	store      *process // behind it; nil if there is none, or not ours
	data       *dataset
	clients    []*client
	caches     bool       // it may answer a first request otherwise than a second
	strictest  strictness // how closely its replies can be checked
	fresh      atomic.Int64
	zipf       *zipf
	commands   int     // a round
	fastest    float64 // commands a second, the median of its rounds
	seed       uint64
	loadNumber uint64 // so that each load has a random sequence of its own
}

// connect opens the session's connections.
func (s *session) connect(ctx context.Context, connections int) error {
	for range connections {
		c, err := dial(ctx, s.address)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.clients = append(s.clients, c)
	}
	if s.data.shape.Zipf > 0 {
		s.zipf = newZipf(s.data.shape.Entities, s.data.shape.Zipf)
	}
	return nil
}

func (s *session) close() {
	for _, c := range s.clients {
		c.close()
	}
}

// nextFresh is the next entity that this server was never asked for. Past the
// last it begins again: a run asks for no more than were loaded but by chance.
func (s *session) nextFresh() int32 {
	once := int64(s.data.entities - s.data.shape.Entities)
	return int32(int64(s.data.shape.Entities) + (s.fresh.Add(1)-1)%once)
}

// exhausted tells if nextFresh has begun again.
func (s *session) exhausted() bool {
	return int(s.fresh.Load()) > s.data.entities-s.data.shape.Entities
}

// random is a load of commands by the shape's law. Each connection makes its
// part of them, and at least one.
func (s *session) random(commands int, check strictness) *load {
	s.loadNumber++
	l := &load{clients: s.clients, data: s.data, strictness: min(check, s.strictest)}
	for i := range s.clients {
		p := &picker{data: s.data, zipf: s.zipf, random: rand.New(rand.NewPCG(s.seed+s.loadNumber, uint64(i)))}
		if s.data.shape.Misses > 0 {
			p.fresh = s.nextFresh
		}
		left := max(commands/len(s.clients), 1)
		l.next = append(l.next, func() (ask, bool) {
			if left == 0 {
				return ask{}, false
			}
			left--
			return p.next(), true
		})
	}
	return l
}

// endless is a load of commands by the shape's law, without end.
func (s *session) endless(check strictness) *load {
	const endless = 1 << 60 // commands
	return s.random(endless, check)
}

// pass is a load of each of count entities by each of its projections once, every
// reply compared with what was loaded.
func (s *session) pass(first, count int) *load {
	l := &load{clients: s.clients, data: s.data, strictness: min(checkValues, s.strictest)}
	perGroup := s.data.perGroup
	for i := range s.clients {
		at := i
		l.next = append(l.next, func() (ask, bool) {
			if at >= count*perGroup {
				return ask{}, false
			}
			entity := int32(first + at/perGroup)
			group := int(entity) % s.data.shape.Projections
			a := ask{entity, int32(group*perGroup + at%perGroup)}
			at += len(s.clients)
			return a, true
		})
	}
	return l
}

// round is one measured load.
type round struct {
	*tally
	serverCPU time.Duration
	storeCPU  time.Duration
	clientCPU time.Duration
	otherCPU  time.Duration // of everything else on the machine
}

// measure runs a load and reads what CPU it took.
func (s *session) measure(run func() (*tally, error)) (round, error) {
	self := func() time.Duration { used, _ := processCPU(os.Getpid()); return used }
	server, store, client, machine := s.process.cpu(), s.store.cpu(), self(), machineCPU()
	t, err := run()
	r := round{tally: t, serverCPU: s.process.cpu() - server, storeCPU: s.store.cpu() - store, clientCPU: self() - client}
	if s.process != nil {
		r.otherCPU = max(machineCPU()-machine-r.serverCPU-r.storeCPU-r.clientCPU, 0)
	}
	if err != nil && s.process != nil {
		if ended := s.process.alive(); ended != nil {
			err = ended
		}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", s.name, err)
	}
	return r, nil
}
