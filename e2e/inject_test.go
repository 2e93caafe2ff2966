//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// podOf is a Pod whose application finds its store by variables.
const podOf = `
apiVersion: v1
kind: Pod
metadata:
  name: prediction
  labels: {fsproxy.io/inject: "true"}
  annotations:
    fsproxy.io/address-env: REDIS_HOST,REDIS_PORT
    fsproxy.io/port: "%d"
    fsproxy.io/admin.address: "%s"
    fsproxy.io/upstream.fetch_timeout: 2s
spec:
  containers:
  - name: app
    image: example/prediction:1
    env:
    - {name: REDIS_HOST, value: 127.0.0.1}
    - {name: REDIS_PORT, value: "%d"}
`

// renderedPod is what of an injected Pod the kubelet would act on here.
type renderedPod struct {
	Spec struct {
		InitContainers []renderedContainer `yaml:"initContainers"`
		Containers     []renderedContainer `yaml:"containers"`
	}
}

type renderedContainer struct {
	Name string
	Args []string
	Env  []struct {
		Name, Value string
	}
	StartupProbe struct {
		Exec struct{ Command []string }
	} `yaml:"startupProbe"`
}

func (c renderedContainer) variables() (environment []string) {
	for _, e := range c.Env {
		// What would come from the Pod's fields is empty here.
		value := strings.ReplaceAll(e.Value, "$(POD_ZONE)", "")
		environment = append(environment, e.Name+"="+value)
	}
	return environment
}

func (c renderedContainer) variable(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// The injector's Pod, played by hand: its sidecar started as it says, its probe
// asked, and its application's variables followed to the store.
func TestAnInjectedPodReadsThroughItsSidecar(t *testing.T) {
	s := startStore(t)
	dialWire(t, s.addr).do(t, "HSET", "st_1", "a", "1")
	_, storePort, _ := strings.Cut(s.addr, ":")
	store, err := strconv.Atoi(storePort)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pod.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, podOf, freePort(t), loopback(freePort(t)), store), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(fsproxyBinary, "inject", "--render", file).Output()
	if err != nil {
		t.Fatalf("inject --render: %v", err)
	}
	var pod renderedPod
	if err := yaml.Unmarshal(output, &pod); err != nil {
		t.Fatal(err)
	}
	if len(pod.Spec.InitContainers) != 1 {
		t.Fatalf("no sidecar in\n%s", output)
	}
	sidecar, app := pod.Spec.InitContainers[0], pod.Spec.Containers[0]
	emptyDir, variables := t.TempDir(), sidecar.variables()
	for i, v := range variables {
		variables[i] = strings.Replace(v, "/var/lib/fsproxy", emptyDir, 1)
	}
	p := startProcessWith(t, variables, fsproxyBinary, sidecar.Args...)
	probe := sidecar.StartupProbe.Exec.Command
	eventually(t, "the sidecar's startup probe to succeed", func() error {
		if p.ended() {
			t.Fatal("the sidecar ended")
		}
		command := exec.Command(fsproxyBinary, probe[1:]...)
		command.Env = append(cleanEnvironment(), sidecar.variables()...)
		return command.Run()
	})
	address := app.variable("REDIS_HOST") + ":" + app.variable("REDIS_PORT")
	if address == s.addr {
		t.Fatal("the application still goes to the store")
	}
	w := dialWire(t, address)
	eventually(t, "a read to be answered from memory", func() error {
		before := s.reads(t)
		if got := w.do(t, "HMGET", "st_1", "a"); got != bulks("1") {
			t.Fatalf("answered %q", got)
		}
		if s.reads(t) != before {
			return errors.New("it went to the store")
		}
		return nil
	})
	_ = w.Close()
	(&proxy{process: p}).end(t)
	if kept, _ := os.ReadDir(emptyDir); len(kept) != 1 {
		t.Errorf("the volume for the rows has %v, want one file", kept)
	}
}

// Listening and being ready wait for nobody: not for a store and peers that take
// connections and say nothing. What it takes from exec to there is to be under
// 100 ms; that is printed, as this machine may be busy, and judged by the
// processor's time of the quickest of some starts, which others do not add to.
func TestListeningIsSoonAndWaitsForNobody(t *testing.T) {
	const processorTime = 100 * time.Millisecond // of about 15
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	slowest, least, before := time.Duration(0), time.Hour, 0
	for range 5 {
		listener, admin := loopback(freePort(t)), loopback(freePort(t))
		begin := time.Now()
		p := startProcessWith(t, []string{
			"FSPROXY_UPSTREAM_CONNECT_TIMEOUT=1m", // longer than anything here waits
			"FSPROXY_WARM_PEERS=" + silent.Addr().String(),
			"FSPROXY_WARM_FILE=" + filepath.Join(t.TempDir(), "rows"),
		}, fsproxyBinary, "serve", "--listen", listener, "--admin", admin, "--upstream", silent.Addr().String())
		eventually(t, "fsproxy listening", func() error {
			if p.ended() {
				t.Fatal("fsproxy ended")
			}
			return dialable(listener)
		})
		slowest = max(slowest, time.Since(begin))
		eventually(t, "fsproxy being ready", func() error {
			response, err := http.Get("http://" + admin + "/readyz")
			if err != nil {
				return err
			}
			if response.StatusCode != http.StatusOK {
				err = errors.New(response.Status)
			}
			return errors.Join(err, response.Body.Close())
		})
		// It says so of a store that was silent for some seconds.
		if !strings.Contains(p.log.tail(1<<20), "cannot be read; retrying") {
			before++
		}
		p.kill()
		least = min(least, p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime())
	}
	t.Logf("from exec to listening: %v at most, of which at least %v of the processor", slowest, least)
	if before == 0 {
		t.Error("it was ready no sooner than it had given up on the store")
	}
	if least > processorTime {
		t.Errorf("a start takes %v of the processor, want at most %v", least, processorTime)
	}
}
