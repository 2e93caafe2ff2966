package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
)

func fromElsewhere(r *http.Request) { r.RemoteAddr, r.Host = "10.1.2.3:40000", "10.9.8.7:9190" }

func presenting(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func both(changes ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		for _, change := range changes {
			change(r)
		}
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func named(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }

func TestWhoMayReadAndChange(t *testing.T) {
	const (
		ok      = http.StatusOK
		unknown = http.StatusUnauthorized
		never   = http.StatusForbidden
	)
	right, wrong := presenting(rigToken), presenting(rigToken+"x")
	for _, c := range []struct {
		name         string
		token        bool // one is configured
		as           func(*http.Request)
		read, change int
	}{
		{"here, none configured", false, nil, ok, ok},
		{"here by IPv6", false, func(r *http.Request) { r.RemoteAddr = "[::1]:1" }, ok, ok},
		{"here, passed on for another machine", false, header("X-Forwarded-For", "10.1.2.3"), never, never},
		{"elsewhere, none configured", false, fromElsewhere, never, never},
		{"elsewhere, none configured, one presented", false, both(fromElsewhere, right), never, never},
		{"here without the token", true, nil, ok, unknown},
		{"here with it", true, right, ok, ok},
		{"here with another", true, wrong, ok, unknown},
		{"here with an empty one", true, presenting(""), ok, unknown},
		{"elsewhere without it", true, fromElsewhere, unknown, unknown},
		{"elsewhere with another", true, both(fromElsewhere, wrong), unknown, unknown},
		{"elsewhere with it", true, both(fromElsewhere, right), ok, ok},
	} {
		yaml := ""
		if c.token {
			yaml = withToken(t)
		}
		r := newRig(t, yaml, nil)
		if got := r.ask(http.MethodGet, api.PathStatus, "", c.as); got.Code != c.read {
			t.Errorf("%s: reading gives %d %s, want %d", c.name, got.Code, got.Body, c.read)
		}
		got := r.ask(http.MethodPost, api.PathFlush, "", c.as)
		if got.Code != c.change {
			t.Errorf("%s: changing gives %d %s, want %d", c.name, got.Code, got.Body, c.change)
		}
		if held := r.cache.Stats().Rows; (held == 0) != (c.change == ok) {
			t.Errorf("%s: %d rows are held after a flush that gave %d", c.name, held, got.Code)
		}
		for _, path := range []string{"/metrics", "/healthz", "/readyz", "/version"} {
			if got := r.ask(http.MethodGet, path, "", c.as); got.Code != ok {
				t.Errorf("%s: %s gives %d", c.name, path, got.Code)
			}
		}
	}
}

// A page elsewhere that a person has open must reach nothing through the
// person's browser, not by a name that it has lead here either.
func TestAnotherPageReachesNothing(t *testing.T) {
	r := newRig(t, "admin: {hosts: [fsproxy.example]}\n", nil)
	for _, c := range []struct {
		name         string
		as           func(*http.Request)
		read, change int
	}{
		{"a name that was made to lead here", named("evil.example:9190"), http.StatusMisdirectedRequest, http.StatusMisdirectedRequest},
		{"no name", named(""), http.StatusMisdirectedRequest, http.StatusMisdirectedRequest},
		{"a name that begins with localhost", named("localhost.evil.example"), http.StatusMisdirectedRequest, http.StatusMisdirectedRequest},
		{"a form on another page", both(header("Sec-Fetch-Site", "cross-site"), header("Content-Type", "text/plain")), http.StatusOK, http.StatusForbidden},
		{"an old browser's form", both(header("Origin", "http://evil.example"), header("Content-Type", "text/plain")), http.StatusOK, http.StatusForbidden},
		{"a page that says what it sends", both(header("Sec-Fetch-Site", "same-site"), header("Origin", "http://127.0.0.1:8000")), http.StatusOK, http.StatusForbidden},
		{"a body of another kind", header("Content-Type", "application/x-www-form-urlencoded"), http.StatusOK, http.StatusUnsupportedMediaType},
		{"our own page", both(header("Sec-Fetch-Site", "same-origin"), header("Origin", "http://127.0.0.1:9190")), http.StatusOK, http.StatusOK},
		{"localhost", named("localhost:8080"), http.StatusOK, http.StatusOK},
		{"an address", named("[::1]:9190"), http.StatusOK, http.StatusOK},
		{"a name that is configured", named("FSPROXY.example:9190"), http.StatusOK, http.StatusOK},
	} {
		if got := r.ask(http.MethodGet, api.PathStatus, "", c.as); got.Code != c.read {
			t.Errorf("%s: reading gives %d %s", c.name, got.Code, got.Body)
		} else if allowed := got.Header().Get("Access-Control-Allow-Origin"); allowed != "" {
			t.Errorf("%s: %q may read the answer", c.name, allowed)
		}
		if got := r.ask(http.MethodPost, api.PathMode, `{"mode": "live"}`, c.as); got.Code != c.change {
			t.Errorf("%s: changing gives %d %s, want %d", c.name, got.Code, got.Body, c.change)
		}
	}
}

func TestNothingTellsTheToken(t *testing.T) {
	r := newRig(t, withToken(t), nil)
	for _, route := range r.routes() {
		if route.stream != nil {
			continue
		}
		got := r.ask(route.method, route.path+"?key=st_1", "", presenting(rigToken))
		if strings.Contains(got.Body.String(), rigToken) {
			t.Errorf("%s tells the token", route.path)
		}
	}
	if strings.Contains(r.log.String(), rigToken) {
		t.Error("the log tells the token")
	}
}

func TestThePageMayLoadAndAskThisProcessAlone(t *testing.T) {
	r := newRig(t, "", nil)
	got := r.ask(http.MethodGet, "/", "", fromElsewhere)
	policy := got.Header().Get("Content-Security-Policy")
	if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "<title>fsproxy</title>") {
		t.Fatalf("the page: %d %s", got.Code, got.Body)
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "connect-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not say %s", policy, want)
		}
	}
	size := 0
	for _, file := range []string{"/page.js", "/page.css", "/icon.svg", "/api.js", "/chart.js", "/table.js", "/tables.js", "/controls.js", "/rules.js", "/format.js"} {
		got := r.ask(http.MethodGet, file, "", nil)
		if got.Code != http.StatusOK || got.Header().Get("Content-Security-Policy") != contentPolicy {
			t.Errorf("%s: %d, policy %q", file, got.Code, got.Header().Get("Content-Security-Policy"))
		}
		if text := got.Body.String(); strings.Contains(text, "https://") {
			t.Errorf("%s names another machine", file)
		}
		size += got.Body.Len()
	}
	const most = 100 << 10 // bytes, so that it loads at once through a port that is forwarded
	if size += got.Body.Len(); size > most {
		t.Errorf("the page has %d bytes", size)
	}
	if got := r.ask(http.MethodGet, "/nothing", "", nil); got.Code != http.StatusNotFound {
		t.Errorf("/nothing gives %d", got.Code)
	}
}
