//go:build e2e

package e2e

import (
	"net"
	"regexp"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// hash is the content of a Redis hash: value by field.
type hash = map[string]string

// loadBatch is how many hashes are sent to a store at once.
const loadBatch = 500

// readCalls finds the numbers of HMGETs and HGETs in INFO commandstats.
var readCalls = regexp.MustCompile(`cmdstat_hm?get:calls=(\d+)`)

// store is a running redis-server that keeps nothing on disk.
type store struct {
	*process
	addr    string
	client  *redis.Client // straight to the store, for loading and looking
	options []string
}

// startStore runs a redis-server on a free port with further options, such as
// --hash-max-listpack-entries 0, and waits until it answers.
func startStore(t testing.TB, options ...string) *store {
	t.Helper()
	return startStoreOn(t, freePort(t), options...)
}

// startStoreOn is startStore on a given port, for a store that a test brings
// up late.
func startStoreOn(t testing.TB, port int, options ...string) *store {
	t.Helper()
	return startStoreAt(t, "127.0.0.1", port, options...)
}

// startStoreAt is startStoreOn at a given address of this machine, for stores
// that differ in more than their port.
func startStoreAt(t testing.TB, host string, port int, options ...string) *store {
	t.Helper()
	s := &store{addr: net.JoinHostPort(host, strconv.Itoa(port))}
	s.options = append([]string{
		"--port", strconv.Itoa(port), "--bind", host,
		"--dir", t.TempDir(), "--save", "", "--appendonly", "no", "--loglevel", "warning",
	}, options...)
	s.client = redis.NewClient(&redis.Options{Addr: s.addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = s.client.Close() })
	s.start(t)
	return s
}

// start runs the server, also again after it was killed: empty, on its old
// port.
func (s *store) start(t testing.TB) {
	t.Helper()
	s.process = startProcess(t, needProgram(t, "redis-server"), s.options...)
	s.waitForPort(t, s.addr)
	eventually(t, "PING to "+s.addr, func() error { return s.client.Ping(t.Context()).Err() })
}

// load stores hashes, straight into the store.
func (s *store) load(t testing.TB, hashes map[string]hash) {
	t.Helper()
	pipe := s.client.Pipeline()
	flush := func() {
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatalf("loading %s: %v", s.addr, err)
		}
	}
	for key, fields := range hashes {
		pipe.HSet(t.Context(), key, fields)
		if pipe.Len() == loadBatch {
			flush()
		}
	}
	if pipe.Len() > 0 {
		flush()
	}
}

// reads returns how many HMGETs and HGETs the store has answered since it
// started or since resetCalls.
func (s *store) reads(t testing.TB) int {
	t.Helper()
	info, err := s.client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatalf("INFO commandstats of %s: %v", s.addr, err)
	}
	sum := 0
	for _, m := range readCalls.FindAllStringSubmatch(info, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatalf("INFO commandstats of %s: %v", s.addr, err)
		}
		sum += n
	}
	return sum
}

// resetCalls sets the command statistics to zero.
func (s *store) resetCalls(t testing.TB) {
	t.Helper()
	if err := s.client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatalf("CONFIG RESETSTAT of %s: %v", s.addr, err)
	}
}
