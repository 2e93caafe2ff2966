package session

import (
	"strings"
	"testing"
)

func TestInfoHasWhatClientsLookForWhenTheyConnect(t *testing.T) {
	c := open(NewServer(Config{Info: func(section string) []Field {
		switch section {
		case "fsproxy":
			return []Field{{"fsproxy_version", "1.2.3"}}
		case "stats":
			return []Field{{"total_commands_processed", "7"}}
		}
		return nil
	}}))
	for request, lines := range map[string]string{
		"info":                      "# Server redis_version:7.0.15 # Clients connected_clients:1 # Memory # Persistence loading:0 # Stats total_connections_received:1 total_commands_processed:7 # Replication role:master # CPU # Cluster cluster_enabled:1 # Keyspace # Fsproxy fsproxy_version:1.2.3",
		"info everything":           "# Server # Fsproxy",
		"INFO REPLICATION":          "# Replication role:master",
		"info persistence":          "loading:0",
		"info cluster server":       "# Server # Cluster cluster_enabled:1",
		"info fsproxy commandstats": "fsproxy_version:1.2.3",
	} {
		reply, _ := ask(c, request)
		from := 0
		for want := range strings.FieldsSeq(strings.ReplaceAll(lines, "# ", "#_")) {
			want = strings.ReplaceAll(want, "#_", "# ")
			i := strings.Index(reply[from:], want+"\r\n")
			if i < 0 {
				t.Errorf("%s: no %q, or out of order, in %q", request, want, reply)
				break
			}
			from += i
		}
	}
	if reply, _ := ask(c, "info cluster"); reply != "$30\r\n# Cluster\r\ncluster_enabled:1\r\n\r\n" {
		t.Errorf("%q", reply)
	}
	if reply, _ := ask(c, "info nonsense"); reply != "$0\r\n\r\n" {
		t.Errorf("%q", reply)
	}
	ask(c, "hello 3")
	if reply, _ := ask(c, "info cluster"); reply != "=34\r\ntxt:# Cluster\r\ncluster_enabled:1\r\n\r\n" {
		t.Errorf("%q", reply)
	}
}

func TestGlobIsRedisOwn(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*", "abc", true},
		{"", "", true},
		{"", "a", false},
		{"a*c", "abbc", true},
		{"a*c", "abb", false},
		{"a*b*c", "aXbYbZc", true},
		{"?", "a", true},
		{"?", "", false},
		{"h[ae]llo", "hello", true},
		{"h[^e]llo", "hello", false},
		{"h[a-c]t", "hbt", true},
		{"h[c-a]t", "hbt", true},
		{"h\\*t", "h*t", true},
		{"h\\*t", "hat", false},
		{"HELLO", "hello", true},
		{"[", "a", false},
		{"[abc", "b", true},
		{"**********b", strings.Repeat("a", 100), false},
	} {
		if got := globMatch([]byte(tc.pattern), tc.name); got != tc.want {
			t.Errorf("%q against %q: %v", tc.pattern, tc.name, got)
		}
	}
}
