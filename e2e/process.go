//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// stopGrace is how long a process may take to end after SIGTERM before it
	// is killed.
	stopGrace = 15 * time.Second
	// shownLog is how many bytes of a process's log a failed test prints.
	shownLog = 8 << 10
)

// process is a program that a test started. It ends with the test at the
// latest, and what it printed is shown when the test fails.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed when the process has ended
}

// startProcess starts program with args and registers its end.
func startProcess(t testing.TB, program string, args ...string) *process {
	t.Helper()
	return startProcessWith(t, nil, program, args...)
}

// startProcessWith is startProcess with further environment, as NAME=value.
func startProcessWith(t testing.TB, environment []string, program string, args ...string) *process {
	t.Helper()
	p := &process{
		name: filepath.Base(program) + " " + strings.Join(args, " "),
		cmd:  exec.Command(program, args...),
		log:  &logBuffer{},
		done: make(chan struct{}),
	}
	p.cmd.Env = append(cleanEnvironment(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	go func() {
		defer close(p.done)
		// The exit code is read from ProcessState once done is closed.
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("--- log of %s (%v)\n%s", p.name, p.cmd.ProcessState, p.log.tail(shownLog))
		}
	})
	return p
}

// cleanEnvironment is the test's own environment without the variables that
// begin with FSPROXY_: those that steer the tests are no options of fsproxy,
// and options that a developer has set must not change a test.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FSPROXY_") })
}

// ended tells whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends sig; a process that has ended meanwhile is left alone.
func (p *process) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("sending %v to %s: %v", sig, p.name, err)
	}
}

// stop ends the process, by SIGTERM first, and waits for its end.
func (p *process) stop() {
	// SIGCONT wakes a process that a test has stopped; errors mean that it has
	// ended already.
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.kill()
	}
}

// kill ends the process by SIGKILL and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// exitCode waits for the process to end by itself and returns its exit code,
// -1 when a signal ended it.
func (p *process) exitCode(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p.name, within)
		return -1
	}
}

// waitForPort waits until something accepts connections on addr, and fails the
// test when the process ends before.
func (p *process) waitForPort(t testing.TB, addr string) {
	t.Helper()
	eventually(t, "connecting to "+addr, func() error {
		if p.ended() {
			t.Fatalf("%s ended before it listened on %s", p.name, addr)
		}
		return dialable(addr)
	})
}

// dialable returns nil when addr accepts a connection.
func dialable(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	return c.Close()
}

// logBuffer collects what a process prints.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// tail returns at most the last n bytes.
func (b *logBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
