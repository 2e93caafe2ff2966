package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
)

// maxPEMBytes bounds the files of certificates: the system's whole bundle has
// about 200 KiB.
const maxPEMBytes = 4 << 20

// Client is the configuration of connections to the store, or to Kafka, or nil
// where TLS is not enabled. A certificate that is renewed in its files is shown
// from then on; the authorities are those of now. ServerName is empty unless
// configured: the caller sets the host it dials.
func (t TLS) Client(log *slog.Logger) (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	if t.CertFile == "" {
		return t.read()
	}
	r, err := newRenewal(log, t.read)
	if err != nil {
		return nil, err
	}
	return r.client(), nil
}

// read is Client for what the files hold now.
func (t TLS) read() (*tls.Config, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file: %w", err)
	}
	certificates, err := t.certificates()
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		RootCAs:      roots,
		Certificates: certificates,
		ServerName:   t.ServerName,
	}, nil
}

// roots is nil for the system's own.
func (t TLS) roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	text, err := readBounded(t.CAFile, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("the file holds no PEM certificate")
	}
	return pool, nil
}

func (t TLS) certificates() ([]tls.Certificate, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	certificate, err := readBounded(t.CertFile, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	key, err := readBounded(t.KeyFile, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{pair}, nil
}
