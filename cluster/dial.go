package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// Dial connects to the node at addr ("host:port" or "unix:///path") and
// presents the configured credentials. It takes no longer than the connect
// timeout.
func (u *Upstream) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return u.connect(ctx, addr, u.authenticate)
}

// dialReader is Dial for reads: a node of a Redis Cluster is told that reads
// from a replica are wanted.
func (u *Upstream) dialReader(ctx context.Context, addr string) (net.Conn, error) {
	return u.connect(ctx, addr, func(nc net.Conn) error {
		if err := u.authenticate(nc); err != nil {
			return err
		}
		if v := u.view.Load(); v == nil || v.topology.Kind != Cluster {
			return nil
		}
		if _, err := Ask1(nc, "READONLY"); err != nil {
			return fmt.Errorf("READONLY: %w", err)
		}
		return nil
	})
}

func (u *Upstream) connect(ctx context.Context, addr string, greet func(net.Conn) error) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.ConnectTimeout)
	defer cancel()
	nc, err := dial(ctx, addr, u.cfg.TLS)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = nc.SetDeadline(deadline)
	}
	if err := greet(nc); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("greet %s: %w", addr, err)
	}
	return nc, nc.SetDeadline(time.Time{})
}

// authenticate presents the configured credentials, if any.
func (u *Upstream) authenticate(nc net.Conn) error {
	if u.cfg.Password == "" {
		return nil
	}
	args := []string{"AUTH", u.cfg.Password}
	if u.cfg.Username != "" {
		args = []string{"AUTH", u.cfg.Username, u.cfg.Password}
	}
	if _, err := Ask1(nc, args...); err != nil {
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
		if buf[0] == '-' {
			return nil, errors.New(string(buf[1 : end-2]))
		}
		return buf[:end], nil
	}
}
