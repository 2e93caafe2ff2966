package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
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

// look does what is due now. What another replica did at the same time is not
// an error: the next look sees it.
func (k *Keeper) look(ctx context.Context, now time.Time) error {
	secret, err := k.read(ctx)
	if err != nil {
		return err
	}
	b, changed, err := k.renew(secret, now)
	if err != nil {
		return err
	}
	if changed {
		if err := k.write(ctx, secret); err != nil {
			if isStatus(err, http.StatusConflict) {
				return k.again(ctx, now)
			}
			return err
		}
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

// again is look once more, after another replica was faster. A second conflict
// is left to the next time.
func (k *Keeper) again(ctx context.Context, now time.Time) error {
	secret, err := k.read(ctx)
	if err != nil {
		return err
	}
	b, changed, err := k.renew(secret, now)
	if err != nil {
		return err
	}
	if changed {
		return errors.New("another replica writes the Secret at the same time")
	}
	if err := k.tell(ctx, joinPEM(b.authorities)); err != nil {
		return err
	}
	if !bytes.Equal(k.used, b.certificate) {
		k.used = b.certificate
		k.Use(b.leaf)
	}
	return nil
}
