package rcm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

const oneShard = "shards: [{slots: 0-16383, nodes: [\"NODE\"]}]"

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWatchInstallsWhatChangesAndKeepsTheLastGood(t *testing.T) {
	defer goleak.VerifyNone(t)
	// As Kubernetes mounts a ConfigMap: the file is a link into a folder that is
	// itself a link, and that one is swapped.
	dir := t.TempDir()
	swap := func(content string) {
		t.Helper()
		data, err := os.MkdirTemp(dir, "data")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, "topology.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(data, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	node := func(name string) string { return strings.ReplaceAll(oneShard, "NODE", name) }
	file := filepath.Join(dir, "topology.yaml")
	if err := os.Symlink(filepath.Join("..data", "topology.yaml"), file); err != nil {
		t.Fatal(err)
	}
	swap(node("a:1"))

	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	server := New(Config{Logger: logger})
	f, err := Follow(file, time.Millisecond, server, logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	expect := func(want string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); server.Topology().Nodes()[0] != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s was not installed", want)
			}
		}
	}
	expect("a:1")
	swap(node("b:1"))
	expect("b:1")
	swap("shards: broken")
	for !strings.Contains(log.String(), "topology.yaml:1") {
		time.Sleep(time.Millisecond)
	}
	swap(node("c:1"))
	expect("c:1")
	if got := strings.Count(log.String(), "last good one"); got != 1 {
		t.Errorf("a bad file was reported %d times:\n%s", got, log.String())
	}
}

// onePod is an API server that knows one Pod, and never tells of a change.
func onePod(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"metadata": {"resourceVersion": "7"}, "items": [{
			"metadata": {"namespace": "features", "name": "a", "labels": {"fsproxy.io/shard": "0"}},
			"status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}}]}`)
	}))
	t.Cleanup(server.Close)
	return server
}

// The file may change from one source to another; what the one that is left
// still has to say is not heard.
func TestTheFileMayNameAnotherSource(t *testing.T) {
	api := onePod(t)
	file := writeFile(t, strings.ReplaceAll(oneShard, "NODE", "a:1"))
	ignore := goleak.IgnoreCurrent()
	log := slog.New(slog.DiscardHandler)
	server := New(Config{Logger: log})
	f, err := Follow(file, time.Millisecond, server, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		goleak.VerifyNone(t, ignore)
	})
	change := func(content, node, kind string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); server.Topology().Nodes()[0] != node || f.Status().Kind != kind; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s of %s is not told, but %v of %+v", node, kind, server.Topology().Nodes(), f.Status())
			}
		}
	}
	pods := "kubernetes: {selector: app=fetcher, namespaces: [features], shards: 1, port: \"6379\", server: \"" + api.URL + "\"}"
	change(pods, "10.0.0.1:6379", "kubernetes")
	change("redis_version: 7.2.4\n"+pods, "10.0.0.1:6379", "kubernetes")
	change("dns: {shards: [{slots: 0-16383, address: \"127.0.0.1:7000\"}]}", "127.0.0.1:7000", "dns")
	change(strings.ReplaceAll(oneShard, "NODE", "b:1"), "b:1", "file")
}

func TestAFleetOfNobodyReplacesNone(t *testing.T) {
	server := New(Config{Topology: twoShards(t), Logger: slog.New(slog.DiscardHandler)})
	f := &Follower{server: server, logger: slog.New(slog.DiscardHandler)}
	for _, shards := range [][]fleet.Shard{nil, {{Slots: []cluster.SlotRange{cluster.AllSlots}}}} {
		f.install(new(Origin), shards)
		if !server.Topology().Equal(twoShards(t)) {
			t.Errorf("%v took its place", shards)
		}
	}
}

// A source that finds nobody each time it looks is one line of the log, and one
// more when that comes back.
func TestAFleetThatIsNotUsedIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	f := &Follower{server: New(Config{Logger: slog.New(slog.DiscardHandler)}), logger: slog.New(slog.NewTextHandler(&log, nil))}
	some := []fleet.Shard{{Slots: []cluster.SlotRange{cluster.AllSlots}, Nodes: []fleet.Node{{Address: "10.0.0.1:6379"}}}}
	bad := []fleet.Shard{{Slots: []cluster.SlotRange{cluster.AllSlots}, Nodes: []fleet.Node{{Address: "nowhere"}}}}
	for range 3 {
		for _, shards := range [][]fleet.Shard{nil, nil, nil, bad, bad, some} {
			f.install(new(Origin), shards)
		}
	}
	for text, want := range map[string]int{"no fetcher is found": 3, "is not used": 3} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is logged %d times, want %d", text, got, want)
		}
	}
}
