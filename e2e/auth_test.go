//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// keepFile writes text to a new file that only the test's user may read.
func keepFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("writing %s: %v", name, err)
	}
	return path
}

// strangersConversations are what someone may say before and around AUTH, each
// on a connection of its own.
var strangersConversations = []string{
	"PING\r\nGET a\r\nHMGET h f\r\nCLIENT ID\r\nSUBSCRIBE c\r\nNONSENSE a b\r\nGET\r\nCLIENT NONSENSE\r\n",
	"MULTI\r\nGET a\r\nEXEC\r\nEXEC a\r\nDISCARD\r\nWATCH a\r\n",
	"HELLO\r\nHELLO 2\r\nHELLO 3\r\nHELLO 4\r\nHELLO 3 SETNAME a\r\nHELLO 3 AUTH default wrong\r\nHELLO 3 AUTH other secret\r\n",
	"AUTH\r\nAUTH a b c\r\nAUTH wrong\r\nAUTH default wrong\r\nAUTH other secret\r\nAUTH secret\r\nPING\r\nAUTH wrong\r\nPING\r\nRESET\r\nPING\r\n",
	"AUTH default secret\r\nSET a b\r\nGET a\r\nHSET h f v\r\nHMGET h f g\r\nHMGET h f g\r\nRESET\r\nHMGET h f g\r\nGET a\r\n",
	"RESET\r\nQUIT\r\n",
	"AUTH secret\r\nMULTI\r\nHMGET h f\r\nEXEC\r\nRESET\r\nEXEC\r\n",
	"*11\r\n$4\r\nPING\r\n",
	"*10\r\n" + strings.Repeat("$4\r\nPING\r\n", 10) + "PING\r\n",
	"*1\r\n$16385\r\n",
	"*2\r\n$4\r\nECHO\r\n$16384\r\n" + strings.Repeat("x", 16384) + "\r\nPING\r\n",
	"AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$16385\r\n" + strings.Repeat("x", 16385) + "\r\n",
	"AUTH secret\r\nRESET\r\n*11\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
}

// In mode password, fsproxy in front of an open store says byte for byte what a
// redis-server with that password does; so it does in mode upstream in front of
// one.
func TestStrangersHearWhatRedisTellsThem(t *testing.T) {
	guarded := startStore(t)
	guarded.client.ConfigSet(t.Context(), "requirepass", "secret")
	open := startStore(t)
	file := keepFile(t, "password", "secret\n")
	for mode, options := range map[string]string{
		"password": fmt.Sprintf("auth: {mode: password, password_file: %q}\nupstream: {discovery: standalone, addresses: [%q]}\n", file, open.addr),
		"upstream": fmt.Sprintf("auth: {mode: upstream}\nupstream: {discovery: standalone, addresses: [%q], password_file: %q}\n", guarded.addr, file),
	} {
		t.Run(mode, func(t *testing.T) {
			p := startConfiguredProxy(t, options)
			awaitStore(t, p, "AUTH", "secret")
			for _, c := range strangersConversations {
				want, wantClosed := converse(t, guarded.addr, c)
				got, gotClosed := converse(t, p.addr, c)
				if got != want || gotClosed != wantClosed {
					t.Errorf("%.80q:\nanswered   %q (closed: %v)\nRedis says %q (closed: %v)", c, got, gotClosed, want, wantClosed)
				}
			}
			metrics, err := p.get("/metrics")
			if err != nil || !strings.Contains(metrics, "\nfsproxy_auth_failures_total ") || strings.Contains(metrics, "\nfsproxy_auth_failures_total 0") {
				t.Errorf("no failed attempt was counted (%v)", err)
			}
		})
	}
}

// awaitStore waits until fsproxy has found the store, which these words let in.
func awaitStore(t testing.TB, p *proxy, auth ...string) {
	t.Helper()
	eventually(t, "the store being found", func() error {
		replies, err := dialWire(t, p.addr).pipeline(auth, []string{"EXISTS", "none"})
		if err == nil && replies[1] != ":0\r\n" {
			err = fmt.Errorf("%q", replies)
		}
		return err
	})
}

// aclUsers are users with different rights: password, and rules.
var aclUsers = map[string][]any{
	"own":     {">own-pw", "~*", "&*", "+@all"},
	"alice":   {">alice-pw", "~a:*", "&*", "+@all"},
	"bob":     {">bob-pw", "~b:*", "resetchannels", "+@all", "-@admin", "-eval"},
	"writer":  {">writer-pw", "%W~*", "&*", "+@all"},
	"limited": {">limited-pw", "~*", "&*", "-@all", "+get", "+acl|whoami"},
	"off":     {">off-pw", "~*", "+@all"},
}

// aclStore is a store with those users, and hashes of each.
func aclStore(t *testing.T) *store {
	t.Helper()
	s := startStore(t)
	s.load(t, map[string]hash{"a:1": {"f": "A"}, "b:1": {"f": "B"}, "c:1": {"f": "C"}})
	for user, rules := range aclUsers {
		words := append([]any{"ACL", "SETUSER", user, "reset", "on"}, rules...)
		if user == "off" {
			words[4] = "off"
		}
		if err := s.client.Do(t.Context(), words...).Err(); err != nil {
			t.Fatalf("making %s: %v", user, err)
		}
	}
	if err := s.client.Do(t.Context(), "ACL", "SETUSER", "default", "resetpass", ">default-pw").Err(); err != nil {
		t.Fatalf("giving the default user a password: %v", err)
	}
	return s
}

// aclRequests are what each user asks for.
var aclRequests = [][]string{
	{"ACL", "WHOAMI"},
	{"HMGET", "a:1", "f"},
	{"HMGET", "b:1", "f"},
	{"HMGET", "c:1", "f", "g"},
	{"HGET", "a:1", "f"},
	{"HGET", "c:1", "f"},
	{"HGETALL", "a:1"},
	{"GET", "none"},
	{"EXISTS", "b:1"},
	{"DEL", "d:1"},
	{"PUBLISH", "c", "m"},
	{"DBSIZE"},
	{"EVAL", "return redis.call('hget', KEYS[1], 'f')", "1", "a:1"},
	{"EVAL", "return redis.call('hget', 'a:1', 'f')", "0"},
	{"MULTI"},
	{"HMGET", "a:1", "f"},
	{"EXEC"},
	{"MULTI"},
	{"HMGET", "b:1", "f"},
	{"HMGET", "a:1", "f"},
	{"EXEC"},
	{"ACL", "LIST"},
	{"HMGET", "a:1", "f"},
	{"HMGET", "b:1", "f"},
}

// Whatever is in the cache, every user is answered as the store answers it.
func TestUsersSeeWhatTheStoresACLLetsThemSee(t *testing.T) {
	s := aclStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf(`
auth: {mode: upstream}
upstream: {discovery: standalone, addresses: [%q], username: own, password_file: %q, fetch_timeout: 2s}
`, s.addr, keepFile(t, "password", "own-pw\n")))
	awaitStore(t, p, "AUTH", "own", "own-pw")
	own := dialWire(t, p.addr)
	own.do(t, "AUTH", "own", "own-pw")
	for range 2 { // from the store, and from memory
		for _, key := range []string{"a:1", "b:1", "c:1"} {
			own.do(t, "HMGET", key, "f")
			own.do(t, "HMGET", key, "f", "g")
		}
	}
	before := p.fields(t)
	for user, rules := range aclUsers {
		password := strings.TrimPrefix(rules[0].(string), ">")
		t.Run(user, func(t *testing.T) {
			direct, through := dialWire(t, s.addr), dialWire(t, p.addr)
			for _, request := range append([][]string{{"AUTH", user, "wrong"}, {"HMGET", "a:1", "f"}, {"AUTH", user, password}}, aclRequests...) {
				if want, got := direct.do(t, request...), through.do(t, request...); got != want {
					t.Errorf("%q:\nanswered   %q\nRedis says %q", request, got, want)
				}
			}
			if user == "own" {
				return
			}
			if n := p.fields(t).since(before); n.fromMemory() > 0 {
				t.Errorf("%d fields were answered from memory", n.fromMemory())
			}
		})
		before = p.fields(t)
	}
	// No script of theirs has named this one.
	if got, want := own.do(t, "HMGET", "c:1", "f"), bulks("C"); got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
	if n := p.fields(t).since(before); n.fromMemory() == 0 {
		t.Error("the configured user is not answered from memory")
	}

	// One user's write is seen by the others.
	writer := dialWire(t, p.addr)
	writer.do(t, "AUTH", "writer", "writer-pw")
	writer.do(t, "HSET", "a:1", "f", "new")
	alice := dialWire(t, p.addr)
	alice.do(t, "AUTH", "alice", "alice-pw")
	for name, w := range map[string]*wire{"own": own, "alice": alice} {
		if got, want := w.do(t, "HMGET", "a:1", "f"), bulks("new"); got != want {
			t.Errorf("%s is answered %q after the write, want %q", name, got, want)
		}
	}
}

// The store is asked again once its answer is past its time.
func TestUserTakenAwayIsLetInForTheStatedTimeAtMost(t *testing.T) {
	s := aclStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf(`
auth: {mode: upstream, cache_ttl: 300ms}
upstream: {discovery: standalone, addresses: [%q], username: own, password_file: %q, fetch_timeout: 2s}
`, s.addr, keepFile(t, "password", "own-pw\n")))
	awaitStore(t, p, "AUTH", "own", "own-pw")
	attempt := func() string { return dialWire(t, p.addr).do(t, "AUTH", "alice", "alice-pw") }
	if got := attempt(); got != "+OK\r\n" {
		t.Fatalf("answered %q", got)
	}
	if err := s.client.Do(t.Context(), "AUTH", "default-pw").Err(); err != nil {
		t.Fatalf("authenticating: %v", err)
	}
	if err := s.client.Do(t.Context(), "ACL", "DELUSER", "alice").Err(); err != nil {
		t.Fatalf("taking alice away: %v", err)
	}
	eventually(t, "alice being refused", func() error {
		if got := attempt(); !strings.HasPrefix(got, "-WRONGPASS") {
			return fmt.Errorf("answered %q", got)
		}
		return nil
	})
}

// A listener that other machines reach is refused unless there is auth, with
// what would allow it.
func TestOpenListenerWithoutAuthIsRefusedAtTheStart(t *testing.T) {
	p := startProcess(t, fsproxyBinary, "serve", "--listen", "0.0.0.0:0", "--admin", "")
	if code := p.exitCode(t, 10*time.Second); code == 0 {
		t.Error("exit code 0")
	}
	for _, words := range []string{"listeners[0].address", "0.0.0.0:0", "not authenticated", "auth.mode"} {
		if !strings.Contains(p.log.tail(shownLog), words) {
			t.Errorf("the message lacks %q", words)
		}
	}
}

// certificates writes a certificate for 127.0.0.1 that vouches for itself.
func certificates(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatalf("making a certificate: %v", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatalf("writing a key: %v", err)
	}
	return keepFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		keepFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

// redis-cli and a client library get the same over TLS as without, with a
// certificate of their own where the listener asks for one.
func TestClientsOverTLS(t *testing.T) {
	s := startStore(t)
	s.load(t, map[string]hash{"st_1": {"a": "1", "b": "2"}})
	cert, key := certificates(t)
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	encrypted, mutual := loopback(freePort(t)), loopback(freePort(t))
	file := keepFile(t, "fsproxy.yaml", fmt.Sprintf(`
listeners:
  - address: %s
  - address: %s
    tls: {cert_file: %q, key_file: %q}
  - address: %s
    tls: {cert_file: %q, key_file: %q, client_ca_file: %q}
auth: {mode: password, password_file: %q}
admin: {address: %s}
upstream: {discovery: standalone, addresses: [%q], fetch_timeout: 2s}
`, p.addr, encrypted, cert, key, mutual, cert, key, cert, keepFile(t, "password", "secret"), p.admin, s.addr))
	p.process = startProcess(t, fsproxyBinary, "serve", "--config", file)
	p.waitReady(t)
	awaitStore(t, p, "AUTH", "secret")

	const script = "PING\nHMGET st_1 a b c\nHMGET st_1 a b c\nSET k v\nGET k\nMULTI\nHMGET st_1 a\nINCR n\nEXEC\nDEL n\nNONSENSE\n"
	cli := func(addr string, args ...string) string {
		_, port, _ := net.SplitHostPort(addr)
		ctx, cancel := context.WithTimeout(t.Context(), wireTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, needProgram(t, "redis-cli"), append([]string{"-p", port, "--no-raw"}, args...)...)
		cmd.Stdin = strings.NewReader(script)
		cmd.Env = append(cleanEnvironment(), "REDISCLI_AUTH=secret")
		out, _ := cmd.CombinedOutput() // redis-cli's exit code says nothing of errors
		return string(out)
	}
	trust := []string{"--tls", "--cacert", cert}
	shown := append([]string{"--cert", cert, "--key", key}, trust...)
	want := cli(p.addr)
	if !strings.Contains(want, "PONG") || !strings.Contains(want, `1) "1"`) {
		t.Fatalf("redis-cli without TLS printed\n%s", want)
	}
	for name, got := range map[string]string{
		"RESP2": cli(encrypted, trust...), "own certificate": cli(mutual, shown...),
	} {
		if got != want {
			t.Errorf("%s: redis-cli printed\n%s\nwithout TLS\n%s", name, got, want)
		}
	}
	if got, want := cli(encrypted, append(trust, "-3")...), cli(p.addr, "-3"); got != want {
		t.Errorf("RESP3: redis-cli printed\n%s\nwithout TLS\n%s", got, want)
	}
	if got := cli(mutual, trust...); strings.Contains(got, "PONG") {
		t.Errorf("without a certificate of its own redis-cli printed\n%s", got)
	}
	manyClients(t, encrypted, cert)
	p.stop()
	if code := p.exitCode(t, stopGrace); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// manyClients has a pool of connections pipeline over TLS.
func manyClients(t *testing.T, addr, cert string) {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := redis.NewClient(&redis.Options{Addr: addr, Password: "secret", TLSConfig: &tls.Config{RootCAs: roots}, PoolSize: 8})
	defer func() { _ = client.Close() }()
	failures := make(chan error, 8)
	for range cap(failures) {
		go func() {
			var err error
			for range 50 {
				pipe := client.Pipeline()
				var reads []*redis.SliceCmd
				for range 20 {
					reads = append(reads, pipe.HMGet(t.Context(), "st_1", "a", "b", "c"))
				}
				if _, err = pipe.Exec(t.Context()); err != nil {
					break
				}
				for _, r := range reads {
					if got := fmt.Sprint(r.Val()); got != "[1 2 <nil>]" {
						err = fmt.Errorf("read %s", got)
					}
				}
			}
			failures <- err
		}()
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Errorf("a client over TLS: %v", err)
		}
	}
}
