package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// object is a Pod as the API server has it.
type object map[string]any

// podObject is a Pod that runs and is ready.
func podObject(name, ip, slots string) object {
	return object{
		"metadata": object{
			"namespace": "features", "name": name, "labels": object{"app": "fetcher"},
			"annotations": object{"fsproxy.io/slots": slots, "kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("x", 100)},
		},
		"spec": object{"containers": []object{{"name": "redis", "ports": []object{{"name": "redis", "containerPort": 6379}}}}},
		"status": object{
			"phase": "Running", "podIP": ip,
			"conditions": []object{{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}},
		},
	}
}

func (o object) meta() object { return o["metadata"].(object) }

func (o object) unready() object {
	o["status"].(object)["conditions"] = []object{{"type": "Ready", "status": "False"}}
	return o
}

func (o object) at(version int) object {
	copied := object{}
	for k, v := range o {
		copied[k] = v
	}
	meta := object{}
	for k, v := range o.meta() {
		meta[k] = v
	}
	meta["resourceVersion"] = strconv.Itoa(version)
	copied["metadata"] = meta
	return copied
}

// logged is one event, as watches that begin before it get it.
type logged struct {
	version int
	kind    string
	object  object
}

// fakeAPI is an API server of one namespace: versions, history, paging, watches
// with bookmarks; and faults, each as often as it is set.
type fakeAPI struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex // protects what follows
	version int
	pods    map[string]object
	history []logged
	oldest  int            // versions up to this are compacted: watches from them get 410
	wake    chan struct{}  // closed at each change
	pages   map[string]int // continue tokens to the version of their list
	token   string         // accepted; "": any
	asked   []string       // what was asked, "list", "list+", "watch 17", in order

	pageSize    int   // Pods a page, whatever is asked for; 0: as asked
	expirePages int   // continue tokens that are answered with 410
	refuse      []int // status codes for the next requests
	retryAfter  string
	goneOnWatch int   // watches answered with HTTP 410
	errorEvent  []int // codes of ERROR events for the next watches
	cutAfter    int   // the next watch is cut in the midst of its n-th event
	hang        int   // watches that say nothing, and do not heed timeoutSeconds
	closeAtOnce int   // watches that end as they begin
	unversioned int   // events sent without a resource version
	rubbish     int   // requests answered with a page of HTML and 200
	noBookmarks bool
	strange     bool // watches begin with an event of an unknown type, and an object with unknown fields
	endless     bool // pages of lists are empty, and there is always one more
	slow        bool // events come byte by byte
	twice       bool // each event is sent twice, and one of a Pod that nobody knows is deleted before it
	down        bool
	bookmarks   int // sent
	cuts        int // watches begun before the last of these have died
}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, version: 100, pods: map[string]object{}, wake: make(chan struct{}), pages: map[string]int{}}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// with changes the server's state.
func (f *fakeAPI) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.wake)
	f.wake = make(chan struct{})
}

func (f *fakeAPI) put(o object) {
	f.with(func() {
		name := o.meta()["name"].(string)
		kind := "ADDED"
		if f.pods[name] != nil {
			kind = "MODIFIED"
		}
		f.version++
		f.pods[name] = o.at(f.version)
		f.history = append(f.history, logged{f.version, kind, f.pods[name]})
	})
}

func (f *fakeAPI) remove(name string) {
	f.with(func() {
		f.version++
		f.history = append(f.history, logged{f.version, "DELETED", f.pods[name].at(f.version)})
		delete(f.pods, name)
	})
}

// stop ends all watches and refuses connections until it is started again.
func (f *fakeAPI) stop() { f.with(func() { f.down = true; f.cuts++ }) }

func (f *fakeAPI) start() { f.with(func() { f.down = false }) }

// compact forgets the history, as etcd does after five minutes.
func (f *fakeAPI) compact() { f.with(func() { f.oldest = f.version; f.history = nil }) }

func (f *fakeAPI) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, ", ")
}

// count tells how many requests of a kind there were.
func (f *fakeAPI) count(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

// take takes one of a fault that is set some times.
func take(n *int) bool {
	if *n == 0 {
		return false
	}
	*n--
	return true
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	kind := "list"
	switch {
	case q.Get("watch") == "1":
		kind = "watch " + q.Get("resourceVersion")
	case q.Get("continue") != "":
		kind = "list+"
	case q.Get("limit") == "":
		kind = "list whole"
	}
	f.asked = append(f.asked, kind)
	switch {
	case f.down:
		panic(http.ErrAbortHandler)
	case f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token:
		fail(w, 401, "Unauthorized", "Unauthorized")
	case len(f.refuse) > 0:
		code := f.refuse[0]
		f.refuse = f.refuse[1:]
		if f.retryAfter != "" {
			w.Header().Set("Retry-After", f.retryAfter)
		}
		fail(w, code, "", "refused on purpose")
	case take(&f.rubbish):
		fmt.Fprint(w, "<html>Welcome to nginx!</html>")
	case r.URL.Path != "/api/v1/namespaces/features/pods" || q.Get("labelSelector") != "app=fetcher" || r.Method != "GET":
		fail(w, 404, "NotFound", "the server could not find the requested resource: "+r.URL.String())
	case q.Get("watch") == "1":
		f.watch(w, r)
	default:
		f.list(w, r)
	}
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(statusObject(code, reason, message))
}

func statusObject(code int, reason, message string) object {
	return object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, version := "", f.version
	if token := q.Get("continue"); token != "" {
		known, ok := f.pages[token]
		if !ok || take(&f.expirePages) {
			fail(w, 410, "Expired", "The provided continue parameter is too old")
			return
		}
		from, version = token, known
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit > 0 && f.pageSize > 0 {
		limit = f.pageSize
	}
	if f.endless {
		more := "page " + strconv.Itoa(len(f.pages))
		f.pages[more] = version
		_ = json.NewEncoder(w).Encode(object{"metadata": object{"resourceVersion": "1", "continue": more}})
		return
	}
	var items []object
	var names []string
	for name := range f.pods {
		names = append(names, name)
	}
	slices.Sort(names)
	more := ""
	for _, name := range names {
		if name < from {
			continue
		}
		if limit > 0 && len(items) == limit {
			more = name
			f.pages[more] = version
			break
		}
		items = append(items, f.pods[name])
	}
	_ = json.NewEncoder(w).Encode(object{
		"kind": "PodList", "apiVersion": "v1", "items": items,
		"metadata": object{"resourceVersion": strconv.Itoa(version), "continue": more, "remainingItemCount": 3},
	})
}

// watch holds the lock but while it waits and writes.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, err := strconv.Atoi(q.Get("resourceVersion"))
	if err != nil {
		f.t.Errorf("a watch from resource version %q", q.Get("resourceVersion"))
	}
	if seconds, err := strconv.Atoi(q.Get("timeoutSeconds")); err != nil || seconds <= 0 {
		f.t.Errorf("a watch for %q seconds", q.Get("timeoutSeconds"))
	}
	if from < f.oldest || take(&f.goneOnWatch) {
		fail(w, 410, "Expired", "too old resource version")
		return
	}
	flusher := w.(http.Flusher)
	write := func(kind string, o any) {
		line, _ := json.Marshal(object{"type": kind, "object": o})
		for i, b := range append(line, '\n') {
			_, _ = w.Write([]byte{b})
			if f.slow && i%16 == 0 {
				flusher.Flush()
			}
		}
		flusher.Flush()
	}
	send := func(kind string, o any) {
		if f.twice && (kind == "ADDED" || kind == "MODIFIED") {
			write("DELETED", podObject("nobody", "10.9.9.9", "0-16383").at(from))
			write(kind, o)
		}
		write(kind, o)
	}
	w.WriteHeader(200)
	flusher.Flush()
	if f.strange {
		send("SOMETHING", object{"kind": "New", "metadata": "none"})
	}
	if len(f.errorEvent) > 0 {
		code := f.errorEvent[0]
		f.errorEvent = f.errorEvent[1:]
		reason := ""
		if code == 410 {
			reason = "Expired"
		}
		send("ERROR", statusObject(code, reason, "an error on purpose"))
		return
	}
	if take(&f.closeAtOnce) {
		return
	}
	if take(&f.hang) {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return
	}
	cuts := f.cuts
	bookmark := object{"kind": "Pod", "spec": object{"containers": nil}}
	for {
		for _, e := range slices.Clone(f.history) {
			if e.version <= from {
				continue
			}
			from = e.version
			if f.cutAfter > 0 {
				if f.cutAfter--; f.cutAfter == 0 {
					line, _ := json.Marshal(object{"type": e.kind, "object": e.object})
					_, _ = w.Write(line[:len(line)/2])
					flusher.Flush()
					panic(http.ErrAbortHandler)
				}
			}
			if take(&f.unversioned) {
				bare := e.object.at(e.version)
				delete(bare.meta(), "resourceVersion")
				send(e.kind, bare)
				return
			}
			send(e.kind, e.object)
		}
		if f.version > from && !f.noBookmarks { // other objects' changes
			bookmark["metadata"] = object{}
			from = f.version
			send("BOOKMARK", bookmark.at(from))
			f.bookmarks++
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-r.Context().Done():
			f.mu.Lock()
			return
		}
		f.mu.Lock()
		if f.cuts != cuts {
			panic(http.ErrAbortHandler)
		}
	}
}
