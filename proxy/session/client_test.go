package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/proxy/command"
)

func TestClientListShowsEveryConnection(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := NewServer(Config{Now: func() time.Time { return now }})
	a := s.Open("10.0.0.1:1000", "10.0.0.9:6379", nil)
	b := s.Open("/run/x.sock:0", "/run/x.sock:0", nil)
	ask(a, "client setname app")
	ask(a, "client setinfo lib-name redis-py")
	ask(a, "hello 3")
	ask(a, "select 2")
	now = now.Add(5 * time.Second)

	reply, _ := ask(b, "client list")
	_, text, _ := strings.Cut(reply, "\r\n")
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\n")
	if len(lines) != 3 || lines[2] != "" {
		t.Fatalf("%q", lines)
	}
	for i, want := range []string{
		"id=1 addr=10.0.0.1:1000 laddr=10.0.0.9:6379 fd=0 name=app age=5 idle=5 flags=N db=2 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=select user=default redir=-1 resp=3 lib-name=redis-py lib-ver=",
		"id=2 addr=/run/x.sock:0 laddr=/run/x.sock:0 fd=0 name= age=5 idle=0 flags=U db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=",
	} {
		if lines[i] != want {
			t.Errorf("got  %s\nwant %s", lines[i], want)
		}
	}
	for request, want := range map[string]string{
		"client list id 1 99":     "id=1 ",
		"client info":             "id=2 ",
		"client list type normal": "id=1 ",
	} {
		reply, _ := ask(b, request)
		if _, text, _ := strings.Cut(reply, "\r\n"); !strings.HasPrefix(text, want) {
			t.Errorf("%s: %q", request, reply)
		}
	}
	if reply, _ := ask(b, "client list type pubsub"); reply != "$0\r\n\r\n" {
		t.Errorf("%q", reply)
	}
	b.PubSub = true
	b.Publish()
	if reply, _ := ask(a, "client list type pubsub"); !strings.Contains(reply, "id=2 ") || !strings.Contains(reply, "flags=PU") {
		t.Errorf("%q", reply)
	}
}

func TestAUserCannotBreakTheLinesOfClientList(t *testing.T) {
	c := open(NewServer(Config{}))
	args := argv("auth", "x\nid=7 addr=y", "pw")
	c.Answer(nil, command.Lookup(args[0]), args)
	if reply, _ := ask(c, "client list"); strings.Count(reply, "\nid=") != 1 {
		t.Errorf("%q", reply)
	}
}

func TestClientKillClosesTheOthers(t *testing.T) {
	for _, tc := range []struct {
		request, reply string
		killed         string
		effect         Effect
	}{
		{"client kill 10.0.0.2:2", "+OK\r\n", "2", 0},
		{"client kill 10.0.0.1:1", "+OK\r\n", "", Close},
		{"client kill id 3", ":1\r\n", "3", 0},
		{"client kill type normal", ":2\r\n", "23", 0},
		{"client kill type normal skipme no", ":3\r\n", "23", Close},
		{"client kill type pubsub", ":0\r\n", "", 0},
		{"client kill laddr 10.0.0.9:6379 addr 10.0.0.3:3", ":1\r\n", "3", 0},
		{"client kill user someone", ":1\r\n", "2", 0},
		{"client kill user default", ":1\r\n", "3", 0},
		{"client kill id", "-ERR No such client\r\n", "", 0}, // the old form, with an address
		{"client kill id 3 type", "-ERR syntax error\r\n", "", 0},
	} {
		s := NewServer(Config{})
		killed := ""
		var sessions []*Session
		for i := 1; i <= 3; i++ {
			sessions = append(sessions, s.Open(fmt.Sprintf("10.0.0.%d:%d", i, i), "10.0.0.9:6379", func() { killed += fmt.Sprint(i) }))
		}
		ask(sessions[1], "auth someone x")
		reply, effect := ask(sessions[0], tc.request)
		if reply != tc.reply || effect != tc.effect || killed != tc.killed {
			t.Errorf("%s: %q, %v, killed %q; want %q, %v, %q", tc.request, reply, effect, killed, tc.reply, tc.effect, tc.killed)
		}
	}
}
