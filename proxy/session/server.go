package session

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// DefaultVersion is the store's version that clients are told while it is not
// known. Clients choose what they send by it.
const DefaultVersion = "7.0.15"

// defaultDatabases is Redis' own default for its option "databases".
const defaultDatabases = 16

// Field is a line of INFO.
type Field struct{ Name, Value string }

// Config is what a Server has to know of the rest of fsproxy. All functions
// may be called by several goroutines at once; each may be nil.
type Config struct {
	// Version is the store's, "7.0.15" for instance; "" while it is unknown.
	Version func() string
	// Info returns lines to add to a section of INFO, which is named in lower
	// case. The section "fsproxy" has no others.
	Info func(section string) []Field
	// KeySlot is the hash slot of a key, for CLUSTER KEYSLOT.
	KeySlot func(key []byte) uint16
	// Announce is the host:port at which a cluster client is told to find the
	// proxy. Empty: the address at which it has reached it, which for a Unix
	// socket is given as 127.0.0.1 port 0, since CLUSTER knows no paths.
	Announce string
	// Settings are answers to CONFIG GET besides, or instead of, the usual ones.
	Settings map[string]string
	// Databases is how many the store has; 0 means Redis' default, 16.
	Databases int
	// MaxClients is what INFO clients reports; nil leaves the line out.
	MaxClients func() int
	// Authenticate judges what a client presents; named says that it named the
	// user itself. A refusal is the error that it is told, without its "-"; ""
	// lets it in, with an identity that must be comparable. It may wait. Nil:
	// nobody has to present anything, and whatever is presented is taken.
	Authenticate func(user string, named bool, password string) (identity any, refusal string)
	// Strangers has clients of one user know nothing of those of another:
	// CLIENT LIST and KILL concern those of one's own.
	Strangers bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is what all connections share.
type Server struct {
	config  Config
	runID   string // 40 hexadecimal digits, as Redis has them
	nodeID  string // likewise, the name of the one node of the one-node cluster
	started time.Time

	lastID   atomic.Int64
	accepted atomic.Int64
	// configured is set once a client has asked to change the store's
	// configuration: what CONFIG GET returns is for the store to say from then
	// on.
	configured atomic.Bool

	mu       sync.Mutex
	sessions map[int64]*Session // guarded by mu
}

// NewServer returns a Server without sessions.
func NewServer(config Config) *Server {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Databases == 0 {
		config.Databases = defaultDatabases
	}
	return &Server{
		config:   config,
		runID:    randomID(),
		nodeID:   randomID(),
		started:  config.Now(),
		sessions: map[int64]*Session{},
	}
}

func randomID() string {
	var b [20]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Open registers a connection. remote and local are its two addresses as Redis
// words them: "ip:port", or "path:0" at a Unix socket. kill, which other
// connections' goroutines may call at any time and more than once, closes it;
// nil if it cannot be closed. Close must be called when the connection ends.
func (s *Server) Open(remote, local string, kill func()) *Session {
	c := &Session{
		ID: s.lastID.Add(1), Remote: remote, Local: local,
		CreatedAt: s.config.Now(),
		User:      defaultUser, Proto: resp.V2,
		authenticated: s.config.Authenticate == nil,
		server:        s, kill: kill,
	}
	c.lastActive.Store(c.CreatedAt.Unix())
	c.Publish()
	s.accepted.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[c.ID] = c
	return c
}

// Close takes the session off the list of clients.
func (c *Session) Close() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	delete(c.server.sessions, c.ID)
}

// Clients is the number of open sessions.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// RunID names this run of the proxy: 40 hexadecimal digits.
func (s *Server) RunID() string { return s.runID }

// find returns the session with an id; nil if there is none that c knows of.
func (c *Session) find(id int64) *Session {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if found := c.server.sessions[id]; found != nil && c.knows(found) {
		return found
	}
	return nil
}

// known returns the sessions that c knows of in the order in which they came.
func (c *Session) known() []*Session {
	return slices.DeleteFunc(c.server.list(), func(other *Session) bool { return !c.knows(other) })
}

// knows tells whether c may know of another session.
func (c *Session) knows(other *Session) bool {
	return !c.server.config.Strangers || other == c || other.snapshot.Load().user == c.User
}

// list returns all sessions in the order in which they came.
func (s *Server) list() []*Session {
	s.mu.Lock()
	all := make([]*Session, 0, len(s.sessions))
	for _, c := range s.sessions {
		all = append(all, c)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *Session) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// version is the store's version, never empty.
func (s *Server) version() string {
	if s.config.Version != nil {
		if v := s.config.Version(); v != "" {
			return v
		}
	}
	return DefaultVersion
}
