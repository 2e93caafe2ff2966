package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"
)

const (
	disabled   = "-ERR This instance has cluster support disabled\r\n"
	unknown    = "-ERR unknown subcommand 'X'. Try CLUSTER HELP.\r\n"
	oneSlots   = "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$0\r\n\r\n:7001\r\n$2\r\nid\r\n"
	oneShards  = "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n*4\r\n$4\r\nport\r\n:7002\r\n$2\r\nip\r\n$1\r\na\r\n"
	serverInfo = "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n"
)

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

// store answers the commands named in replies ("CLUSTER SLOTS"), greets, and
// knows nothing else.
func store(replies map[string]string) func(int, [][]byte) string {
	return func(_ int, args [][]byte) string {
		name := strings.ToUpper(string(args[0]))
		if name == "CLUSTER" && len(args) > 1 {
			name += " " + strings.ToUpper(string(args[1]))
		}
		if reply, ok := replies[name]; ok {
			return reply
		}
		switch name {
		case "HELLO":
			return "*2\r\n$5\r\nproto\r\n:2\r\n"
		case "CLIENT":
			return "+OK\r\n"
		case "INFO":
			return bulk(serverInfo)
		}
		return "-ERR unknown command '" + name + "', with args beginning with: \r\n"
	}
}

// discover asks the addresses once.
func discover(t *testing.T, config DiscoveryConfig) (*Topology, error) {
	t.Helper()
	d := NewDiscovery(config)
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return d.Discover(ctx)
}

func noLeaks(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// inParallel is for tests that wait most of their time. TestMain looks for what
// they leak.
func inParallel(t *testing.T) {
	t.Helper()
	t.Parallel()
}

// waiting is how many of them may run at once, on however few processors.
const waiting = "8"

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", waiting) // the command line goes before it
	goleak.VerifyTestMain(m)
}

// refused is an address that nothing listens on.
func refused(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestDiscoveryTellsWhatAnAddressIs(t *testing.T) {
	noLeaks(t)
	rcmInfo := bulk(serverInfo + RCMInfoField + ":1\r\n")
	nodes := bulk("a h:7003@17003 myself,master - 0 0 0 connected 0-16383\n")
	for name, test := range map[string]struct {
		wanted  string
		replies map[string]string
		kind    Kind
		nodes   string // %s: the address asked; %h: its host
	}{
		"plain Redis":              {"auto", map[string]string{"CLUSTER SLOTS": disabled}, Standalone, "%s"},
		"plain Kvrocks":            {"auto", map[string]string{"CLUSTER SLOTS": "-ERR Cluster mode is not enabled\r\n"}, Standalone, "%s"},
		"no CLUSTER at all":        {"auto", nil, Standalone, "%s"},
		"cluster":                  {"auto", map[string]string{"CLUSTER SLOTS": oneSlots}, Cluster, "%h:7001"},
		"no HELLO":                 {"auto", map[string]string{"CLUSTER SLOTS": oneSlots, "HELLO": "-ERR unknown command 'HELLO'\r\n"}, Cluster, "%h:7001"},
		"RCM":                      {"auto", map[string]string{"CLUSTER SLOTS": oneSlots, "INFO": rcmInfo}, RCM, "%h:7001"},
		"cluster wanted, RCM":      {"cluster", map[string]string{"CLUSTER SLOTS": oneSlots, "INFO": rcmInfo}, Cluster, "%h:7001"},
		"RCM wanted, cluster":      {"rcm", map[string]string{"CLUSTER SLOTS": oneSlots}, RCM, "%h:7001"},
		"standalone wanted":        {"standalone", map[string]string{"CLUSTER SLOTS": oneSlots}, Standalone, "%s"},
		"SHARDS in place of SLOTS": {"auto", map[string]string{"CLUSTER SLOTS": unknown, "CLUSTER SHARDS": oneShards}, Cluster, "a:7002"},
		"NODES in place of both":   {"cluster", map[string]string{"CLUSTER SLOTS": unknown, "CLUSTER SHARDS": unknown, "CLUSTER NODES": nodes}, Cluster, "h:7003"},
	} {
		t.Run(name, func(t *testing.T) {
			address := fakeStore(t, store(test.replies))
			topology, err := discover(t, DiscoveryConfig{Kind: test.wanted, Addresses: []string{address}})
			if err != nil {
				t.Fatal(err)
			}
			host, _, _ := net.SplitHostPort(address)
			want := strings.NewReplacer("%s", address, "%h", host).Replace(test.nodes)
			if topology.Kind != test.kind || topology.Version != "7.0.15" || topology.Covered() != Slots || !reflect.DeepEqual(topology.Nodes(), []string{want}) {
				t.Errorf("%s %q, %d slots, %v; want %s %s", topology.Kind, topology.Version, topology.Covered(), topology.Nodes(), test.kind, want)
			}
		})
	}
}

func TestDiscoverySaysWhyAnAddressWillNotDo(t *testing.T) {
	noLeaks(t)
	for says, test := range map[string]struct {
		wanted  string
		replies map[string]string
	}{
		"use upstream.discovery standalone": {"cluster", map[string]string{"CLUSTER SLOTS": disabled}},
		"not part of a cluster":             {"rcm", nil},
		"names no usable node":              {"auto", map[string]string{"CLUSTER SLOTS": "*0\r\n"}},
		"NOAUTH":                            {"auto", map[string]string{"CLUSTER SLOTS": "-NOAUTH Authentication required.\r\n"}},
		"NOPERM":                            {"auto", map[string]string{"HELLO": "-NOPERM no\r\n"}},
		"entry 0":                           {"auto", map[string]string{"CLUSTER SLOTS": "*1\r\n:1\r\n"}},
		"shard 0":                           {"auto", map[string]string{"CLUSTER SLOTS": unknown, "CLUSTER SHARDS": "*1\r\n:1\r\n"}},
		"cannot be passed on":               {"auto", map[string]string{"CLUSTER SLOTS": "$-7\r\n"}},
		"already owned":                     {"auto", map[string]string{"CLUSTER SLOTS": "*2\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\na\r\n:1\r\n*3\r\n:9\r\n:9\r\n*2\r\n$1\r\nb\r\n:1\r\n"}},
		"unknown kind":                      {"sentinel", nil},
	} {
		address := fakeStore(t, store(test.replies))
		_, err := discover(t, DiscoveryConfig{Kind: test.wanted, Addresses: []string{address}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestDiscoverySurvivesHostileStores(t *testing.T) {
	noLeaks(t)
	for name, bad := range malicious {
		for _, command := range []string{"HELLO", "CLUSTER SLOTS", "INFO"} {
			address := fakeStore(t, store(map[string]string{command: bad}))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			d := NewDiscovery(DiscoveryConfig{Kind: "cluster", Addresses: []string{address}})
			if topology, err := d.Discover(ctx); err == nil {
				t.Errorf("%s to %s: %v was believed", name, command, topology.Nodes())
			}
			d.Close()
			cancel()
		}
	}
}

func TestDiscoveryAsksEveryAddressBeforeItGivesUp(t *testing.T) {
	noLeaks(t)
	down := refused(t)
	broken := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": "-LOADING later\r\n"}))
	good := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": oneSlots}))
	for range 10 { // from a random one on
		if _, err := discover(t, DiscoveryConfig{Addresses: []string{down, good, broken}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := discover(t, DiscoveryConfig{Addresses: []string{down, broken}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{down, "refused", broken, "LOADING"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not say %q", err, part)
		}
	}
}

func TestStandaloneAddressesAreEqualNodesOfOneShard(t *testing.T) {
	noLeaks(t)
	one := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": disabled}))
	addresses := []string{refused(t), one, one}
	for _, wanted := range []string{"auto", "standalone"} {
		topology, err := discover(t, DiscoveryConfig{Kind: wanted, Addresses: addresses})
		if err != nil || len(topology.Shards) != 1 || !reflect.DeepEqual(topology.Shards[0].Nodes, addresses[:2]) || topology.Version != "7.0.15" {
			t.Errorf("%s: %+v, %v", wanted, topology, err)
		}
	}
	// What the addresses are is known without an answer.
	topology, err := discover(t, DiscoveryConfig{Kind: "standalone", Addresses: addresses[:1]})
	if err != nil || topology.Covered() != Slots || topology.Version != "" {
		t.Errorf("with all of them down: %v", err)
	}
}

func TestDiscoveryLeavesAFailedAddressAlone(t *testing.T) {
	noLeaks(t)
	var dials atomic.Int64
	reason := errors.New("no route")
	d := NewDiscovery(DiscoveryConfig{
		Addresses: []string{"a:1"},
		DialFunc: func(context.Context, string) (net.Conn, error) {
			dials.Add(1)
			return nil, reason
		},
	})
	defer d.Close()
	for range 1000 {
		if _, err := d.Discover(t.Context()); !errors.Is(err, reason) {
			t.Fatalf("%v does not wrap the reason", err)
		}
	}
	if n := dials.Load(); n > 100 {
		t.Errorf("%d dials for 1000 questions", n)
	}
}

func TestDiscoveryEndsWithItsCallersContext(t *testing.T) {
	noLeaks(t)
	silent := fakeStore(t, func(int, [][]byte) string { return "" })
	ctx, cancel := context.WithCancel(t.Context())
	greeted := make(chan struct{}, 1)
	mute := fakeStore(t, func(_ int, args [][]byte) string {
		if string(args[0]) == "HELLO" {
			return "*0\r\n"
		}
		if string(args[0]) == "CLIENT" {
			return "+OK\r\n"
		}
		select {
		case greeted <- struct{}{}:
		default:
		}
		return ""
	})
	d := NewDiscovery(DiscoveryConfig{Addresses: []string{mute}})
	go func() {
		<-greeted
		cancel()
	}()
	if _, err := d.Discover(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	d.Close()

	d = NewDiscovery(DiscoveryConfig{Addresses: []string{silent}})
	ended := make(chan error)
	go func() {
		_, err := d.Discover(context.Background())
		ended <- err
	}()
	for len(d.turn) == 0 { // until it runs
		time.Sleep(time.Millisecond)
	}
	d.Close()
	if err := <-ended; !errors.Is(err, ErrDiscoveryClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := d.Discover(t.Context()); !errors.Is(err, ErrDiscoveryClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDiscoveryAuthenticatesAndSpeaksTLS(t *testing.T) {
	noLeaks(t)
	web := httptest.NewTLSServer(nil) // for its certificate, made out to 127.0.0.1
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	var credentials atomic.Value
	inner := store(map[string]string{"CLUSTER SLOTS": oneSlots, "AUTH": "+OK\r\n"})
	serveListener(t, ln, func(n int, args [][]byte) string {
		if string(args[0]) == "AUTH" {
			credentials.Store(string(args[1]) + "/" + string(args[2]))
		}
		return inner(n, args)
	})
	config := DiscoveryConfig{
		Addresses: []string{ln.Addr().String()}, Username: "reader", Password: "secret",
		TLS: &tls.Config{RootCAs: roots},
	}
	if _, err := discover(t, config); err != nil {
		t.Fatal(err)
	}
	if got := credentials.Load(); got != "reader/secret" {
		t.Errorf("authenticated as %v", got)
	}
	config.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	if _, err := discover(t, config); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestDiscoveryReadsMiniredis(t *testing.T) {
	m := miniredis.RunT(t)
	topology, err := discover(t, DiscoveryConfig{Addresses: []string{m.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	if index, ok := topology.ShardOf(Slot([]byte("a"))); !ok || topology.Shards[index].Nodes[0] != m.Addr() {
		t.Errorf("%+v", topology.Shards)
	}
	m.RequireAuth("secret")
	if _, err := discover(t, DiscoveryConfig{Addresses: []string{m.Addr()}, Password: "secret"}); err != nil {
		t.Error(err)
	}
	if _, err := discover(t, DiscoveryConfig{Addresses: []string{m.Addr()}, Password: "wrong"}); err == nil || strings.Contains(err.Error(), "wrong ") {
		t.Errorf("with a wrong password: %v", err)
	}
}
