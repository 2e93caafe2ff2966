package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
)

// serving serves the rig on loopback until the returned function is called.
func (r *rig) serving(t *testing.T) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	return l.Addr().String(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func newClient(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.New(address, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var errEnough = errors.New("enough")

func TestEventsBeginWithThePastAndGoOnWithEachSample(t *testing.T) {
	r := newRig(t, "", nil)
	address, stop := r.serving(t)
	defer stop()
	seen, samples := map[string]int{}, 0
	before := r.history.latest().ID
	err := newClient(t, address).Events(t.Context(), func(e client.Event) error {
		seen[e.Name]++
		switch e.Name {
		case "history":
			var past api.History
			if err := json.Unmarshal(e.Data, &past); err != nil || len(past.Samples) == 0 || past.Run != r.history.run {
				t.Errorf("the past: %v, %s", err, e.Data)
			}
			r.history.add(api.Sample{Time: 2})
			r.history.add(api.Sample{Time: 3})
		case "sample":
			var s api.Sample
			if err := json.Unmarshal(e.Data, &s); err != nil || s.ID <= before {
				t.Errorf("a sample: %v, %s", err, e.Data)
			}
			before = s.ID
			if samples++; samples == 2 {
				return errEnough
			}
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for _, name := range []string{"access", "history", "status", "topology", "sources", "changes"} {
		if seen[name] == 0 {
			t.Errorf("no event of %s", name)
		}
	}
	if seen["changes"] != 1 {
		t.Errorf("what did not change was sent %d times", seen["changes"])
	}
}

func TestTheEndOfTheProcessEndsStreamsAtOnce(t *testing.T) {
	r := newRig(t, "", nil)
	address, stop := r.serving(t)
	began := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- newClient(t, address).Events(t.Context(), func(e client.Event) error {
			if e.Name == "status" {
				select {
				case <-began:
				default:
					close(began)
				}
			}
			return nil
		})
	}()
	<-began
	stop()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the stream ended without saying so")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the stream goes on")
	}
}

func TestStreamsAreBounded(t *testing.T) {
	r := newRig(t, "", nil)
	r.watchers.open.Store(maxWatchers)
	if got := r.ask(http.MethodGet, api.PathEvents, "", nil); got.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got.Code)
	}
	if n := r.watchers.open.Load(); n != maxWatchers {
		t.Errorf("%d are counted after one was refused", n)
	}
	r.watchers.open.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, api.PathEvents, http.NoBody)
	request.RemoteAddr, request.Host = "127.0.0.1:1", "localhost"
	r.http.Handler.ServeHTTP(httptest.NewRecorder(), request)
	if n := r.watchers.open.Load(); n != 0 {
		t.Errorf("%d are counted after the last has gone", n)
	}
}

func TestTheClientSaysWhatTheServerRefuses(t *testing.T) {
	r := newRig(t, withToken(t), nil)
	address, stop := r.serving(t)
	defer stop()
	var refused *client.Refused
	err := newClient(t, address).Post(t.Context(), api.PathFlush, nil, nil)
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		t.Errorf("without the token: %v", err)
	}
	c, err := client.New("http://"+address+"/", rigToken)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var done api.Flushed
	if err := c.Post(t.Context(), api.PathFlush, nil, &done); err != nil || done.Rows != 3 {
		t.Errorf("with it: %+v, %v", done, err)
	}
}
