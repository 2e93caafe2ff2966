package session

import (
	"fmt"
	"testing"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// requirePass is a Redis with --requirepass secret.
var requirePass = Config{Authenticate: func(user string, _ bool, password string) (any, string) {
	if user != "default" || password != "secret" {
		return nil, WrongPass
	}
	return nil, ""
}}

// respond does what a connection does with a request that is answered here.
func respond(c *Session, args [][]byte) string {
	cmd := command.Resolve(args)
	if !c.Admits(cmd) {
		return string(AppendNoAuth(nil, cmd, args))
	}
	reply, _ := c.Answer(nil, cmd, args)
	return string(reply)
}

// An unauthenticated connection has protocol version 2, as HELLO 3 needs a
// password, so there is one version to compare.
func TestGoldenRepliesToWhoHasNotAuthenticatedAreRedisOwn(t *testing.T) {
	const file = "testdata/golden_auth.txt"
	header, scripts := readGolden(t, file)
	if *recordAuth != "" {
		recordVersions(t, *recordAuth, file, header, scripts, resp.V2)
	}
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			c := open(NewServer(requirePass))
			for _, x := range s.exchanges {
				if got, want := stable(respond(c, argv(x.args...))), x.replies[resp.V2]; got != want {
					t.Errorf("%s:\n got %q\nwant %q", x.text, got, want)
				}
			}
		})
	}
}

// Only the four commands that Redis lets through are admitted, and then all.
func TestAdmitted(t *testing.T) {
	c := open(NewServer(requirePass))
	var admitted []string
	for cmd := range command.All() {
		if c.Admits(cmd) {
			admitted = append(admitted, cmd.Name)
		}
	}
	if fmt.Sprint(admitted) != "[auth hello quit reset]" {
		t.Errorf("admitted: %v", admitted)
	}
	if c.Admits(nil) {
		t.Error("an unknown command is admitted")
	}
	if reply, _ := ask(c, "auth secret"); reply != "+OK\r\n" {
		t.Fatalf("%q", reply)
	}
	for cmd := range command.All() {
		if !c.Admits(cmd) {
			t.Errorf("%s is not admitted", cmd.Name)
		}
	}
	if !c.Admits(nil) {
		t.Error("an unknown command is not admitted")
	}
}

// The identity is that of the last success; a refusal changes nothing, and RESET
// forgets it.
func TestIdentityFollowsTheLastSuccess(t *testing.T) {
	c := open(NewServer(Config{Authenticate: func(user string, named bool, password string) (any, string) {
		if password == "wrong" {
			return "not to be seen", "NOPE no"
		}
		return fmt.Sprint(user, named, password), ""
	}}))
	for _, tc := range []struct {
		request, reply string
		effect         Effect
		identity       any
		user           string
	}{
		{"auth wrong", "-NOPE no\r\n", 0, nil, "default"},
		{"auth a", "+OK\r\n", AuthChanged, "defaultfalsea", "default"},
		{"auth default a", "+OK\r\n", AuthChanged, "defaulttruea", "default"},
		{"auth default a", "+OK\r\n", 0, "defaulttruea", "default"},
		{"auth bob wrong", "-NOPE no\r\n", 0, "defaulttruea", "default"},
		{"auth bob b", "+OK\r\n", AuthChanged, "bobtrueb", "bob"},
		{"auth bob c", "+OK\r\n", AuthChanged, "bobtruec", "bob"},
		{"hello 2 auth eve wrong", "-NOPE no\r\n", 0, "bobtruec", "bob"},
		{"reset", "+RESET\r\n", Reset | AuthChanged, nil, "default"},
	} {
		reply, effect := ask(c, tc.request)
		if reply != tc.reply || effect != tc.effect || c.Identity != tc.identity || c.User != tc.user {
			t.Errorf("%s: %q, %v, %v, %s", tc.request, reply, effect, c.Identity, c.User)
		}
	}
	if c.Authenticated() {
		t.Error("authenticated after RESET")
	}
}

// Strangers neither see nor end each other's connections.
func TestStrangersKnowNothingOfEachOther(t *testing.T) {
	s := NewServer(Config{Strangers: true})
	killed := 0
	alice, again := s.Open("10.0.0.1:1", "a", func() { killed++ }), s.Open("10.0.0.2:2", "a", func() { killed++ })
	bob := s.Open("10.0.0.3:3", "a", func() { killed++ })
	ask(alice, "auth alice x")
	ask(again, "auth alice x")
	ask(bob, "auth bob x")
	for request, want := range map[string]string{
		"client list id 1 2 3":        "",
		"client kill id 1":            ":0\r\n",
		"client kill 10.0.0.2:2":      "-ERR No such client\r\n",
		"client kill user alice":      "-ERR No such user 'alice'\r\n",
		"client kill type normal":     ":0\r\n",
		"client kill addr 10.0.0.1:1": ":0\r\n",
	} {
		reply, _ := ask(bob, request)
		if want == "" {
			reply, want = fmt.Sprint(countLines(reply)), "1"
		}
		if reply != want {
			t.Errorf("%s: %q, want %q", request, reply, want)
		}
	}
	if reply, _ := ask(bob, "client list"); countLines(reply) != 1 {
		t.Errorf("client list: %q", reply)
	}
	if reply, _ := ask(alice, "client list"); countLines(reply) != 2 {
		t.Errorf("client list: %q", reply)
	}
	if killed != 0 {
		t.Errorf("%d killed", killed)
	}
	if reply, _ := ask(alice, "client kill user alice"); reply != ":1\r\n" || killed != 1 {
		t.Errorf("%q, %d killed", reply, killed)
	}
}

func countLines(reply string) (n int) {
	for i := range len(reply) {
		if i+3 <= len(reply) && reply[i:i+3] == "id=" && (i == 0 || reply[i-1] == '\n') {
			n++
		}
	}
	return n
}
