package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
)

const (
	// maxAnswer bounds an answer, in bytes: some hundred thousand features, and
	// whatever else listens at the address is not read to its end.
	maxAnswer = 64 << 20
	// maxToken bounds a token file, in bytes, as the server does.
	maxToken = 64 << 10
	// answerTimeout bounds the time until an answer begins. A process that is
	// busy with its clients still answers within it.
	answerTimeout = 10 * time.Second
)

// Client asks one process.
type Client struct {
	base  string // "http://127.0.0.1:9190"
	token string
	agent string
	http  *http.Client
}

// New returns a client of the process at address, host:port or an http URL. The
// token is presented with everything that is asked; "" is none.
func New(address, token string) (*Client, error) {
	base, err := baseURL(address)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{ResponseHeaderTimeout: answerTimeout, DialContext: (&net.Dialer{Timeout: answerTimeout}).DialContext}
	return &Client{base: base, token: token, agent: agent(), http: &http.Client{Transport: transport}}, nil
}

// ReadToken reads the file of a token; "" is no file and no token.
func ReadToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the admin token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", fmt.Errorf("read the admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("read the admin token: %s is empty", path)
	}
	return token, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// baseURL makes the URL to ask below from what a person gives.
func baseURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return "", fmt.Errorf("the admin address %q is neither host:port nor a URL: %w", address, err)
		}
		return "http://" + net.JoinHostPort(Dialable(host), port), nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("the admin address %q is neither host:port nor an http URL", address)
	}
	return strings.TrimSuffix(address, "/"), nil
}

// Dialable turns the address of all interfaces into the one of loopback.
func Dialable(host string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		return "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		return "::1"
	default:
		return host
	}
}

// agent says who asks, for the log of changes. The server believes nothing of it.
func agent() string {
	name := "fsproxy"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name += " (" + u.Username
		if host, err := os.Hostname(); err == nil {
			name += "@" + host
		}
		name += ")"
	}
	return name
}

// Refused is an answer other than success.
type Refused struct {
	Status  int // of HTTP
	Message string
}

// Error is what the server says.
func (r *Refused) Error() string { return r.Message }

// Get asks for path with a query, which may be nil, and reads the answer into
// answer.
func (c *Client) Get(ctx context.Context, path string, query url.Values, answer any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.exchange(ctx, call{method: http.MethodGet, path: path}, answer)
}

// Post asks for a change and reads what came of it into answer.
func (c *Client) Post(ctx context.Context, path string, body, answer any) error {
	return c.PostIf(ctx, path, "", body, answer)
}

// PostIf asks for a change of rules of that version, and of no others; of whatever
// there is for "".
func (c *Client) PostIf(ctx context.Context, path, version string, body, answer any) error {
	return c.exchange(ctx, call{http.MethodPost, path, version, body}, answer)
}

// call is what is asked.
type call struct {
	method, path string
	version      string // of the rules that are to be changed; "": any
	body         any
}

func (c *Client) exchange(ctx context.Context, asked call, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := c.send(ctx, asked)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w; is this fsproxy's admin address?", c.base+asked.path, err)
	}
	return nil
}

// send makes a request and returns a response of success, whose body is to be
// closed.
func (c *Client) send(ctx context.Context, asked call) (*http.Response, error) {
	var content io.Reader = http.NoBody
	if asked.method != http.MethodGet {
		if asked.body == nil {
			asked.body = struct{}{}
		}
		text, err := json.Marshal(asked.body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, asked.method, c.base+asked.path, content)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base+asked.path, err)
	}
	request.Header.Set("User-Agent", c.agent)
	if asked.method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	if asked.version != "" {
		request.Header.Set(api.HeaderIfVersion, strconv.Quote(asked.version))
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w; is fsproxy running, and is this its admin address?", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, refusal(response)
	}
	return response, nil
}

// refusal reads what the server says of a request that did not succeed.
func refusal(response *http.Response) error {
	const enough = 8 << 10 // bytes: a sentence or two
	text, _ := io.ReadAll(io.LimitReader(response.Body, enough))
	var said api.Error
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = response.Status + ": " + strings.TrimSpace(string(text))
	}
	return &Refused{Status: response.StatusCode, Message: said.Message}
}
