package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Where Kubernetes puts what a Pod needs to speak to the API server.
const (
	accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
	hostVariable  = "KUBERNETES_SERVICE_HOST"
	portVariable  = "KUBERNETES_SERVICE_PORT"
)

const (
	// tokenAge is for how long a token that was read is used: it is renewed
	// every hour, some ten minutes before the old one ends.
	tokenAge = time.Minute
	// maxError bounds what is read of an error's body, in bytes.
	maxError = 16 << 10
	// longestWait bounds what a server may ask for with Retry-After.
	longestWait = time.Minute
)

// api asks the API server. It is used by one goroutine a namespace.
type api struct {
	base      string // https://host:port
	tokenFile string // "": no token is sent
	caFile    string // "": the system's certificates

	mu        sync.Mutex // protects what follows
	token     string
	tokenAt   time.Time
	ca        string // the content of caFile that client trusts
	client    *http.Client
	transport *http.Transport
}

// statusError is an answer of the server that is no success.
type statusError struct {
	code   int
	reason string // as "Expired"; "": none given
	text   string
	after  time.Duration // how long the server wants to be left alone; 0: it does not say
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the API server answers %d", e.code)
	if e.text != "" {
		text += ": " + e.text
	}
	switch e.code {
	case http.StatusUnauthorized:
		text += " (does it know the Pod's service account token?)"
	case http.StatusForbidden:
		text += " (let the service account get, list and watch pods, by a Role and a RoleBinding in that namespace)"
	}
	return text
}

// gone tells whether the server no longer has the resource version asked for.
func gone(err error) bool {
	var status *statusError
	return errors.As(err, &status) && (status.code == http.StatusGone || status.reason == "Expired" || status.reason == "Gone")
}

// serverAddress is where the API server is, from the Pod's environment.
func serverAddress() (string, error) {
	host, port := os.Getenv(hostVariable), os.Getenv(portVariable)
	if host == "" || port == "" {
		return "", fmt.Errorf("no API server: %s and %s are not set, so this is no Pod; name the server with kubernetes.server", hostVariable, portVariable)
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

// ownNamespace is that of the Pod this runs in.
func ownNamespace() (string, error) {
	content, err := os.ReadFile(filepath.Join(accountFolder, "namespace"))
	if err != nil {
		return "", fmt.Errorf("the Pod's own namespace is not known: name it with kubernetes.namespaces: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// get asks for path and returns the body of a success, which the caller closes.
func (a *api) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	client, err := a.trusting()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the API server: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "fsproxy-rcm")
	token, err := a.currentToken()
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("ask the API server: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusUnauthorized {
		a.forgetToken()
	}
	return nil, refusal(response)
}

func refusal(response *http.Response) error {
	var status status
	e := &statusError{code: response.StatusCode}
	if json.NewDecoder(io.LimitReader(response.Body, maxError)).Decode(&status) == nil {
		e.reason, e.text = status.Reason, clip(status.Message)
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.after = min(time.Duration(seconds)*time.Second, longestWait)
	}
	return e
}

// clip keeps what a server says from filling a log line.
func clip(s string) string { return s[:min(len(s), 300)] }

// currentToken is the service account's token, at most tokenAge old.
func (a *api) currentToken() (string, error) {
	if a.tokenFile == "" {
		return "", nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && time.Since(a.tokenAt) < tokenAge {
		return a.token, nil
	}
	content, err := os.ReadFile(a.tokenFile)
	token := strings.TrimSpace(string(content))
	switch {
	case err == nil && token != "":
		a.token, a.tokenAt = token, time.Now()
	case a.token != "": // in the midst of being replaced: the old one is still good
	case err != nil:
		return "", fmt.Errorf("read the service account's token (is automountServiceAccountToken off?): %w", err)
	default:
		return "", fmt.Errorf("the token in %s is empty", a.tokenFile)
	}
	return a.token, nil
}

// forgetToken has the token read again, as the server refused it.
func (a *api) forgetToken() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokenAt = time.Time{}
}

// trusting is the client, which trusts what is in the CA file by now.
func (a *api) trusting() (*http.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ca string
	if a.caFile != "" {
		content, err := os.ReadFile(a.caFile)
		if err != nil && a.client == nil {
			return nil, fmt.Errorf("read the API server's certificate authority: %w", err)
		}
		if ca = string(content); err != nil {
			ca = a.ca
		}
	}
	if a.client != nil && ca == a.ca {
		return a.client, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caFile != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			if a.client != nil {
				return a.client, nil // half written: the old one is still good
			}
			return nil, fmt.Errorf("%s holds no certificate in PEM form", a.caFile)
		}
	}
	if a.transport != nil {
		a.transport.CloseIdleConnections()
	}
	a.ca, a.transport = ca, newTransport(config)
	a.client = &http.Client{
		Transport: a.transport,
		// A redirect would carry the token to wherever it says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a.client, nil
}

// newTransport makes connections that are found to be dead by pings, though
// nothing is said on them for minutes.
func newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   2,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

func (a *api) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.transport != nil {
		a.transport.CloseIdleConnections()
	}
}
