// Package peer fills the cache of a process that starts with what others have.
//
// From a peer that may give them it takes the rows themselves (rows.go), under the
// proofs of a snapshot: package snapshot reads what it sends, with the true age of
// each value, and the sources of invalidations go on from where the peer's stood.
//
// For all that is not proved so, it takes lists of entities and fields (list.go),
// from a peer or from a snapshot whose rows are of no use, and has them fetched from
// the store at a bounded rate (fetch.go): there is nothing to prove of names.
//
// Giver is the other side of it (give.go). Whatever a peer answers is read within
// bounds of time and memory, and none can hold up the start.
package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// Config says whom to ask, and how much.
type Config struct {
	Addresses []string      // host:port of admin addresses; a name may stand for many
	Token     string        // "": none
	Entities  int           // the hottest so many
	Rate      int           // fetches a second
	Within    time.Duration // how long a list may take to be fetched
	Follow    time.Duration // how long reads of the peer's clients are fetched here too, after that
	MaxBytes  int64         // of rows, as they are sent
	Build     string        // see snapshot.Snapshot
	Views     []cache.View  // in which clients may ask; nil: as stored alone
	// Own are the addresses of this process, which is not to ask itself.
	Own func(ip net.IP, port string) bool
	// Fetch has some fields of an entity fetched and kept in a view, unless nothing is
	// lacking, tells which, and calls done once.
	Fetch func(view cache.View, entity []byte, fields [][]byte, done func(failed bool)) (asked bool)
	Log   *slog.Logger
}

// Warmer warms the process that starts.
type Warmer struct {
	cfg    Config
	client *http.Client
	counts counts
	// openTimeout and openAll, but in tests.
	openOne, openAll time.Duration
}

const (
	// answerTimeout is for a peer to begin its answer.
	answerTimeout = 3 * time.Second
	// maxHeader bounds what it may say before it, in bytes.
	maxHeader = 64 << 10
)

// New returns a warmer.
func New(cfg Config) *Warmer {
	transport := &http.Transport{
		ResponseHeaderTimeout: answerTimeout, DialContext: (&net.Dialer{Timeout: answerTimeout}).DialContext,
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	return &Warmer{cfg: cfg, openOne: openTimeout, openAll: openAll, client: &http.Client{
		Transport: transport,
		// The token is for whom it was meant.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// resolve finds the peers, in random order. This process is none.
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

// ask sends a peer a request. The answer is 200, or it is an error.
func (w *Warmer) ask(ctx context.Context, address, path string, query url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if w.cfg.Token != "" {
		request.Header.Set("Authorization", "Bearer "+w.cfg.Token)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	return nil, fmt.Errorf("it answered %s: %s", response.Status, reasonOf(response.Body))
}
