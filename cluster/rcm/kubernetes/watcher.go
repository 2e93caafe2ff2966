package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	"github.com/fsproxy/fsproxy/pause"
)

// timing is how long things may take. Tests have times of their own.
type timing struct {
	quiet        time.Duration // how long changes are gathered
	first        time.Duration // pause after the first failure
	longest      time.Duration // pause after many
	gap          time.Duration // least time between two watches' beginnings
	page         time.Duration // for a page of a list
	idle         time.Duration // a watch on which nothing is heard for so long is begun anew
	watchSeconds int           // for how long a watch is asked for, at least; jittered up to twice that
}

// usualTiming. A server sends a bookmark about once a minute, so that twice
// that without any is a connection that died, or a server without bookmarks, of
// which a new watch asks little.
var usualTiming = timing{
	quiet: 200 * time.Millisecond, first: 500 * time.Millisecond, longest: 30 * time.Second, gap: time.Second,
	page: time.Minute, idle: 150 * time.Second, watchSeconds: 300,
}

const (
	// pageSize is how many Pods are asked for at once.
	pageSize = 500
	// maxPage bounds a page, in bytes: a Pod has 1.5 MB at most, and some
	// 10 KB as a rule.
	maxPage = 64 << 20
	// maxPages bounds the pages of a list, of which any may be empty: ten times as
	// many as maxPods need.
	maxPages = 10 * maxPods / pageSize
	// maxEvent bounds an event, in bytes.
	maxEvent = 4 << 20
	// maxPods bounds what is kept of one namespace.
	maxPods = 1 << 17
	// maxResumes is how many watches in a row may fail before any event comes,
	// until everything is listed anew: the resource version may be what the
	// server cannot deal with.
	maxResumes = 3
	// maxLists is how many lists in a row may find that their pages have
	// expired before one is asked for whole.
	maxLists = 2
)

var errIdle = errors.New("nothing was heard on the watch for too long")

// watcher follows the Pods of one namespace. One goroutine owns it.
type watcher struct {
	source    *Source
	namespace string // "": all
	version   string // resource version to go on from; "": list first
	expired   int    // lists in a row that ended in the midst
	resumes   int    // watches in a row that ended without an event
	failures  int    // in a row, for the back-off
	began     time.Time
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.step(ctx)
	}
}

// step lists, or watches until the watch ends. Only an event shows that the
// server is well: one that lists, and whose watches come to nothing, would
// otherwise be asked for everything all the time.
func (w *watcher) step(ctx context.Context) {
	if w.version == "" {
		w.settle(ctx, w.list(ctx))
		return
	}
	if !pause.For(ctx, time.Until(w.began.Add(jitter(w.source.timing.gap)))) {
		return
	}
	w.began = time.Now()
	events, err := w.watch(ctx)
	w.resumes++
	if events > 0 {
		w.resumes, w.failures = 0, 0
	}
	fruitless := w.resumes >= maxResumes
	if gone(err) || fruitless {
		w.version, w.resumes = "", 0
	}
	w.settle(ctx, err)
	if err == nil && fruitless {
		pause.For(ctx, w.pause(nil))
	}
}

// settle takes what a question came to, and waits before the next one if it
// failed.
func (w *watcher) settle(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		w.heard()
		return
	}
	log := w.source.config.Logger.With("namespace", w.namespace)
	wait := w.pause(err)
	if w.source.failed(w.namespace, err) {
		log.Warn("the API server does not tell of the fleet's Pods; those last known stay in use", "error", err, "again_in", wait.Round(time.Millisecond))
	}
	pause.For(ctx, wait)
}

func (w *watcher) heard() {
	if w.source.heard(w.namespace) {
		w.source.config.Logger.Info("the API server answers again", "namespace", w.namespace)
	}
}

// pause grows with each failure, with jitter: RCMs that lost the server together
// do not come back together.
func (w *watcher) pause(err error) time.Duration {
	t := w.source.timing
	wait := min(t.first<<min(w.failures, 16), t.longest)
	w.failures++
	var status *statusError
	if errors.As(err, &status) && status.after > wait {
		wait = status.after
	}
	return jitter(wait)
}

// jitter is between d/2 and d.
func jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2)
}

func (w *watcher) path() string {
	if w.namespace == "" {
		return "/api/v1/pods"
	}
	return "/api/v1/namespaces/" + url.PathEscape(w.namespace) + "/pods"
}

func (w *watcher) query() url.Values {
	q := url.Values{}
	if w.source.config.Selector != "" {
		q.Set("labelSelector", w.source.config.Selector)
	}
	return q
}

// list reads all Pods, page by page, and puts them in place of those known only
// when it has them all.
func (w *watcher) list(ctx context.Context) error {
	pods := make(map[string]*pod)
	query := w.query()
	if w.expired < maxLists {
		query.Set("limit", strconv.Itoa(pageSize))
	}
	for range maxPages {
		page, err := w.page(ctx, query)
		if gone(err) {
			w.expired++ // it took too long, and the rest is no longer to be had
		}
		if err != nil {
			return fmt.Errorf("list Pods: %w", err)
		}
		for i := range page.Items {
			p := &page.Items[i]
			if p.Metadata.Name == "" {
				return errors.New("list Pods: one has no name: is it the API server that answers?")
			}
			pods[p.name()] = w.source.config.slim(p)
		}
		if len(pods) > maxPods {
			return fmt.Errorf("list Pods: more than %d: narrow kubernetes.selector", maxPods)
		}
		if page.Metadata.Continue == "" {
			w.version, w.expired = page.Metadata.ResourceVersion, 0
			w.source.replace(w.namespace, pods)
			return nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
	return fmt.Errorf("list Pods: no end after %d pages: is it the API server that answers?", maxPages)
}

func (w *watcher) page(ctx context.Context, query url.Values) (*podList, error) {
	ctx, cancel := context.WithTimeout(ctx, w.source.timing.page)
	defer cancel()
	body, err := w.source.api.get(ctx, w.path(), query)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	page := new(podList)
	if err := json.NewDecoder(io.LimitReader(body, maxPage)).Decode(page); err != nil {
		return nil, fmt.Errorf("the reply is cut off, too long or no list: %w", err)
	}
	if page.Metadata.ResourceVersion == "" {
		return nil, errors.New("the reply has no resource version: is it the API server that answers?")
	}
	return page, nil
}

// event is one line of a watch.
type event struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// watch follows from the version on until the server ends the watch, which is
// no error, or something is wrong. It tells how many events were taken in.
func (w *watcher) watch(ctx context.Context) (events int, err error) {
	t := w.source.timing
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(t.idle, func() { cancel(errIdle) })
	defer watchdog.Stop()

	query := w.query()
	query.Set("watch", "1")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", w.version)
	query.Set("timeoutSeconds", strconv.Itoa(t.watchSeconds+rand.IntN(t.watchSeconds+1)))
	body, err := w.source.api.get(ctx, w.path(), query)
	if err != nil {
		return 0, fmt.Errorf("watch Pods: %w", err)
	}
	defer body.Close()
	w.heard()
	limited := &io.LimitedReader{R: body}
	decoder := json.NewDecoder(limited)
	for {
		limited.N = maxEvent
		var e event
		if err := decoder.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				return events, nil
			}
			if errors.Is(context.Cause(ctx), errIdle) {
				return events, nil // it may be a quiet server: a new watch tells
			}
			return events, fmt.Errorf("watch Pods: %w", err)
		}
		watchdog.Reset(t.idle)
		if err := w.take(e); err != nil {
			return events, fmt.Errorf("watch Pods: %w", err)
		}
		w.heard()
		events++
	}
}

// take takes in one event. The version moves only with what was taken in, and
// never to nothing: a watch from no version would begin now, and miss what was
// between.
func (w *watcher) take(e event) error {
	switch e.Type {
	case "ERROR":
		var s status
		if err := json.Unmarshal(e.Object, &s); err != nil {
			return fmt.Errorf("an error event that cannot be read: %w", err)
		}
		return &statusError{code: s.Code, reason: s.Reason, text: clip(s.Message)}
	case "ADDED", "MODIFIED", "DELETED", "BOOKMARK":
	default:
		return nil // of a server newer than this: nothing of it concerns the fleet
	}
	p := new(pod)
	if err := json.Unmarshal(e.Object, p); err != nil {
		return fmt.Errorf("an event that cannot be read: %w", err)
	}
	if p.Metadata.ResourceVersion == "" {
		return fmt.Errorf("an event of type %s without a resource version", e.Type)
	}
	if e.Type != "BOOKMARK" {
		if p.Metadata.Name == "" {
			return fmt.Errorf("an event of type %s without a Pod's name", e.Type)
		}
		w.source.put(w.namespace, w.source.config.slim(p), e.Type == "DELETED")
	}
	w.version = p.Metadata.ResourceVersion
	return nil
}
