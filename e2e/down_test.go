//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// drainTimeout is the drain_timeout of the tests that end a proxy.
const drainTimeout = 3 * time.Second

// errStillListening says that a listener that should be closed is open.
var errStillListening = errors.New("still listening")

// A store that is down when fsproxy starts keeps nothing from starting: reads
// get an error, and the right values as soon as the store is there.
func TestStoreDownAtStartRecoversByItself(t *testing.T) {
	for _, discovery := range []string{"standalone", "auto"} {
		t.Run(discovery, func(t *testing.T) {
			port := freePort(t)
			p := startProxy(t, discovery, loopback(port))
			w := dialWire(t, p.addr)
			if got := w.do(t, "PING"); got != "+PONG\r\n" {
				t.Errorf("PING: %q, want an answer without a store", got)
			}
			checkError(t, w, "HMGET", "st_1", "a", "b")
			checkError(t, w, "HGET", "st_1", "a")
			checkError(t, w, "HLEN", "st_1")

			s := startStoreOn(t, port)
			s.load(t, map[string]hash{"st_1": {"a": "1"}})
			awaitAnswer(t, p, bulks("1", ""), "HMGET", "st_1", "a", "b")
			awaitAnswer(t, p, "$1\r\n1\r\n", "HGET", "st_1", "a")
			awaitAnswer(t, p, ":1\r\n", "HLEN", "st_1")
		})
	}
}

// The same for a fleet whose RCM is down at first.
func TestRCMDownAtStartRecoversByItself(t *testing.T) {
	f := startFleet(t)
	hashes := readers.hashes()
	f.load(t, hashes)
	r := startRCM(t, f.topology())
	r.stop()

	p := startProxy(t, "rcm", r.addr)
	fields := readers.projection()
	read := append([]string{"HMGET", readers.key(0)}, fields...)
	checkError(t, dialWire(t, p.addr), read...)

	r.process = startProcess(t, fsproxyBinary, r.cmd.Args[1:]...)
	awaitAnswer(t, p, reply(hashes, readers.key(0), fields), read...)
}

// A fetch that fails is an error to the client, never a nil, and leaves
// nothing in memory; what was in memory before goes on being served.
func TestFailedFetchIsNeitherNilNorCached(t *testing.T) {
	s := startStore(t)
	known := map[string]hash{"st_known": {"a": "1"}, "st_new": {"a": "2", "b": "3"}}
	s.load(t, known)
	p := startProxy(t, "standalone", s.addr)
	w := dialWire(t, p.addr)
	cacheRow(t, p, w, []string{"HMGET", "st_known", "a", "b"})

	s.kill()
	for range 3 {
		checkError(t, w, "HMGET", "st_new", "a", "b")
		checkError(t, w, "HGET", "st_new", "a")
		checkError(t, w, "HMGET", "st_known", "a", "z") // one field in memory, one to fetch
		if got, want := w.do(t, "HMGET", "st_known", "a", "b"), bulks("1", ""); got != want {
			t.Errorf("what is in memory, while the store is down: %q, want %q", got, want)
		}
	}

	s.start(t)
	s.load(t, known)
	awaitAnswer(t, p, bulks("2", "3"), "HMGET", "st_new", "a", "b")
	awaitAnswer(t, p, bulks("1", ""), "HMGET", "st_known", "a", "z")
	if got, want := w.do(t, "HMGET", "st_new", "a", "b"), bulks("2", "3"); got != want {
		t.Errorf("on the connection that saw the errors: %q, want %q", got, want)
	}
}

// One node of a shard less is no error to anybody.
func TestLostNodeOfAShardIsNotNoticed(t *testing.T) {
	f := startFleet(t)
	hashes := readers.hashes()
	f.load(t, hashes)
	p := startProxy(t, "rcm", startRCM(t, f.topology()).addr)
	w := dialWire(t, p.addr)
	fields := readers.projection()
	for i := range readers.entities {
		if i == readers.entities/2 {
			f.shards[0].nodes[0].kill()
			f.shards[1].nodes[1].kill()
		}
		key := readers.key(i)
		got, want := w.do(t, append([]string{"HMGET", key}, fields...)...), reply(hashes, key, fields)
		if got != want {
			t.Fatalf("entity %d: answered %.200q, want %.200q", i, got, want)
		}
	}
}

// SIGTERM closes the listener at once, lets what is in flight be answered, and
// ends with exit code 0.
func TestSIGTERMFinishesWhatIsInFlight(t *testing.T) {
	s := startStore(t)
	s.load(t, map[string]hash{"st_1": {"a": "1"}})
	p := startConfiguredProxy(t, drainOptions(s))
	w, idle := dialWire(t, p.addr), dialWire(t, p.addr)
	idle.do(t, "PING")
	w.do(t, "HLEN", "st_1") // opens the tunnel

	s.signal(t, syscall.SIGSTOP)
	// PING is answered once the proxy has read the HMGET and HLEN of the same
	// write, or is about to.
	request := appendCommand(nil, "PING")
	request = appendCommand(request, "HMGET", "st_1", "a", "b")
	request = appendCommand(request, "HLEN", "st_1")
	if got, err := w.exchange(request, 1); err != nil || got[0] != "+PONG\r\n" {
		t.Fatalf("PING before the requests in flight: %q, %v", got, err)
	}
	p.signal(t, syscall.SIGTERM)
	awaitRefusal(t, p)
	s.signal(t, syscall.SIGCONT)

	got, err := w.exchange(nil, 2)
	if err != nil || got[0] != bulks("1", "") || got[1] != ":1\r\n" {
		t.Errorf("the requests in flight were answered %q, %v", got, err)
	}
	if code := p.exitCode(t, drainTimeout+patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A store that never answers holds up the end for no longer than
// drain_timeout.
func TestSIGTERMEndsWithAStoreThatNeverAnswers(t *testing.T) {
	s := startStore(t)
	p := startConfiguredProxy(t, drainOptions(s))
	w := dialWire(t, p.addr)
	w.do(t, "HLEN", "st_1")
	s.signal(t, syscall.SIGSTOP)
	request := appendCommand(nil, "PING")
	request = appendCommand(request, "HMGET", "st_1", "a", "b")
	request = appendCommand(request, "HLEN", "st_1")
	if got, err := w.exchange(request, 1); err != nil || got[0] != "+PONG\r\n" {
		t.Fatalf("PING before the requests in flight: %q, %v", got, err)
	}
	p.signal(t, syscall.SIGTERM)
	awaitRefusal(t, p)
	if code := p.exitCode(t, drainTimeout+patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	s.signal(t, syscall.SIGCONT)
}

// Whoever does not want to wait sends a second signal, which ends it whatever it
// waits for.
func TestASecondSignalEndsItAtOnce(t *testing.T) {
	s := startStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf("upstream: {discovery: standalone, addresses: [%q]}\ndrain_timeout: 1h\n", s.addr))
	w := dialWire(t, p.addr)
	w.do(t, "PING")
	p.signal(t, syscall.SIGTERM)
	awaitRefusal(t, p)
	if got := w.do(t, "PING"); got != "+PONG\r\n" {
		t.Errorf("a connection that was open: %q", got)
	}
	eventually(t, "fsproxy to end", func() error {
		p.signal(t, syscall.SIGTERM) // the first has just been taken
		if !p.ended() {
			return errors.New("it still runs")
		}
		return nil
	})
	if code := p.exitCode(t, patience); code != -1 {
		t.Errorf("exit code %d, want the end by a signal", code)
	}
}

// drainOptions is the configuration of a proxy of s that a test ends. Fetches
// may outlast the drain, so that they are in flight when it begins.
func drainOptions(s *store) string {
	return fmt.Sprintf(`
upstream: {discovery: standalone, addresses: [%q], fetch_timeout: 1m}
drain_timeout: %v
`, s.addr, drainTimeout)
}

// checkError sends a command that has to be answered by a clear error.
func checkError(t *testing.T, w *wire, command ...string) {
	t.Helper()
	got := w.do(t, command...)
	if !strings.HasPrefix(got, "-ERR ") || len(got) < len("-ERR x\r\n") {
		t.Errorf("%.60v: answered %.200q, want -ERR and what is wrong", command, got)
	}
}

// awaitAnswer sends a command until it is answered with want. Until then only
// errors are allowed: any other answer would be a wrong one.
func awaitAnswer(t *testing.T, p *proxy, want string, command ...string) {
	t.Helper()
	w := dialWire(t, p.addr)
	eventually(t, fmt.Sprintf("%.60v being answered rightly", command), func() error {
		got := w.do(t, command...)
		if got == want {
			return nil
		}
		if !strings.HasPrefix(got, "-") {
			t.Fatalf("%.60v: answered %.200q, want %.200q or an error", command, got, want)
		}
		return fmt.Errorf("answered %q", got)
	})
}

// awaitRefusal waits until the listener takes no connections any more; it
// fails the test when the process ended first, which would prove nothing.
func awaitRefusal(t *testing.T, p *proxy) {
	t.Helper()
	eventually(t, "the listener being closed", func() error {
		if err := dialable(p.addr); err == nil {
			return errStillListening
		}
		return nil
	})
	if p.ended() {
		t.Error("fsproxy ended with requests in flight")
	}
}
