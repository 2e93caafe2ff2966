package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// certificate is one for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.TLS.Certificates[0], pool
}

func TestTheSourceAuthenticatesByEachMechanismOverTLS(t *testing.T) {
	own, pool := certificate(t)
	trusting := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	for name, kafkaName := range map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"} {
		t.Run(name, func(t *testing.T) {
			k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(2, updates), kfake.EnableSASL(),
				kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}),
				kfake.Superuser(kafkaName, "reader", "secret"), kfake.Superuser("PLAIN", "producer", "secret"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			r := newRig(t, k, func(c *Config) {
				c.TLS, c.SASL = trusting, SASL{Mechanism: name, Username: "reader", Password: "secret"}
			}).started()
			r.client = newProducer(t, k, kgo.DialTLSConfig(trusting), kgo.SASL(plain.Auth{User: "producer", Pass: "secret"}.AsMechanism()))
			r.produce(0, "", says("e"))
			r.wants(evicted("e"))
		})
	}
}

func TestAWrongPasswordIsSaidAndNotPrinted(t *testing.T) {
	k := newKafka(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "secret"))
	r := newRig(t, k, func(c *Config) { c.SASL = SASL{Mechanism: "plain", Username: "reader", Password: "hunter2"} }).run()
	r.until("refused", func() bool { return r.status().Error != "" })
	if said := r.status().Error; strings.Contains(said, "hunter2") || !strings.Contains(said, "password right") {
		t.Errorf("%q", said)
	}
}

func TestAnUnknownMechanismIsRefused(t *testing.T) {
	if _, err := (SASL{Mechanism: "gssapi"}).mechanism(); err == nil {
		t.Error("no error")
	}
}
