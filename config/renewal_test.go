package config

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// copyFile puts what is in one file into another.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a listener shows, and whom it trusts, is what the files hold when a client
// connects; files in the midst of being replaced leave what was in use.
func TestRenewedFilesOfAListenerAreInUseForTheNextClient(t *testing.T) {
	certificate, key := selfSigned(t)
	renewed, renewedKey := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		server, err := ListenerTLS{CertFile: certificate, KeyFile: key, ClientCAFile: certificate}.Server(slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		current := func() *tls.Config {
			time.Sleep(lookAgain)
			config, err := server.GetConfigForClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			return config
		}
		shown := func(c *tls.Config) string { return string(c.Certificates[0].Certificate[0]) }
		first := current()
		if shown(first) != shown(server) || first.ClientAuth != tls.RequireAndVerifyClientCert || log.Len() > 0 {
			t.Fatalf("at first %+v, log %q", first, log.String())
		}
		copyFile(t, renewed, certificate)
		for range 3 { // the key is still the old one
			if got := current(); shown(got) != shown(first) || !got.ClientCAs.Equal(first.ClientCAs) {
				t.Fatal("half of a pair is in use")
			}
		}
		copyFile(t, renewedKey, key)
		got := current()
		if shown(got) == shown(first) || got.ClientCAs.Equal(first.ClientCAs) {
			t.Error("the renewed certificate, or authority, is not in use")
		}
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		if shown(current()) != shown(got) {
			t.Error("a file that is gone ended what was in use")
		}
		said := log.String()
		if strings.Count(said, "stays in use") != 2 || strings.Count(said, "renewed certificate is in use") != 1 {
			t.Errorf("logged %s", said)
		}
	})
}

// A client's certificate is the one that the file holds when it connects, and
// none where the server could not take it.
func TestRenewedCertificateOfAClientIsShownNext(t *testing.T) {
	certificate, key := selfSigned(t)
	renewed, renewedKey := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		client, err := TLS{Enabled: true, CertFile: certificate, KeyFile: key}.Client(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		shown := func(authorities ...[]byte) [][]byte {
			time.Sleep(lookAgain)
			got, err := client.GetClientCertificate(&tls.CertificateRequestInfo{
				AcceptableCAs: authorities, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, Version: tls.VersionTLS13,
			})
			if err != nil {
				t.Fatal(err)
			}
			return got.Certificate
		}
		first := shown()
		copyFile(t, renewed, certificate)
		copyFile(t, renewedKey, key)
		if second := shown(); len(first) != 1 || len(second) != 1 || bytes.Equal(first[0], second[0]) {
			t.Errorf("shown %x, then %x", first, second)
		}
		if got := shown([]byte("another")); got != nil {
			t.Error("shown to a server that does not take it")
		}
	})
}
