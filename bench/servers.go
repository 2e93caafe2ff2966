package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The servers that a scenario can compare.
const (
	redisListpack  = "redis"           // redis-server as it is
	redisHashtable = "redis-hashtable" // with every hash in hash-table encoding
	twemproxy      = "twemproxy"       // nutcracker in front of redis
	canned         = "canned"          // a connection loop with canned replies
	fsproxy        = "fsproxy"         // this program in front of redis
)

// serverNames lists them in the order in which they are reported.
var serverNames = []string{redisListpack, redisHashtable, twemproxy, canned, fsproxy}

// errMissing marks a server that is not installed.
var errMissing = errors.New("not installed")

// startRedis starts a store.
func (f *fleet) startRedis(ctx context.Context, name string) (*process, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is %w: apt-get install redis-server, or put it on PATH", errMissing)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	args := []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if name == redisHashtable {
		args = append(args, "--hash-max-listpack-entries", "0")
	}
	return f.start(ctx, name, address, nil, program, args...)
}

// startTwemproxy starts nutcracker in front of a store.
func (f *fleet) startTwemproxy(ctx context.Context, upstream string) (*process, error) {
	program, err := exec.LookPath("nutcracker")
	if err != nil {
		return nil, fmt.Errorf("twemproxy is %w: apt-get install nutcracker, or put nutcracker on PATH", errMissing)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	stats, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, statsPort, _ := net.SplitHostPort(stats)
	config := filepath.Join(f.dir, "nutcracker.yml")
	text := fmt.Sprintf("bench:\n  listen: %s\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  auto_eject_hosts: false\n  servers:\n   - %s:1\n", address, upstream)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing the configuration of twemproxy: %w", err)
	}
	return f.start(ctx, twemproxy, address, nil, program, "-c", config, "-a", "127.0.0.1", "-s", statsPort)
}

// startCanned starts this program with canned replies of a shape's form.
func (f *fleet) startCanned(ctx context.Context, shape Shape) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return f.start(ctx, canned, address, nil, f.executable, "bench", "canned", "--listen", address,
		"--fields", strconv.Itoa(shape.Fields), "--value-bytes", strconv.Itoa(shape.Values.Mean()))
}

// noMarkers keeps a proxy from forgetting, one settle after its start and so in
// the midst of a measurement, what it fetched as it started.
const noMarkers = "FSPROXY_INVALIDATION_MARKERS=[]"

// startProxy starts this program in front of a store, with an admin port if
// wanted, and with more of its options set by environment.
func (f *fleet) startProxy(ctx context.Context, upstream string, admin bool, env ...string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	adminAddress := ""
	if admin {
		if adminAddress, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	env = append([]string{noMarkers}, env...)
	p, err := f.start(ctx, fsproxy, address, env, f.executable, "serve", "--listen", address,
		"--upstream", upstream, "--discovery", "standalone", "--admin", adminAddress, "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	p.admin = adminAddress
	return p, nil
}

// startRelay puts a delay in front of a store and tells where.
func (f *fleet) startRelay(ctx context.Context, upstream string, shape Shape) (string, error) {
	if shape.Delay == 0 {
		return upstream, nil
	}
	r, err := startRelay(ctx, upstream, shape.Delay)
	if err != nil {
		return "", err
	}
	f.relays = append(f.relays, r)
	return r.address(), nil
}
