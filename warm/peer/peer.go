// Package peer fills the cache of a process that starts with what others have
// found to be asked for: it takes lists of entities and fields, from a peer or from
// a snapshot whose rows are of no use, and has them fetched from the store at a
// bounded rate. No value comes from a peer, so there is nothing to prove: what is
// kept was fetched by this process, under the same rules as any other fetch.
package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
)

// Config says whom to ask, and how much.
type Config struct {
	Addresses []string      // host:port of admin addresses; a name may stand for many
	Token     string        // "": none
	Entities  int           // the hottest so many
	Rate      int           // fetches a second
	Follow    time.Duration // how long reads of the peer's clients are fetched here too
	// Own are the addresses of this process, which is not to ask itself.
	Own func(ip net.IP, port string) bool
	// Fetch has some fields of an entity fetched and kept, and calls done once.
	Fetch func(entity []byte, fields [][]byte, done func(failed bool))
	Log   *slog.Logger
}

// Stats are what was done.
type Stats struct{ Entities, Fetches, Failed uint64 }

// Warmer fetches.
type Warmer struct {
	cfg                       Config
	client                    *http.Client
	entities, fetches, failed atomic.Uint64
}

const (
	// mostInFlight bounds the fetches that are not answered yet: enough to keep
	// any rate, and little for a store that is slow.
	mostInFlight = 64
	// answerTimeout is for a peer to begin its answer.
	answerTimeout = 3 * time.Second
	// maxLine bounds a line of a peer's, in bytes.
	maxLine = 4 << 20
	// maxProjections bounds what a peer may name.
	maxProjections = 1 << 16
)

// New returns a warmer.
func New(cfg Config) *Warmer {
	transport := &http.Transport{ResponseHeaderTimeout: answerTimeout, DialContext: (&net.Dialer{Timeout: answerTimeout}).DialContext, DisableKeepAlives: true}
	return &Warmer{cfg: cfg, client: &http.Client{Transport: transport}}
}

// Stats tells what was done.
func (w *Warmer) Stats() Stats {
	return Stats{w.entities.Load(), w.fetches.Load(), w.failed.Load()}
}

// Wanted is an entity and what is asked for of it.
type Wanted struct {
	Entity []byte
	Lists  [][][]byte // of fields
}

// Ask asks the peers, in random order, until one knows something, and fetches
// that. hot is called when what was hot has been fetched; what the peer's clients
// ask for from then on is fetched until Ask returns.
func (w *Warmer) Ask(ctx context.Context, hot func()) error {
	addresses, err := w.resolve(ctx)
	var failures []error
	if err != nil {
		failures = append(failures, err)
	}
	for _, address := range addresses {
		n, err := w.askOne(ctx, address, hot)
		if ctx.Err() != nil {
			return nil
		}
		if n > 0 {
			w.cfg.Log.Info("fetched what a peer's clients ask for", "peer", address, "entities", n, "fetches", w.fetches.Load(), "failed", w.failed.Load())
			return nil
		}
		if err == nil {
			err = errors.New("it knows of nothing")
		}
		failures = append(failures, fmt.Errorf("peer %s: %w", address, err))
	}
	return errors.Join(failures...)
}

// resolve finds the peers.
func (w *Warmer) resolve(ctx context.Context) (addresses []string, err error) {
	var failed []error
	for _, address := range w.cfg.Addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
		if err != nil {
			failed = append(failed, fmt.Errorf("look for peers: %w", err))
			continue
		}
		for _, ip := range ips {
			if w.cfg.Own == nil || !w.cfg.Own(ip.IP, port) {
				addresses = append(addresses, net.JoinHostPort(ip.String(), port))
			}
		}
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	return addresses, errors.Join(failed...)
}

// askOne fetches what one peer names.
func (w *Warmer) askOne(ctx context.Context, address string, hot func()) (entities int, err error) {
	query := url.Values{"limit": {strconv.Itoa(w.cfg.Entities)}}
	if w.cfg.Follow > 0 {
		query.Set("follow", w.cfg.Follow.String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+api.PathWarm+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return 0, err
	}
	if w.cfg.Token != "" {
		request.Header.Set("Authorization", "Bearer "+w.cfg.Token)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("it answered %s", response.Status)
	}
	began := false
	start := func() {
		if !began {
			began = true
			hot()
		}
	}
	var readErr error
	w.fetchAll(ctx, func(yield func(Wanted) bool) {
		readErr = read(response.Body, func(wanted Wanted) bool {
			entities++
			if entities > w.cfg.Entities {
				start()
			}
			return yield(wanted)
		})
	})
	if entities > 0 {
		start()
	}
	return entities, readErr
}

// read reads lines to the end, or until yield returns false.
func read(from io.Reader, yield func(Wanted) bool) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var lists [][][]byte
	for lines.Scan() {
		var line api.WarmLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("read what it named: %w", err)
		}
		if len(line.Fields) > 0 {
			if len(lists) == maxProjections {
				return errors.New("it names too many projections")
			}
			lists = append(lists, line.Fields)
			continue
		}
		wanted := Wanted{Entity: line.Entity}
		for _, n := range line.Projections {
			if n < 0 || n >= len(lists) {
				return errors.New("it names a projection that it did not tell")
			}
			wanted.Lists = append(wanted.Lists, lists[n])
		}
		if !yield(wanted) {
			return nil
		}
	}
	return lines.Err()
}

// Fetch has everything fetched that wanted gives out, at the rate, until ctx ends,
// and waits for the last.
func (w *Warmer) Fetch(ctx context.Context, wanted func(yield func(Wanted) bool)) {
	w.fetchAll(ctx, wanted)
}

// pace is how often the rate is looked at.
const pace = 5 * time.Millisecond

func (w *Warmer) fetchAll(ctx context.Context, wanted func(yield func(Wanted) bool)) {
	began := time.Now()
	sent := 0.0
	free := make(chan struct{}, mostInFlight)
	var flying sync.WaitGroup
	defer flying.Wait()
	wanted(func(of Wanted) bool {
		w.entities.Add(1)
		for _, fields := range of.Lists {
			// A pause is not made up for later.
			allowed := time.Since(began).Seconds() * float64(w.cfg.Rate)
			sent = max(sent, allowed-float64(w.cfg.Rate)*10*pace.Seconds())
			for sent >= allowed {
				if !sleep(ctx, pace) {
					return false
				}
				allowed = time.Since(began).Seconds() * float64(w.cfg.Rate)
			}
			select {
			case <-ctx.Done():
				return false
			case free <- struct{}{}:
			}
			sent++
			w.fetches.Add(1)
			flying.Add(1)
			w.cfg.Fetch(of.Entity, fields, func(failed bool) {
				if failed {
					w.failed.Add(1)
				}
				<-free
				flying.Done()
			})
		}
		return true
	})
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
