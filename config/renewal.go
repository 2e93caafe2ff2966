package config

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// lookAgain is how long what certificate files held is taken to be what they
// hold. They are small, and read when somebody connects rather than watched: a
// mounted Secret changes by a swap of symbolic links that watching is known to miss.
const lookAgain = time.Second

// renewal has connections begin with what certificate files hold by then.
type renewal struct {
	read func() (*tls.Config, error) // reads the files; its result has a certificate
	log  *slog.Logger

	inUse atomic.Pointer[tls.Config]

	mu      sync.Mutex // protects what follows; whoever finds it held takes what is in use
	looked  time.Time
	failing bool
}

// newRenewal reads the files for the first time.
func newRenewal(log *slog.Logger, read func() (*tls.Config, error)) (*renewal, error) {
	config, err := read()
	if err != nil {
		return nil, err
	}
	r := &renewal{read: read, log: log, looked: time.Now()}
	r.inUse.Store(config)
	return r, nil
}

// current is what the files hold. Files that cannot be used, as in the midst of
// being replaced, leave what is in use.
func (r *renewal) current() *tls.Config {
	if !r.mu.TryLock() {
		return r.inUse.Load()
	}
	defer r.mu.Unlock()
	before := r.inUse.Load()
	if time.Since(r.looked) < lookAgain {
		return before
	}
	r.looked = time.Now()
	config, err := r.read()
	if err != nil {
		if !r.failing {
			r.log.Error("certificate files cannot be read anew; what they held stays in use", "error", err)
		}
		r.failing = true
		return before
	}
	r.failing = false
	r.inUse.Store(config)
	if now := config.Certificates[0]; !bytes.Equal(now.Certificate[0], before.Certificates[0].Certificate[0]) {
		r.log.Info("a renewed certificate is in use", "until", now.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return config
}

// server has each connection begin with what the files hold.
func (r *renewal) server() *tls.Config {
	config := r.inUse.Load().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return r.current(), nil }
	return config
}

// client shows the certificate that the files hold, where the server can take it.
func (r *renewal) client() *tls.Config {
	config := r.inUse.Load().Clone()
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		certificate := &r.current().Certificates[0]
		if request.SupportsCertificate(certificate) != nil {
			return new(tls.Certificate), nil
		}
		return certificate, nil
	}
	return config
}
