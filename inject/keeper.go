package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Keeper makes the webhook's certificates, keeps them in a Secret that all
// replicas share, renews them, and tells the API server by the webhook's
// configuration whom to trust.
//
// Nothing is used before it is trusted: a new authority is first kept, then told
// to the API server, and only then signs. All replicas do the same, and what
// one wrote meanwhile wins (resourceVersion), so none needs to lead.
type Keeper struct {
	API       *APIServer
	Namespace string
	Secret    string // its name
	Webhook   string // name of the MutatingWebhookConfiguration
	Service   string // its webhooks that ask this Service, in Namespace, are told
	Names     []string
	Use       func(*tls.Certificate) // called for each new certificate
	Log       *slog.Logger

	// Interval between two looks; 0: a minute.
	Interval time.Duration

	used []byte // the certificate in use; of Run's goroutine
}

// Keys of the Secret. Those of the certificate are the ones that Secrets of the
// type kubernetes.io/tls have.
const (
	certificateKey  = "tls.crt"
	privateKey      = "tls.key"
	authoritiesKey  = "ca.crt" // the newest last
	authorityKeyKey = "ca.key" // of the newest
)

const (
	// keeperInterval bounds how long a replica serves a certificate that another
	// has replaced: far less than the third of its life that is left then.
	keeperInterval = time.Minute

	// keeperRetry is how soon a look that failed is repeated.
	keeperRetry = 5 * time.Second

	// trustDelay is for how long an authority must have been told to the API
	// server before it signs: all API servers have then heard of it.
	trustDelay = 10 * time.Minute
)

// Run looks after the certificate until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	failing := false
	for {
		wait := max(k.Interval, time.Nanosecond)
		if k.Interval == 0 {
			wait = keeperInterval
		}
		err := k.look(ctx, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			if !failing {
				k.Log.Error("the webhook's certificate cannot be looked after; it is tried again", "error", err, "every", keeperRetry)
			}
			failing, wait = true, min(wait, keeperRetry)
		case failing:
			k.Log.Info("the webhook's certificate is looked after again")
			failing = false
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// bundle is what the Secret holds.
type bundle struct {
	authorities []*x509.Certificate // the newest last
	signer      *authority          // the newest
	leaf        *tls.Certificate
	certificate []byte // the leaf as PEM
}

// look does what is due now.
func (k *Keeper) look(ctx context.Context, now time.Time) error {
	b, err := k.settle(ctx, now)
	if err != nil {
		return err
	}
	if err := k.tell(ctx, joinPEM(b.authorities)); err != nil {
		return err
	}
	if !bytes.Equal(k.used, b.certificate) {
		k.used = b.certificate
		k.Use(b.leaf)
		k.Log.Info("a certificate is in use", "until", b.leaf.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// settle brings the Secret up to date. Where another replica wrote it at the
// same time, that one's work is read and judged anew.
func (k *Keeper) settle(ctx context.Context, now time.Time) (*bundle, error) {
	var err error
	for range maxConflicts {
		var (
			secret  object
			b       *bundle
			changed bool
		)
		if secret, err = k.read(ctx); err != nil {
			return nil, err
		}
		if b, changed, err = k.renew(secret, now); err != nil {
			return nil, err
		}
		if !changed {
			return b, nil
		}
		if err = k.write(ctx, secret); err == nil {
			return b, nil
		}
		if !isStatus(err, http.StatusConflict) {
			return nil, err
		}
	}
	return nil, err
}

// maxConflicts is how often the Secret is read again in one look.
const maxConflicts = 3

func (k *Keeper) secretPath() string { return "/api/v1/namespaces/" + k.Namespace + "/secrets" }

// read gets the Secret. One that does not exist has no resourceVersion.
func (k *Keeper) read(ctx context.Context) (object, error) {
	var secret object
	err := k.API.do(ctx, http.MethodGet, k.secretPath()+"/"+k.Secret, "", nil, &secret)
	if isStatus(err, http.StatusNotFound) {
		return object{
			"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
			"metadata": object{"name": k.Secret, "namespace": k.Namespace},
		}, nil
	}
	return secret, err
}

// write creates or replaces the Secret, if it is still as it was read.
func (k *Keeper) write(ctx context.Context, secret object) error {
	if text(inner(secret, "metadata"), "resourceVersion") == "" {
		return k.API.do(ctx, http.MethodPost, k.secretPath(), "application/json", secret, nil)
	}
	return k.API.do(ctx, http.MethodPut, k.secretPath()+"/"+k.Secret, "application/json", secret, nil)
}

// renew makes what is missing or due, and puts it into the Secret's data. What
// the Secret holds and cannot be read is made anew.
func (k *Keeper) renew(secret object, now time.Time) (b *bundle, changed bool, err error) {
	data := section(secret, "data")
	b, err = parseBundle(data, now)
	if err != nil {
		if len(data) > 0 {
			k.Log.Warn("the Secret's certificates cannot be used, so new ones are made", "secret", k.Secret, "reason", err)
		}
		b = new(bundle)
	}
	if b.signer == nil || isDue(b.signer.certificate, now) {
		if b.signer, err = newAuthority(now); err != nil {
			return nil, false, fmt.Errorf("make a certificate authority: %w", err)
		}
		b.authorities = append(b.authorities, b.signer.certificate)
		changed = true
	}
	if k.leafIsDue(b, now) {
		certificate, key, err := b.signer.issue(k.Names, now)
		if err == nil {
			b.leaf, err = pair(certificate, key)
		}
		if err != nil {
			return nil, false, fmt.Errorf("make a certificate: %w", err)
		}
		b.certificate = certificate
		data[privateKey] = base64.StdEncoding.EncodeToString(key)
		changed = true
	}
	if !changed {
		return b, false, nil
	}
	authorityKey, err := keyPEM(b.signer.key)
	if err != nil {
		return nil, false, err
	}
	data[certificateKey] = base64.StdEncoding.EncodeToString(b.certificate)
	data[authoritiesKey] = base64.StdEncoding.EncodeToString(joinPEM(b.authorities))
	data[authorityKeyKey] = base64.StdEncoding.EncodeToString(authorityKey)
	return b, true, nil
}

// leafIsDue tells whether the server's certificate has to be made anew: there
// is none, it is for other names, or it nears its end and a new one would be
// trusted.
func (k *Keeper) leafIsDue(b *bundle, now time.Time) bool {
	if b.leaf == nil || now.After(b.leaf.Leaf.NotAfter) {
		return true
	}
	for _, name := range k.Names {
		if !slices.Contains(b.leaf.Leaf.DNSNames, name) {
			return true
		}
	}
	isTrusted := now.After(b.signer.certificate.NotBefore.Add(clockSkew + trustDelay))
	return isDue(b.leaf.Leaf, now) && isTrusted
}

// parseBundle reads the Secret's data. Authorities that have ended are left out.
func parseBundle(data object, now time.Time) (*bundle, error) {
	decoded := map[string][]byte{}
	for _, key := range []string{certificateKey, privateKey, authoritiesKey, authorityKeyKey} {
		value, err := base64.StdEncoding.DecodeString(text(data, key))
		if err != nil || len(value) == 0 {
			return nil, fmt.Errorf("%s is missing or malformed", key)
		}
		decoded[key] = value
	}
	b := &bundle{certificate: decoded[certificateKey]}
	var err error
	if b.leaf, err = pair(decoded[certificateKey], decoded[privateKey]); err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certificateKey, privateKey, err)
	}
	if b.authorities, err = parseCertificates(decoded[authoritiesKey]); err != nil {
		return nil, fmt.Errorf("%s: %w", authoritiesKey, err)
	}
	b.authorities = slices.DeleteFunc(b.authorities, func(c *x509.Certificate) bool { return now.After(c.NotAfter) })
	key, err := parseKey(decoded[authorityKeyKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authorityKeyKey, err)
	}
	if len(b.authorities) == 0 || !key.PublicKey.Equal(b.authorities[len(b.authorities)-1].PublicKey) {
		return nil, fmt.Errorf("%s is not of the last certificate of %s", authorityKeyKey, authoritiesKey)
	}
	b.signer = &authority{b.authorities[len(b.authorities)-1], key}
	pool := x509.NewCertPool()
	for _, c := range b.authorities {
		pool.AddCert(c)
	}
	if _, err := b.leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: b.leaf.Leaf.NotBefore.Add(clockSkew)}); err != nil {
		return nil, fmt.Errorf("%s: %w", certificateKey, err)
	}
	return b, nil
}

// tell gives the API server the authorities, if it does not have them.
func (k *Keeper) tell(ctx context.Context, authorities []byte) error {
	path := "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + k.Webhook
	var configuration object
	if err := k.API.do(ctx, http.MethodGet, path, "", nil, &configuration); err != nil {
		return fmt.Errorf("read the webhook's configuration: %w", err)
	}
	want := base64.StdEncoding.EncodeToString(authorities)
	var patch []Operation
	told := false
	for i, w := range elements(configuration, "webhooks") {
		service := inner(w, "clientConfig", "service")
		isOurs := text(service, "name") == k.Service && text(service, "namespace") == k.Namespace
		told = told || isOurs
		if !isOurs || text(inner(w, "clientConfig"), "caBundle") == want {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d", i)
		// The test keeps it from another webhook's place, should the list have
		// changed meanwhile.
		patch = append(patch,
			Operation{Op: "test", Path: at + "/name", Value: text(w, "name")},
			Operation{Op: "add", Path: at + "/clientConfig/caBundle", Value: want})
	}
	if !told {
		return fmt.Errorf("the webhook's configuration %s has no webhook of the Service %s in %s", k.Webhook, k.Service, k.Namespace)
	}
	if len(patch) == 0 {
		return nil
	}
	if err := k.API.do(ctx, http.MethodPatch, path, "application/json-patch+json", patch, nil); err != nil {
		return fmt.Errorf("tell the API server whom to trust: %w", err)
	}
	return nil
}
