package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// Files are a certificate that somebody else makes and renews: cert-manager, in
// a Secret that is mounted.
type Files struct {
	Certificate, Key string
	Use              func(*tls.Certificate) // called for each new certificate
	Log              *slog.Logger

	// Interval between two looks; 0: ten seconds.
	Interval time.Duration

	used [2][]byte // what is in use; of the goroutine that loads
}

// filesInterval is how soon a renewed certificate is seen. The files are read
// rather than watched: they are small, and a mounted Secret changes by a swap
// of symbolic links that watching is known to miss.
const filesInterval = 10 * time.Second

// Load reads the files, and takes them into use if they have changed.
func (f *Files) Load() error {
	certificate, err := os.ReadFile(f.Certificate)
	if err != nil {
		return fmt.Errorf("read the webhook's certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return fmt.Errorf("read the webhook's key: %w", err)
	}
	if bytes.Equal(f.used[0], certificate) && bytes.Equal(f.used[1], key) {
		return nil
	}
	c, err := pair(certificate, key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", f.Certificate, f.Key, err)
	}
	f.used = [2][]byte{certificate, key}
	f.Use(c)
	f.Log.Info("a certificate is in use", "until", c.Leaf.NotAfter.UTC().Format(time.RFC3339))
	return nil
}

// Run looks at the files until ctx ends. Files that cannot be used leave what
// is in use.
func (f *Files) Run(ctx context.Context) {
	interval := f.Interval
	if interval == 0 {
		interval = filesInterval
	}
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if err := f.Load(); err != nil && !failing {
			f.Log.Error("the webhook's certificate cannot be read anew; the old one stays in use", "error", err)
			failing = true
		} else if err == nil {
			failing = false
		}
	}
}
