package demo

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/pause"
)

const (
	// MarkerKey is the hash in the fleet that tells of finished uploads.
	MarkerKey = "fs:markers"
	// lag is how much later than its first node the others of a shard have a
	// change. A proxy whose settle is longer never keeps an old value.
	lag = 200 * time.Millisecond
	// Settle is what the proxy in front of the fleet is told of that lag, with
	// room for a busy machine.
	Settle = 2 * time.Second
	// lagging bounds the changes that wait for the other nodes: those of lag at
	// the highest rate that is of any use here.
	lagging = 1 << 16
)

// Changes are what happens to the store while models read it: uploads of batch
// features, each followed by its marker, and a stream of updates of real-time
// ones.
type Changes struct {
	data    *Data
	fleet   *Fleet
	stream  *Stream
	updates float64       // a second
	uploads time.Duration // from one to the next; 0: none

	updated, uploaded atomic.Uint64
	later             chan laggard
}

// laggard is a change that some nodes of a shard do not have yet.
type laggard struct {
	due    time.Time
	entity string
	pairs  []string
}

// NewChanges makes changes of data in fleet: so many updates a second, told on
// stream, and an upload so often; 0: none.
func NewChanges(data *Data, fleet *Fleet, stream *Stream, updates float64, uploads time.Duration) *Changes {
	return &Changes{data: data, fleet: fleet, stream: stream, updates: updates, uploads: uploads, later: make(chan laggard, lagging)}
}

// Updated and Uploaded are how many updates and uploads there were.
func (c *Changes) Updated() uint64  { return c.updated.Load() }
func (c *Changes) Uploaded() uint64 { return c.uploaded.Load() }

// Run changes the store until ctx ends, or until an update cannot be told,
// which it returns as an error.
func (c *Changes) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.catchUp(ctx)
	}()
	defer func() { <-done }()
	uploaded := make(chan struct{})
	go func() {
		defer close(uploaded)
		c.upload(ctx)
	}()
	defer func() { <-uploaded }()
	return c.update(ctx)
}

// write changes an entity: on the first node of its shard now, on the others
// after lag.
func (c *Changes) write(ctx context.Context, entity string, pairs ...string) {
	c.fleet.writeFirst(entity, pairs...)
	select {
	case c.later <- laggard{time.Now().Add(lag), entity, pairs}:
	case <-ctx.Done():
	}
}

// catchUp gives the other nodes what they do not have yet, in order.
func (c *Changes) catchUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-c.later:
			if !pause.For(ctx, time.Until(l.due)) {
				return
			}
			c.fleet.Write(l.entity, l.pairs...)
		}
	}
}

// update makes up new values of real-time features of popular entities. The
// store has one before the stream tells of it, as docs/UPDATES.md asks.
func (c *Changes) update(ctx context.Context) error {
	if c.updates <= 0 {
		<-ctx.Done()
		return nil
	}
	const thread = 1 << 20 // apart from those of the load
	draw, pace := newDrawing(c.data, thread), newPace(c.updates)
	for version := int64(1); pace.wait(ctx, 1); version++ {
		kind := draw.random.IntN(len(c.data.kinds))
		f := pick(draw.random, c.data.kinds[kind].features, realtime)
		entity := c.data.entities[kind][draw.popular[kind].Uint64()]
		value := f.draw(draw.random)
		c.write(ctx, entity, f.ID, value)
		if err := c.stream.Publish(ctx, entity, f.ID, value, version); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		c.updated.Add(1)
	}
	return nil
}

// upload writes new values of a batch feature of all entities of a kind, and
// then its marker.
func (c *Changes) upload(ctx context.Context) {
	if c.uploads <= 0 {
		return
	}
	const stream = 3 << 62 // apart from those of Data and its drawings
	random := rand.New(rand.NewPCG(c.data.seed, stream))
	for kind := 0; pause.For(ctx, c.uploads); kind = (kind + 1) % len(c.data.kinds) {
		f := pick(random, c.data.kinds[kind].features, batch)
		for _, entity := range c.data.entities[kind] {
			if ctx.Err() != nil {
				return
			}
			if c.fleet.has(entity, f.ID) {
				c.write(ctx, entity, f.ID, f.draw(random))
			}
		}
		c.write(ctx, MarkerKey, f.Name, strconv.FormatUint(c.uploaded.Add(1), 10))
	}
}

// realtime and batch begin the names of features that a stream of events makes,
// and of those that are uploaded.
const (
	realtime = "raf_"
	batch    = "daf_"
)

// pick draws one of the features whose names begin so; there are some.
func pick(random *rand.Rand, features []Feature, prefix string) *Feature {
	for {
		if f := &features[random.IntN(len(features))]; strings.HasPrefix(f.Name, prefix) {
			return f
		}
	}
}
