package proxy

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/proxy/session"
)

// AuthMode says who may connect.
type AuthMode uint8

// The modes.
const (
	AuthNone     AuthMode = iota // everybody; whatever is presented is taken
	AuthPassword                 // who knows Auth.Password
	AuthUpstream                 // whom the store knows
)

// Auth says who may connect, and who may read the cache.
type Auth struct {
	Mode AuthMode
	// Password is that of the user "default", the only one, in AuthPassword.
	Password string
	// CacheTTL is for how long the store's yes holds, in AuthUpstream.
	CacheTTL time.Duration
	// ShareRows lets every user of the store be answered from the cache, which
	// holds what the configured user may see. Otherwise only that user is.
	ShareRows bool
}

// authenticator is how sessions are to judge what clients present; nil: not at
// all.
func (s *Server) authenticator() func(user string, named bool, password string) (identity any, refusal string) {
	switch s.cfg.Auth.Mode {
	case AuthPassword:
		return s.comparePassword
	case AuthUpstream:
		return s.askStore
	}
	return nil
}

func (s *Server) comparePassword(user string, _ bool, password string) (any, string) {
	right := cluster.SamePassword(password, s.tuned.Load().Auth.Password)
	if !right || user != cluster.DefaultUser {
		s.authFailures.Add(1)
		return nil, session.WrongPass
	}
	return nil, ""
}

// askStore has the store judge. The identity is the client's credentials, for
// its tunnels.
func (s *Server) askStore(user string, named bool, password string) (any, string) {
	who := &cluster.Credentials{User: user, Named: named, Password: password}
	v := s.verdicts.of(who, func() verdict { return s.present(who) })
	if v.refused {
		s.authFailures.Add(1)
	}
	if v.text != "" {
		return nil, v.text
	}
	return who, ""
}

const (
	// refusalTTL is for how long the store's no holds: long enough that a pool
	// that goes on trying costs the store little, short enough that nobody waits
	// for a user that was made just now.
	refusalTTL = time.Second
	// askedNodes is how many nodes are asked in turn when one does not answer,
	// each of which may take a connect timeout.
	askedNodes = 3
)

// present asks the store whether it knows a client.
func (s *Server) present(who *cluster.Credentials) verdict {
	node, err := s.upstream.Route(-1) // or why there is none
	if err != nil {
		return verdict{text: errorText(err)}
	}
	nodes := []string{node}
	if t, _ := s.upstream.Topology(); t != nil {
		nodes = t.Nodes()
	}
	for _, node := range nodes[:min(askedNodes, len(nodes))] {
		var nc net.Conn
		if nc, err = s.upstream.DialAs(context.Background(), node, who); err == nil {
			_ = nc.Close()
			return verdict{ttl: s.tuned.Load().Auth.CacheTTL}
		}
		text, refused := cluster.Refusal(err)
		if !refused {
			continue
		}
		v := verdict{text: text, refused: true, ttl: refusalTTL}
		if strings.Contains(text, who.Password) {
			v.ttl = 0 // it is not kept in plain text anywhere
		}
		return v
	}
	return verdict{text: "ERR fsproxy: ask the store who you are: " + err.Error()}
}

// dialStore connects to a node as whom the client is: to the store, if the store
// knows it, or else as the configured user. Under tunnelMu.
func (c *client) dialStore(addr string) (net.Conn, error) {
	s := c.server
	if c.who == nil {
		return s.upstream.Dial(context.Background(), addr)
	}
	nc, err := s.upstream.DialAs(context.Background(), addr, c.who)
	if _, refused := cluster.Refusal(err); refused {
		s.verdicts.forget(c.who) // it may have been yes
	}
	return nc, err
}

// becomes has the connection's reads and tunnels follow whom its session has
// authenticated as. Under tunnelMu.
func (c *client) becomes() {
	c.who, _ = c.session.Identity.(*cluster.Credentials)
	c.stranger = c.who != nil && !c.server.cfg.Auth.ShareRows && !c.server.upstream.IsOwn(c.who)
}

// turnAway answers a request of someone who has yet to authenticate.
func (c *client) turnAway(cmd *command.Command, args [][]byte) {
	c.reply = session.AppendNoAuth(c.reply, cmd, args)
	name := "unknown"
	if cmd != nil {
		name = cmd.Name
	}
	c.server.other.add(name, "error")
}

// mayAskStore tells whether the answer to a command may wait for the store.
func (c *client) mayAskStore(cmd *command.Command) bool {
	return c.server.cfg.Auth.Mode == AuthUpstream && (cmd.Name == "auth" || cmd.Name == "hello")
}

// presentsOwn tells whether a command presents a password that is fsproxy's and
// none of the store's business, in a state in which everything goes to the store.
func (c *client) presentsOwn(cmd *command.Command, args [][]byte) bool {
	if c.server.cfg.Auth.Mode != AuthPassword || !c.txn.active() && c.opaque == nil {
		return false
	}
	return cmd.Name == "auth" || cmd.Name == "hello" && len(args) > 2
}

// errNotInTransaction is what Redis says of commands that MULTI does not take.
func errNotInTransaction(cmd *command.Command) redisError {
	return redisError("ERR Command '" + cmd.Name + "' not allowed inside a transaction")
}
