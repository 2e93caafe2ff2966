package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

const (
	// openTimeout is for one peer to say that it gives its rows and where its
	// sources of invalidations stand, and openAll for all of them: our own sources
	// do not begin before. Reads are fetched meanwhile.
	openTimeout = time.Second
	openAll     = 2 * time.Second
)

// Rows are a peer's, on their way.
type Rows struct {
	*snapshot.Stream
	warmer  *Warmer
	address string
	body    io.Closer
	cancel  context.CancelFunc
}

// Open asks the peers for their rows, in random order, until one begins to send
// them. It takes openAll at most. The rows are Load's to read, or Close's to let go,
// and end with ctx. identity is what a snapshot of this process has. An error: none
// gives any, and why.
func (w *Warmer) Open(ctx context.Context, identity string) (*Rows, error) {
	within, cancel := context.WithTimeout(ctx, w.openAll)
	defer cancel()
	addresses, err := w.resolve(within)
	failures := []error{err}
	for _, address := range addresses {
		rows, err := w.begin(ctx, within, address, identity)
		if err == nil {
			return rows, nil
		}
		failures = append(failures, fmt.Errorf("peer %s: %w", address, err))
		if within.Err() != nil {
			break
		}
	}
	w.counts.took(snapshot.Loaded{}, OutcomeNo)
	if len(addresses) == 0 && err == nil {
		return nil, errors.New("there is no peer")
	}
	return nil, errors.Join(failures...)
}

func (w *Warmer) begin(ctx, within context.Context, address, identity string) (*Rows, error) {
	ctx, cancel := context.WithCancel(ctx)
	opened := &atomic.Bool{}
	end := func() {
		if !opened.Load() {
			cancel()
		}
	}
	late := time.AfterFunc(w.openOne, end)
	defer late.Stop()
	stop := context.AfterFunc(within, end)
	defer stop()
	rows, err := w.receive(ctx, address, identity)
	if err != nil {
		cancel()
		return nil, err
	}
	opened.Store(true)
	rows.cancel = cancel
	return rows, nil
}

// receive reads what comes before the rows.
func (w *Warmer) receive(ctx context.Context, address, identity string) (*Rows, error) {
	// Before the request is sent: what the peer says comes later.
	asked := snapshot.Asked()
	response, err := w.ask(ctx, address, api.PathRows, url.Values{"identity": {identity}})
	if err != nil {
		return nil, err
	}
	w.counts.bytes.Store(0)
	stream, err := snapshot.Receive(&counted{from: io.LimitReader(response.Body, w.cfg.MaxBytes), bytes: &w.counts.bytes}, asked)
	if err == nil {
		err = stream.Check(identity)
	}
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	stream.Build, stream.Wanted = w.cfg.Build, w.cfg.Views
	return &Rows{Stream: stream, warmer: w, address: address, body: response.Body}, nil
}

// Close lets the rows go.
func (r *Rows) Close() {
	r.cancel()
	_ = r.body.Close()
}

// Load puts the rows into c, the hottest first, until all are there, c holds room
// bytes of them, or within is over, or ctx.
func (r *Rows) Load(ctx context.Context, within time.Duration, c *cache.Cache, clock *snapshot.Clock, room int64) {
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer context.AfterFunc(ctx, r.cancel)()
	loaded, err := r.Stream.Load(ctx, c, clock, room)
	w := r.warmer
	attrs := []any{
		"peer", r.address, "rows", loaded.Rows, "values", loaded.Values, "bytes", loaded.Bytes, "sent_bytes", w.counts.bytes.Load(),
		"took", loaded.Took.Round(time.Millisecond).String(), "cut", loaded.Cut,
	}
	switch {
	case err != nil:
		w.counts.took(snapshot.Loaded{Took: loaded.Took}, OutcomeCut)
		w.cfg.Log.Warn("a peer's rows did not come whole, and are not used", append(attrs, "error", err)...)
	case loaded.Cut:
		w.counts.took(loaded, OutcomePart)
		w.cfg.Log.Info("took over the rows of a peer", attrs...)
	default:
		w.counts.took(loaded, OutcomeWhole)
		w.cfg.Log.Info("took over the rows of a peer", attrs...)
	}
}

// counted counts what is read.
type counted struct {
	from  io.Reader
	bytes *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}
