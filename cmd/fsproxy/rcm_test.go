package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRCMFlagsAreChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(file, []byte("shards: [{slots: 0-16383, nodes: [\"a:1\"]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "no topology"},
		{[]string{"--topology=" + file, "--subset=-1"}, exitUsage, "--subset -1"},
		{[]string{"--topology=" + file, "--log-level=loud"}, exitUsage, "--log-level"},
		{[]string{"--topology=/does/not/exist"}, exitFailed, "/does/not/exist"},
		{[]string{"--topology=" + file, "--password-file=/does/not/exist"}, exitFailed, "--password-file"},
		{[]string{"--topology=" + file, "--password-file=" + os.DevNull}, exitFailed, "is empty"},
		{[]string{"--topology=" + file, "--tls-cert-file=x"}, exitUsage, "together"},
		{[]string{"--topology=" + file, "--tls-client-ca-file=x"}, exitUsage, "no effect without TLS"},
		{[]string{"--topology=" + file, "--tls-cert-file=/does/not/exist", "--tls-key-file=x"}, exitFailed, "--tls-cert-file"},
		{[]string{"--topology=" + file, "--listen=127.0.0.1:0", "--admin=256.0.0.1:0"}, exitFailed, "--admin"},
	} {
		code, _, stderr := command(t, append([]string{"rcm"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit code %d, %q, want %d, %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

// lockedLog is a log that may be read while it is written.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestRCMServesClientsAndItsAdminAddress(t *testing.T) {
	dir := t.TempDir()
	file, password := filepath.Join(dir, "fleet.yaml"), filepath.Join(dir, "password")
	for path, content := range map[string]string{
		file:     "shards: [{slots: 0-16383, nodes: [\"a:1\", \"b:1\", \"c:1\", \"d:1\"]}]",
		password: "secret\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := free.Addr().String()
	free.Close()
	address, log, stop := startRCM(t, "--topology", file, "--admin", admin, "--subset", "2", "--password-file", password)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PING\r\nAUTH secret\r\nCLUSTER INFO\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.HasPrefix(string(reply), "-NOAUTH") || !strings.Contains(string(reply), "cluster_known_nodes:3") {
		t.Errorf("%q, %v", reply, err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error(response.Status)
	}
	if code := stop(); code != exitDone || strings.Contains(log.String(), "secret") {
		t.Errorf("exit code %d, log %s", code, log.String())
	}
}

// startRCM runs the command until stop is called, which returns its exit code.
func startRCM(t *testing.T, args ...string) (address string, log *lockedLog, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	log = new(lockedLog)
	go func() {
		ended <- run(ctx, append([]string{"rcm", "--listen", "127.0.0.1:0"}, args...), io.Discard, log)
	}()
	stop = func() int { cancel(); return <-ended }
	said := regexp.MustCompile(`is listening.*address"?[=:]"?(127\.0\.0\.1:\d+)`)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if match := said.FindStringSubmatch(log.String()); match != nil {
			return match[1], log, stop
		}
		if time.Now().After(end) {
			stop()
			t.Fatal(log.String())
		}
	}
}

func TestRCMServesClientsUnderTLS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(file, []byte("shards: [{slots: 0-16383, nodes: [\"a:1\"]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, key, roots := certificateFiles(t)
	address, log, stop := startRCM(t, "--topology", file, "--tls-cert-file", certificate, "--tls-key-file", key)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CLUSTER MYID\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	if reply, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(reply), "$40\r\n") {
		t.Errorf("%q, %v", reply, err)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit code %d, log %s", code, log.String())
	}
}
