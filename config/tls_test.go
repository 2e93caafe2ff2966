package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"strings"
	"testing"
)

// selfSigned writes a new certificate and its key, and returns their paths.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return certificate, writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

func TestTLSClientHasWhatTheFilesHold(t *testing.T) {
	certificate, key := selfSigned(t)
	cfg := load(t, Sources{Environ: []string{
		"FSPROXY_UPSTREAM_TLS_ENABLED=true", "FSPROXY_UPSTREAM_TLS_CA_FILE=" + certificate,
		"FSPROXY_UPSTREAM_TLS_CERT_FILE=" + certificate, "FSPROXY_UPSTREAM_TLS_KEY_FILE=" + key,
		"FSPROXY_UPSTREAM_TLS_SERVER_NAME=store",
	}})
	client, err := cfg.Upstream.TLS.Client(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if client.RootCAs == nil || len(client.Certificates) != 1 || client.ServerName != "store" || client.InsecureSkipVerify {
		t.Errorf("got %+v", client)
	}
	if client, err := Default().Upstream.TLS.Client(slog.New(slog.DiscardHandler)); client != nil || err != nil {
		t.Errorf("TLS by default: %v, %v", client, err)
	}
}

func TestTLSFilesThatHoldNoCertificateAreRefused(t *testing.T) {
	certificate, key := selfSigned(t)
	_, other := selfSigned(t)
	const base = "FSPROXY_UPSTREAM_TLS_"
	for name, environ := range map[string][]string{
		base + "CA_FILE":   {base + "CA_FILE=" + key},
		base + "CERT_FILE": {base + "CERT_FILE=" + certificate, base + "KEY_FILE=" + other},
	} {
		_, err := Load(Sources{Environ: append(environ, base+"ENABLED=true")})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
