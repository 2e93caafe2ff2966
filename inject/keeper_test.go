package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI is an API server that has one Secret, or none, and one webhook's
// configuration, and checks versions, tokens and patches as the real one does.
type fakeAPI struct {
	mu            sync.Mutex
	token         string
	secret        object // nil: there is none
	version       int
	configuration object
	kubernetes    object         // its version
	writes        int            // of the Secret
	beforeWrite   func()         // called once, without the lock, before the next write is judged
	fail          map[string]int // status by method
}

// foreignBundle is what a webhook trusts that is not the injector's.
const foreignBundle = "Zm9yZWlnbg=="

func serviceOf(name, namespace string) object { return object{"name": name, "namespace": namespace} }

func newFakeAPI(t *testing.T) (*fakeAPI, *APIServer) {
	t.Helper()
	f := &fakeAPI{token: "first", version: 1, fail: map[string]int{}, configuration: object{
		"metadata": object{"name": "fsproxy-injector"},
		"webhooks": []any{
			object{"name": "pod.fsproxy.io", "clientConfig": object{"service": serviceOf("fsproxy-injector", "fsproxy")}},
			object{"name": "namespace.fsproxy.io", "clientConfig": object{"service": serviceOf("fsproxy-injector", "fsproxy"), "caBundle": "b2xk"}},
			object{"name": "another.example", "clientConfig": object{"service": serviceOf("fsproxy-injector", "elsewhere"), "caBundle": foreignBundle}},
		},
	}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f, &APIServer{URL: server.URL, TokenFile: file, Client: server.Client()}
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isWrite := r.Method == http.MethodPut || r.Method == http.MethodPost; isWrite {
		f.mu.Lock()
		before := f.beforeWrite
		f.beforeWrite = nil
		f.mu.Unlock()
		if before != nil {
			before()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	status, answer := f.answer(r, body)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fakeAPI) answer(r *http.Request, body []byte) (int, any) {
	const secrets = "/api/v1/namespaces/fsproxy/secrets"
	switch {
	case r.Header.Get("Authorization") != "Bearer "+f.token:
		return status(http.StatusUnauthorized)
	case f.fail[r.Method] != 0:
		return status(f.fail[r.Method])
	case r.URL.Path == "/version":
		return http.StatusOK, f.kubernetes
	case r.Method == http.MethodGet && r.URL.Path == secrets+"/certificates":
		if f.secret == nil {
			return status(http.StatusNotFound)
		}
		return http.StatusOK, f.secret
	case r.Method == http.MethodPost && r.URL.Path == secrets:
		if f.secret != nil {
			return status(http.StatusConflict)
		}
		return f.keep(body)
	case r.Method == http.MethodPut && r.URL.Path == secrets+"/certificates":
		sent, err := decodeObject(body)
		if err != nil {
			return status(http.StatusBadRequest)
		}
		if f.secret == nil || text(inner(sent, "metadata"), "resourceVersion") != text(inner(f.secret, "metadata"), "resourceVersion") {
			return status(http.StatusConflict)
		}
		return f.keep(body)
	case strings.HasSuffix(r.URL.Path, "/mutatingwebhookconfigurations/fsproxy-injector"):
		return f.configure(r, body)
	}
	return status(http.StatusNotFound)
}

func status(code int) (int, any) {
	return code, object{"kind": "Status", "code": code, "message": http.StatusText(code)}
}

func (f *fakeAPI) keep(body []byte) (int, any) {
	secret, err := decodeObject(body)
	if err != nil {
		return status(http.StatusBadRequest)
	}
	f.version++
	f.writes++
	inner(secret, "metadata")["resourceVersion"] = strconv.Itoa(f.version)
	f.secret = secret
	return http.StatusOK, secret
}

func (f *fakeAPI) configure(r *http.Request, body []byte) (int, any) {
	if r.Method == http.MethodGet {
		return http.StatusOK, f.configuration
	}
	var patch []Operation
	if err := json.Unmarshal(body, &patch); err != nil || r.Header.Get("Content-Type") != "application/json-patch+json" {
		return status(http.StatusUnsupportedMediaType)
	}
	for _, op := range patch {
		parts := strings.Split(op.Path, "/")
		i, _ := strconv.Atoi(parts[2])
		hook := f.configuration["webhooks"].([]any)[i].(object)
		switch {
		case op.Op == "test" && hook["name"] != op.Value:
			return status(http.StatusUnprocessableEntity)
		case op.Op == "add" && parts[3] == "clientConfig" && parts[4] == "caBundle":
			hook["clientConfig"].(object)["caBundle"] = op.Value
		}
	}
	return http.StatusOK, f.configuration
}

// trusted are the authorities that both webhooks are configured with.
func (f *fakeAPI) trusted(t *testing.T) []*x509.Certificate {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var bundles []string
	for _, w := range elements(f.configuration, "webhooks") {
		bundles = append(bundles, text(inner(w, "clientConfig"), "caBundle"))
	}
	if bundles[0] != bundles[1] {
		t.Fatal("the webhooks trust different authorities")
	}
	if bundles[2] != foreignBundle {
		t.Fatal("another's webhook was told whom to trust")
	}
	pem, err := base64.StdEncoding.DecodeString(bundles[0])
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := parseCertificates(pem)
	if err != nil {
		t.Fatal(err)
	}
	return certificates
}

// replica is a keeper, and what it has in use.
type replica struct {
	*Keeper
	used []*tls.Certificate
}

func newReplica(api *APIServer) *replica {
	r := new(replica)
	r.Keeper = &Keeper{
		API: api, Namespace: "fsproxy", Secret: "certificates", Webhook: "fsproxy-injector", Service: "fsproxy-injector", Names: []string{testName},
		Use: func(c *tls.Certificate) { r.used = append(r.used, c) }, Log: slog.New(slog.DiscardHandler),
	}
	return r
}

func (r *replica) current() *tls.Certificate { return r.used[len(r.used)-1] }

// verify wants what is in use to be trusted by the API server.
func verify(t *testing.T, when string, f *fakeAPI, r *replica, now time.Time) {
	t.Helper()
	pool := x509.NewCertPool()
	for _, c := range f.trusted(t) {
		pool.AddCert(c)
	}
	_, err := r.current().Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: testName, CurrentTime: now})
	if err != nil {
		t.Errorf("%s: what is served is not trusted: %v", when, err)
	}
}

func TestReplicasShareOneCertificateThatTheAPIServerTrusts(t *testing.T) {
	for _, exists := range []bool{false, true} {
		f, api := newFakeAPI(t)
		if exists { // empty, as the manifests make it
			f.secret = object{"metadata": object{"name": "certificates", "resourceVersion": "1"}}
		}
		now := time.Now()
		first, second, third := newReplica(api), newReplica(api), newReplica(api)
		// The second writes between the first's reading and its writing.
		f.beforeWrite = func() {
			if err := second.look(t.Context(), now); err != nil {
				t.Error(err)
			}
		}
		for _, r := range []*replica{first, third} {
			if err := r.look(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		if f.writes != 1 {
			t.Errorf("the Secret was written %d times", f.writes)
		}
		for _, r := range []*replica{first, second, third} {
			verify(t, "at first", f, r, now)
			if !r.current().Leaf.Equal(first.current().Leaf) {
				t.Error("replicas serve different certificates")
			}
		}
	}
}

// Ten years in steps of six days: at no time may what is served, or what is
// still served by a replica that has not looked for a step, be untrusted.
func TestCertificatesAreRenewedForYearsWithoutAMomentOfDistrust(t *testing.T) {
	f, api := newFakeAPI(t)
	start := time.Now()
	ahead, behind := newReplica(api), newReplica(api)
	authorities := map[string]bool{}
	for now := start; now.Before(start.Add(10 * 365 * 24 * time.Hour)); now = now.Add(6 * 24 * time.Hour) {
		if err := ahead.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		verify(t, fmt.Sprint("the first replica at ", now), f, ahead, now)
		if len(behind.used) > 0 {
			verify(t, fmt.Sprint("a replica that is behind at ", now), f, behind, now)
		}
		if err := behind.look(t.Context(), now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, a := range f.trusted(t) {
			authorities[a.SerialNumber.String()] = true
		}
		if len(f.trusted(t)) > 2 {
			t.Fatalf("%d authorities are trusted at a time", len(f.trusted(t)))
		}
	}
	// 30 days, a third left: one about every 20 days.
	if n := len(ahead.used); n < 150 || n > 250 {
		t.Errorf("%d certificates in ten years", n)
	}
	if len(authorities) != 3 && len(authorities) != 4 {
		t.Errorf("%d authorities in ten years", len(authorities))
	}
}

func TestANewAuthoritySignsOnlyWhenItHasBeenTrustedForAWhile(t *testing.T) {
	f, api := newFakeAPI(t)
	r := newReplica(api)
	start := time.Now()
	if err := r.look(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	due := start.Add(authorityLife * 2 / 3).Add(24 * time.Hour)
	// The leaf is kept alive until the authority is due.
	for now := start; now.Before(due); now = now.Add(15 * 24 * time.Hour) {
		if err := r.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	old := r.current()
	if err := r.look(t.Context(), due); err != nil {
		t.Fatal(err)
	}
	if len(f.trusted(t)) != 2 {
		t.Fatalf("%d authorities, want the old and the new", len(f.trusted(t)))
	}
	if !bytes.Equal(r.current().Leaf.AuthorityKeyId, old.Leaf.AuthorityKeyId) {
		t.Error("the new authority signed at once")
	}
}

func TestWhatTheSecretHoldsAndCannotBeUsedIsMadeAnew(t *testing.T) {
	for name, spoil := range map[string]func(data object){
		"rubbish":          func(data object) { data[certificateKey] = "!!" },
		"no key":           func(data object) { delete(data, privateKey) },
		"no authority":     func(data object) { data[authoritiesKey] = base64.StdEncoding.EncodeToString([]byte("x")) },
		"another's key":    func(data object) { data[authorityKeyKey] = data[privateKey] },
		"nothing":          func(data object) { clear(data) },
		"a foreign signer": func(data object) { replaceAuthority(data) },
	} {
		f, api := newFakeAPI(t)
		r := newReplica(api)
		now := time.Now()
		if err := r.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		spoil(inner(f.secret, "data"))
		if err := r.look(t.Context(), now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(r.used) != 2 {
			t.Errorf("%s: %d certificates came into use", name, len(r.used))
		}
		verify(t, name, f, r, now)
	}
}

// replaceAuthority puts an authority into the data that has not signed the leaf.
func replaceAuthority(data object) {
	a, _ := newAuthority(time.Now())
	key, _ := keyPEM(a.key)
	data[authoritiesKey] = base64.StdEncoding.EncodeToString(certificatePEM(a.certificate))
	data[authorityKeyKey] = base64.StdEncoding.EncodeToString(key)
}

func TestOtherNamesNeedAnotherCertificate(t *testing.T) {
	f, api := newFakeAPI(t)
	r := newReplica(api)
	now := time.Now()
	if err := r.look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	r.Names = append(r.Names, "other.fsproxy.svc")
	if err := r.look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := r.current().Leaf.VerifyHostname("other.fsproxy.svc"); err != nil {
		t.Error(err)
	}
	verify(t, "after the change", f, r, now)
}

func TestTheTokenIsReadAnewAndFailuresLeaveWhatIsInUse(t *testing.T) {
	f, api := newFakeAPI(t)
	r := newReplica(api)
	now := time.Now()
	if err := r.look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	f.token = "second"
	if err := r.look(t.Context(), now); !isStatus(err, http.StatusUnauthorized) {
		t.Errorf("an old token: %v", err)
	}
	if err := os.WriteFile(api.TokenFile, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		f.fail[method] = http.StatusForbidden
		f.configuration["webhooks"].([]any)[0].(object)["clientConfig"].(object)["caBundle"] = "b2xk"
		if err := r.look(t.Context(), now); !isStatus(err, http.StatusForbidden) {
			t.Errorf("%s is forbidden: %v", method, err)
		}
		delete(f.fail, method)
	}
	if err := r.look(t.Context(), now); err != nil || len(r.used) != 1 {
		t.Errorf("after all: %v, %d certificates", err, len(r.used))
	}
	verify(t, "after all", f, r, now)
}

func TestAConfigurationWithoutTheInjectorsWebhookIsAnError(t *testing.T) {
	_, api := newFakeAPI(t)
	r := newReplica(api)
	r.Service = "renamed"
	if err := r.look(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "no webhook of the Service renamed") || len(r.used) > 0 {
		t.Errorf("%v, and %d certificates in use", err, len(r.used))
	}
}

func TestTheKeeperRunsUntilItsContextEnds(t *testing.T) {
	_, api := newFakeAPI(t)
	r := newReplica(api)
	ctx, cancel := context.WithCancel(t.Context())
	r.Use = func(*tls.Certificate) { cancel() }
	r.Run(ctx)
	api.Client.CloseIdleConnections()
}

func TestNativeSidecarsNeedANewEnoughCluster(t *testing.T) {
	f, api := newFakeAPI(t)
	for _, c := range []struct {
		major, minor string
		native, ok   bool
	}{
		{"1", "28", false, true},
		{"1", "28+", false, true},
		{"1", "29", true, true},
		{"1", "37+", true, true},
		{"2", "0", true, true},
		{"1", "x", false, false},
		{"", "", false, false},
	} {
		f.kubernetes = object{"major": c.major, "minor": c.minor}
		native, err := api.HasNativeSidecars(t.Context())
		if native != c.native || (err == nil) != c.ok {
			t.Errorf("%s.%s: %v, %v", c.major, c.minor, native, err)
		}
	}
	api.Client.CloseIdleConnections()

	in, err := New(Config{Version: testVersion, WithoutNative: true})
	if err != nil {
		t.Fatal(err)
	}
	for kind, injected := range map[string]bool{"native": false, "container": true} {
		p := firstPod(t, []byte(`{kind: Pod, metadata: {labels: {fsproxy.io/inject: "true"}, annotations: {
			fsproxy.io/upstream: "a:1", fsproxy.io/sidecar: `+kind+`}}, spec: {containers: [{name: a}]}}`))
		if outcome := in.Inject(p, ByPod); outcome.Injected != injected {
			t.Errorf("%s: injected %v: %s", kind, outcome.Injected, outcome.Reason)
		}
	}
}
