package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// APIServer is the little of the Kubernetes API that is needed here.
type APIServer struct {
	URL       string // https://10.0.0.1:443
	TokenFile string // read anew for each request, since it rotates
	Client    *http.Client
}

const (
	accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

	// apiTimeout bounds a request.
	apiTimeout = 10 * time.Second

	// maxAnswerBytes bounds an answer: a Secret has a MiB at most.
	maxAnswerBytes = 4 << 20
)

// InCluster is the API server of the cluster that this process runs in.
func InCluster() (*APIServer, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this is no Pod of a cluster: KUBERNETES_SERVICE_HOST is not set; give a certificate by --tls-cert-file and --tls-key-file")
	}
	authorities, err := os.ReadFile(accountFolder + "/ca.crt")
	if err != nil {
		return nil, fmt.Errorf("read the API server's certificate authority (is automountServiceAccountToken off?): %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", accountFolder)
	}
	return &APIServer{
		URL: "https://" + net.JoinHostPort(host, port), TokenFile: accountFolder + "/token",
		Client: &http.Client{Timeout: apiTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}},
	}, nil
}

// Namespace is the one of this process's Pod.
func Namespace() (string, error) {
	text, err := os.ReadFile(accountFolder + "/namespace")
	if err != nil {
		return "", fmt.Errorf("read the Pod's own namespace (or give --namespace): %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// statusError is an answer of the API server's that is not success.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the API server says %d: %s", e.code, e.message)
}

// isStatus tells whether an error is an answer with one of these codes.
func isStatus(err error, codes ...int) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	for _, code := range codes {
		if status.code == code {
			return true
		}
	}
	return false
}

// do sends one request, and reads the answer into out, unless that is nil.
func (a *APIServer) do(ctx context.Context, method, path, contentType string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.URL+path, body)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return fmt.Errorf("read the service account's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	if in != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := a.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		var status struct{ Message string }
		_ = json.Unmarshal(answer, &status) // a proxy between may answer otherwise
		return fmt.Errorf("%s %s: %w", method, path, &statusError{response.StatusCode, status.Message})
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// nativeMinor is the minor version of Kubernetes 1 that has native sidecars
// unasked.
const nativeMinor = 29

// HasNativeSidecars asks the API server whether it is new enough for them.
func (a *APIServer) HasNativeSidecars(ctx context.Context) (bool, error) {
	var version struct{ Major, Minor string }
	if err := a.do(ctx, http.MethodGet, "/version", "", nil, &version); err != nil {
		return false, fmt.Errorf("ask the API server's version: %w", err)
	}
	major, err := strconv.Atoi(version.Major)
	if err != nil {
		return false, fmt.Errorf("the API server's version is %q.%q", version.Major, version.Minor)
	}
	// Some vendors write "28+".
	minor, err := strconv.Atoi(strings.TrimRight(version.Minor, "+"))
	if err != nil {
		return false, fmt.Errorf("the API server's version is %q.%q", version.Major, version.Minor)
	}
	return major > 1 || minor >= nativeMinor, nil
}
