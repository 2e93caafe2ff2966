package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// encrypted is a TCP connection with TLS on it.
func encrypted(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := tcp(t)
	server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := errors.Join(server.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// TestEndingDoesNotWaitForWhoDoesNotRead has the end of a TLS connection whose
// other side reads nothing wait for nobody: whoever ends it may be in the middle
// of serving others.
func TestEndingDoesNotWaitForWhoDoesNotRead(t *testing.T) {
	for name, end := range map[string]func(o *Output){
		"abort": (*Output).Abort,
		"close": func(o *Output) { _ = o.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ours, _ := encrypted(t)
			// Filled by hand, so that no write is under way that the end could
			// interrupt.
			fill(t, ours)
			o := NewOutput(ours, 1<<20)
			ended := make(chan struct{})
			go func() { defer close(ended); end(o) }()
			select {
			case <-ended:
			case <-time.After(3 * time.Second): // crypto/tls waits for five
				t.Error("it waits")
				<-ended
			}
		})
	}
}

// fill writes to what lies below TLS until the kernel takes no more.
func fill(t *testing.T, c net.Conn) {
	t.Helper()
	below := c.(*tls.Conn).NetConn()
	for taken := 1; taken > 0; {
		_ = below.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		taken, _ = below.Write(make([]byte, 1<<20))
	}
	_ = below.SetWriteDeadline(time.Time{})
}
