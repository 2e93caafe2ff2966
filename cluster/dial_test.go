package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestCredentialsArePresentedAsConfigured(t *testing.T) {
	for _, c := range []struct{ username, password, want string }{
		{"", "", ""},
		{"", "pass word", "AUTH pass word"},
		{"reader", "secret", "AUTH reader secret"},
		{"reader", "", ""}, // a name alone proves nothing
	} {
		t.Run(c.want, func(t *testing.T) {
			noLeaks(t)
			fetcher := startFake(t)
			// Discovery has no credentials here, so that all AUTHs are ours.
			u := upstreamOf(t, func(cfg *Config) { cfg.Username, cfg.Password = c.username, c.password }, fetcher)
			if got := get(t, u, "k"); got.err != nil {
				t.Fatal(got.err)
			}
			fetcher.mu.Lock()
			defer fetcher.mu.Unlock()
			if i := slices.IndexFunc(fetcher.commands, func(s string) bool { return strings.HasPrefix(s, "AUTH") }); c.want == "" && i >= 0 || c.want != "" && (i < 0 || fetcher.commands[i] != c.want) {
				t.Errorf("sent %q, want %q", fetcher.commands, c.want)
			}
		})
	}
}

func TestRefusedCredentialsAreExplainedAndKeptSecret(t *testing.T) {
	const password = "hunter2-hunter2"
	for name, refusal := range map[string]string{
		"wrong":          "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
		"not configured": "-ERR AUTH <password> called without any password configured for the default user.\r\n",
		"repeated":       "-ERR unknown command 'AUTH', with args beginning with: '" + password + "' \r\n",
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			fetcher := startFake(t)
			greet := behaviour(says(refusal))
			fetcher.greet.Store(&greet)
			u := upstreamOf(t, func(c *Config) { c.Password = password }, fetcher)
			a := ask("k")
			send(u, a)
			got := a.mustFail(t, fetcher.addr, "upstream.password_file")
			if strings.Contains(got.err.Error(), password) {
				t.Errorf("the password is in the message: %v", got.err)
			}
			if n := fetcher.reads.Load(); n > 0 {
				t.Error("read without credentials")
			}
		})
	}
}

func TestReplicasAreToldThatReadsAreWanted(t *testing.T) {
	for _, kind := range []string{KindStandalone, KindCluster, KindRCM} {
		t.Run(kind, func(t *testing.T) {
			noLeaks(t)
			fetcher := startFake(t)
			slots := slotsOf([]*fake{fetcher})
			fetcher.slots.Store(&slots)
			u := lookingFor(t, func(c *Config) { c.Discovery.Kind = kind }, fetcher)
			found(t, u)
			if got := get(t, u, "k"); got.err != nil {
				t.Fatal(got.err)
			}
			if n := fetcher.saw("READONLY"); (n > 0) != (kind == KindCluster) {
				t.Errorf("READONLY was sent %d times", n)
			}
		})
	}
}

// What other commands use is no reader: a primary must take its writes.
func TestDialSaysNothingOfReading(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	slots := slotsOf([]*fake{fetcher})
	fetcher.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Password = "secret" }, fetcher)
	found(t, u)
	nc, err := u.Dial(t.Context(), fetcher.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if fetcher.saw("AUTH secret") != 1 || fetcher.saw("READONLY") != 0 {
		t.Errorf("sent %q", fetcher.commands)
	}
	if reply, err := Ask1(nc, "HMGET", "k", "1"); err != nil || string(reply) != echoed("HMGET", "k", "1") {
		t.Errorf("got %q, %v", reply, err)
	}
	if _, err := Ask1(nc, "NONSENSE"); err == nil || !strings.HasPrefix(err.Error(), "ERR unknown command") {
		t.Errorf("an error reply came as %v", err)
	}
}

// A server that says more than it was asked is out of step from then on.
func TestGreetingWithMoreThanItsReplyIsRefused(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	greet := behaviour(says("+OK\r\n*1\r\n$5\r\nwrong\r\n"))
	fetcher.greet.Store(&greet)
	u := upstreamOf(t, func(c *Config) { c.Password = "secret" }, fetcher)
	for range 20 {
		get(t, u, "k").mustNotBeAnswer(t)
	}
}

func TestGreetingTakesNoLongerThanTheConnectTimeout(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	greet := behaviour(hang)
	fetcher.greet.Store(&greet)
	u := upstreamOf(t, func(c *Config) {
		c.Password, c.ConnectTimeout = "secret", 100*time.Millisecond
	}, fetcher)
	a := ask("k")
	send(u, a)
	got := a.mustFail(t, fetcher.addr)
	if got.took > u.cfg().ConnectTimeout+slack {
		t.Errorf("it took %s", got.took)
	}
}

func TestCloseDoesNotWaitForAGreeting(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	greet := behaviour(hang)
	fetcher.greet.Store(&greet)
	u := upstreamOf(t, func(c *Config) { c.Password, c.ConnectTimeout = "secret", time.Minute }, fetcher)
	a := ask("k")
	send(u, a)
	until(t, "it greets", func() bool { return fetcher.saw("AUTH") > 0 })
	began := time.Now()
	u.Close()
	if took := time.Since(began); took > slack {
		t.Errorf("Close took %s", took)
	}
	a.mustFail(t, "stopping")
}

func TestFetchesOverTLS(t *testing.T) {
	noLeaks(t)
	server := httptest.NewTLSServer(nil)
	certificate := server.TLS.Certificates
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	server.Close()
	fetcher := &fake{t: t, addr: "127.0.0.1:0", tls: &tls.Config{Certificates: certificate}}
	fetcher.will(echo)
	fetcher.start()
	t.Cleanup(fetcher.stop)
	config := &tls.Config{RootCAs: roots}
	u := upstreamOf(t, func(c *Config) {
		c.TLS, c.Discovery.TLS = config, config
		c.Password = "secret"
	}, fetcher)
	drive(t, u, 200, 8)
	long := ask("long", strings.Repeat("v", 3*readBuffer))
	send(u, long)
	long.mustAnswer(t)
	// The connection ends with fetches on their way, again and again.
	for range 20 {
		askers := []*asker{ask("a"), ask("b"), ask("c")}
		go fetcher.cut()
		for _, a := range askers {
			send(u, a)
		}
		for _, a := range askers {
			a.wait(t)
		}
	}

	untrusted := upstreamOf(t, func(c *Config) {
		c.TLS, c.Discovery.TLS = &tls.Config{}, config
	}, fetcher)
	a := ask("k")
	send(untrusted, a)
	a.mustFail(t, fetcher.addr, "certificate")
}

func TestFetchesFromMiniredisWithAUser(t *testing.T) {
	noLeaks(t)
	m := miniredis.NewMiniRedis()
	m.RequireUserAuth("reader", "secret")
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.HSet("st_1", "1", "a", "2", "b")
	m.Set("text", "x")
	u := lookingFor(t, func(c *Config) {
		c.Discovery = DiscoveryConfig{Kind: KindStandalone, Addresses: []string{m.Addr()}, Username: "reader", Password: "secret"}
		c.Username, c.Password = "reader", "secret"
	})
	found(t, u)
	if got := get(t, u, "st_1", "2", "3", "1"); got.err != nil || got.reply != "*3\r\n$1\r\nb\r\n$-1\r\n$1\r\na\r\n" {
		t.Errorf("got %+v", got)
	}
	if got := get(t, u, "text", "1"); got.err != nil || !strings.HasPrefix(got.reply, "-WRONGTYPE") {
		t.Errorf("an error of the store is its answer; got %+v", got)
	}
}
