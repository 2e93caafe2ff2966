package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/fsproxy/fsproxy/resp"
)

// Dial connects to the node at addr ("host:port" or "unix:///path") and
// presents the configured credentials. It takes no longer than the connect
// timeout.
func (u *Upstream) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return u.connect(ctx, addr, u.authenticate)
}

// dialReader is Dial for reads: a node of a Redis Cluster is told that reads
// from a replica are wanted. A probe also has the node show that it answers.
func (u *Upstream) dialReader(ctx context.Context, addr string, probe bool) (nc net.Conn, readonly bool, err error) {
	nc, err = u.connect(ctx, addr, func(nc net.Conn) error {
		if err := u.authenticate(nc); err != nil {
			return err
		}
		if readonly = u.wantsReadonly(); readonly {
			// A node that does not know the word serves reads, or points to one
			// that does.
			if _, err := Ask1(nc, "READONLY"); err != nil && !errors.As(err, new(refusal)) {
				return fmt.Errorf("READONLY: %w", err)
			}
		}
		if probe {
			return alive(nc)
		}
		return nil
	})
	return nc, readonly, err
}

// wantsReadonly tells whether nodes want to be told that reads are wanted.
func (u *Upstream) wantsReadonly() bool {
	v := u.view.Load()
	return v != nil && v.topology.Kind == Cluster
}

// alive has the node answer something. An error will do (PING may be forbidden
// to this user) unless it says that the node cannot answer reads now.
func alive(nc net.Conn) error {
	_, err := Ask1(nc, "PING")
	var refusal refusal
	if errors.As(err, &refusal) {
		if kind, _ := Redirection([]byte(refusal), ""); kind != Elsewhere {
			return nil
		}
	}
	return err
}

func (u *Upstream) connect(ctx context.Context, addr string, greet func(net.Conn) error) (net.Conn, error) {
	cfg := u.cfg()
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	nc, err := dial(ctx, addr, cfg.TLS)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err = greet(nc)
	if !stop() {
		err = context.Cause(ctx) // the connection was closed for it
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", cfg.ConnectTimeout)
		}
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("greet %s: %w", addr, err)
	}
	return nc, nil
}

// authenticate presents the configured credentials, if any.
func (u *Upstream) authenticate(nc net.Conn) error {
	cfg := u.cfg()
	if cfg.Password == "" {
		return nil
	}
	args := []string{"AUTH", cfg.Password}
	if cfg.Username != "" {
		args = []string{"AUTH", cfg.Username, cfg.Password}
	}
	if _, err := Ask1(nc, args...); err != nil {
		if strings.Contains(err.Error(), cfg.Password) {
			err = errors.New("refused, in words that repeat the password")
		}
		return fmt.Errorf("AUTH (see upstream.username and upstream.password_file): %w", err)
	}
	return nil
}

func dial(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix://"); ok {
		network, addr = "unix", path
	}
	if config == nil {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
}

// refusal is an error reply, without its "-".
type refusal string

func (r refusal) Error() string { return string(r) }

// Ask1 sends one request on a connection where nothing else is under way and
// returns its whole reply. An error reply is an error.
func Ask1(nc net.Conn, args ...string) ([]byte, error) {
	if _, err := nc.Write(resp.AppendCommand(nil, args...)); err != nil {
		return nil, err
	}
	const limit = 1 << 20 // bytes; greetings are short
	framer := resp.NewFramer(limit)
	buf := make([]byte, 0, 512)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return nil, err
		}
		end, err := framer.Next(buf)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			continue
		}
		if end < len(buf) {
			return nil, errors.New("more came than one reply")
		}
		if buf[0] == '-' {
			return nil, refusal(buf[1 : end-2])
		}
		return buf, nil
	}
}
