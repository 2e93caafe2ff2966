package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// source is a store whose values are numbers that only grow. acknowledged is
// the number that every reader who comes now must see at least.
type source struct{ stored, acknowledged atomic.Int64 }

// TestConcurrentInvalidationsAreNeverUndone has fetches, updates of all kinds,
// evictions and readers at once. A value read from the store before an
// invalidation must not be served to a reader who comes after it.
func TestConcurrentInvalidationsAreNeverUndone(t *testing.T) {
	const entities, features, steps = 8, 6, 20_000
	end := time.Now().Add(*soak)
	cfg := roomy
	cfg.MaxBytes, cfg.Shards = 6000, 2 // some are evicted all the time
	r := newRig(t, cfg)
	list := names(features)
	projections := []*Projection{
		r.mustProject(list...), r.mustProject(list[3], list[0]), r.mustProject(list[2:5]...), r.mustProject(list[5]), r.mustProject(list[1], list[1]),
	}
	index := map[*Feature]int{}
	for i, f := range projections[0].Fields {
		index[f] = i
	}
	var store [entities][features]source
	entity := func(e int) []byte { return fmt.Append(nil, "e", e) }

	var work sync.WaitGroup
	var served atomic.Int64
	// One who updates: the store first, then the invalidation, then all may rely on it.
	update := func(rnd *rand.Rand) {
		type at struct{ e, f int }
		var changed []at
		numbers := make([]int64, entities*features)
		var invalidate func()
		switch e, f := rnd.IntN(entities), rnd.IntN(features); rnd.IntN(12) {
		case 0:
			for e := range entities {
				for f := range features {
					changed = append(changed, at{e, f})
				}
			}
			invalidate = func() { r.InvalidateAll(0) }
		case 1, 2:
			for e := range entities {
				changed = append(changed, at{e, f})
			}
			invalidate = func() { r.Mark(cover(list[f])) }
		case 3:
			for e := range entities {
				changed = append(changed, at{e, f})
			}
			suspension := r.Suspend(cover(list[f]))
			invalidate = func() { suspension.Resume(0) }
		case 4, 5:
			changed = append(changed, at{e, f})
			invalidate = func() { r.update(string(entity(e)), 0, list[f]) }
		case 6, 7, 8:
			changed = append(changed, at{e, f})
			invalidate = func() {
				r.Apply(entity(e), []Value{{Feature: []byte(list[f]), Bytes: strconv.AppendInt(nil, numbers[0], 10)}}, numbers[0], 0, 0)
			}
		default:
			for f := range features {
				changed = append(changed, at{e, f})
			}
			invalidate = func() { r.Invalidate(entity(e), 0) }
		}
		for i, c := range changed {
			numbers[i] = store[c.e][c.f].stored.Add(1)
		}
		invalidate()
		for i, c := range changed {
			raise(&store[c.e][c.f].acknowledged, numbers[i])
		}
	}
	fetch := func(rnd *rand.Rand) {
		e, p := rnd.IntN(entities), projections[rnd.IntN(len(projections))]
		began := r.clock.Now()
		values := make([]string, p.Len())
		for i, f := range p.Fields {
			values[i] = strconv.FormatInt(store[e][index[f]].stored.Load(), 10)
		}
		for range rnd.IntN(4) {
			runtime.Gosched()
		}
		r.fillAll(string(entity(e)), p, began, values...)
	}
	read := func(rnd *rand.Rand) {
		e, p := rnd.IntN(entities), projections[rnd.IntN(len(projections))]
		atLeast := make([]int64, p.Len())
		for i, f := range p.Fields {
			atLeast[i] = store[e][index[f]].acknowledged.Load()
		}
		now := r.clock.Now()
		found := r.Lookup(entity(e), p, now)
		missing, _ := found.Missing(nil, p, now)
		for i := range p.Fields {
			if len(missing) > 0 && int(missing[0]) == i {
				missing = missing[1:]
				continue
			}
			value, _ := bulkValue(found.AppendValue(nil, i, 2))
			if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < atLeast[i] {
				t.Errorf("entity %d field %d: served %q, %d was acknowledged", e, i, value, atLeast[i])
			}
			served.Add(1)
		}
	}
	for g, do := range []func(*rand.Rand){update, fetch, fetch, fetch, read, read, read} {
		work.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), uint64(rand.Int64())))
			for i := 0; (i < steps || time.Now().Before(end)) && !t.Failed(); i++ {
				do(rnd)
				if rnd.IntN(4) == 0 { // a clock of its own may not get its turn
					r.clock.now.Add(1)
				}
				if g == 0 { // updates are fewer, or nothing is ever served
					for range 10 {
						runtime.Gosched()
					}
				}
			}
		})
	}
	work.Wait()
	t.Logf("%d values served", served.Load())
	if served.Load() < steps/10 {
		t.Errorf("%d values served: the test tests nothing", served.Load())
	}
	r.InvalidateAll(0)
	if s := r.settled(); s.Rows != 0 || s.Fields != 0 || s.Bytes != 0 {
		t.Errorf("left after all was dropped: %+v", s)
	}
}

// TestNoFillSlipsInBesideAnInvalidation has fetches land all the time, also
// between the steps of an invalidation. Whoever invalidated looks at once.
func TestNoFillSlipsInBesideAnInvalidation(t *testing.T) {
	rounds := 300_000
	if raced {
		rounds /= 20
	}
	end := time.Now().Add(*soak)
	r := newRig(t, roomy)
	p := r.mustProject("f")
	var stored atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					began := r.clock.Now()
					r.fillAll("e", p, began, strconv.FormatInt(stored.Load(), 10))
					runtime.Gosched()
				}
			}
		})
	}
	for i := 0; i < rounds || time.Now().Before(end); i++ {
		r.clock.now.Add(1)
		tries := 0 // until a fill of this tick is there
		for f := (Found{}); !f.Complete && tries < 1_000_000; tries++ {
			runtime.Gosched()
			f = r.Lookup([]byte("e"), p, r.clock.Now())
		}
		if tries == 1_000_000 {
			t.Errorf("round %d: no fill is kept", i)
			break
		}
		n := stored.Add(1)
		if i%8 == 0 {
			r.Mark(cover("f"))
		} else {
			r.Invalidate([]byte("e"), 0)
		}
		if f := r.Lookup([]byte("e"), p, r.clock.Now()); f.Complete {
			t.Errorf("round %d: served %q, the store has %d since before the invalidation", i, f.Append(nil, 2), n)
			break
		}
	}
	close(stop)
	wg.Wait()
}

// TestConcurrentInterning has goroutines meet the same projections, layouts and
// plans for the first time at once.
func TestConcurrentInterning(t *testing.T) {
	r := newRig(t, roomy)
	list := names(60)
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 9))
			for range 600 {
				from := rnd.IntN(50)
				some := list[from : from+1+rnd.IntN(10)]
				p := r.mustProject(some...)
				entity := fmt.Sprint("e", rnd.IntN(20))
				if got := r.get(entity, p, 1); got != "-" && got != wireOf(2, some...) {
					t.Errorf("%q, want %q", got, wireOf(2, some...))
				}
				r.fillAll(entity, p, 1, some...)
				if rnd.IntN(50) == 0 {
					r.Mark(cover(some[0]))
					r.clock.now.Add(1)
				}
				r.Size()
				r.Stats()
			}
		})
	}
	wg.Wait()
	if n := r.Replaced.Load() + r.Refused.Load(); n > 0 {
		t.Fatalf("%d replaced or refused", n)
	}
}
