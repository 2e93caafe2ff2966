package cluster

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// DefaultUser is who authenticates without a name.
const DefaultUser = "default"

// Credentials are what one client presents to the store. Nothing prints the
// password.
type Credentials struct {
	User     string
	Named    bool // the client named the user; AUTH with a password alone means DefaultUser
	Password string
}

// String names the user alone.
func (c Credentials) String() string { return "user " + strconv.Quote(c.User) }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// MarshalText is String.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// DialAs is Dial with a client's credentials instead of the configured ones.
// Refusal reads its error.
func (u *Upstream) DialAs(ctx context.Context, addr string, who *Credentials) (net.Conn, error) {
	return u.connect(ctx, addr, func(nc net.Conn) error {
		if err := who.present(nc); err != nil {
			return fmt.Errorf("AUTH: %w", err)
		}
		return nil
	})
}

// present says AUTH in the form that the client chose.
func (c *Credentials) present(nc net.Conn) error {
	if !c.Named {
		_, err := Ask1(nc, "AUTH", c.Password)
		return err
	}
	_, err := Ask1(nc, "AUTH", c.User, c.Password)
	// A store without ACL takes a password alone, which HELLO has no form for.
	if text, refused := Refusal(err); refused && c.User == DefaultUser && strings.Contains(text, "wrong number of arguments") {
		_, err = Ask1(nc, "AUTH", c.Password)
	}
	return err
}

// Refusal is the error reply that an error stands for, without its "-"; not ok
// if it is none, or says only that the node cannot answer now.
func Refusal(err error) (text string, ok bool) {
	var r refusal
	if !errors.As(err, &r) {
		return "", false
	}
	kind, _ := Redirection([]byte(r), "")
	return string(r), kind != Elsewhere
}

// IsOwn tells whether the store, which has accepted them, sees in these
// credentials the one whom it sees in the fetchers' own connections. Those of
// one user with another password do not count: to Kvrocks they are another
// namespace.
func (u *Upstream) IsOwn(who *Credentials) bool {
	cfg := u.cfg()
	own := cfg.Username
	if own == "" {
		own = DefaultUser
	}
	if cfg.Password == "" {
		// Nothing is presented, so there is a default user without a password,
		// to whom any will do.
		return who.User == own
	}
	return who.User == own && SamePassword(who.Password, cfg.Password)
}

// SamePassword compares in a time that tells nothing of either.
func SamePassword(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
