package proxy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/proxy"
)

const (
	noAuth    = "-NOAUTH Authentication required.\r\n"
	wrongPass = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
)

// withPassword has clients authenticate with "secret".
func withPassword(s *setup) { s.proxy.Auth = proxy.Auth{Mode: proxy.AuthPassword, Password: "secret"} }

// asOwn has fetches made by a user of the store.
func asOwn(user, password string) func(*setup) {
	return func(s *setup) {
		s.cluster.Username, s.cluster.Password = user, password
		s.cluster.Discovery.Username, s.cluster.Discovery.Password = user, password
	}
}

// asUsers has the store judge clients.
func asUsers(s *setup) {
	s.proxy.Auth = proxy.Auth{Mode: proxy.AuthUpstream, CacheTTL: time.Hour}
}

// Who has not authenticated gets an error to everything, in the order asked for,
// and nothing of it reaches the store; the right password opens all of it.
func TestNothingIsAnsweredBeforeThePassword(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, withPassword)
	p := s.dial()
	for range 2 {
		p.send(cmds("HMGET e f", "HGET e f", "GET k", "PING", "MULTI", "SUBSCRIBE c", "INFO", "CLIENT LIST", "AUTH wrong", "AUTH other secret", "HMGET e f"))
		p.wants(noAuth, noAuth, noAuth, noAuth, noAuth, noAuth, noAuth, noAuth, wrongPass, wrongPass, noAuth)
	}
	p.wantsDone("NONSENSE a", "-ERR unknown command 'NONSENSE', with args beginning with: 'a' \r\n")
	if n := store.asked(""); n != 0 {
		t.Fatalf("%d requests reached the store", n)
	}
	p.send(cmds("AUTH secret", "HMGET e f", "GET k"))
	p.wants("+OK\r\n")
	asked := store.wantsAll("HMGET e f", "GET k")
	asked["HMGET e f"].reply(array("F"))
	asked["GET k"].reply(bulk("K"))
	p.wants(array("F"), bulk("K"))
	p.wantsDone("HMGET e f", array("F"))
	if s.hits() != 1 {
		t.Errorf("%d hits, want 1", s.hits())
	}
	p.wantsDone("AUTH wrong", wrongPass) // and stays who it was
	p.wantsDone("HMGET e f", array("F"))
	if n := s.server.Stats().AuthFailures; n != 5 {
		t.Errorf("%d failures counted, want 5", n)
	}
}

// RESET takes the permission back, for requests that the connection knows by
// their bytes too.
func TestResetNeedsThePasswordAgain(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr(), withPassword)
	p := s.dial()
	p.wantsDone("HELLO 2", "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n")
	for range 3 {
		if reply := p.do("HELLO 3 AUTH default secret SETNAME me"); reply[0] != '%' {
			t.Fatalf("%q", reply)
		}
		p.wantsDone("HMGET h f", array("F"))
		p.wantsDone("HMGET h f", array("F"))
		p.send(cmds("RESET", "HMGET h f", "HMGET h f", "AUTH secret", "HMGET h f", "RESET"))
		p.wants("+RESET\r\n", noAuth, noAuth, "+OK\r\n", array("F"), "+RESET\r\n")
		p.wantsDone("HMGET h f", noAuth)
	}
}

// Redis' limits for those who have not authenticated hold until then.
func TestLowerLimitsUntilAuthenticated(t *testing.T) {
	s := newStack(t, miniredis.RunT(t).Addr(), withPassword)
	long := cmd("DEL " + strings.Repeat("k ", 10))
	large := cmd("ECHO " + strings.Repeat("x", 16385))
	for request, want := range map[string]string{
		long:  "-ERR Protocol error: unauthenticated multibulk length\r\n",
		large: "-ERR Protocol error: unauthenticated bulk length\r\n",
	} {
		p := s.dial()
		p.send(request)
		p.wants(want)
		p.wantsEnd()
		p = s.dial()
		p.send(cmd("AUTH secret") + request)
		p.wants("+OK\r\n")
		if got := p.reply(); got[0] == '-' {
			t.Errorf("%q", got)
		}
		p.send(cmd("RESET") + request)
		p.wants("+RESET\r\n", want)
		p.wantsEnd()
	}
}

// The password is the proxy's: it never goes to the store, whatever state the
// connection is in.
func TestThePasswordStaysHere(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr(), withPassword)
	p := s.dial()
	p.wantsDone("AUTH secret", "+OK\r\n")
	p.send(cmds("MULTI", "SET a b", "AUTH secret", "EXEC"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "-ERR Command 'auth' not allowed inside a transaction\r\n",
		"-EXECABORT Transaction discarded because of previous errors.\r\n")
	p.send(cmds("WATCH a", "HELLO 3 AUTH default secret", "UNWATCH", "AUTH secret", "PING"))
	p.wants("+OK\r\n", "-ERR Command 'hello' not allowed inside a transaction\r\n", "+OK\r\n", "+OK\r\n", "+PONG\r\n")
}

// Without auth, whatever a client presents out of habit is taken.
func TestAnyPasswordIsTakenWhereNoneIsAskedFor(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr())
	p := s.dial()
	p.wantsDone("HMGET h f", array("F"))
	for _, request := range []string{"AUTH x", "AUTH someone x"} {
		p.wantsDone(request, "+OK\r\n")
		p.wantsDone("HMGET h f", array("F"))
		p.wantsDone("EXISTS h", ":1\r\n")
	}
	if reply := p.do("HELLO 3 AUTH nobody y"); reply[0] != '%' {
		t.Errorf("%q", reply)
	}
	if s.hits() != 2 || s.server.Stats().AuthFailures != 0 {
		t.Errorf("%d hits, %d failures", s.hits(), s.server.Stats().AuthFailures)
	}
}

// A store's users are let in with their passwords, in each form of AUTH, and
// nobody else.
func TestTheStoreJudgesWhoMayConnect(t *testing.T) {
	store := miniredis.RunT(t)
	store.RequireUserAuth("own", "own-pw")
	store.RequireUserAuth("alice", "alice-pw")
	store.HSet("h", "f", "F")
	s := newStack(t, store.Addr(), asUsers, asOwn("own", "own-pw"))
	p := s.dial()
	for _, words := range []string{"AUTH alice wrong", "AUTH own-pw", "AUTH eve x", "HELLO 2 AUTH alice own-pw"} {
		if got := p.do(words); !strings.HasPrefix(got, "-WRONGPASS") {
			t.Errorf("%s: %q", words, got)
		}
		p.wantsDone("HMGET h f", noAuth)
		p.wantsDone("EXISTS h", noAuth)
	}
	if n := s.server.Stats().AuthFailures; n != 4 {
		t.Errorf("%d failures counted, want 4", n)
	}
	for _, words := range []string{"AUTH alice alice-pw", "AUTH own own-pw"} {
		p := s.dial()
		p.wantsDone(words, "+OK\r\n")
		p.wantsDone("HMGET h f", array("F"))
		p.wantsDone("EXISTS h", ":1\r\n")
	}
}

// The cache holds what the configured user may see. Everyone else is shown what
// the store shows to them, whatever is in the cache, and puts nothing there.
func TestUsersAreShownWhatTheStoreShowsThem(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a", "bob": "b"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	own, alice, bob := s.dial(), s.dial(), s.dial()
	alice.wantsDone("AUTH alice a", "+OK\r\n")
	bob.wantsDone("HELLO 2 AUTH bob b", bob.helloReply("2 AUTH bob b"))
	own.wantsDone("AUTH own o", "+OK\r\n")
	for range 3 {
		alice.wantsDone("HMGET e f", array("alice"))
		bob.wantsDone("HMGET e f", array("bob"))
		own.wantsDone("HMGET e f", array("own"))
		alice.wantsDone("GET k", bulk("alice"))
		own.wantsDone("GET k", bulk("own"))
		for _, user := range []string{"alice", "bob"} {
			p := map[string]*peer{"alice": alice, "bob": bob}[user]
			p.send(cmds("MULTI", "HMGET e f", "EXEC"))
			p.wants("+OK\r\n", "+QUEUED\r\n", "*1\r\n"+array(user))
		}
	}
	if s.hits() != 2 {
		t.Errorf("%d hits, want the configured user's 2", s.hits())
	}
	if n := store.saw("own: HMGET"); n != 1 {
		t.Errorf("the configured user's rows were fetched %d times, want once", n)
	}
	if n := bypassed(s, "user"); n < 6 {
		t.Errorf("%d reads counted as past the cache because of their user, want 6 at least", n)
	}
	// What one of them writes, the others' rows must not outlive.
	alice.wantsDone("HSET e f v", ":0\r\n")
	own.wantsDone("HMGET e f", array("own"))
	if n := store.saw("own: HMGET"); n != 2 {
		t.Error("a write by another user left the row as it was")
	}
}

// helloReply asks HELLO once more, for what it answers.
func (p *peer) helloReply(words string) string {
	p.t.Helper()
	return p.do("HELLO " + words)
}

func bypassed(s *stack, why string) (n uint64) {
	stats := s.server.Stats()
	stats.Bypasses(func(reason string, count uint64) {
		if reason == why {
			n = count
		}
	})
	return n
}

// With ShareRows all users are answered from memory; what is not read still goes
// to the store as whom they are.
func TestRowsCanBeShared(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"), func(s *setup) { s.proxy.Auth.ShareRows = true })
	p := s.dial()
	p.wantsDone("HMGET e f", noAuth)
	p.wantsDone("AUTH alice a", "+OK\r\n")
	p.wantsDone("HMGET e f", array("own"))
	p.wantsDone("HMGET e f", array("own"))
	p.wantsDone("GET k", bulk("alice"))
	if s.hits() != 1 {
		t.Errorf("%d hits, want 1", s.hits())
	}
}

// A connection that authenticates as someone else is that from then on, on its
// connections to the store as well; requests before it are not.
func TestTunnelsFollowTheUser(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a", "bob": "b"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	p := s.dial()
	p.send(cmds("AUTH alice a", "GET k", "HMGET e f", "AUTH bob b", "GET k", "HMGET e f", "AUTH bob wrong", "GET k", "AUTH own o", "HMGET e f", "GET k", "RESET", "GET k"))
	p.wants("+OK\r\n", bulk("alice"), array("alice"), "+OK\r\n", bulk("bob"), array("bob"), wrongPass, bulk("bob"), "+OK\r\n", array("own"), bulk("own"), "+RESET\r\n", noAuth)
}

// A configured user without a password is the store's default user.
func TestDefaultUserWithoutAPasswordIsTheConfiguredOne(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("h", "f", "F")
	fake := newFakeStore(t) // takes any AUTH, as Redis does of a user without a password
	s := newStack(t, fake.addr, asUsers)
	p := s.dial()
	p.wantsDone("AUTH default whatever", "+OK\r\n")
	p.send(cmd("HMGET h f"))
	fake.wants("HMGET h f").reply(array("F"))
	p.wants(array("F"))
	p.wantsDone("HMGET h f", array("F"))
	if s.hits() != 1 {
		t.Errorf("%d hits, want 1", s.hits())
	}
}

// A store without ACL knows one password, and HELLO has no form for it.
func TestHelloAuthenticatesAtAStoreWithoutACL(t *testing.T) {
	store := newAuthStore(t, map[string]string{"default": "pw"})
	store.old = true
	s := newStack(t, store.addr, asUsers, asOwn("", "pw"))
	p := s.dial()
	if reply := p.do("HELLO 2 AUTH default pw"); reply[0] != '*' {
		t.Fatalf("%q", reply)
	}
	p.wantsDone("GET k", bulk("default"))
	p.wantsDone("HMGET e f", array("default"))
	p.wantsDone("HMGET e f", array("default"))
	if s.hits() != 1 {
		t.Errorf("%d hits, want 1", s.hits())
	}
	other := s.dial()
	other.wantsDone("AUTH bad", wrongPass)
	other.wantsDone("AUTH pw", "+OK\r\n")
}

// The store is asked once for many connections, and again when its answer is
// past its time.
func TestTheStoresAnswerIsRemembered(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	var wg sync.WaitGroup
	for range 20 {
		p := s.dial()
		wg.Go(func() { p.wantsDone("AUTH alice a", "+OK\r\n") })
	}
	wg.Wait()
	if n := store.presented("alice a"); n != 1 {
		t.Errorf("the store was asked %d times, want once", n)
	}
	// A no is remembered as well, if shorter, and counted each time.
	p := s.dial()
	for range 5 {
		p.wantsDone("AUTH alice wrong", wrongPass)
	}
	if n := store.presented("alice wrong"); n == 0 || n > 3 {
		t.Errorf("the store was asked %d times", n)
	}
	if n := s.server.Stats().AuthFailures; n != 5 {
		t.Errorf("%d failures counted, want 5", n)
	}
	// A tunnel that the store refuses has a yes forgotten.
	store.sets("alice", "new")
	q := s.dial()
	q.wantsDone("AUTH alice a", "+OK\r\n")
	q.send(cmd("GET k"))
	q.wantsError("WRONGPASS")
	s.dial().wantsDone("AUTH alice a", wrongPass)
	s.dial().wantsDone("AUTH alice new", "+OK\r\n")
}

// With a time of zero the store is asked each time.
func TestTheStoresAnswerNeedNotBeRemembered(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"), func(s *setup) { s.proxy.Auth.CacheTTL = 0 })
	for i := range 3 {
		s.dial().wantsDone("AUTH alice a", "+OK\r\n")
		if n := store.presented("alice a"); n != i+1 {
			t.Errorf("the store was asked %d times, want %d", n, i+1)
		}
	}
}

// A store that cannot be asked is no refusal: nobody gets in, and nothing is
// remembered or counted.
func TestAStoreThatCannotBeAskedLetsNobodyIn(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	store.close()
	p := s.dial()
	for range 2 {
		p.send(cmd("AUTH alice a"))
		p.wantsError("ERR fsproxy: ask the store who you are: ")
		p.wantsDone("PING", noAuth)
	}
	if n := s.server.Stats().AuthFailures; n != 0 {
		t.Errorf("%d failures counted", n)
	}
}

// Users that are strangers do not see or end each other's connections.
func TestClientsOfOtherUsersAreNotListed(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a", "bob": "b"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	alice, bob := s.dial(), s.dial()
	alice.wantsDone("AUTH alice a", "+OK\r\n")
	bob.wantsDone("AUTH bob b", "+OK\r\n")
	if list := alice.do("CLIENT LIST"); strings.Contains(list, "user=bob") || !strings.Contains(list, "user=alice") {
		t.Errorf("%q", list)
	}
	bob.wantsDone("CLIENT KILL ADDR "+alice.LocalAddr().String(), ":0\r\n")
	alice.wantsDone("PING", "+PONG\r\n")
}

// What came before an AUTH does not wait until the store has judged it.
func TestRequestsBeforeAuthDoNotWaitForIt(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	store.thinking = make(chan struct{})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	p := s.dial()
	p.wantsDone("AUTH own o", "+OK\r\n")
	p.send(cmds("PING", "HMGET e f", "GET k", "AUTH alice a", "HMGET e f"))
	p.wants("+PONG\r\n", array("own"), bulk("own"))
	close(store.thinking)
	p.wants("+OK\r\n", array("alice"))
}

// Replies keep their order around an AUTH that waits for the store.
func TestAuthInAPipeline(t *testing.T) {
	store := newAuthStore(t, map[string]string{"own": "o", "alice": "a"})
	s := newStack(t, store.addr, asUsers, asOwn("own", "o"))
	p := s.dial()
	const rounds = 50
	var requests strings.Builder
	var want []string
	for i := range rounds {
		user, password := "own", "o"
		if i%2 == 1 {
			user, password = "alice", "a"
		}
		requests.WriteString(cmds(fmt.Sprintf("AUTH %s %s", user, password), "HMGET e f", "GET k", "ECHO "+fmt.Sprint(i)))
		want = append(want, "+OK\r\n", array(user), bulk(user), bulk(fmt.Sprint(i)))
	}
	p.send(requests.String())
	p.wants(want...)
}
