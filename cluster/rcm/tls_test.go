package rcm

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/resp"
)

// pemPair are the files of a certificate for 127.0.0.1, which vouches for itself.
type pemPair struct{ certificate, key string }

func newPair(t *testing.T) pemPair {
	dir := t.TempDir()
	p := pemPair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	p.renew(t)
	return p
}

// renew puts a new certificate into the files.
func (p pemPair) renew(t *testing.T) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{p.certificate: {Type: "CERTIFICATE", Bytes: der}, p.key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// listener is what --tls-cert-file and the like make; clientCA may be "".
func (p pemPair) listener(t *testing.T, clientCA string) *tls.Config {
	t.Helper()
	secured, err := config.ListenerTLS{CertFile: p.certificate, KeyFile: p.key, ClientCAFile: clientCA}.Server(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return secured
}

// client trusts the pair, and shows own, if it has files.
func (p pemPair) client(t *testing.T, own pemPair) *tls.Config {
	t.Helper()
	secured, err := config.TLS{Enabled: true, CAFile: p.certificate, CertFile: own.certificate, KeyFile: own.key}.Client(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return secured
}

// answer is an owner that is told once.
type answer chan string

func (a answer) Done(reply []byte, _ bool, err error) cluster.Flusher {
	if err != nil {
		reply = []byte(err.Error())
	}
	a <- string(reply)
	return nil
}

// Cluster clients, the sidecar among them, read by TLS from an RCM and a fleet
// that want certificates of them.
func TestRealClientsReadThroughTheRCMUnderTLS(t *testing.T) {
	servers, clients := newPair(t), newPair(t)
	f := startFleetUnder(t, 2, 2, servers.listener(t, clients.certificate))
	secured := servers.client(t, clients)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	t.Run("go-redis", func(t *testing.T) {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{f.rcm}, TLSConfig: secured})
		defer client.Close()
		for _, entity := range f.entities {
			if got, err := client.HMGet(ctx, entity, "f").Result(); err != nil || !reflect.DeepEqual(got, []any{"value of " + entity}) {
				t.Fatalf("%s: %v, %v", entity, got, err)
			}
		}
	})
	for name, shards := range map[string]bool{"rueidis": false, "rueidis by shards": true} {
		t.Run(name, func(t *testing.T) {
			client, err := rueidis.NewClient(rueidis.ClientOption{
				InitAddress: []string{f.rcm}, TLSConfig: secured, DisableCache: true,
				ClusterOption: rueidis.ClusterOption{PreferClusterShards: shards},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for _, entity := range f.entities {
				got, err := client.Do(ctx, client.B().Hmget().Key(entity).Field("f").Build()).AsStrSlice()
				if err != nil || !reflect.DeepEqual(got, []string{"value of " + entity}) {
					t.Fatalf("%s: %v, %v", entity, got, err)
				}
			}
		})
	}
	t.Run("the sidecar", func(t *testing.T) {
		const patience = 10 * time.Second
		u := cluster.NewUpstream(cluster.Config{
			Discovery: cluster.DiscoveryConfig{Addresses: []string{f.rcm}, TLS: secured, ConnectTimeout: patience},
			TLS:       secured, ConnectTimeout: patience, FetchTimeout: patience, RefreshInterval: time.Hour, Connections: 1,
			Log: slog.New(slog.DiscardHandler),
		})
		defer u.Close()
		<-u.Looked()
		for _, entity := range f.entities {
			told := make(answer, 1)
			u.Send([]*cluster.Fetch{{
				Slot: cluster.Slot([]byte(entity)), Request: resp.AppendCommand(nil, "HMGET", entity, "f"), Owner: told, Began: 1,
			}})
			if got, want := <-told, "*1\r\n"+bulk("value of "+entity); got != want {
				t.Fatalf("%s: %q, want %q", entity, got, want)
			}
		}
		if topology, _ := u.Topology(); topology.Kind != cluster.RCM {
			t.Errorf("it is taken for %s", topology.Kind)
		}
	})
}

// Clients without the certificate that is asked for get nowhere, nor do those
// who speak in clear text; they are counted.
func TestClientsWithoutTheCertificateGetNoTopology(t *testing.T) {
	servers, clients, stranger := newPair(t), newPair(t), newPair(t)
	s, address := startSecured(t, Config{Topology: twoShards(t)}, servers.listener(t, clients.certificate))
	for _, shown := range []pemPair{{}, stranger} {
		d := cluster.NewDiscovery(cluster.DiscoveryConfig{Addresses: []string{address}, TLS: servers.client(t, shown)})
		if topology, err := d.Discover(t.Context()); err == nil {
			t.Errorf("told %v", topology.Nodes())
		}
		d.Close()
	}
	clear := dial(t, address)
	if _, err := io.WriteString(clear, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(clear); len(got) > 0 && got[0] == '+' {
		t.Errorf("clear text is answered: %q", got)
	}
	for end := time.Now().Add(20 * time.Second); s.handshakes.Load() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d failed handshakes are counted, want 3", s.handshakes.Load())
		}
	}
}

// A certificate that is renewed in its files is what the next client sees; those
// who are connected notice nothing.
func TestRenewedCertificateIsShownToTheNextClient(t *testing.T) {
	pair := newPair(t)
	_, address := startSecured(t, Config{}, pair.listener(t, ""))
	connect := func(trusting *tls.Config) (*tls.Conn, error) {
		secured := trusting.Clone()
		secured.ServerName = "127.0.0.1"
		return tls.Dial("tcp", address, secured)
	}
	old := pair.client(t, pemPair{})
	conn, err := connect(old)
	if err != nil {
		t.Fatal(err)
	}
	connected := peerOn(t, conn)
	pair.renew(t)
	renewed := pair.client(t, pemPair{})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := connect(renewed)
		if err == nil {
			peerOn(t, conn).expect("+PONG\r\n", "PING")
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if conn, err := connect(old); err == nil {
		conn.Close()
		t.Error("the old certificate is shown as well")
	}
	connected.expect("+PONG\r\n", "PING")
}

// Those who do not shake hands hold up nobody: not the clients too many, and not
// the end.
func TestHandshakesThatDoNotComeHoldUpNobody(t *testing.T) {
	pair := newPair(t)
	s, address := startSecured(t, Config{MaxClients: 1}, pair.listener(t, ""))
	dial(t, address) // takes the place, and never says a word; the end of the test does not wait for it either
	for end := time.Now().Add(20 * time.Second); s.clients.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not counted")
		}
	}
	for range 20 {
		if got, err := io.ReadAll(dial(t, address)); len(got) > 0 {
			t.Errorf("a client too many: %q, %v", got, err)
		}
	}
	if n := s.refused.Load(); n != 20 {
		t.Errorf("%d refused, want 20", n)
	}
}
