package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const testName = "fsproxy-injector.fsproxy.svc"

// webhook is a running server and a client that trusts its certificate.
type webhook struct {
	client         *http.Client
	reviews, admin string // addresses
	log            *bytes.Buffer
}

// startWebhook runs a server until the test ends.
func startWebhook(t *testing.T, strict bool) (*webhook, *Server) {
	t.Helper()
	in, err := New(Config{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	w := &webhook{log: new(bytes.Buffer)}
	server := NewServer(in, ServerConfig{Strict: strict, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	reviews, admin := listen(t), listen(t)
	w.reviews, w.admin = reviews.Addr().String(), admin.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, reviews, admin) }()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	w.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return w, server
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// trust gives the server a certificate, and the client its authority.
func (w *webhook) trust(t *testing.T, s *Server) {
	t.Helper()
	a, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.SetCertificate(leafOf(t, a))
	w.client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: trusting(a.certificate)}
}

func leafOf(t *testing.T, a *authority) *tls.Certificate {
	t.Helper()
	certificate, key, err := a.issue([]string{testName}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func trusting(authorities ...*x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a)
	}
	return &tls.Config{RootCAs: pool, ServerName: testName}
}

func (w *webhook) post(t *testing.T, path, contentType string, body []byte) (int, []byte) {
	t.Helper()
	response, err := w.client.Post("https://"+w.reviews+path, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (w *webhook) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := w.client.Get("http://" + w.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(answer)
}

// recording is a recorded review and the path it was sent to.
type recording struct {
	name   string
	Path   string          `json:"path"`
	Review json.RawMessage `json:"review"`
}

func recordings(t *testing.T) (all []recording) {
	t.Helper()
	paths, err := filepath.Glob("testdata/reviews/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no reviews", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := recording{name: strings.TrimSuffix(filepath.Base(path), ".json")}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(path, err)
		}
		all = append(all, r)
	}
	return all
}

// reviewOutcomes is what has to become of each recorded review.
var reviewOutcomes = map[string]struct {
	injected, refused bool
	warning           string
}{
	"injected":                  {injected: true},
	"injected-by-the-namespace": {injected: true},
	"refused":                   {refused: true, warning: "takes its value from elsewhere"},
	"bad-annotation":            {refused: true, warning: "fsproxy.io/memory"},
	"not-asked":                 {},
	"opted-out":                 {},
	"kube-system":               {},
	"update":                    {},
	"ephemeral-containers":      {},
	"another-resource":          {},
	"not-an-object":             {warning: "cannot be read"},
}

func TestRecordedReviewsAreAnsweredOverTLS(t *testing.T) {
	for _, strict := range []bool{false, true} {
		w, server := startWebhook(t, strict)
		w.trust(t, server)
		for _, r := range recordings(t) {
			status, answer := w.post(t, r.Path, "application/json; charset=utf-8", r.Review)
			if status != http.StatusOK {
				t.Fatalf("%s: status %d: %s", r.name, status, answer)
			}
			checkAnswer(t, r, strict, answer)
		}
		_, metrics := w.get(t, "/metrics")
		for _, line := range []string{
			`fsproxy_inject_reviews_total{outcome="injected"} 2`, `fsproxy_inject_reviews_total{outcome="refused"} 2`,
			`fsproxy_inject_reviews_total{outcome="skipped"} 6`, `fsproxy_inject_reviews_total{outcome="malformed"} 1`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("no %s in the metrics", line)
			}
		}
	}
}

func checkAnswer(t *testing.T, r recording, strict bool, answer []byte) {
	t.Helper()
	want, known := reviewOutcomes[r.name]
	if !known {
		t.Fatalf("%s: a review of which nobody says what becomes of it", r.name)
	}
	var review admissionReview
	if err := json.Unmarshal(answer, &review); err != nil {
		t.Fatal(err)
	}
	response := review.Response
	if review.APIVersion != reviewVersion || review.Kind != reviewKind || response == nil || response.UID != "705ab4f5-6393-11e8-b7cc-42010a800002" {
		t.Fatalf("%s: not the answer to this review: %s", r.name, answer)
	}
	if response.Allowed != (!strict || !want.refused) {
		t.Errorf("%s: allowed %v, strict %v", r.name, response.Allowed, strict)
	}
	if warnings := strings.Join(response.Warnings, "\n"); !strings.Contains(warnings, want.warning) || (want.warning == "") != (warnings == "") {
		t.Errorf("%s: warnings %q", r.name, warnings)
	}
	for _, text := range response.Warnings {
		if len(text) > maxWarningBytes {
			t.Errorf("%s: a warning of %d bytes", r.name, len(text))
		}
	}
	patched := patchedPod(t, r, response)
	if patched == nil {
		if want.injected || want.refused && !strict {
			t.Errorf("%s: there is no patch", r.name)
		}
		return
	}
	if injected := inner(patched, "metadata", "annotations")[InjectedAnnotation] == testVersion; injected != want.injected {
		t.Errorf("%s: injected %v", r.name, injected)
	}
	if _, refused := inner(patched, "metadata", "annotations")[RefusedAnnotation]; refused != want.refused {
		t.Errorf("%s: refused %v", r.name, refused)
	}
}

// patchedPod is the Pod that the API server would have, or nil without a patch.
func patchedPod(t *testing.T, r recording, response *admissionResponse) object {
	t.Helper()
	if response.Patch == nil {
		return nil
	}
	if response.PatchType != "JSONPatch" {
		t.Errorf("%s: patch type %q", r.name, response.PatchType)
	}
	var (
		patch  []Operation
		review struct{ Request struct{ Object object } }
	)
	if err := json.Unmarshal(response.Patch, &patch); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r.Review, &review); err != nil {
		t.Fatal(err)
	}
	return applied(t, review.Request.Object, patch)
}

func TestWhatIsNoReviewIsRefusedAndEndsNothing(t *testing.T) {
	w, server := startWebhook(t, false)
	w.trust(t, server)
	large := append([]byte(`{"kind":"`), bytes.Repeat([]byte("x"), maxReviewBytes)...)
	for _, c := range []struct {
		path, contentType string
		body              []byte
		status            int
	}{
		{PodPath, "text/plain", []byte(`{}`), http.StatusUnsupportedMediaType},
		{PodPath, "application/json", []byte(`{`), http.StatusBadRequest},
		{PodPath, "application/json", nil, http.StatusBadRequest},
		{PodPath, "application/json", []byte(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}`), http.StatusBadRequest},
		{PodPath, "application/json", []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), http.StatusBadRequest},
		{PodPath, "application/json", large, http.StatusRequestEntityTooLarge},
		{"/other", "application/json", []byte(`{}`), http.StatusNotFound},
	} {
		if status, answer := w.post(t, c.path, c.contentType, c.body); status != c.status {
			t.Errorf("%s %s %.40q: status %d, want %d: %s", c.path, c.contentType, c.body, status, c.status, answer)
		}
	}
}

func TestReadyMeansThereIsACertificate(t *testing.T) {
	w, server := startWebhook(t, false)
	if status, _ := w.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("ready without a certificate: %d", status)
	}
	w.trust(t, server)
	if status, _ := w.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("not ready with one: %d", status)
	}
	if status, _ := w.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("not well: %d", status)
	}
}

// Whoever renews the certificate is asked for each connection.
func TestTheCertificateInUseIsAskedFor(t *testing.T) {
	in, err := New(Config{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var now *tls.Certificate
	server := NewServer(in, ServerConfig{Log: slog.New(slog.DiscardHandler), Certificate: func() *tls.Certificate { return now }})
	if _, err := server.getCertificate(nil); err == nil {
		t.Error("a certificate that there is not")
	}
	for range 2 {
		now = leafOf(t, a)
		if got, err := server.getCertificate(nil); err != nil || got != now {
			t.Errorf("shows %v, %v", got, err)
		}
	}
	families, err := server.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if got := families[0].GetMetric()[0].GetGauge().GetValue(); got != float64(now.Leaf.NotAfter.Unix()) {
		t.Errorf("%s is %v", families[0].GetName(), got)
	}
}

// Services lead to a Pod for a while after it was told to stop.
func TestReviewsAreTakenForAWhileAfterTheEndAndReadinessIsOff(t *testing.T) {
	in, err := New(Config{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	w := &webhook{client: http.DefaultClient}
	server := NewServer(in, ServerConfig{Log: slog.New(slog.DiscardHandler), Linger: time.Hour})
	w.trust(t, server)
	reviews, admin := listen(t), listen(t)
	w.reviews, w.admin = reviews.Addr().String(), admin.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, reviews, admin) }()
	cancel()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		status, _ := w.get(t, "/readyz")
		if status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("/readyz is still %d", status)
		}
	}
	for _, r := range recordings(t) {
		if status, answer := w.post(t, r.Path, "application/json", r.Review); status != http.StatusOK {
			t.Errorf("%s: status %d: %s", r.name, status, answer)
		}
	}
	_ = reviews.Close() // ends it before the hour is over
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Large reviews, many of which could fill the memory, wait for each other and for
// nobody else.
func TestLargeReviewsGoOneAfterTheOther(t *testing.T) {
	w, server := startWebhook(t, false)
	w.trust(t, server)
	// It is not sent to its end, and so stays.
	slow, send := io.Pipe()
	ended := make(chan struct{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+w.reviews+PodPath, slow)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	go func() {
		defer close(ended)
		if response, err := w.client.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	if _, err := send.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); len(server.lanes.large) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a review of unknown length is not taken for a large one")
		}
	}
	first := recordings(t)[0]
	if status, _ := w.post(t, first.Path, "application/json", first.Review); status != http.StatusOK {
		t.Errorf("a small review behind a large one: %d", status)
	}
	large := append(first.Review[:len(first.Review):len(first.Review)], bytes.Repeat([]byte(" "), largeReviewBytes)...)
	answered := make(chan int, 1)
	go func() {
		status, _ := w.post(t, first.Path, "application/json", large)
		answered <- status
	}()
	select {
	case status := <-answered:
		t.Errorf("two large reviews at a time: %d", status)
	case <-time.After(50 * time.Millisecond): // long enough to see one that does not wait, mostly
	}
	_ = send.Close()
	<-ended
	if status := <-answered; status != http.StatusOK {
		t.Errorf("a large review that waited: %d", status)
	}
}
