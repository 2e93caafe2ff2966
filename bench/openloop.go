package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// arrivals is an open loop's schedule: operations of pipeline commands arrive by
// a Poisson process, whether or not earlier ones were answered. Latency counts
// from when an operation was due, so a server that stalls is charged for every
// operation that waited, not only for the one that it stalled on.
type arrivals struct {
	rate     float64       // operations a second, over all connections
	duration time.Duration // in which operations arrive
	pipeline int           // commands an operation
	seed     uint64
}

// maxQueued is how many flights of a connection may be unanswered before the
// sender waits. Latency still counts from when they were due.
const maxQueued = 1 << 16

// open runs an open loop over the load's connections, which take turns.
func (l *load) open(ctx context.Context, plan arrivals) (*tally, error) {
	flights := make([]chan flight, len(l.clients))
	for i := range flights {
		flights[i] = make(chan flight, maxQueued)
	}
	begin := time.Now()
	var sending sync.WaitGroup
	sending.Go(func() { l.fail(l.sendArrivals(ctx, plan, flights, begin)) })
	total, _ := l.eachClient(func(i int, latency *hdrhistogram.Histogram) (commands int64, err error) {
		for f := range flights[i] {
			if err == nil { // after an error the rest is only drained, so that the sender ends
				err = l.clients[i].land(f, begin, latency)
				commands++
				l.fail(err)
			}
		}
		return commands, err
	})
	sending.Wait()
	return total, l.failure
}

// sendArrivals sends each operation when it is due. It has a thread to itself,
// which sleeps in the kernel: the runtime's timers are coarser than latencies.
func (l *load) sendArrivals(ctx context.Context, plan arrivals, flights []chan flight, begin time.Time) error {
	defer lockPreciseThread()()
	defer func() {
		for _, queue := range flights {
			close(queue)
		}
	}()
	random := rand.New(rand.NewPCG(plan.seed, 2))
	turn := 0
	for due := time.Duration(0); due < plan.duration; {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Since(begin)
		if now < due {
			sleepPrecisely(due - now)
			continue
		}
		for ; due <= now && due < plan.duration; turn++ {
			if err := l.sendOperation(turn%len(l.clients), flights, due, plan.pipeline); err != nil {
				return err
			}
			due += time.Duration(random.ExpFloat64() / plan.rate * float64(time.Second))
		}
		for _, c := range l.clients {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendOperation puts one operation's commands into a connection's output.
func (l *load) sendOperation(i int, flights []chan flight, due time.Duration, pipeline int) error {
	c := l.clients[i]
	for k := range pipeline {
		a, more := l.next[i]()
		if !more {
			return nil
		}
		f := flight{a, due, k == pipeline-1}
		select {
		case flights[i] <- f:
		default: // so many wait for replies: those before it must be on their way first
			if err := c.flush(); err != nil {
				return err
			}
			flights[i] <- f
		}
		c.out = l.data.appendRequest(c.out, a)
	}
	return nil
}
