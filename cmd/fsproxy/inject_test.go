package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const deployFolder = "../../deploy/sidecar"

func TestRenderPrintsTheManifestsAndRefusalsAreErrors(t *testing.T) {
	code, stdout, stderr := command(t, "inject", "--render", deployFolder+"/examples/prediction.yaml", "--memory=1Gi", "--option", "mode=off")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, error %q", code, stderr)
	}
	for _, part := range []string{"# A prediction service that gets", "name: fsproxy\n", "value: features.store.svc:6379", "FSPROXY_MODE", "memory: 512Mi"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("no %q in\n%s", part, stdout)
		}
	}
	// The hand-written sidecar objects to a second one.
	before, err := os.ReadFile(deployFolder + "/examples/handwritten.yaml")
	if err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = command(t, "inject", "--render", deployFolder+"/examples/handwritten.yaml", "--all")
	if code != exitDone || stdout != string(before) {
		t.Errorf("exit code %d: the hand-written sidecar is changed:\n%s", code, stdout)
	}
	refused := filepath.Join(t.TempDir(), "pod.yaml")
	pod := bytes.ReplaceAll(before, []byte(`fsproxy.io/inject: "false"`), []byte(`fsproxy.io/inject: "true"`))
	if err := os.WriteFile(refused, pod, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = command(t, "inject", "--render", refused)
	if code != exitFailed || stdout != string(pod) || !strings.Contains(stderr, "Deployment prediction: ") || !strings.Contains(stderr, "container of the name fsproxy") {
		t.Errorf("exit code %d, error %q", code, stderr)
	}
}

func TestInjectSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--render", "/does/not/exist"}, exitFailed, "no such file"},
		{[]string{"--memory", "lots"}, exitFailed, "--memory \"lots\""},
		{[]string{"--option", "x"}, exitUsage, "accepted: key=value"},
		{[]string{"--option", "cache.max_byte=1GiB"}, exitFailed, "did you mean cache.max_bytes?"},
		{[]string{"--option", "cache.max_bytes=lots"}, exitFailed, "cache.max_bytes = \"lots\""},
		{[]string{"--log-level", "loud"}, exitUsage, "--log-level"},
		{[]string{"--tls-cert-file", "x"}, exitUsage, "together"},
		{[]string{"--tls-cert-file", "/does/not/exist", "--tls-key-file", "x"}, exitFailed, "no such file"},
		{nil, exitFailed, "no Pod of a cluster"},
	} {
		code, stdout, stderr := command(t, append([]string{"inject"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit code %d, want %d; error %q, want %q", c.args, code, c.code, stderr, c.want)
		}
	}
}

// writerThatSees calls a function when it has been written a text.
type writerThatSees struct {
	text string
	then func()
}

func (w writerThatSees) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.then()
	}
	return len(p), nil
}

func TestTheInjectorServesWithGivenCertificatesUntilItIsStopped(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	certificate, key, _ := certificateFiles(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listening := false
	log := writerThatSees{"the injector is listening", func() { listening = true; cancel() }}
	code := run(ctx, []string{
		"inject", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--tls-cert-file", certificate, "--tls-key-file", key, "--linger", "0s",
	}, io.Discard, log)
	if code != exitDone || !listening {
		t.Errorf("exit code %d, listening %v", code, listening)
	}
}

func TestARenewedCertificateOfTheInjectorIsShown(t *testing.T) {
	first, second := issue(t, 1), issue(t, 2)
	current, err := certificateOf(injectFlags{serviceFlags: serviceFlags{certFile: first.cert, keyFile: first.key}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n := current().Leaf.SerialNumber.Int64(); n != 1 {
		t.Fatalf("shows certificate %d", n)
	}
	for from, to := range map[string]string{second.cert: first.cert, second.key: first.key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); current().Leaf.SerialNumber.Int64() != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the renewed certificate is not shown")
		}
	}
}

// certificateFiles are those of a certificate for 127.0.0.1 and its key, and
// whom to trust for it.
func certificateFiles(t *testing.T) (certificateFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: server.Certificate().Raw},
		"tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), roots
}

// containersOf are all containers of fsproxy's image in the manifests.
func containersOf(t *testing.T, node any) (containers []map[string]any) {
	t.Helper()
	switch node := node.(type) {
	case map[string]any:
		if image, _ := node["image"].(string); strings.HasPrefix(image, "fsproxy/fsproxy") {
			containers = append(containers, node)
		}
		for _, inner := range node {
			containers = append(containers, containersOf(t, inner)...)
		}
	case []any:
		for _, inner := range node {
			containers = append(containers, containersOf(t, inner)...)
		}
	}
	return containers
}

// The schemas know nothing of our own flags.
func TestManifestsGiveOnlyFlagsThatThereAre(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range manifests(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		var document any
		for decoder.Decode(&document) == nil {
			for _, c := range containersOf(t, document) {
				seen[checkArguments(t, path, c)] = true
			}
			document = nil
		}
	}
	for _, name := range []string{"serve", "inject", "rcm"} {
		if !seen[name] {
			t.Errorf("no manifest runs %s", name)
		}
	}
}

func checkArguments(t *testing.T, path string, container map[string]any) (subcommand string) {
	t.Helper()
	var args []string
	list, _ := container["args"].([]any)
	for _, a := range list {
		args = append(args, a.(string))
	}
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil {
		t.Errorf("%s: %v: %v", path, args, err)
		return ""
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v: %v", path, args, err)
	}
	return cmd.Name()
}

// manifests are the YAML files that Helm has not to be run for.
func manifests(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(deployFolder, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.Name() == "chart" {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".yaml") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestWaitingAsksAgainUntilReadyOrOutOfPatience(t *testing.T) {
	for _, c := range []struct {
		patience time.Duration
		after    int // questions until the answer is yes
		err      error
		ready    bool
	}{
		{0, 1, errors.New("not yet"), true},
		{0, 2, errors.New("not yet"), false},
		{time.Hour, 3, errors.New("not yet"), true},
		{time.Hour, 3, usageError{errors.New("no address")}, false},
	} {
		asked := 0
		err := awaitReady(t.Context(), c.patience, func(context.Context) error {
			if asked++; asked == c.after {
				return nil
			}
			return c.err
		})
		if (err == nil) != c.ready || asked > c.after {
			t.Errorf("%+v: %v after %d questions", c, err, asked)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := awaitReady(ctx, time.Hour, func(context.Context) error { return errors.New("no") }); err == nil {
		t.Error("waits on after the end")
	}
}
