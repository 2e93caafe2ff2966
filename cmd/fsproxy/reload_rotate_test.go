package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/resp"
)

// secret is a folder as Kubernetes mounts a Secret: links to ..data, a link to the
// version, which is swapped by a rename.
type secret struct {
	t      *testing.T
	folder string
	n      int
}

func (s *secret) path(name string) string { return filepath.Join(s.folder, name) }

func (s *secret) swap(files map[string]string) {
	s.t.Helper()
	s.n++
	version := fmt.Sprintf("..%d", s.n)
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	must(os.Mkdir(s.path(version), 0o700))
	for name, text := range files {
		must(os.WriteFile(filepath.Join(s.folder, version, name), []byte(text), 0o600))
		if s.n == 1 {
			must(os.Symlink(filepath.Join("..data", name), s.path(name)))
		}
	}
	must(os.Symlink(version, s.path("..data_tmp")))
	must(os.Rename(s.path("..data_tmp"), s.path("..data")))
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// line is one command's reply on a connection, its first line.
func line(nc net.Conn, command string) string {
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := nc.Write(resp.AppendCommand(nil, strings.Fields(command)...)); err != nil {
		return err.Error()
	}
	reply, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(reply)
}

// A mounted Secret rotates: the certificate and the authority of a listener, the
// password of clients and that of the store. Who comes then meets the new ones, who
// is there stays, and a Secret that cannot be used leaves the old one in force until
// it is mended.
func TestASecretThatRotatesIsInUseForConnectionsToCome(t *testing.T) {
	store := miniredis.RunT(t)
	store.RequireAuth("store-a")
	a, b := issue(t, 1), issue(t, 2)
	mounted := &secret{t: t, folder: t.TempDir()}
	version := func(i issued, name string) map[string]string {
		return map[string]string{
			"cert": contents(t, i.cert), "key": contents(t, i.key), "ca": contents(t, i.cert),
			"clients": "clients-" + name, "store": "store-" + name,
		}
	}
	mounted.swap(version(a, "a"))
	load := func() (*config.Config, error) {
		return config.Load(config.Sources{Environ: []string{
			"FSPROXY_UPSTREAM_ADDRESSES=" + store.Addr(), "FSPROXY_UPSTREAM_PASSWORD_FILE=" + mounted.path("store"), "FSPROXY_UPSTREAM_CONNECT_TIMEOUT=10s",
			"FSPROXY_ADMIN_ADDRESS=", "FSPROXY_AUTH_MODE=password", "FSPROXY_AUTH_PASSWORD_FILE=" + mounted.path("clients"),
		}, File: secretFile(t, "fsproxy.yaml", fmt.Sprintf("listeners: [{address: '127.0.0.1:0', tls: {cert_file: %s, key_file: %s, client_ca_file: %s}}]\ninvalidation: {markers: []}\n",
			mounted.path("cert"), mounted.path("key"), mounted.path("ca")))})
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.reload.from("", load)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	// enter connects with a certificate, and says which one it was shown and what the
	// store answered to a command that memory cannot.
	enter := func(with issued, password string) (nc net.Conn, shown, answer string) {
		t.Helper()
		own, err := tls.LoadX509KeyPair(with.cert, with.key)
		if err != nil {
			t.Fatal(err)
		}
		secured, err := tls.Dial("tcp", s.listeners[0].Addr().String(), &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true}) //nolint:gosec // looked at below
		if err != nil {
			t.Fatal(err)
		}
		if answer = line(secured, "AUTH "+password); answer == "+OK" {
			answer = line(secured, "INCR n")
		}
		return secured, secured.ConnectionState().PeerCertificates[0].SerialNumber.String(), answer
	}
	early, shown, answer := enter(a, "clients-a")
	defer early.Close()
	if shown != "1" || answer != ":1" {
		t.Fatalf("at first: certificate %s, answer %q", shown, answer)
	}
	broken := version(b, "b")
	broken["key"] = "no key"
	mounted.swap(broken)
	await(t, "what is broken is noticed", func() bool { return !s.reload.outcome().OK })
	if nc, shown, answer := enter(a, "clients-a"); shown != "1" || answer != ":2" {
		t.Errorf("while the Secret is broken: certificate %s, answer %q", shown, answer)
	} else {
		_ = nc.Close()
	}
	store.RequireAuth("store-b")
	mounted.swap(version(b, "b"))
	await(t, "it is mended", func() bool { return s.reload.outcome().OK })
	nc, shown, answer := enter(b, "clients-b")
	defer nc.Close()
	if shown != "2" || answer != ":3" {
		t.Errorf("after the Secret rotated: certificate %s, answer %q", shown, answer)
	}
	for _, old := range []struct {
		with     issued
		password string
	}{{a, "clients-b"}, {b, "clients-a"}} {
		nc, _, answer := enter(old.with, old.password)
		_ = nc.Close()
		if strings.HasPrefix(answer, ":") {
			t.Errorf("what was in the Secret before is taken still: %q", answer)
		}
	}
	if answer := line(early, "INCR n"); answer != ":4" {
		t.Errorf("who was there before is answered %q", answer)
	}
}

// await waits for a condition, which has to come.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

// What goes wrong last, when all else is prepared, leaves all of it as it was; and it
// is tried again without anybody saying so, and without saying the same again.
func TestWhatCannotBePreparedLeavesEverythingAsItWas(t *testing.T) {
	store := miniredis.RunT(t)
	folder := filepath.Join(t.TempDir(), "late")
	base := []string{"FSPROXY_UPSTREAM_ADDRESSES=" + store.Addr(), "FSPROXY_ADMIN_ADDRESS="}
	const file = "listeners: [{address: '127.0.0.1:0'}]\n"
	r := startRunning(t, base, file)
	r.write(append(base, "FSPROXY_CACHE_MAX_AGE=2h", "FSPROXY_LIMITS_MAX_CLIENTS=7", "FSPROXY_MODE=off", "FSPROXY_UPSTREAM_HEDGE_BUDGET=50", "FSPROXY_ROLLOUT_LOG="+filepath.Join(folder, "log")), file)
	for range 2 {
		if got := r.reload.reload(); got.OK || !strings.Contains(got.Error, "rollout.log") {
			t.Fatalf("%+v", got)
		}
	}
	r.reload.retry()
	if got := r.reload.outcome(); got.Count != 2 || got.Failures != 2 {
		t.Errorf("tried again, and counted: %+v", got)
	}
	if r.cache.Config().Policy("f").MaxAge != time.Hour || r.proxy.Config().MaxClients != 10_000 || r.rollout.Mode() != config.ModeLive || r.upstream.Config().HedgeBudget != 5 || r.reload.config().Mode != config.ModeLive {
		t.Error("something is in force")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	r.reload.retry()
	if got := r.reload.outcome(); !got.OK || len(got.Changed) != 5 || r.cache.Config().Policy("f").MaxAge != 2*time.Hour || r.proxy.Config().MaxClients != 7 || r.rollout.Mode() != config.ModeOff {
		t.Errorf("after it was mended: %+v", got)
	}
}
