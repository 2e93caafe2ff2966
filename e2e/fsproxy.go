//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fsproxyBinary is the absolute path of the fsproxy under test; TestMain sets
// it.
var fsproxyBinary string

// slowMachine gives fetches more time than their default, which a busy machine
// under test can miss. It goes through the environment, which no flag in use
// here contradicts.
const slowMachine = "FSPROXY_UPSTREAM_FETCH_TIMEOUT=2s"

// adminClient asks the admin address; its time-out is wide, as in patience.
var adminClient = &http.Client{Timeout: 10 * time.Second}

// proxy is a running `fsproxy serve`.
type proxy struct {
	*process
	addr  string // of its listener
	admin string // of its HTTP server
	file  string // of its configuration, if it has one
}

// startProxy runs `fsproxy serve` with the flags that a person types, in mode
// live, and waits until it is ready. It need not reach its upstream for that.
func startProxy(t testing.TB, discovery string, upstream ...string) *proxy {
	t.Helper()
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	p.process = startProcessWith(t, []string{slowMachine}, fsproxyBinary, "serve",
		"--listen", p.addr,
		"--upstream", strings.Join(upstream, ","),
		"--discovery", discovery,
		"--admin", p.admin,
		"--mode", "live",
		"--log-level", "info")
	p.waitReady(t)
	return p
}

// startConfiguredProxy runs `fsproxy serve --config` with options, the YAML of
// everything but listeners and admin, and waits until it is ready.
func startConfiguredProxy(t testing.TB, options string) *proxy {
	t.Helper()
	p := configuredProxy(t, options)
	p.waitReady(t)
	return p
}

// configuredProxy is startConfiguredProxy that does not wait, with further
// environment, as NAME=value.
func configuredProxy(t testing.TB, options string, environment ...string) *proxy {
	t.Helper()
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	p.file = filepath.Join(t.TempDir(), "fsproxy.yaml")
	text := fmt.Sprintf("listeners: [{address: %q}]\nadmin: {address: %q}\n%s", p.addr, p.admin, options)
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		t.Fatalf("writing the configuration: %v", err)
	}
	p.process = startProcessWith(t, environment, fsproxyBinary, "serve", "--config", p.file)
	return p
}

// start runs the proxy by its configuration again, after it has ended, and waits
// until it is ready.
func (p *proxy) start(t testing.TB) {
	t.Helper()
	p.process = startProcess(t, fsproxyBinary, "serve", "--config", p.file)
	p.waitReady(t)
}

// waitReady waits until /readyz says 200 and the listener accepts.
func (p *proxy) waitReady(t testing.TB) {
	t.Helper()
	eventually(t, "fsproxy being ready", func() error {
		if p.ended() {
			t.Fatal("fsproxy ended before it was ready")
		}
		return p.ready()
	})
	if err := dialable(p.addr); err != nil {
		t.Fatalf("/readyz says ready, but the listener is not open: %v", err)
	}
}

// ready returns nil when /readyz answers 200.
func (p *proxy) ready() error {
	_, err := p.get("/readyz")
	return err
}

// tookOver is what a proxy logs that has loaded a snapshot.
const tookOver = "took over the rows of an earlier process"

// rcm is a running `fsproxy rcm`.
type rcm struct {
	*process
	addr string
	file string // of its topology
}

// startRCM runs `fsproxy rcm` on a topology file with the given YAML.
func startRCM(t testing.TB, topology string) *rcm {
	t.Helper()
	file := filepath.Join(t.TempDir(), "topology.yaml")
	if err := os.WriteFile(file, []byte(topology), 0o600); err != nil {
		t.Fatalf("writing the topology: %v", err)
	}
	r := &rcm{addr: loopback(freePort(t)), file: file}
	r.start(t)
	return r
}

// start runs the RCM, also again after it has ended.
func (r *rcm) start(t testing.TB) {
	t.Helper()
	r.process = startProcess(t, fsproxyBinary, "rcm", "--listen", r.addr, "--topology", r.file)
	r.waitForPort(t, r.addr)
}
