//go:build e2e

package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// updatePause lies between two updates, on average.
	updatePause = 10 * time.Millisecond
	// uploadPause lies between two uploads, on average.
	uploadPause = 3 * time.Second
)

// update changes values as real-time features do, until ctx ends: first the
// store, then a record.
func (s *soak) update(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(s.seed, 1))
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(rnd.Int64N(int64(2*updatePause))))
		of := kind(rnd.IntN(2)) // by eviction or by value
		entity := s.entity[zipf(rnd, len(s.entity))]
		values := hash{}
		version := s.versions.Add(1)
		absent := rnd.IntN(8) == 0
		for _, f := range s.fields[of] {
			switch {
			case rnd.IntN(2) == 0:
			case absent:
				values[f] = ""
			default:
				values[f] = strconv.FormatInt(version, 10) // each is given once
			}
		}
		if len(values) == 0 {
			continue
		}
		s.change(entity, values, func(numbers map[string]int) {
			r := queued{topic: soakEvictTopic, told: cellsOf(entity, numbers)}
			r.key = entity
			if of == byValue {
				r.topic, r.value = soakValueTopic, jsonRecord(entity, values, version)
			} else {
				r.value = respRecord(entity, values, absent)
			}
			s.updates <- r // even after ctx ended: what has changed is told
		})
	}
}

// cellsOf are versions of an entity's fields as versions of cells.
func cellsOf(entity string, numbers map[string]int) map[cell]int {
	all := make(map[cell]int, len(numbers))
	for f, n := range numbers {
		all[cell{entity, f}] = n
	}
	return all
}

// zipf picks one of n, the first ones most often.
func zipf(rnd *rand.Rand, n int) int {
	return min(int(float64(n)*rnd.Float64()*rnd.Float64()), n-1)
}

// upload changes a feature of all entities, and then its marker, again and again
// until ctx ends.
func (s *soak) upload(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(s.seed, 2))
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(rnd.Int64N(int64(2*uploadPause))))
		which := rnd.IntN(len(s.names[byUpload]))
		name, field := s.names[byUpload][which], s.fields[byUpload][which]
		version := strconv.FormatInt(s.versions.Add(1), 10)
		told := map[cell]int{}
		for _, e := range s.entity {
			value := version
			if rnd.IntN(8) == 0 {
				value = ""
			}
			s.change(e, hash{field: value}, func(numbers map[string]int) { told[cell{e, field}] = numbers[field] })
		}
		if s.forget && which%2 == 0 {
			s.told(told)
			continue
		}
		s.mark(hash{name: version}, told)
	}
}

const (
	// burst is how many writes pass through the proxy in a row, burstPause what
	// lies between two bursts on average: a write voids the snapshot, and there is
	// to be one now and then.
	burst      = 5
	burstPause = 3 * time.Second
)

// writeThrough has values change by writes that pass through the proxy, until ctx
// ends: to one fetcher by the proxy, to all as a store would do it. A write is told
// when it was answered without an error; while the fetcher is down that it goes to,
// it is tried again.
func (s *soak) writeThrough(ctx context.Context, t testing.TB, addr string) {
	rnd := rand.New(rand.NewPCG(s.seed, 4))
	for n := 0; ctx.Err() == nil; n++ {
		if n%burst == 0 {
			sleep(ctx, time.Duration(rnd.Int64N(int64(2*burstPause))))
		}
		entity := s.entity[zipf(rnd, len(s.entity))]
		field := s.fields[byWrite][rnd.IntN(len(s.fields[byWrite]))]
		value := strconv.FormatInt(s.versions.Add(1), 10)
		s.lives.write.Lock() // no restart in the middle of it
		var numbers map[string]int
		s.change(entity, hash{field: value}, func(issued map[string]int) { numbers = issued })
		if err := s.pass(addr, "HSET", entity, field, value); err != nil {
			t.Errorf("a write through the proxy: %v", err)
		} else {
			s.told(cellsOf(entity, numbers))
		}
		s.lives.write.Unlock()
	}
}

// pass sends a command through the proxy until it is answered without an error,
// which is soon after its fetcher is back.
func (s *soak) pass(addr string, command ...string) (err error) {
	const retry = 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ; ctx.Err() == nil; sleep(ctx, retry) {
		w, _ := s.lives.dial(ctx, addr)
		if w == nil {
			continue
		}
		var replies []string
		replies, err = w.pipeline(command)
		_ = w.Close()
		if err == nil && !strings.HasPrefix(replies[0], "-") {
			return nil
		}
		if err == nil {
			err = errors.New(replies[0])
		}
		s.lives.refused.Add(1)
	}
	return err
}
