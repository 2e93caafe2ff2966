package rcm

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster"
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
	installed := make(chan string, 16)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		Watch(ctx, file, time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)), func(topology *cluster.Topology) {
			installed <- topology.Nodes()[0]
		})
	})
	defer wg.Wait()
	defer cancel()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-installed:
			if got != want {
				t.Fatalf("installed %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not installed", want)
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
