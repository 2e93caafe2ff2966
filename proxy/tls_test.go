package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/resp"
)

// identity is a new certificate that vouches for itself.
func identity(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"fsproxy.test"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// tlsStack is a stack whose listener speaks TLS, and what its clients need.
func tlsStack(t *testing.T, addr string, change ...func(*setup)) (*stack, *tls.Config) {
	t.Helper()
	certificate, roots := identity(t)
	encrypted := func(s *setup) {
		s.listener = tls.NewListener(listen(t), &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}})
	}
	return newStack(t, addr, append([]func(*setup){encrypted}, change...)...), &tls.Config{RootCAs: roots, ServerName: "fsproxy.test"}
}

func (s *stack) dialTLS(config *tls.Config) *peer {
	s.t.Helper()
	nc, err := tls.Dial("tcp", s.addr, config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	return &peer{t: s.t, Conn: nc, framer: resp.NewFramer(256 << 20)}
}

// All that a plain connection does, one of TLS does too.
func TestTLSConnectionIsServedLikeAnyOther(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F", "g", "G")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s, config := tlsStack(t, store.Addr(), withPassword)
		config.MaxVersion = version
		p := s.dialTLS(config)
		p.wantsDone("PING", noAuth)
		p.wantsDone("AUTH secret", "+OK\r\n")
		for range 3 {
			p.send(cmds("HMGET h f g x", "SET k v", "GET k", "HGET h g", "PING"))
			p.wants(array("F", "G", "-"), "+OK\r\n", bulk("v"), bulk("G"), "+PONG\r\n")
		}
		p.wantsDone("HMGET h f g x", array("F", "G", "-"))
		if s.hits() == 0 {
			t.Error("no hit")
		}
		value := strings.Repeat("0123456789abcdef", 1<<20/16)
		p.send("*3\r\n" + bulk("SET") + bulk("k") + bulk(value) + cmd("GET k"))
		p.wants("+OK\r\n", bulk(value))
		p.send(cmds("SUBSCRIBE c"))
		p.wants("*3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n")
		store.Publish("c", "news")
		p.wants(array("message", "c", "news"))
	}
}

// What the server does not take ends the handshake: older versions, and no TLS.
func TestWhatIsNotTLSIsNotServed(t *testing.T) {
	s, config := tlsStack(t, miniredis.RunT(t).Addr())
	config.MaxVersion, config.MinVersion = tls.VersionTLS11, tls.VersionTLS10
	if _, err := tls.Dial("tcp", s.addr, config); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	p := s.dial()
	p.send(cmd("PING"))
	if reply, err := p.next(); err == nil {
		t.Errorf("clear text is answered: %q", reply)
	}
	await(t, "they are gone", func() bool { return s.server.Stats().Connections == 0 })
}

// A client without the certificate that the listener wants gets nowhere.
func TestClientsNeedACertificateWhereOneIsAskedFor(t *testing.T) {
	store := miniredis.RunT(t)
	own, roots := identity(t)
	theirs, clients := identity(t)
	stranger, _ := identity(t)
	s := newStack(t, store.Addr(), func(s *setup) {
		s.listener = tls.NewListener(listen(t), &tls.Config{
			Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		})
	})
	s.dialTLS(&tls.Config{RootCAs: roots, ServerName: "fsproxy.test", Certificates: []tls.Certificate{theirs}}).wantsDone("PING", "+PONG\r\n")
	for _, shown := range [][]tls.Certificate{nil, {stranger}} {
		p := s.dialTLS(&tls.Config{RootCAs: roots, ServerName: "fsproxy.test", Certificates: shown})
		_, _ = p.Conn.Write([]byte(cmd("PING"))) // in TLS 1.3 the client hears of it when it reads
		if reply, err := p.next(); err == nil {
			t.Errorf("answered: %q", reply)
		}
	}
}

// The ends of a connection are the same under TLS: nothing that is owed is lost,
// and nobody is kept waiting.
func TestTLSConnectionEndsInOrder(t *testing.T) {
	store := newFakeStore(t)
	s, config := tlsStack(t, store.addr)

	half := s.dialTLS(config)
	half.send(cmds("HMGET e f", "GET k", "PING"))
	half.closeWrite()
	asked := store.wantsAll("HMGET e f", "GET k")
	asked["GET k"].reply(bulk("K"))
	asked["HMGET e f"].reply(array("F"))
	half.wants(array("F"), bulk("K"), "+PONG\r\n")
	half.wantsEnd()

	quit := s.dialTLS(config)
	quit.send(cmds("HMGET e2 f", "QUIT") + strings.Repeat(cmd("PING"), 1000))
	store.wants("HMGET e2 f").reply(array("F2"))
	quit.wants(array("F2"), "+OK\r\n")
	quit.wantsEnd()

	malformed := s.dialTLS(config)
	malformed.send("*1\r\n:1\r\n" + strings.Repeat("more of the same", 1000))
	malformed.wants("-ERR Protocol error: expected '$', got ':'\r\n")
	malformed.wantsEnd()

	killed := s.dialTLS(config)
	killed.wantsDone("PING", "+PONG\r\n")
	s.dialTLS(config).wantsDone("CLIENT KILL ADDR "+killed.LocalAddr().String(), ":1\r\n")
	if reply, err := killed.next(); err == nil {
		t.Errorf("killed, and answered %q", reply)
	}
	gone := s.dialTLS(config)
	gone.wantsDone("PING", "+PONG\r\n")
	_ = gone.Conn.(*tls.Conn).NetConn().Close() // without a farewell
	await(t, "they are forgotten", func() bool { return s.server.Stats().Connections == 1 })
}

// A client under TLS that never reads is closed at the output limit; others, and
// those who count, do not notice.
func TestTLSClientThatNeverReadsIsClosed(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", strings.Repeat("x", 100_000))
	s, config := tlsStack(t, store.Addr(), func(s *setup) { s.proxy.MaxOutputBytes = 4 << 20 })
	greedy, modest := s.dialTLS(config), s.dialTLS(config)
	modest.do("HMGET h f")
	if !greedy.sendUntilClosed(strings.Repeat(cmd("HMGET h f"), 20)) {
		t.Fatal("a client that never reads was not closed")
	}
	await(t, "it is counted", func() bool { return s.server.Stats().OutputLimit == 1 })
	modest.do("HMGET h f")
}

// Draining answers what is in flight, says farewell, and waits for nobody who
// has not even shaken hands.
func TestDrainUnderTLS(t *testing.T) {
	store := newFakeStore(t)
	s, config := tlsStack(t, store.addr)
	silent := dial(t, s.addr)
	idle, busy := s.dialTLS(config), s.dialTLS(config)
	idle.wantsDone("PING", "+PONG\r\n")
	busy.send(cmds("HMGET e f", "GET k"))
	asked := store.wantsAll("HMGET e f", "GET k")
	s.cancel()
	idle.wantsEnd()
	if err := silent.more(patience); err == nil {
		t.Errorf("something came to who said nothing: %q", silent.buf)
	}
	asked["HMGET e f"].reply(array("F"))
	asked["GET k"].reply(bulk("K"))
	busy.wants(array("F"), bulk("K"))
	busy.wantsEnd()
	s.stop()
}

// Clients too many under TLS are turned down without waiting for their
// handshakes, or nobody else could connect meanwhile.
func TestTLSClientTooManyHoldsUpNobody(t *testing.T) {
	s, config := tlsStack(t, miniredis.RunT(t).Addr(), func(s *setup) { s.proxy.MaxClients = 1 })
	p := s.dialTLS(config)
	p.wantsDone("PING", "+PONG\r\n")
	const silent = 40
	for range silent {
		if err := dial(t, s.addr).more(patience); err == nil {
			t.Fatal("a client too many was answered")
		}
	}
	if n := s.server.Stats().Refused; n != silent {
		t.Errorf("%d refused, want %d", n, silent)
	}
	_ = p.Close()
	await(t, "its place is free", func() bool { return s.server.Stats().Connections == 0 })
	s.dialTLS(config).wantsDone("PING", "+PONG\r\n")
}
