package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 10 * time.Second       // for a child to answer its first read
	startPoll    = 10 * time.Millisecond  // between attempts
	stopTimeout  = 3 * time.Second        // between SIGTERM and SIGKILL
	logTail      = 2 << 10                // bytes of a child's output quoted in an error
	readTimeout  = 500 * time.Millisecond // a read's own time limit while starting
)

// process is a server that this program started.
type process struct {
	name    string
	address string // where it answers commands
	admin   string // where it answers HTTP; "" if it does not
	log     string // file with its output
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it has ended
	stop    sync.Once
}

// fleet starts servers and ends them.
type fleet struct {
	executable string // fsproxy itself
	dir        string // for their files
	processes  []*process
	relays     []*relay
}

// newFleet makes the directory in which the servers run.
func newFleet(executable string) (*fleet, error) {
	dir, err := os.MkdirTemp("", "fsproxy-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the servers: %w", err)
	}
	return &fleet{executable: executable, dir: dir}, nil
}

// close ends all servers, waits for them, and removes their files.
func (f *fleet) close() {
	for i := len(f.processes) - 1; i >= 0; i-- {
		f.processes[i].end()
	}
	for _, r := range f.relays {
		r.close()
	}
	_ = os.RemoveAll(f.dir)
}

// freeAddress finds a port of the loopback address that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// start runs a command that will listen on address, and waits until it serves
// there.
func (f *fleet) start(ctx context.Context, name, address string, env []string, program string, args ...string) (*process, error) {
	p := &process{name: name, address: address, ended: make(chan struct{})}
	p.log = filepath.Join(f.dir, fmt.Sprintf("%s-%d.log", name, len(f.processes)))
	output, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("making the log of %s: %w", name, err)
	}
	defer output.Close()
	// Not exec.CommandContext: a child is ended by close, in order, not killed.
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = f.dir, output, output
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	f.processes = append(f.processes, p)
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.ready(ctx); err != nil {
		return nil, fmt.Errorf("starting %s (%s): %w; it said: %s", name, strings.Join(p.cmd.Args, " "), err, p.lastWords())
	}
	return p, nil
}

// ready waits until the process answers a read without an error: a proxy may
// listen before it has found its store.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := firstRead(p.address)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not serve within %v: %w", startTimeout, err)
		case <-p.ended:
			return errors.New("it ended")
		case <-time.After(startPoll):
		}
	}
}

// firstRead asks for a key that no data has, and takes anything but an error for
// an answer.
func firstRead(address string) error {
	conn, err := net.DialTimeout("tcp", address, readTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(readTimeout))
	if _, err := io.WriteString(conn, "*3\r\n$5\r\nHMGET\r\n$19\r\nfsproxy-bench:ready\r\n$1\r\nx\r\n"); err != nil {
		return err
	}
	answer := make([]byte, 200)
	n, err := conn.Read(answer)
	if err == nil && answer[0] == '-' {
		err = fmt.Errorf("it answers %.200q", answer[:n])
	}
	return err
}

// end ends the process and waits until it has ended.
func (p *process) end() {
	p.stop.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(stopTimeout):
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
}

// alive tells, by an error that quotes its last words, if the process has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself (%v); it said: %s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

// lastWords is the end of the process's output.
func (p *process) lastWords() string {
	text, _ := os.ReadFile(p.log)
	if len(text) > logTail {
		text = text[len(text)-logTail:]
	}
	if len(text) == 0 {
		return "nothing"
	}
	return strings.TrimSpace(string(text))
}

// cpu is the CPU time that the process has used; 0 for none.
func (p *process) cpu() time.Duration {
	if p == nil {
		return 0
	}
	used, err := processCPU(p.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	return used
}
