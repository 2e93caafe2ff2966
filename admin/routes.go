package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/fsproxy/fsproxy/admin/api"
)

// route is one thing that can be asked of the API.
type route struct {
	method, path string
	answer       func(*call) (any, error)
	// stream writes the answer itself, for as long as it likes. In place of answer.
	stream func(http.ResponseWriter, *call) error
}

// change tells whether the route changes something.
func (r route) change() bool { return r.method != http.MethodGet }

// call is one request that may be answered.
type call struct {
	*http.Request
	who     caller
	version string // of what is answered; "": there is none
}

func (s *Server) routes() []route {
	return []route{
		{method: http.MethodGet, path: api.PathStatus, answer: s.getStatus},
		{method: http.MethodGet, path: api.PathConfig, answer: s.getConfig},
		{method: http.MethodGet, path: api.PathTopology, answer: s.getTopology},
		{method: http.MethodGet, path: api.PathFeatures, answer: s.getFeatures},
		{method: http.MethodGet, path: api.PathEntity, answer: s.getEntity},
		{method: http.MethodGet, path: api.PathHottest, answer: s.getHottest},
		{method: http.MethodGet, path: api.PathSources, answer: s.getSources},
		{method: http.MethodGet, path: api.PathDifferences, answer: s.getDifferences},
		{method: http.MethodGet, path: api.PathRules, answer: s.getRules},
		{method: http.MethodGet, path: api.PathShadow, answer: s.getShadow},
		{method: http.MethodGet, path: api.PathChanges, answer: s.getChanges},
		{method: http.MethodGet, path: api.PathHistory, answer: s.getHistory},
		{method: http.MethodGet, path: api.PathAccess, answer: s.getAccess},
		{method: http.MethodGet, path: api.PathEvents, stream: s.streamEvents},
		{method: http.MethodGet, path: api.PathWarm, stream: s.streamWarm},
		{method: http.MethodGet, path: api.PathRows, stream: s.streamRows},
		{method: http.MethodGet, path: api.PathOpenAPI, answer: getOpenAPI},
		{method: http.MethodPost, path: api.PathMode, answer: s.postMode},
		{method: http.MethodPost, path: api.PathRules, answer: s.postRules},
		{method: http.MethodPost, path: api.PathRule, answer: s.postRule},
		{method: http.MethodPost, path: api.PathShadow, answer: s.postShadow},
		{method: http.MethodPost, path: api.PathInvalidate, answer: s.postInvalidate},
		{method: http.MethodPost, path: api.PathFlush, answer: s.postFlush},
		{method: http.MethodPost, path: api.PathReload, answer: s.postReload},
	}
}

// addRoutes gives mux the API.
func (s *Server) addRoutes(mux *http.ServeMux) {
	routes := s.routes()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, request *http.Request) { s.serve(w, request, r) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, request *http.Request) {
		var allowed []string
		for _, r := range routes {
			if r.path == request.URL.Path {
				allowed = append(allowed, r.method)
			}
		}
		if len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			fail(w, refuse(http.StatusMethodNotAllowed, "%s is asked with %s", request.URL.Path, strings.Join(allowed, " or ")))
			return
		}
		fail(w, refuse(http.StatusNotFound, "there is no %s; %s lists what there is", request.URL.Path, api.PathOpenAPI))
	})
}

// serve answers a request of route r, if it may.
func (s *Server) serve(w http.ResponseWriter, request *http.Request, r route) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	who, err := s.access.check(request, r.change())
	if err == nil && r.change() {
		err = checkJSON(request)
	}
	if err != nil {
		fail(w, err)
		return
	}
	c := &call{Request: request, who: who}
	if r.stream != nil {
		if err := r.stream(w, c); err != nil {
			fail(w, err)
		}
		return
	}
	answer, err := r.answer(c)
	if c.version != "" {
		w.Header().Set(api.HeaderVersion, strconv.Quote(c.version))
	}
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is the connection's, and nobody is left to be told.
	_ = json.NewEncoder(w).Encode(answer)
}

func fail(w http.ResponseWriter, err error) {
	status, said := http.StatusInternalServerError, api.Error{Message: err.Error()}
	if r := (*refusal)(nil); errors.As(err, &r) {
		status, said.Mistakes = r.status, r.mistakes
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, status, said)
}

// maxBody bounds what a change may say, in bytes.
const maxBody = 1 << 20

// checkJSON wants the type that a page elsewhere cannot send without being asked
// first.
func checkJSON(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "a change is asked for in JSON: send Content-Type: application/json")
	}
	return nil
}

// read reads what the call says. Nothing at all is an empty object.
func (c *call) read(into any) error {
	decoder := json.NewDecoder(io.LimitReader(c.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "the request is not what %s describes: %v", api.PathOpenAPI, err)
	}
	if decoder.More() {
		return refuse(http.StatusBadRequest, "the request holds more than one JSON value")
	}
	return nil
}

// limit is the call's parameter of that name: how many are wanted, at most most.
func (c *call) limit(usual, most int) (int, error) {
	text := c.URL.Query().Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse(http.StatusBadRequest, "limit %q: give a whole number from 1 to %d", text, most)
	}
	return min(n, most), nil
}

// match is the call's parameter of that name, in lower case: part of a name.
func (c *call) match() string { return strings.ToLower(c.URL.Query().Get("match")) }
