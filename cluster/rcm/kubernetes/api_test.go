package kubernetes

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheServersCertificateIsCheckedAgainstTheCAFileOfNow(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}
	}))
	defer secure.Close()
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.crt")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &api{base: secure.URL, caFile: file}
	defer a.close()
	ask := func(path string) error {
		body, err := a.get(t.Context(), path, url.Values{})
		if err == nil {
			body.Close()
		}
		return err
	}
	if err := ask("/"); err == nil || !strings.Contains(err.Error(), "certificate authority") {
		t.Errorf("without the file: %v", err)
	}
	write([]byte("no certificate"))
	if err := ask("/"); err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Errorf("with another file: %v", err)
	}
	write(right)
	if err := ask("/"); err != nil {
		t.Fatal(err)
	}
	write([]byte("half wri")) // being replaced
	if err := ask("/"); err != nil {
		t.Errorf("while the file is replaced: %v", err)
	}
	if err := ask("/moved"); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v; the token would follow it", err)
	}
	a = &api{base: secure.URL}
	defer a.close()
	if err := ask("/"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a CA file the server is trusted: %v", err)
	}
}

func TestOutsideAPodTheServerHasToBeNamed(t *testing.T) {
	t.Setenv(hostVariable, "")
	if _, err := New(Config{Namespaces: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "kubernetes.server") {
		t.Errorf("%v", err)
	}
	t.Setenv(hostVariable, "fd00::1")
	t.Setenv(portVariable, "443")
	s, err := New(Config{Namespaces: []string{"b", "a", "b"}})
	if err != nil || s.api.base != "https://[fd00::1]:443" || s.api.tokenFile != accountFolder+"/token" || s.total != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := New(Config{Namespaces: []string{"*"}}); err != nil || (&watcher{source: s, namespace: s.config.Namespaces[0]}).path() != "/api/v1/pods" {
		t.Errorf("all namespaces: %v", err)
	}
}

func TestARetryAfterIsBounded(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "-1": 0, "86400": longestWait, "Fri, 31 Dec": 0} {
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", text)
		w.WriteHeader(http.StatusServiceUnavailable)
		var e *statusError
		if err := refusal(w.Result()); !errors.As(err, &e) || e.after != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Whatever a server sends, the version never goes to nothing, and no Pod is
// taken in without a name.
func FuzzEvents(f *testing.F) {
	f.Add(`{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"}}}`)
	f.Add(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}`)
	f.Add(`{"type":"ERROR","object":{"code":410,"reason":"Expired"}}`)
	f.Add(`{"type":"DELETED","object":{"metadata":{}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		var e event
		if json.Unmarshal([]byte(line), &e) != nil {
			return
		}
		s, err := New(Config{Server: "http://a", Namespaces: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		s.replace("a", map[string]*pod{})
		w := &watcher{source: s, namespace: "a", version: "5"}
		err = w.take(e)
		if w.version == "" {
			t.Fatal("the version is lost")
		}
		if err != nil && (w.version != "5" || len(s.pods["a"]) > 0) {
			t.Fatal("an event that is refused was taken in")
		}
		for name, p := range s.pods["a"] {
			if p.Metadata.Name == "" || name != p.name() {
				t.Fatalf("a Pod of name %q", name)
			}
		}
	})
}
