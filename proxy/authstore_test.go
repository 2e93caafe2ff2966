package proxy_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

// authStore is a store that knows users, and shows each of them values of its
// own: its name.
type authStore struct {
	t    *testing.T
	addr string
	l    net.Listener
	wg   sync.WaitGroup

	mu        sync.Mutex        // protects what follows
	passwords map[string]string // by user
	thinking  chan struct{}     // not nil: until it is closed, AUTH alice has no reply
	old       bool              // AUTH takes a password alone
	auths     []string          // all that was presented
	seen      []string          // all other requests, "user: request"
	conns     []net.Conn
}

func newAuthStore(t *testing.T, passwords map[string]string) *authStore {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &authStore{t: t, addr: l.Addr().String(), l: l, passwords: passwords}
	a.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns = append(a.conns, nc)
			a.mu.Unlock()
			a.wg.Go(func() { a.serve(nc) })
		}
	})
	t.Cleanup(a.close)
	return a
}

// close ends the store.
func (a *authStore) close() {
	_ = a.l.Close()
	a.mu.Lock()
	for _, nc := range a.conns {
		_ = nc.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *authStore) serve(nc net.Conn) {
	defer nc.Close()
	parser := resp.NewParser(resp.DefaultLimits)
	var buf []byte
	chunk := make([]byte, 64<<10)
	user, queued := "", 0
	for {
		n, err := nc.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for len(buf) > 0 {
			n, err := parser.Next(buf)
			if err != nil || n == 0 {
				break
			}
			var args []string
			for _, arg := range parser.Args() {
				args = append(args, string(arg))
			}
			buf = buf[n:]
			a.think(args)
			_, _ = nc.Write([]byte(a.answer(&user, &queued, args)))
		}
	}
}

// think waits until there may be a reply.
func (a *authStore) think(args []string) {
	a.mu.Lock()
	until := a.thinking
	a.mu.Unlock()
	if until != nil && len(args) == 3 && args[1] == "alice" {
		<-until
	}
}

func (a *authStore) answer(user *string, queued *int, args []string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := strings.ToUpper(args[0])
	if name == "AUTH" {
		return a.auth(user, args[1:])
	}
	if *user == "" {
		if _, needed := a.passwords["default"]; needed || len(a.passwords) == 0 {
			return "-NOAUTH Authentication required.\r\n"
		}
		*user = "default"
	}
	switch name {
	case "INFO":
		return bulk("# Server\r\nredis_version:7.0.15\r\n")
	case "CLUSTER":
		return "-ERR This instance has cluster support disabled\r\n"
	case "CLIENT", "READONLY", "HELLO", "PING", "SELECT":
		return "+OK\r\n"
	}
	a.seen = append(a.seen, *user+": "+strings.Join(args, " "))
	values := make([]string, max(len(args)-2, 0))
	for i := range values {
		values[i] = *user
	}
	switch {
	case name == "MULTI":
		*queued = 1
		return "+OK\r\n"
	case name == "EXEC":
		reply := "*" + string(rune('0'+*queued-1)) + "\r\n" + strings.Repeat(array(*user), *queued-1)
		*queued = 0
		return reply
	case *queued > 0:
		*queued++
		return "+QUEUED\r\n"
	case name == "HMGET":
		return array(values...)
	case name == "HSET":
		return ":0\r\n"
	}
	return bulk(*user)
}

func (a *authStore) auth(user *string, args []string) string {
	a.auths = append(a.auths, strings.Join(args, " "))
	if len(args) == 1 {
		args = []string{"default", args[0]}
	} else if a.old {
		return "-ERR wrong number of arguments for 'auth' command\r\n"
	}
	if password, known := a.passwords[args[0]]; known && password == args[1] {
		*user = args[0]
		return "+OK\r\n"
	}
	return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
}

// presented is how often these words followed AUTH.
func (a *authStore) presented(words string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.auths {
		if p == words {
			n++
		}
	}
	return n
}

// saw is how many requests came that begin with text, "user: request".
func (a *authStore) saw(text string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.seen {
		if strings.HasPrefix(s, text) {
			n++
		}
	}
	return n
}

// sets changes what a user's password is; "" removes the user.
func (a *authStore) sets(user, password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.passwords[user] = password; password == "" {
		delete(a.passwords, user)
	}
}
