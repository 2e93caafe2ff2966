//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// containerLimit is that of a small sidecar.
	containerLimit = 128 << 20
	// memorySoak is how long clients read.
	memorySoak = 6 * time.Second
	// memoryClients read at a time, as many connections again do nothing.
	memoryClients = 48
	// memoryEntities have memoryFields fields of up to 2 KB each: more than fits.
	memoryEntities = 6000
	memoryFields   = 20
	// bigValue is that of an entity now and then.
	bigValue = 300 << 10
)

// memoryGroup makes a control group with that limit, and returns its directory. The
// test is skipped where there is none to be had.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	for _, kind := range []struct{ root, own, file string }{
		{"/sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "0::", "memory.max"},
	} {
		dir := filepath.Join(kind.root, ownGroup(kind.own), fmt.Sprintf("fsproxy-e2e-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, kind.file), []byte(strconv.Itoa(limit)), 0o644) == nil {
			// Without this a process that outgrows its memory would be swapped.
			_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0o644)
			return dir
		}
	}
	t.Skip("a memory control group cannot be made here: it needs cgroup v1 or v2 mounted writable, and root")
	return ""
}

// ownGroup is the path of this process's group in the hierarchy of such lines.
func ownGroup(mark string) string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), mark); ok {
			return path
		}
	}
	return ""
}

// startConfined runs `fsproxy serve` in a shell that first does something to
// itself, and waits until it is ready.
func startConfined(t *testing.T, first, options string) *proxy {
	t.Helper()
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	text := fmt.Sprintf("listeners: [{address: %q}]\nadmin: {address: %q}\ndrain_timeout: 100ms\n%s", p.addr, p.admin, options)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.process = startProcess(t, "/bin/sh", "-c", first+`; exec "$0" serve --config "$1"`, fsproxyBinary, file)
	p.waitReady(t)
	return p
}

// peakRSS is the most memory that the process had resident, in bytes.
func (p *process) peakRSS(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kilobytes, _ := strconv.Atoi(fields[1])
			return kilobytes << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// In a small container, with more data than fits, big values, many
// connections and snapshots, the process stays within its limit: it evicts, and is
// not killed.
func TestMemoryStaysWithinTheContainersLimit(t *testing.T) {
	s := startStore(t)
	var fields []string
	for i := range memoryFields {
		fields = append(fields, fmt.Sprint("f", i))
	}
	for from := 0; from < memoryEntities; from += 500 {
		hashes := map[string]hash{}
		for i := range 500 {
			h := hash{}
			for k, f := range fields {
				h[f] = strings.Repeat(string(rune('a'+k)), 100+(i*k)%2000)
			}
			if i%250 == 0 {
				h["f0"] = strings.Repeat("b", bigValue)
			}
			hashes[fmt.Sprint("e", from+i)] = h
		}
		s.load(t, hashes)
	}
	group := memoryGroup(t, containerLimit)
	p := startConfined(t, "echo $$ > "+group+"/cgroup.procs", fmt.Sprintf(`upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 5s}
warm: {file: %q, interval: 1s}
invalidation: {markers: []}
`, s.addr, filepath.Join(t.TempDir(), "warm")))
	command := append([]string{"HMGET", ""}, fields...)
	var wg sync.WaitGroup
	deadline := time.Now().Add(memorySoak)
	for c := range memoryClients {
		idle := dialWire(t, p.addr)
		idle.do(t, "PING")
		w := dialWire(t, p.addr)
		wg.Go(func() {
			mine := append([]string(nil), command...)
			for i := c * 101; time.Now().Before(deadline); i += 7 {
				mine[1] = fmt.Sprint("e", i%memoryEntities)
				if _, err := w.exchange(appendCommand(nil, mine...), 1); err != nil {
					t.Errorf("client %d: %v", c, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if p.ended() {
		t.Fatalf("the process ended: %v", p.cmd.ProcessState)
	}
	evictions, peak := 0.0, p.peakRSS(t)
	for _, m := range p.samples(t) {
		if m.name == "fsproxy_cache_evictions_total" {
			evictions += m.value
		}
	}
	t.Logf("at most %d of %d MiB resident, %.0f evictions", peak>>20, containerLimit>>20, evictions)
	if peak >= containerLimit {
		t.Errorf("%d bytes were resident, the limit is %d", peak, containerLimit)
	}
	if evictions == 0 {
		t.Error("nothing was evicted: the test tests little")
	}
}

// Out of file descriptors, the process serves whom it has, says what is wrong, and
// takes others again as soon as it can.
func TestOutOfFileDescriptors(t *testing.T) {
	s := startStore(t)
	s.load(t, map[string]hash{"e": {"a": "1"}})
	p := startConfined(t, "ulimit -n 64", fmt.Sprintf("upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}\n", s.addr))
	w := dialWire(t, p.addr)
	w.do(t, "HMGET", "e", "a")
	var many []net.Conn
	for range 100 {
		nc, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err != nil {
			break // the line of those who wait is full
		}
		many = append(many, nc)
	}
	p.awaitLog(t, "too many open files")
	if got := w.do(t, "HMGET", "e", "a"); got != bulks("1") {
		t.Errorf("who is connected is answered %q", got)
	}
	for _, nc := range many {
		_ = nc.Close()
	}
	eventually(t, "a new client being served", func() error {
		again := dialWire(t, p.addr)
		defer again.Close()
		if _, err := again.exchange(appendCommand(nil, "PING"), 1); err != nil {
			return err
		}
		return nil
	})
}

// tinyDisk mounts a disk of some bytes. The test is skipped where that is not
// permitted.
func tinyDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small disk is not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return dir
}

// A disk that is full, or may not be written to, costs the snapshots and no more:
// clients are served, the log says why, and the process ends in order.
func TestSnapshotsOnADiskThatTakesNone(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"full": func(t *testing.T, dir string) {
			f, err := os.Create(filepath.Join(dir, "other"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for err == nil {
				_, err = f.Write(make([]byte, 1024))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		},
		"read-only": func(t *testing.T, dir string) {
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tinyDisk(t, "64k")
			s := startWarmStore(t)
			s.file = filepath.Join(dir, "warm")
			spoil(t, dir)
			p := s.start(t)
			s.fill(t, p, "old")
			p.awaitLog(t, "no snapshot could be written")
			s.readAll(t, p, "old")
			p.end(t)
			if left, _ := filepath.Glob(s.file + "*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
