package session

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// ask sends one request, given as words between blanks.
func ask(c *Session, request string) (string, Effect) {
	args := argv(strings.Fields(request)...)
	reply, effect := c.Answer(nil, command.Lookup(args[0]), args)
	return string(reply), effect
}

func open(s *Server) *Session { return s.Open("127.0.0.1:50000", "127.0.0.1:6379", nil) }

func TestEveryLocalCommandHasAnAnswer(t *testing.T) {
	for c := range command.All() {
		for _, c := range append([]*command.Command{c}, c.Subcommands...) {
			if c.Class != command.Local || handlers[c.Name] != nil {
				continue
			}
			if c.Subcommands != nil && c.Arity == -2 {
				continue // a container alone is a wrong number of arguments
			}
			t.Errorf("%s", c.Name)
		}
	}
	for name := range handlers {
		if c := command.Named([]byte(name)); c == nil || c.Class != command.Local {
			t.Errorf("%s has an answer and is not local", name)
		}
	}
}

func TestEffects(t *testing.T) {
	for _, tc := range []struct {
		request string
		want    Effect
	}{
		{"ping", 0},
		{"quit", Close},
		{"reset", Reset},
		{"hello", 0},
		{"hello 2", 0},
		{"hello 3", ProtoChanged},
		{"hello 3 bogus", 0},
		{"hello 4", 0},
		{"hello 3 auth someone pw", ProtoChanged | AuthChanged},
		{"hello 3 auth someone pw setname", AuthChanged}, // a mistake after AUTH: the version stays
		{"auth pw", 0},
		{"auth someone pw", AuthChanged},
		{"select 0", 0},
		{"select 3", DBChanged},
		{"select 16", 0},
		{"client pause 100", Forward},
		{"client pause x", 0},
		{"client unpause", Forward},
		{"config set maxmemory 1", Forward},
		{"config get *", Forward},
		{"config get save", 0},
		{"config get hash-max-listpack-entries", Forward},
		{"config get save hash-max-listpack-entries", Forward},
		{"config rewrite", Forward},
		{"info", 0},
		{"info commandstats", Forward},
		{"info keyspace", Forward},
		{"info keyspace server", 0},
		{"command getkeysandflags get k", Forward},
		{"client tracking on", 0},
		{"cluster keyslot foo", Forward}, // no KeySlot given
		{"client kill 127.0.0.1:50000", Close},
		{"client kill id 1", 0}, // skipme is the default
		{"client kill id 1 skipme no", Close},
	} {
		if reply, effect := ask(open(NewServer(Config{})), tc.request); effect != tc.want {
			t.Errorf("%s: %v, want %v (%q)", tc.request, effect, tc.want, reply)
		}
	}
}

func TestResetUndoesWhatWasSaid(t *testing.T) {
	c := open(NewServer(Config{}))
	ask(c, "hello 3 auth someone pw setname app")
	ask(c, "select 3")
	reply, effect := ask(c, "reset")
	if reply != "+RESET\r\n" || effect != Reset|ProtoChanged|DBChanged|AuthChanged {
		t.Errorf("%q, %v", reply, effect)
	}
	if c.Proto != resp.V2 || c.DB != 0 || c.User != "default" || c.Name != "" {
		t.Errorf("%+v", c)
	}
}

func TestAuthIsAcceptedWithoutAPassword(t *testing.T) {
	c := open(NewServer(Config{}))
	for _, request := range []string{"auth x", "auth default x"} {
		if reply, _ := ask(c, request); reply != "+OK\r\n" {
			t.Errorf("%s: %q", request, reply)
		}
	}
}

func TestTrackingIsRefusedLikeACommandThatIsNotThere(t *testing.T) {
	c := open(NewServer(Config{}))
	for request, want := range map[string]string{
		"client tracking ON OPTIN":     "-ERR unknown subcommand 'tracking'. Try CLIENT HELP.\r\n",
		"CLIENT MAINT_NOTIFICATIONS x": "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
	} {
		if reply, _ := ask(c, request); reply != want {
			t.Errorf("%s: %q", request, reply)
		}
	}
}

func TestRefusedCommandsSayNoPermission(t *testing.T) {
	reply, effect := ask(open(NewServer(Config{})), "cluster forget 1234")
	if want := "-NOPERM This user has no permissions to run the 'cluster|forget' command\r\n"; reply != want || effect != 0 {
		t.Errorf("%q, %v", reply, effect)
	}
}

func TestSetInfo(t *testing.T) {
	c := open(NewServer(Config{}))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"client", "SETINFO", "LIB-NAME", "redis-py"}, "+OK\r\n"},
		{[]string{"client", "SETINFO", "lib-ver", "8.0.0"}, "+OK\r\n"},
		{[]string{"client", "setinfo", "lib-name", "a b"}, "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"},
		{[]string{"client", "setinfo", "lib-foo", "x"}, "-ERR Unrecognized option 'lib-foo'\r\n"},
		{[]string{"client", "setinfo", "lib-name"}, "-ERR wrong number of arguments for 'client|setinfo' command\r\n"},
	} {
		args := argv(tc.args...)
		if reply, _ := c.Answer(nil, command.Resolve(args), args); string(reply) != tc.want {
			t.Errorf("%v: %q", tc.args, reply)
		}
	}
	if c.LibName != "redis-py" || c.LibVersion != "8.0.0" {
		t.Errorf("%q %q", c.LibName, c.LibVersion)
	}
}

func TestAnswerAppends(t *testing.T) {
	c := open(NewServer(Config{}))
	args := argv("ping")
	out, _ := c.Answer([]byte("before "), command.Lookup(args[0]), args)
	if string(out) != "before +PONG\r\n" {
		t.Errorf("%q", out)
	}
	args = argv("config", "set", "a", "b")
	if out, _ = c.Answer([]byte("before "), command.Lookup(args[0]), args); string(out) != "before " {
		t.Errorf("Forward appended: %q", out)
	}
	ask(c, "client reply off")
	args = argv("ping")
	if out, _ = c.Answer([]byte("before "), command.Lookup(args[0]), args); string(out) != "before " {
		t.Errorf("with replies off: %q", out)
	}
}

// CLIENT REPLY also rules what Answer does not answer.
func TestOwedCountsRepliesOfForwardedCommands(t *testing.T) {
	c := open(NewServer(Config{}))
	expect := func(want bool) {
		t.Helper()
		if got := c.Owed(); got != want {
			t.Errorf("owed: %v, want %v", got, want)
		}
	}
	expect(true)
	ask(c, "client reply skip")
	if !c.Silent() {
		t.Error("not silent after SKIP")
	}
	expect(false)
	expect(true)
	ask(c, "client reply skip")
	if _, effect := ask(c, "config set a b"); effect != Forward {
		t.Fatal("not forwarded")
	}
	expect(false) // the SKIP was left for whoever handles the forwarded request
	expect(true)
	ask(c, "client reply off")
	expect(false)
	expect(false)
	if reply, _ := ask(c, "client reply on"); reply != "+OK\r\n" {
		t.Errorf("ON: %q", reply)
	}
	expect(true)
}

func TestConfigIsTheStoresOnceSomeoneChangedIt(t *testing.T) {
	s := NewServer(Config{Settings: map[string]string{"maxmemory": "42"}})
	c := open(s)
	if reply, _ := ask(c, "config get maxmemory"); reply != "*2\r\n$9\r\nmaxmemory\r\n$2\r\n42\r\n" {
		t.Errorf("%q", reply)
	}
	ask(c, "config set maxmemory 1")
	if _, effect := ask(open(s), "config get maxmemory"); effect != Forward {
		t.Errorf("after CONFIG SET: %v", effect)
	}
}

func TestVersionIsTheStores(t *testing.T) {
	version := ""
	c := open(NewServer(Config{Version: func() string { return version }}))
	if reply, _ := ask(c, "hello"); !strings.Contains(reply, "\r\n"+DefaultVersion+"\r\n") {
		t.Errorf("%q", reply)
	}
	version = "8.2.1"
	for _, request := range []string{"hello 3", "info server", "lolwut"} {
		if reply, _ := ask(c, request); !strings.Contains(reply, "8.2.1") {
			t.Errorf("%s: %q", request, reply)
		}
	}
}

func TestTimeIsSecondsAndMicroseconds(t *testing.T) {
	c := open(NewServer(Config{Now: func() time.Time { return time.Unix(1700000000, 123456789) }}))
	if reply, _ := ask(c, "time"); reply != "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n" {
		t.Errorf("%q", reply)
	}
}

// Many connections talk, list and kill each other at once: run with -race.
func TestSessionsMayBeListedWhileTheyChange(t *testing.T) {
	s := NewServer(Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := open(s)
			defer c.Close()
			for _, request := range []string{"client setname a", "client list", "select 3", "hello 3 auth x y", "client info", "client kill type master", "reset", "info", "client list id 1 2 3"} {
				for range 20 {
					ask(c, request)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Clients(); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

func BenchmarkPing(b *testing.B) {
	c := open(NewServer(Config{}))
	args := argv("PING")
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = c.Answer(out[:0], command.Lookup(args[0]), args)
	}
}
